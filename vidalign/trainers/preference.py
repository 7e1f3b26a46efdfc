"""Pairs: the collators, and what is logged of chosen and rejected beside TRL's metrics (SynPO, Figure 3)."""

from __future__ import annotations

from typing import Any

import torch

from vidalign.trainers.base import VideoTrainer
from vidalign.trainers.collators import TextPreferenceCollator, VideoPreferenceCollator


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
        result = super()._compute_loss(recorded, inputs, return_outputs)  # type: ignore[misc]
        loss = result[0] if return_outputs else result
        mask = inputs["completion_mask"][:, 1:]
        # Prompt-learning adapters prepend virtual tokens: the real ones stand at the end.
        logps = recorded.output.log_probs
        own = self._own_loss(logps[:, -mask.size(1) :], mask, inputs)
        if own is not None:
            loss = loss + own
        self._log_pairs(logps, mask, loss)
        return (loss, result[1]) if return_outputs else loss

    def _log_pairs(self, logps: torch.Tensor, mask: torch.Tensor, loss: torch.Tensor) -> None:
        width = mask.size(1)
        tokens = mask.sum(dim=1).clamp(min=1)
        mean = (logps.detach().float()[:, -width:] * mask).sum(dim=1) / tokens
        values = {"logps_mean": mean, "prob_geo": mean.exp()}
        if loss.requires_grad:
            # ||dL/dlogps||_F / (mn) of SynPO's Figure 3, with the scored tokens for mn. The graph between the
            # log-probs and the loss is a few operations on [2N, T]; the model's own graph is not touched.
            (grad,) = torch.autograd.grad(loss, logps, retain_graph=True)
            values["grad"] = (grad.float()[:, -width:] * mask).norm(dim=1) / tokens
        metrics = self._metrics["train" if self.model.training else "eval"]  # type: ignore[attr-defined]
        gathered = self.accelerator.gather(torch.stack(list(values.values()), dim=1))  # type: ignore[attr-defined]
        # Each rank contributes its chosen rows and then its rejected ones.
        pairs = gathered.view(-1, 2, mask.size(0) // 2, len(values)).mean(dim=(0, 2))
        for column, name in enumerate(values):
            metrics[f"{name}/chosen"].append(pairs[0, column].item())
            metrics[f"{name}/rejected"].append(pairs[1, column].item())
