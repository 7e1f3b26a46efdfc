"""DPO, with every loss of TRL and DPO-Positive, on video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from trl import DPOConfig, DPOTrainer

from vidalign.losses import dpop_loss
from vidalign.trainers.config import VideoFields
from vidalign.trainers.preference import PreferenceTrainer


@dataclass
class VideoDPOConfig(VideoFields, DPOConfig):
    """TRL's `DPOConfig` with media settings. `loss_type` also takes "dpop"; the NTP term is TRL's "sft"."""

    dpop_lambda: float = field(
        default=50.0,
        metadata={"help": "Weight of the penalty of loss type 'dpop' (DPO-Positive, Pal et al. 2024)."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if "dpop" in self.loss_type:
            for name, neutral in (
                ("f_divergence_type", "reverse_kl"),
                ("ld_alpha", None),
                ("use_weighting", False),
            ):
                if getattr(self, name) != neutral:
                    raise ValueError(
                        f"loss_type 'dpop' is not defined for {name}={getattr(self, name)!r}; leave it unset"
                    )


class VideoDPOTrainer(PreferenceTrainer, DPOTrainer):
    """Changes only what reaches the model: rows with videos, each prompt run once for its two responses.

    The reference is the disabled adapter, a second model, or log-probs computed beforehand and cached on disk
    (`precompute_ref_log_probs`), which works with media too. Arguments as TRL's `DPOTrainer`; `peft_config` may be
    `vidalign.lora_preset()`.

    Rows: `videos` (paths), `prompt`, `chosen`, `rejected`, in TRL's standard or conversational format; `audios` beside or
    without them, `images` and text-only rows as in TRL.

    Source: Rafailov et al. 2023 (DPO), Pal et al. 2024 (DPO-Positive, Eq. 3).
    """

    _tag_names: ClassVar[list[str]] = ["trl", "vidalign", "dpo", "video"]
    _name = "DPO on video"

    def __init__(
        self,
        model: Any,
        ref_model: Any = None,
        args: VideoDPOConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            args = VideoDPOConfig(output_dir="video-dpo")
        self._build(
            super().__init__,
            model=model,
            ref_model=ref_model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        weights = dict(zip(self.loss_types, self.loss_weights, strict=True))
        self._dpop_weight = weights.pop("dpop", None)
        self.loss_types, self.loss_weights = list(weights), list(weights.values())
        self._reference_output: Any = None
        if self._dpop_weight is not None and not self.precompute_ref_logps:
            # The reference's forward is the last one of a loss: TRL calls it on `ref_model`, or on `model` without
            # its adapter.
            (self.ref_model or self.model).register_forward_hook(self._keep_reference)

    def _keep_reference(self, module: Any, args: Any, output: Any) -> None:
        if not torch.is_grad_enabled() and getattr(output, "log_probs", None) is not None:
            self._reference_output = output.log_probs

    def _own_loss(
        self, logps: torch.Tensor, mask: torch.Tensor, inputs: dict[str, Any]
    ) -> torch.Tensor | None:
        if self._dpop_weight is None:
            return None
        if self.precompute_ref_logps:
            reference = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            reference = self._reference_output[:, -mask.size(1) :].sum(dim=1).chunk(2)
        chosen, rejected = logps.sum(dim=1).chunk(2)
        ref_chosen, ref_rejected = reference
        losses = dpop_loss(
            chosen, rejected, ref_chosen, ref_rejected, beta=self.beta, lambda_=self.args.dpop_lambda
        )
        return self._dpop_weight * losses.mean()

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        return super()._precompute_ref_logps(self._fingerprinted(dataset), name, batch_size)


def main() -> None:
    from vidalign.trainers.script import run

    run(VideoDPOTrainer, VideoDPOConfig, "dpo")


if __name__ == "__main__":
    main()
