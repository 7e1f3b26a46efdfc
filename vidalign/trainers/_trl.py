"""What the trainers take of TRL's privates (TRL 1.16; rows are tokenised by `vidalign.encoding._trl`, and nothing else
names any). `tests/trainers/test_trl_contract.py` pins what it relies on.

TRL patches a model's forward with a fused LM head (`add_fused_lm_head`) and calls
`model(**inputs, labels=labels, fused_lm_head=True)`. While one of our trainers is being built, that patch also learns
to take a batch of rows whose media came once per prompt.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPast
from trl.extras.profiling import profiling_context
from trl.models import unwrap_model_for_generation
from trl.trainer import dpo_trainer, grpo_trainer, sft_trainer
from trl.trainer.utils import (
    get_comet_experiment_url,
    get_config_model_id,
    get_trackio_space_url,
    is_async_callable,
    remove_none_values,
)

from vidalign.prefix import RowBatch, SharedPrefix

TRAINER_MODULES = {"DPOTrainer": dpo_trainer, "SFTTrainer": sft_trainer, "GRPOTrainer": grpo_trainer}

OVERRIDDEN = {
    "DPOTrainer": {
        "__init__": "632f447c71dcb043",
        "_compute_loss": "5e58a1699e0d76cd",
        "_precompute_ref_logps": "f2c098c7da6ca701",
        "_prepare_dataset": "35e349e8e8266df4",
        "_set_signature_columns_if_needed": "71225a628baed4cb",
        "compute_ref_log_probs": "90611af9cbadb8ec",
        "evaluate": "c4ef502ba33a335a",
    },
    "SFTTrainer": {
        "__init__": "90b61e42b6900b05",
        "_prepare_dataset": "04b668d28493f693",
        "_set_signature_columns_if_needed": "aaa1b89b48a68db6",
        "evaluate": "77fd4eda985fc9da",
    },
    "GRPOTrainer": {
        "__init__": "18f01b7a46c9544b",
        "_calculate_rewards": "736ae29b083840b5",
        "_compute_loss": "80295546bbdbf6f7",
        "_generate": "2a27fdf8f5e6f356",
        "_generate_and_score_completions": "1fa48922792dcd5c",
        "_generate_single_turn": "e0f02e4fc094cefd",
        "_get_per_token_logps_and_entropies": "ea73c3909275851d",
        "_get_train_sampler": "36497afb4d311dc9",
        "_prepare_inputs": "f824e7fb07147956",
        "_save_checkpoint": "ec91bde123649111",
        "_set_signature_columns_if_needed": "564a2edd0b398392",
        "_tokenize_prompts": "d2d27f7c9bfda85f",
        "get_eval_dataloader": "301561e842dd5fbe",
    },
    "_BaseTrainer": {
        "create_model_card": "4f8a407fd9fd3f6e",
    },
    "Trainer": {
        "_get_dataloader": "d1296dbd4dcb6a20",
        "_load_best_model": "0e183d55a9db7414",
        "_load_from_checkpoint": "a2804e8d93a297e3",
        "_load_rng_state": "d5ebdfc0a0884c4b",
        "_run_epoch": "31aff00f34c302a2",
    },
}
"""The methods of TRL's trainers, and the private ones of transformers', that ours override: by class, each with the first 16
digits of its source's SHA-256 as it was read. A source that differs is to be read again before its digits are changed."""

__all__ = [
    "TRLTrainer",
    "TrainingConfig",
    "construction",
    "get_config_model_id",
    "install_rows_forward",
    "is_async_callable",
    "policy_for_generation",
    "remove_none_values",
    "reward_arguments",
    "tracked_at",
]


def tracked_at() -> list[str]:
    """Where the run is logged: addresses at Weights & Biases, Trackio and Comet, of those that are in use."""
    wandb = sys.modules.get("wandb")
    run = getattr(wandb, "run", None)
    return [
        url for url in (getattr(run, "url", None), get_trackio_space_url(), get_comet_experiment_url()) if url
    ]


if TYPE_CHECKING:

    class TRLTrainer:
        """What classes that are mixed in before a trainer of TRL's take of it, for type checkers alone."""

        args: Any
        model: Any
        ref_model: Any
        model_wrapped: Any
        accelerator: Any
        state: Any
        optimizer: Any
        callback_handler: Any
        data_collator: Any
        train_dataset: Any
        processing_class: Any
        is_fsdp_enabled: bool
        is_deepspeed_enabled: bool
        current_gradient_accumulation_steps: int
        loss_types: list[str]
        loss_weights: list[float]
        reward_funcs: list[Any]
        _metrics: Any

        def is_world_process_zero(self) -> bool: ...
        def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> Any: ...
        def get_test_dataloader(self, test_dataset: Any) -> Any: ...
        def create_model_card(self, *args: Any, **kwargs: Any) -> None: ...
        def _compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any) -> Any: ...
        def _get_dataloader(self, dataset: Any, *args: Any, **kwargs: Any) -> Any: ...
        def _get_train_sampler(self, dataset: Any = None) -> Any: ...
        def _load_best_model(self) -> None: ...
        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None: ...
        def _load_rng_state(self, checkpoint: str | None) -> None: ...
        def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, *rest: Any) -> Any: ...
        def _run_epoch(self, *args: Any, **kwargs: Any) -> None: ...
        def _save_checkpoint(self, model: Any, trial: Any) -> None: ...
        def _set_signature_columns_if_needed(self) -> None: ...

    class TrainingConfig:
        """Likewise of a configuration."""

        def __post_init__(self) -> None: ...

else:
    TRLTrainer = TrainingConfig = object


