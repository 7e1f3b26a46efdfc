"""Ranking whole chains of completions, on video, images and text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from trl import DPOConfig, DPOTrainer

from vidalign.losses import mpo_loss, plackett_luce_loss, ranking_hinge_loss
from vidalign.rows import order_problem
from vidalign.trainers.base import VideoTrainer
from vidalign.trainers.collators import RankedCollator
from vidalign.trainers.config import VideoFields
from vidalign.trainers.ranks import rank_metrics, starts, to_table

LOSSES = ("plackett_luce", "mpo", "hinge", "dpo")
NEED_ORDER = ("plackett_luce", "hinge")
"""Losses that compare the others of a chain among themselves, not only with the best."""


@dataclass
class RankingConfig(VideoFields, DPOConfig):
    """TRL's `DPOConfig` for chains. `beta` (0.1) is ours: the paper's value is not known."""

    learning_rate: float = field(default=1e-6, metadata={"help": "Learning to Rank Caption Chains, §4."})
    loss_type: list[str] = field(
        default_factory=lambda: ["plackett_luce"],
        metadata={
            "help": "plackett_luce (the whole order, Eq. 2 and 3), mpo (the best against all others), hinge (inversions "
            "only, Eq. 4, without a reference) or dpo (the first two of each chain); several are added with "
            "`loss_weights`. Chains whose losers have no order (`ordered: false`) take mpo or dpo."
        },
    )
    ntp_weight: float = field(
        default=0.1,
        metadata={
            "help": "Weight of the next-token loss on the best completion (§4), a mean over its tokens."
        },
    )
    chain_length: int | None = field(
        default=None, metadata={"help": "Use only the first so many items of each chain. Default: all."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := [name for name in self.loss_type if name not in LOSSES]:
            raise ValueError(
                f"loss_type {unknown} is not known; choose from {', '.join(LOSSES)}. The next-token term is ntp_weight; "
                "VideoDPOTrainer has the losses of pairs."
            )
        if not self.ntp_weight >= 0:
            raise ValueError(f"ntp_weight={self.ntp_weight}: give 0 or more")
        if self.chain_length is not None and self.chain_length < 2:
            raise ValueError(f"chain_length={self.chain_length}: a chain has at least 2 items")
        if self.loss_type == ["dpo"]:
            if self.chain_length not in (None, 2):
                raise ValueError(
                    f"chain_length={self.chain_length}: loss_type 'dpo' has the first two of each chain; leave it unset"
                )
            self.chain_length = 2
        neutral = {
            "f_divergence_type": "reverse_kl",
            "ld_alpha": None,
            "use_weighting": False,
            "label_smoothing": 0.0,
        }
        if not self.needs_reference:
            neutral |= {"precompute_ref_log_probs": False, "sync_ref_model": False}
        for name, value in neutral.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has no meaning for loss_type {self.loss_type}; leave it unset"
                )

    @property
    def needs_reference(self) -> bool:
        return self.loss_type != ["hinge"]

    @property
    def needs_order(self) -> bool:
        return any(name in NEED_ORDER for name in self.loss_type)


class RankingTrainer(VideoTrainer, DPOTrainer):
    """Changes only the rows, which are chains of any length, and the objective.

    Rows: `videos` (paths), `prompt` and `ranked`, a list of completions, best first; or `prompts`, a list, and one
    `completion`, for questions that one answer fits better or worse (`vidalign.rows.chain_of`). `audios`, `images` and text
    alone as well. Optional `scores`, one for each item, must fall. The video runs once for the whole chain. Rows with `ordered`
    false (`vidalign build chains --method inject`: one error each) train under "mpo" and "dpo" alone; `rank/accuracy` and
    `rank/kendall_tau` say nothing of them.

    Reference and arguments as `VideoDPOTrainer`; loss type "hinge" has none, and loads none. With chains of two,
    "plackett_luce", "mpo" and "dpo" are DPO.

    Logged, beside the losses: `rank/accuracy` over all pairs, `rank/top1`, `rank/kendall_tau`, and `rewards/rank_<k>` and
    `logps/rank_<k>`, means over the k-th best. Rewards are `beta * log(π/π_ref)`, of "hinge" alone `beta * log π`.

    Source: Learning to Rank Caption Chains for Video-Text Alignment, §3.3 and §4.3.3.
    """

    _kind = "ranked"
    _parent = "DPOTrainer"
    _own_rows = True
    _tag_names: ClassVar[list[str]] = ["trl", "vidalign", "ranking", "video"]
    _name = "Ranking of caption chains"
    _paper: ClassVar[dict[str, str]] = {
        "title": "Learning to Rank Caption Chains for Video-Text Alignment",
        "citation": textwrap.dedent("""\
            @misc{caption_chains,
                title = {{Learning to Rank Caption Chains for Video-Text Alignment}}
            }"""),
    }

    def __init__(
        self,
        model: Any,
        ref_model: Any = None,
        args: RankingConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            args = RankingConfig(output_dir="ranking")
        if ref_model is not None and not args.needs_reference:
            raise ValueError(f"loss_type {args.loss_type} has no reference model; remove `ref_model`")
        if kwargs.get("compute_metrics") is not None:
            raise ValueError(
                "compute_metrics needs whole logits, which are never made; what is logged is in the docstring"
            )
        if data_collator is not None and getattr(data_collator, "chain_length", None) != args.chain_length:
            raise ValueError(
                f"chain_length={args.chain_length}, but the data_collator that was passed cuts chains itself; give it the same "
                "chain_length"
            )
        self._widest = 0
        self._order_needed = (args.needs_order, args.chain_length)
        self._build(
            super().__init__,
            model=model,
            ref_model=ref_model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            reference=args.needs_reference,
            **kwargs,
        )

    def _media_collator(self, encoder: Any, pad_token_id: int, args: Any) -> Any:
        return RankedCollator(
            encoder,
            pad_token_id,
            args.max_length,
            args.pad_to_multiple_of,
            args.chain_length,
            args.needs_order,
        )

    def _row_problem(self, row: Mapping[str, Any]) -> str | None:
        needed, longest = self._order_needed
        return (order_problem(row, longest) if needed else None) or super()._row_problem(row)

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        chain, mask = inputs["chain"], inputs["completion_mask"]
        rows = {**_rows_of(inputs), "use_cache": False}
        del rows["completion_mask"]
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        extra = {"output_router_logits": True} if self.aux_loss_enabled else {}
        outputs = model(**rows, **extra, labels=labels, fused_lm_head=True)
        logps, present = to_table(outputs.log_probs.sum(dim=1), chain)
        reference = torch.zeros_like(logps)
        if self.args.needs_reference:
            reference_model = self.ref_model if self.ref_model is not None else self.model
            known = (
                inputs["ref_logps"]
                if "ref_logps" in inputs
                else self._reference_logps(reference_model, inputs)
            )
            reference, _ = to_table(known, chain)
        rewards = self.beta * (logps - reference)

        losses = {
            "plackett_luce": lambda: plackett_luce_loss(rewards, present),
            "mpo": lambda: mpo_loss(rewards, present),
            "hinge": lambda: ranking_hinge_loss(logps, present),
            "dpo": lambda: plackett_luce_loss(rewards[:, :2], present[:, :2]),
        }
        ranking = sum(
            (
                weight * losses[name]().mean()
                for name, weight in zip(self.loss_types, self.loss_weights, strict=True)
            ),
            start=logps.new_zeros(()),
        )
        best = starts(chain)
        # As TRL's loss type "sft": a token's mean over the batch.
        ntp = -outputs.log_probs[best][mask[best, 1:].bool()].mean()
        loss = ranking + self.args.ntp_weight * ntp
        if self.aux_loss_enabled:
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss
            self._log("aux_loss", outputs.aux_loss)
        self._log("loss/ranking", ranking)
        self._log("loss/ntp", ntp)
        self._log_tokens(inputs, outputs, best)
        self._log_ranks(rewards, logps, present)
        return (loss, outputs) if return_outputs else loss

    def _reference_logps(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """[M], by TRL: the disabled adapter, or the reference model. TRL returns the two halves of its pairs."""
        return torch.cat(super().compute_ref_log_probs(model, _rows_of(inputs)))

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """For TRL's precomputing: [B, widest] a chain a row, NaN behind its end, and nothing in the second place."""
        table, present = to_table(self._reference_logps(model, inputs), inputs["chain"])
        table = table.masked_fill(~present, torch.nan)
        padding = table.new_full((len(table), self._widest - table.size(1)), torch.nan)
        return torch.cat([table, padding], dim=1), table.new_zeros(len(table))

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        if hasattr(dataset, "__len__"):
            items = dataset.select_columns([c for c in ("ranked", "prompts") if c in dataset.column_names])
            self._widest = max(len(row.get("ranked") or row.get("prompts")) for row in items)
        return super()._precompute_ref_logps(self._fingerprinted(dataset), name, batch_size)

    def _log(self, name: str, value: torch.Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][name].append(self.accelerator.gather(value.detach().float()).mean().item())

    def _log_tokens(self, inputs: dict[str, Any], outputs: Any, best: torch.Tensor) -> None:
        """TRL's metrics of tokens: entropy of all completions, accuracy on the best ones."""
        mask = inputs["completion_mask"][:, 1:]
        right = (outputs.is_top1[best].bool() & mask[best].bool()).sum()
        sums = [
            (outputs.entropy.detach() * mask).sum(),
            mask.sum(),
            right,
            mask[best].sum(),
            inputs["attention_mask"].sum(),
        ]
        total = self.accelerator.gather(torch.stack([value.double() for value in sums])[None]).sum(0).tolist()
        training = self.model.training
        metrics = self._metrics["train" if training else "eval"]
        metrics["entropy"].append(total[0] / max(total[1], 1))
        metrics["mean_token_accuracy"].append(total[2] / max(total[3], 1))
        if training:
            self._total_train_tokens += int(total[4]) // self._tp_size
        metrics["num_tokens"] = [self._total_train_tokens]

    def _log_ranks(self, rewards: torch.Tensor, logps: torch.Tensor, present: torch.Tensor) -> None:
        both = (
            torch.stack([rewards, logps], dim=2).detach().float().masked_fill(~present[..., None], torch.nan)
        )
        # Batches of other processes may have longer chains, and the last one fewer.
        for dim in (1, 0):
            both = self.accelerator.pad_across_processes(both, dim=dim, pad_index=float("nan"))
        rewards, logps = self.accelerator.gather(both).unbind(2)
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, value in rank_metrics(rewards).items():
            metrics[f"rank/{name}"].append(value)
        for name, table in (("rewards", rewards), ("logps", logps)):
            for rank, column in enumerate(table.unbind(1), start=1):
                if not column.isnan().all():
                    metrics[f"{name}/rank_{rank}"].append(column.nanmean().item())


def _rows_of(inputs: dict[str, Any]) -> dict[str, Any]:
    """A batch without what only the ranking needs."""
    return {key: value for key, value in inputs.items() if key not in ("chain", "ref_logps")}


def main() -> None:
    from vidalign.trainers.script import run

    run(RankingTrainer, RankingConfig, "ranking")


if __name__ == "__main__":
    main()
