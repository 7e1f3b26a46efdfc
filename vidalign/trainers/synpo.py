"""SynPO and the other reference-free preference losses, on video, images and text."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from trl import DPOConfig, DPOTrainer

from vidalign.losses import SYNPO_VARIANTS, cpo_loss, simper_loss, simpo_loss, synpo_loss
from vidalign.trainers.incoming import each, whole_conversations
from vidalign.trainers.preference import PreferenceFields, PreferenceTrainer

REFERENCE_FREE = ("synpo", "simpo", "cpo", "simper")


@dataclass
class SynPOConfig(PreferenceFields, DPOConfig):
    """TRL's `DPOConfig` without what concerns a reference model, and the losses' own settings."""

    learning_rate: float = field(default=5e-6, metadata={"help": "SynPO, appendix C."})
    loss_type: list[str] = field(
        default_factory=lambda: ["synpo"],
        metadata={
            "help": f"Any of {', '.join(REFERENCE_FREE)}, and 'sft' (the NTP term); several are added with "
            "`loss_weights`."
        },
    )
    synpo_variant: str = field(
        default="synpo", metadata={"help": "synpo (Eq. 4) or one of v1 to v5 (SynPO, Table 8)."}
    )
    synpo_alpha: float | None = field(
        default=None,
        metadata={
            "help": "alpha of SynPO's Eq. 4. Default: the variant's own, 30 (10 to 50 in Tables 7 and 8) and of v5, which "
            "has no sigmoid, 1."
        },
    )
    synpo_beta: float = field(
        default=0.2,
        metadata={
            "help": "beta of SynPO's Eq. 4; 0.1 to 0.3 in Table 7, from 0.05 for v2 and v4, 0.01 to 0.2 for v5 in Table 8. "
            "v1 has none."
        },
    )
    simpo_beta: float = field(default=2.0, metadata={"help": "beta of 'simpo' (Meng et al. 2024, Eq. 6)."})
    simpo_gamma: float = field(default=0.5, metadata={"help": "Target margin of 'simpo'."})
    cpo_beta: float = field(default=0.1, metadata={"help": "beta of 'cpo' (Xu et al. 2024)."})
    cpo_nll_weight: float = field(
        default=1.0, metadata={"help": "Weight of the NLL term of 'cpo' (Xu et al. 2024)."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.synpo_variant not in SYNPO_VARIANTS:
            raise ValueError(
                f"synpo_variant={self.synpo_variant!r} is not known; choose one of {', '.join(SYNPO_VARIANTS)}"
            )
        unknown = [name for name in self.loss_type if name not in (*REFERENCE_FREE, "sft")]
        if unknown:
            raise ValueError(
                f"loss_type {unknown} needs a reference model or is not known; SynPOTrainer has "
                f"{', '.join(REFERENCE_FREE)} and sft. VideoDPOTrainer has the losses of DPO."
            )
        neutral = {
            "precompute_ref_log_probs": False,
            "sync_ref_model": False,
            "f_divergence_type": "reverse_kl",
            "ld_alpha": None,
            "use_weighting": False,
            "label_smoothing": 0.0,
        }
        for name, value in neutral.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has no meaning for a loss without a reference; leave it unset"
                )


class SynPOTrainer(PreferenceTrainer, DPOTrainer):
    """Changes only the objective, and loads no reference model, not even for a moment.

    Rows and arguments as `VideoDPOTrainer`, without `ref_model`. `beta` only scales the logged
    rewards (beta times the log-prob of a response).

    Source: SynPO (2506.00835) Eq. 4 and Table 8; SimPO (2405.14734) Eq. 6; CPO (2401.08417); SimPER (2502.00883).
    """

    _tag_names: ClassVar[list[str]] = ["trl", "vidalign", "synpo", "video"]
    _name = "SynPO"
    _paper: ClassVar[dict[str, str]] = {
        "title": "SynPO: Synergizing Descriptiveness and Preference Optimization for Video Detailed Captioning",
        "id": "2506.00835",
        "citation": textwrap.dedent("""\
            @article{dang2025synpo,
                title  = {{SynPO: Synergizing Descriptiveness and Preference Optimization for Video Detailed Captioning}},
                author = {Jisheng Dang and Hao Ye and Yizhou Zhang and Teng Wang and Siming Chen and Huicheng Zheng and Yulan Guo and Jianhuang Lai and Bin Hu},
                year   = 2025,
                eprint = {2506.00835},
                archivePrefix = {arXiv}
            }"""),
    }

    def __init__(
        self,
        model: Any,
        args: SynPOConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            args = SynPOConfig(output_dir="synpo")
        if kwargs.get("ref_model") is not None:
            raise ValueError(
                "SynPOTrainer has no reference model; remove `ref_model`, or use VideoDPOTrainer"
            )
        self._build(
            super().__init__,
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=whole_conversations(train_dataset, "train"),
            eval_dataset=each(eval_dataset, whole_conversations),
            processing_class=processing_class,
            reference=False,
            **kwargs,
        )
        weights = dict(zip(self.loss_types, self.loss_weights, strict=True))
        self._own_weights = {name: weight for name, weight in weights.items() if name in REFERENCE_FREE}
        # What is left is TRL's: it knows how to add its `sft` term.
        self.loss_types = [name for name in weights if name not in REFERENCE_FREE]
        self.loss_weights = [weights[name] for name in self.loss_types]

    def _own_loss(
        self, logps: torch.Tensor, mask: torch.Tensor, inputs: dict[str, Any]
    ) -> torch.Tensor | None:
        args = self.args
        rows = (*logps.chunk(2), *mask.chunk(2))
        losses = {
            "synpo": lambda: synpo_loss(
                *rows, alpha=args.synpo_alpha, beta=args.synpo_beta, variant=args.synpo_variant
            ),
            "simpo": lambda: simpo_loss(*rows, beta=args.simpo_beta, gamma=args.simpo_gamma),
            "cpo": lambda: cpo_loss(*rows, beta=args.cpo_beta, nll_weight=args.cpo_nll_weight),
            "simper": lambda: simper_loss(*rows),
        }
        return sum(
            (weight * losses[name]().mean() for name, weight in self._own_weights.items()),
            start=logps.new_zeros((), dtype=torch.float32),
        )

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        # TRL's metrics need reference log-probs: with zeros its rewards are beta times the policy's log-probs, as in
        # its CPO trainer, and its own part of the loss sees no reference.
        zeros = torch.zeros(inputs["input_ids"].size(0) // 2, device=inputs["input_ids"].device)
        self.precompute_ref_logps = True
        try:
            inputs = {**inputs, "ref_chosen_logps": zeros, "ref_rejected_logps": zeros}
            return super()._compute_loss(model, inputs, return_outputs)
        finally:
            self.precompute_ref_logps = False


def main() -> None:
    from vidalign.trainers.script import run

    run(SynPOTrainer, SynPOConfig, "synpo")


if __name__ == "__main__":
    main()
