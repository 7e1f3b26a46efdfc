"""A check, at the first forward, that the packed forward of this very model agrees with the model's own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vidalign.prefix.attention import ONE_BY_ONE, attends_one_by_one
from vidalign.prefix.layout import PackedGroup, PackedLayout

if TYPE_CHECKING:
    from vidalign.prefix.forward import RowBatch, SharedPrefix

TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4, torch.bfloat16: 6e-2, torch.float16: 2e-2}
"""Largest relative difference (Frobenius) of hidden states that the self-check lets pass, by compute dtype. A wrong
position or a wrong mask gives differences near 1."""

TOKENS = 16
"""Tokens of a response that are looked at. An error of positions, masks or features is in each of them."""


class SelfCheckError(RuntimeError):
    """The packed forward and the separate rows do not agree."""


class SelfCheck:
    """Compares the last of two responses of one group, packed behind the other, with that row by itself.

    That response's hidden states depend on the features, on the positions of prefix and suffix, and on the mask: it must
    see the prefix and not the response before it. Of a batch's groups the one with media and the shortest prefix is taken.

    Args:
        report: gets one line about what was found and what it cost.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._saw_text = False

    def __call__(
        self, prefix: SharedPrefix, model: Any, rows: RowBatch, layout: PackedLayout
    ) -> SelfCheck | None:
        """
        Returns:
            The check that is still due: itself until there was a group with media, where the model takes them.

        Raises:
            SelfCheckError: they differ.
        """
        group, number = _chosen(layout, rows)
        media = rows.media[number]
        if not media and self._saw_text:
            return self
        if any(hasattr(weight, "ds_id") or hasattr(weight, "placements") for weight in model.parameters()):
            return None  # every forward is a collective there, and processes have different rows to check
        pair = _shortened(rows, group)
        if pair is None:
            return self
        started = time.perf_counter()
        ids, mask, labels = pair
        packed_rows = type(rows)(
            ids, mask, labels, torch.zeros(len(ids), dtype=torch.long, device=ids.device), [media]
        )
        own = prefix.pack(packed_rows)
        own.cache[ONE_BY_ONE] = attends_one_by_one(layout, group)  # as the whole group will
        last = len(ids) - 1
        length = int(mask[last].sum())
        alone = type(rows)(
            ids[last:, :length], mask[last:, :length], labels[last:, :length], packed_rows.group[:1], [media]
        )
        with _evaluation(model), torch.no_grad():
            packed, _ = prefix.packed_hidden_states(packed_rows, own)
            hidden = model.base_model(**prefix.separate_inputs(alone), use_cache=False).last_hidden_state[0]
        at_last = (own.row == last).to(packed.device)
        separate = hidden[own.column[own.row == last].to(hidden.device)].float()
        difference = float((packed[at_last].float() - separate).norm() / separate.norm().clamp(min=1e-12))
        device = packed.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else packed.dtype
        limit = TOLERANCE.get(dtype, 1e-4)
        if not difference <= limit:
            raise SelfCheckError(
                f"{type(model).__name__}: the shared prefix changes the hidden states by {difference:.1e} (relative), "
                f"more than {limit:.0e} for {dtype}. The packed forward is not exact for this model, so it was stopped "
                "before it could train on it. Set share_prefix=False to go on with separate rows, and please report the "
                "model and the versions."
            )
        self._report(
            f"Self-check of the shared prefix: equal to separate rows ({difference:.0e} apart, {len(separate)} tokens behind "
            f"{own.groups[0].prefix}), in {time.perf_counter() - started:.1f} s. prefix_self_check=False leaves it out."
        )
        self._saw_text = True
        return self if prefix.family.vision_tower and not media else None


def _chosen(layout: PackedLayout, rows: RowBatch) -> tuple[PackedGroup, int]:
    """The group to compare, and its number: of those with media and two responses, if there are any, the one with the
    shortest prefix."""

    def rank(pair: tuple[PackedGroup, int]) -> tuple[bool, bool, int]:
        group, number = pair
        return not rows.media[number], sum(map(bool, group.suffixes)) < 2, group.prefix

    return min(zip(layout.groups, layout.group_ids, strict=True), key=rank)


def _shortened(rows: RowBatch, group: PackedGroup) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Two rows of the group (or its only one), with the first tokens of their responses, which are scored.

    Returns:
        ids, mask, labels, [1 or 2, L] each, padded on the right; None without a token to look at.
    """
    tokens = {row: rows.input_ids[row][rows.attention_mask[row].bool()] for row in group.rows}
    own = [row for row in group.rows if len(tokens[row]) > group.prefix]
    # Two that go apart where the group's prefix ends.
    others = (row for row in own[1:] if tokens[row][group.prefix] != tokens[own[0]][group.prefix])
    own = [*own[:1], *([row] if (row := next(others, None)) is not None else [])]
    pieces = []
    for row in own or group.rows[:1]:
        ids = tokens[row]
        start = group.prefix
        if not own:  # a row by itself is all prefix
            scored = (rows.labels[row][rows.attention_mask[row].bool()] != -100).nonzero().flatten()
            if not len(scored):
                return None
            start = int(scored[0])
        start = max(start, 1)
        ids = ids[: start + TOKENS]
        labels = ids.clone()
        labels[:start] = -100
        pieces.append((ids, torch.ones_like(ids), labels))
    pad = torch.nn.utils.rnn.pad_sequence
    ids, mask, labels = (
        pad(list(column), batch_first=True, padding_value=value)
        for column, value in zip(zip(*pieces, strict=True), (0, 0, -100), strict=True)
    )
    return ids, mask, labels


@contextlib.contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Without dropout for a while; each module gets its own mode back."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
