"""The rows that a trainer is at, with all that is found out about them on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from vidalign.families.family import EncodedPrompt
from vidalign.prefix import HeldMedia
from vidalign.trainers.online.micro_batches import same_prompts
from vidalign.trainers.online.rewarding import Outcome, Rewarding


@dataclass
class OnlineBatch:
    """A generation batch, from its rows to its rewards; or a micro-batch of one, whose loss is computed.

    Args:
        rows: of the dataset, a row a completion; none for a micro-batch.
        prompts: the distinct ones, encoded. None yet where TRL tokenises text.
        numbers: which of `prompts` each row has.
        requests: what an engine is asked for each of `prompts`; empty without an engine.
        group: [B] which of `media` each row has; None for text whose rows have no numbers yet.
        media: of each prompt, held once; None for text.
        rewarding: the reward functions, from when the completions are there.
        outcomes: what each function of TRL's `reward_funcs` returned, once they have ended.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[EncodedPrompt] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    group: torch.Tensor | None = None
    media: HeldMedia | None = None
    rewarding: Rewarding | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def of_inputs(cls, inputs: Mapping[str, Any]) -> OnlineBatch:
        """A micro-batch as the loss gets it."""
        return cls(group=inputs.get("prefix_group"), media=inputs.get("media"))

    @classmethod
    def of_text(cls, prompt_ids: Sequence[Sequence[int]]) -> OnlineBatch:
        """Prompts of text [B], each run of equal ones once."""
        batch = cls()
        for ids in prompt_ids:
            if not batch.prompts or batch.prompts[-1].input_ids != list(ids):
                batch.prompts.append(EncodedPrompt(list(ids)))
            batch.numbers.append(len(batch.prompts) - 1)
        return batch

    def groups(self, prompt_ids: torch.Tensor, prompt_mask: torch.Tensor) -> tuple[torch.Tensor, HeldMedia]:
        """(which of the media each row [B] has, the media); text has empty ones, by its prompts' tokens [B, P]."""
        group = self.group if self.group is not None else same_prompts(prompt_ids, prompt_mask)
        return group, self.media if self.media is not None else HeldMedia([{}] * (int(group.max()) + 1))

    def end(self) -> None:
        """Stops the reward functions that still run."""
        if self.rewarding is not None:
            self.rewarding.cancel()
