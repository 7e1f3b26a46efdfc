"""DPO, with every loss of TRL, DPO-Positive and IPO as it is printed, on video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from trl import DPOConfig, DPOTrainer

from vidalign.losses import dpop_loss, ipo_loss
from vidalign.trainers.incoming import each, whole_conversations
from vidalign.trainers.preference import PreferenceFields, PreferenceTrainer

OWN_LOSSES = ("dpop", "ipo_sum")


@dataclass
class VideoDPOConfig(PreferenceFields, DPOConfig):
    """TRL's `DPOConfig` with media settings.

    `loss_type` also takes "dpop" and "ipo_sum"; the NTP term is TRL's "sft". IPO comes in two forms, whose `beta` is τ:
    TRL's "ipo" has the mean log-prob of a token, "ipo_sum" the sum over the sequence, as Azar et al. 2023 (Eq. 17) and
    SynPO's Table 7 print it.
    """

    dpop_lambda: float = field(
        default=50.0,
        metadata={"help": "Weight of the penalty of loss type 'dpop' (DPO-Positive, Pal et al. 2024)."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for own in (name for name in self.loss_type if name in OWN_LOSSES):
            for name, neutral in (
                ("f_divergence_type", "reverse_kl"),
                ("ld_alpha", None),
                ("use_weighting", False),
                ("label_smoothing", 0.0),
            ):
                if getattr(self, name) != neutral:
                    raise ValueError(
                        f"loss_type {own!r} is not defined for {name}={getattr(self, name)!r}; leave it unset"
                    )


class VideoDPOTrainer(PreferenceTrainer, DPOTrainer):
    """Changes only what reaches the model: rows with videos, each prompt run once for its two responses.

    The reference is the disabled adapter, a second model, or log-probs computed beforehand and cached on disk
    (`precompute_ref_log_probs`), which works with media too. Arguments as TRL's `DPOTrainer`; `peft_config` may be
    `vidalign.lora_preset()`.

    Rows: `videos` (paths), `prompt`, `chosen`, `rejected`, in TRL's standard or conversational format; `audios` beside or
    without them, `images` and text-only rows as in TRL.

    Source: Rafailov et al. 2023 (DPO), Pal et al. 2024 (DPO-Positive, Eq. 3), Azar et al. 2023 (IPO, Eq. 17).
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
            train_dataset=whole_conversations(train_dataset, "train"),
            eval_dataset=each(eval_dataset, whole_conversations),
            processing_class=processing_class,
            **kwargs,
        )
        weights = dict(zip(self.loss_types, self.loss_weights, strict=True))
        self._own_weights = {name: weights.pop(name) for name in OWN_LOSSES if name in weights}
        self.loss_types, self.loss_weights = list(weights), list(weights.values())
        self._reference_output: Any = None
        if self._own_weights and not self.precompute_ref_logps:
            # The reference's forward is the last one of a loss: TRL calls it on `ref_model`, or on `model` without
            # its adapter.
            (self.ref_model or self.model).register_forward_hook(self._keep_reference)

    def _keep_reference(self, module: Any, args: Any, output: Any) -> None:
        if not torch.is_grad_enabled() and getattr(output, "log_probs", None) is not None:
            self._reference_output = output.log_probs

    def _own_loss(
        self, logps: torch.Tensor, mask: torch.Tensor, inputs: dict[str, Any]
    ) -> torch.Tensor | None:
        if not self._own_weights:
            return None
        if self.precompute_ref_logps:
            reference = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            reference = self._reference_output[:, -mask.size(1) :].sum(dim=1).chunk(2)
        rows = (*logps.sum(dim=1).chunk(2), *reference)
        losses = {
            "dpop": lambda: dpop_loss(*rows, beta=self.beta, lambda_=self.args.dpop_lambda),
            "ipo_sum": lambda: ipo_loss(*rows, tau=self.beta),
        }
        return sum(
            (weight * losses[name]().mean() for name, weight in self._own_weights.items()),
            start=logps.new_zeros((), dtype=torch.float32),
        )

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        return super()._precompute_ref_logps(self._fingerprinted(dataset), name, batch_size)


def main() -> None:
    from vidalign.trainers.script import run

    run(VideoDPOTrainer, VideoDPOConfig, "dpo")


if __name__ == "__main__":
    main()
