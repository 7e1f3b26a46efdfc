"""Log-probs of completions, a prompt's together in one forward as far as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vidalign.prefix import HeldMedia
from vidalign.trainers.online.batch import OnlineBatch


def score(
    batch: OnlineBatch,
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    logits_to_keep: int,
    *,
    rows: int,
    share: bool,
    forwards: Callable[[int], int],
    autocast: Callable[[], Any],
    entropy: bool,
    aux_loss: bool,
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Scores the last `logits_to_keep` tokens of each row.

    Args:
        batch: whose rows they are, with their groups and media.
        model: whose forward takes rows with groups (`_trl.install_rows_forward`).
        input_ids, attention_mask: [B, L].
        rows: separate rows whose tokens fit into one forward.
        share: False scores every row by itself.
        forwards: of this process -> to run, where others run more; what is too much is thrown away.
        autocast: a context for each forward.
        entropy, aux_loss: whether to return them.

    Returns:
        (log-probs [B, logits_to_keep], entropies of the same shape or None, load-balancing loss or None).
    """
    group, media = batch.groups(input_ids[:, :-logits_to_keep], attention_mask[:, :-logits_to_keep])
    if share:
        # No more tokens at once than separate rows would have, but as many of a group as that allows.
        prompts = attention_mask[:, :-logits_to_keep].sum(1).tolist()
        budget = rows * input_ids.shape[1]
        chunks = scoring_chunks(group, prompts, attention_mask.sum(1).tolist(), budget)
    else:
        every = list(range(len(input_ids)))
        chunks = [every[start : start + rows] for start in range(0, len(every), rows)]
    labels = input_ids.masked_fill(attention_mask == 0, -100)
    labels[:, :-logits_to_keep] = -100
    options = {"output_router_logits": True} if aux_loss else {}
    outputs = []
    for chunk in [*chunks, *chunks[-1:] * (forwards(len(chunks)) - len(chunks))]:
        numbers, own = torch.unique(group[chunk], return_inverse=True)
        with autocast():
            outputs.append(
                model(
                    input_ids=input_ids[chunk],
                    attention_mask=attention_mask[chunk],
                    labels=labels[chunk],
                    prefix_group=own,
                    media=HeldMedia([media[number] for number in numbers.tolist()]),
                    fused_lm_head=True,
                    **options,
                )
            )
    del outputs[len(chunks) :]
    back = torch.tensor([row for chunk in chunks for row in chunk], device=input_ids.device).argsort()

    def in_rows(name: str) -> torch.Tensor:
        return torch.cat([output[name][:, -logits_to_keep:] for output in outputs])[back]

    return (
        in_rows("log_probs"),
        in_rows("entropy") if entropy else None,
        torch.stack([output.aux_loss for output in outputs]).mean() if aux_loss else None,
    )


def scoring_chunks(
    group: torch.Tensor, prompts: Sequence[int], rows: Sequence[int], budget: int
) -> list[list[int]]:
    """Rows to score in one forward each: whole groups while they fit.

    Args:
        group: [B] the group of each row.
        prompts: tokens of each row's prompt, which its group reads once.
        rows: tokens of each row, with its prompt.
        budget: tokens of a forward. A row that exceeds it alone is still scored.

    Returns:
        Row numbers by forward, each row once.
    """
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group.tolist()):
        members.setdefault(number, []).append(row)
    chunks: list[list[int]] = []
    used = budget + 1
    for own in members.values():
        whole = prompts[own[0]] + sum(rows[row] - prompts[row] for row in own)
        fits = whole <= budget
        if fits and used + whole <= budget:
            chunks[-1] += own
            used += whole
            continue
        chunks.append([])
        used = prompts[own[0]]
        for row in own:
            suffix = rows[row] - prompts[row]
            if chunks[-1] and used + suffix > budget:
                chunks.append([])
                used = prompts[row]
            chunks[-1].append(row)
            used += suffix
    return chunks
