"""Pairs: the collators, and what is logged of chosen and rejected beside TRL's metrics (SynPO, Figure 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from vidalign.trainers.base import VideoTrainer
from vidalign.trainers.branch_gradients import BranchGradients, named_matrices
from vidalign.trainers.collators import TextPreferenceCollator, VideoPreferenceCollator
from vidalign.trainers.config import VideoFields


@dataclass
class PreferenceFields(VideoFields):
    """What the trainers of pairs have beside `VideoFields`."""

    grad_norm_every: int = field(
        default=0,
        metadata={
            "help": "Log `grad/chosen` and `grad/rejected` every so many steps: the normalised Frobenius norm "
            "||A||_F / (m n) of the step's gradient with respect to named m x n matrices, through the log-probs of chosen and of "
            "rejected responses apart (SynPO, section 4.2.3 and Figure 3). Costs two more backward passes of that step, "
            "and changes nothing of the training. 0: never."
        },
    )
    grad_norm_parameters: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Names of those matrices, as in `model.named_parameters()`, with shell-style patterns, e.g. "
            "'*language_model.layers.0.mlp.down_proj.*'. Default: o_proj and down_proj in the first, middle and last layer "
            "of the language model, or their adapters. The paper does not say which it took."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grad_norm_every < 0:
            raise ValueError(f"grad_norm_every={self.grad_norm_every}: give 0 (never) or a number of steps")
        if self.grad_norm_parameters and not self.grad_norm_every:
            raise ValueError("grad_norm_parameters has no effect without grad_norm_every; set both")
        if self.grad_norm_every:
            _refuse_single_use(self)


def _refuse_single_use(args: Any) -> None:
    """Settings under which a graph can be gone through backwards only once, or not for some weights alone."""
    given = {
        name: value
        for name, value in (args.gradient_checkpointing_kwargs or {}).items()
        if name not in ("every_n_layers", "offload")  # transformers' own
    }
    reentrant = args.gradient_checkpointing and bool(given) and given.get("use_reentrant") is not False
    problems = {
        "gradient_checkpointing_kwargs": (
            reentrant,
            "reentrant checkpointing has no gradients of some weights alone; set {'use_reentrant': False}",
        ),
        "activation_offloading": (args.activation_offloading, "what it moved away comes back only once"),
        "torch_compile": (args.torch_compile, "a compiled backward pass runs only once"),
        "ddp_static_graph": (
            args.ddp_static_graph,
            "it takes each backward pass for one that is synchronised",
        ),
        "fp16": (args.fp16, "these gradients are not scaled and would vanish in float16; use bf16"),
    }
    for name, (found, reason) in problems.items():
        if found:
            raise ValueError(
                f"grad_norm_every={args.grad_norm_every} cannot be with {name}={getattr(args, name)!r}: {reason}"
            )


class RecordedModel:
    """Calls a model and keeps its last output that has log-probabilities."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.output: Any = None

    def __call__(self, **inputs: Any) -> Any:
        output = self.model(**inputs)
        if getattr(output, "log_probs", None) is not None:
            self.output = output
        return output


class PreferenceTrainer(VideoTrainer):
    """Mixed in before TRL's DPOTrainer, whose `_compute_loss` runs first and logs its own metrics."""

    _kind = "preference"
    _parent = "DPOTrainer"

    _branches: BranchGradients | None = None

    def _build(self, *args: Any, **options: Any) -> None:
        super()._build(*args, **options)
        if self.args.grad_norm_every:
            self._branches = self._branch_gradients()

    def _branch_gradients(self) -> BranchGradients:
        args = self.args
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError(
                f"grad_norm_every={args.grad_norm_every} needs whole weights and gradients, which FSDP and DeepSpeed shard "
                "over processes; leave it unset"
            )
        return BranchGradients(named_matrices(self.model, args.grad_norm_parameters, self._family))

    def _media_collator(self, encoder: Any, pad_token_id: int, args: Any) -> Any:
        return VideoPreferenceCollator(encoder, pad_token_id, args.max_length, args.pad_to_multiple_of)

    def _text_collator(self, pad_token_id: int, args: Any) -> Any:
        return TextPreferenceCollator(
            pad_token_id=pad_token_id,
            max_length=args.max_length,
            truncation_mode=args.truncation_mode,
            pad_to_multiple_of=args.pad_to_multiple_of,
        )

    def _own_loss(
        self, logps: torch.Tensor, mask: torch.Tensor, inputs: dict[str, Any]
    ) -> torch.Tensor | None:
        """The part of the loss that TRL does not compute, a scalar, or None.

        logps, mask: [2N, T] per-token log-probabilities and completion mask, chosen rows first.
        """
        return None

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        recorded = RecordedModel(model)
        result = super()._compute_loss(recorded, inputs, return_outputs)
        loss = result[0] if return_outputs else result
        mask = inputs["completion_mask"][:, 1:]
        # Prompt-learning adapters prepend virtual tokens: the real ones stand at the end.
        logps = recorded.output.log_probs
        own = self._own_loss(logps[:, -mask.size(1) :], mask, inputs)
        if own is not None:
            loss = loss + own
        self._log_pairs(logps, mask)
        self._measure_branches(loss, logps)
        return (loss, result[1]) if return_outputs else loss

    def _log_pairs(self, logps: torch.Tensor, mask: torch.Tensor) -> None:
        mean = (logps.detach().float()[:, -mask.size(1) :] * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        values = {"logps_mean": mean, "prob_geo": mean.exp()}
        metrics = self._metrics["train" if self.model.training else "eval"]
        gathered = self.accelerator.gather(torch.stack(list(values.values()), dim=1))
        # Each rank contributes its chosen rows and then its rejected ones.
        pairs = gathered.view(-1, 2, mask.size(0) // 2, len(values)).mean(dim=(0, 2))
        for column, name in enumerate(values):
            metrics[f"{name}/chosen"].append(pairs[0, column].item())
            metrics[f"{name}/rejected"].append(pairs[1, column].item())

    def _measure_branches(self, loss: torch.Tensor, logps: torch.Tensor) -> None:
        if self._branches is None or not (self.model.training and loss.requires_grad):
            return
        if self.state.global_step % self.args.grad_norm_every:
            return
        self._branches.add(loss, logps, 1 / self.current_gradient_accumulation_steps)
        accelerator = self.accelerator
        if accelerator.sync_gradients:  # the step's last micro-batch
            norms = self._branches.norms(partial(accelerator.reduce, reduction="mean"))
            for name, value in norms.items():
                self._metrics["train"][f"grad/{name}"].append(value)
