"""Contrastive decoding: what a model says of its whole prompt, away from what it says of a weaker one."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


def contrasted(full: torch.Tensor, weak: torch.Tensor, strength: float) -> torch.Tensor:
    """Logits of contrastive decoding, (1 + a) · full − a · weak, a the strength; what `full` forbids stays forbidden.

    Shapes are equal. No plausibility constraint, as in SynPO's released code (its §3.1 gives no equation).
    """
    return ((1.0 + strength) * full - strength * weak).masked_fill(full == -torch.inf, -torch.inf)


class ContrastiveSampling(LogitsProcessor):
    """Lets `generate` go on alike in both halves of a batch: rows on whole prompts, then the same rows on weaker ones.

    To be used with greedy decoding, of which this leaves one token to choose: the best of the contrasted logits, or one that
    is drawn from them. At strength 0 the draws are those of `generate` on the first half alone.

    Args:
        strength: a; 0 takes no notice of the weaker prompts.
        do_sample, temperature, top_k, top_p: as transformers' `GenerationConfig` has them.
    """

    def __init__(
        self,
        strength: float,
        *,
        do_sample: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> None:
        self.strength, self.do_sample = strength, do_sample
        self.warpers = LogitsProcessorList()  # in the order of transformers' own
        if do_sample and temperature is not None and temperature != 1.0:
            self.warpers.append(TemperatureLogitsWarper(temperature))
        if do_sample and top_k:
            self.warpers.append(TopKLogitsWarper(top_k))
        if do_sample and top_p is not None and top_p < 1.0:
            self.warpers.append(TopPLogitsWarper(top_p))

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        full, weak = scores.chunk(2)
        mixed = self.warpers(input_ids[: len(full)], contrasted(full, weak, self.strength))
        chosen = torch.multinomial(mixed.softmax(-1), 1) if self.do_sample else mixed.argmax(-1, keepdim=True)
        alone = torch.full_like(full, -torch.inf).scatter_(1, chosen, 0.0)
        return alone.repeat(2, 1)