@contextlib.contextmanager
def construction(
    trainer: str,
    make_prefix: Callable[[Any], SharedPrefix | None],
    *,
    expand_adapter: Callable[[Any, Any], Any] = lambda config, model: config,
    reference: bool = True,
    policy_is_path: bool = False,
    load: Callable[..., Any] | None = None,
) -> Iterator[None]:
    """While TRL's `__init__` runs: every model that gets a fused head also takes rows with shared prefixes.

    Args:
        trainer: a key of `TRAINER_MODULES`.
        make_prefix: model -> its SharedPrefix, or None to leave the model as TRL patched it.
        expand_adapter: (PEFT config, loaded model) -> the PEFT config to use.
        reference: False loads no reference model. TRL creates it by the same function as the policy, so only the
            call for the policy (if it comes as a path) goes through.
        policy_is_path: whether TRL itself loads the policy.
        load: (path, **kwargs) -> model, in place of TRL's own loading by the architecture that a config names.
    """
    module = TRAINER_MODULES[trainer]
    add_head, create, adapt = module.add_fused_lm_head, module.create_model_from_path, module.get_peft_model
    calls_left = int(policy_is_path)
    loading = load or create

    def add_head_and_rows(model: Any, *args: Any, **kwargs: Any) -> None:
        add_head(model, *args, **kwargs)
        prefix = make_prefix(model)
        if prefix is not None:
            install_rows_forward(model, prefix)

    def create_policy_only(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls_left
        if not calls_left:
            return None
        calls_left -= 1
        return loading(*args, **kwargs)

    def adapt_expanded(model: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        return adapt(model, expand_adapter(config, model), *args, **kwargs)

    module.add_fused_lm_head = add_head_and_rows
    module.get_peft_model = adapt_expanded
    module.create_model_from_path = loading if reference else create_policy_only
    try:
        yield
    finally:
        module.add_fused_lm_head, module.create_model_from_path, module.get_peft_model = (
            add_head,
            create,
            adapt,
        )


@contextlib.contextmanager
def policy_for_generation(trainer: Any) -> Iterator[Any]:
    """The policy of a `GRPOTrainer` as TRL prepares it for transformers' generation: with whole weights, no gradients."""
    args = trainer.args
    with (
        profiling_context(trainer, "transformers.generate"),
        unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            gather_deepspeed3_params=args.ds3_gather_for_generation,
            generation_kwargs=trainer.generation_kwargs,
            gradient_checkpointing_kwargs=args.gradient_checkpointing_kwargs,
        ) as model,
        torch.no_grad(),
        trainer._dist.summon_full_params(trainer.model_wrapped, recurse=False),
    ):
        yield model


def reward_arguments(trainer: Any) -> dict[str, Any]:
    """What a `GRPOTrainer` gives every reward function beside the rows' columns, prompts and completions."""
    given = {
        "trainer_state": trainer.state,
        "log_extra": trainer._log_completion_extra,
        "log_metric": trainer._log_metric,
    }
    return given if trainer.environments is None else {**given, "environments": trainer.environments}


class _HeadOnly:
    """Stands in for the model in TRL's fused forward once the backbone has run: hands over its hidden states."""

    def __init__(self, model: Any, hidden: torch.Tensor, output: Any) -> None:
        self._model = model
        self._output = BaseModelOutputWithPast(last_hidden_state=hidden)
        if getattr(output, "router_logits", None) is not None:
            self._output.router_logits = output.router_logits

    def base_model(self, **_: Any) -> BaseModelOutputWithPast:
        return self._output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def install_rows_forward(model: Any, prefix: SharedPrefix) -> None:
    """Patches the forward that TRL patched: with `prefix_group` in its inputs it takes rows, `media` once per group.

    `model(input_ids [B, L], attention_mask, labels, prefix_group [B], media=[{...}, ...], fused_lm_head=True)` returns
    TRL's fused output in the row layout [B, L - 1]. Without `prefix_group` nothing changes.
    """
    fused = model.forward

    # `generate` validates its keyword arguments against the signature of the model's own forward.
    @functools.wraps(type(model).forward)
    def forward(
        self: Any, *args: Any, prefix_group: torch.Tensor | None = None, media: Any = None, **kwargs: Any
    ) -> Any:
        if prefix_group is None:
            return fused(*args, **kwargs)
        labels = kwargs.pop("labels", None)
        input_ids = kwargs.pop("input_ids")
        rows = RowBatch(
            input_ids=input_ids,
            attention_mask=kwargs.pop("attention_mask"),
            labels=labels if labels is not None else torch.full_like(input_ids, -100),
            group=prefix_group,
            media=media if media is not None else [{}] * (int(prefix_group.max()) + 1),
        )
        fused_lm_head = kwargs.pop("fused_lm_head", False)
        if not (fused_lm_head and prefix.share):
            inputs = prefix.separate_inputs(rows)
            if labels is not None:
                inputs["labels"] = labels
            return fused(**inputs, fused_lm_head=fused_lm_head, **kwargs)
        kwargs.pop("use_cache", None)
        items = kwargs.pop("num_items_in_batch", None)
        layout = prefix.pack(rows)
        hidden, output = prefix.packed_hidden_states(rows, layout, **kwargs)
        packed = fused.__func__(
            _HeadOnly(self, hidden[None], output),
            fused_lm_head=True,
            shift_labels=layout.labels[None],
            num_items_in_batch=items,
            **{name: value for name, value in kwargs.items() if name == "output_router_logits"},
        )
        for name in ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1", "label_mask"):
            value = packed.get(name)
            if value is not None:
                packed[name] = layout.to_rows(value[0])
        return packed

    model.forward = types.MethodType(forward, model)
