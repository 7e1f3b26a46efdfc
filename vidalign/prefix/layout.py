"""Rows that share a prefix, laid out as one packed sequence: pure bookkeeping on integers.

A *row* is one prompt with one response. Rows of one *group* share their media and their first tokens. The packed
sequence is `[prefix][suffix 1]...[suffix K]`, group after group, without padding; `PackedLayout` says where each
piece stands and from which packed position each scored token is predicted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch


class SharedPrefixError(ValueError):
    """Rows that cannot be packed exactly as they would stand alone."""


@dataclass(frozen=True)
class PackedGroup:
    """One group inside the packed sequence. All numbers count tokens of the packed sequence.

    start: where its prefix begins. prefix: length of the prefix. suffixes: length of each row's own part, which
    follow the prefix back to back in the order of `rows`; a row that ends inside the shared prefix has length 0.
    """

    start: int
    prefix: int
    suffixes: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.start + self.prefix + sum(self.suffixes)


@dataclass(frozen=True)
class PackedLayout:
    """Where everything stands. `input_ids` [N]; `index`, `labels`, `row`, `column` [S], one entry a scored token.

    index: packed position whose hidden state predicts the token (the last prefix position appears once per row).
    row, column: where the token's log-prob belongs in the shifted row layout [B, L - 1].
    group_ids: the caller's group number of each packed group, which is also the index of its media.
    """

    groups: tuple[PackedGroup, ...]
    group_ids: tuple[int, ...]
    shape: tuple[int, int]
    input_ids: torch.Tensor
    index: torch.Tensor
    labels: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    cache: dict = field(default_factory=dict, compare=False, repr=False)
    """Tensors that every attention layer of one forward needs again (masks), by name, dtype and device."""

    @property
    def tokens(self) -> int:
        return self.groups[-1].end if self.groups else 0

    def to_rows(self, values: torch.Tensor) -> torch.Tensor:
        """Scatters per-token values [S] into the row layout [B, L - 1]; what is not scored is 0. Differentiable."""
        rows = values.new_zeros(self.shape)
        return rows.index_put((self.row.to(values.device), self.column.to(values.device)), values)


def pack_rows(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    labels: torch.Tensor,
    group: torch.Tensor,
    media_token_ids: Collection[int] = (),
) -> PackedLayout:
    """Lays rows out as one packed sequence.

    Args:
        input_ids: [B, L] token ids, padded on either side.
        attention_mask: [B, L], one run of ones in each row.
        labels: [B, L] the token ids to score, -100 elsewhere (not shifted).
        group: [B] group number of each row; rows of one group share their media.
        media_token_ids: placeholder ids; the shared prefix must reach the last of them.

    Returns:
        PackedLayout, its tensors on the device of `input_ids`.

    Raises:
        SharedPrefixError: a mask with holes, or rows of a group that differ before their last media token.
    """
    device = input_ids.device
    ids = input_ids.cpu().numpy()
    mask = attention_mask.cpu().numpy().astype(bool)
    targets = labels.cpu().numpy()
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group.tolist()):
        members.setdefault(number, []).append(row)

    first, lengths = _runs(mask)
    groups: list[PackedGroup] = []
    pieces: list[np.ndarray] = []
    position = np.full(ids.shape, -1, dtype=np.int64)  # packed position of each real token of each row
    start = 0
    for rows in members.values():
        tokens = [ids[row, first[row] : first[row] + lengths[row]] for row in rows]
        prefix = _common_prefix(tokens)
        _check_media(tokens, rows, prefix, media_token_ids)
        suffixes = tuple(len(row_tokens) - prefix for row_tokens in tokens)
        pieces.append(tokens[0][:prefix])
        offset = start + prefix
        for row, row_tokens in zip(rows, tokens, strict=True):
            column = int(first[row])
            position[row, column : column + prefix] = np.arange(start, start + prefix)
            own = len(row_tokens) - prefix
            position[row, column + prefix : column + prefix + own] = np.arange(offset, offset + own)
            pieces.append(row_tokens[prefix:])
            offset += own
        groups.append(PackedGroup(start=start, prefix=prefix, suffixes=suffixes, rows=tuple(rows)))
        start = offset

    at_row, at_column = np.nonzero((targets[:, 1:] != -100) & mask[:, 1:])
    index = position[at_row, at_column]
    # A row's very first token has nothing before it: its label cannot be predicted from inside the row.
    keep = index >= 0
    at_row, at_column, index = at_row[keep], at_column[keep], index[keep]

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return PackedLayout(
        groups=tuple(groups),
        group_ids=tuple(members),
        shape=(ids.shape[0], ids.shape[1] - 1),
        input_ids=tensor(np.concatenate(pieces)),
        index=tensor(index),
        labels=tensor(targets[at_row, at_column + 1]),
        row=tensor(at_row),
        column=tensor(at_column),
    )


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First column and length of each row's run of ones."""
    lengths = mask.sum(axis=1)
    first = mask.argmax(axis=1)
    last = mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    for row in np.nonzero((lengths == 0) | (last - first != lengths))[0]:
        raise SharedPrefixError(
            f"row {row} of the batch: its attention_mask is {'empty' if lengths[row] == 0 else 'not one run of ones'}. "
            "A row can be packed only if its tokens stand together; pad on the left or on the right."
        )
    return first, lengths


def _common_prefix(tokens: list[np.ndarray]) -> int:
    shortest = min(len(row) for row in tokens)
    same = np.ones(shortest, dtype=bool)
    for row in tokens[1:]:
        same &= row[:shortest] == tokens[0][:shortest]
    return shortest if same.all() else int(same.argmin())


def _check_media(
    tokens: list[np.ndarray], rows: list[int], prefix: int, media_token_ids: Collection[int]
) -> None:
    if not media_token_ids:
        return
    for row, row_tokens in zip(rows, tokens, strict=True):
        at = np.nonzero(np.isin(row_tokens[prefix:], list(media_token_ids)))[0]
        if at.size:
            raise SharedPrefixError(
                f"rows {rows} of the batch are one group but share only {prefix} tokens, and row {row} has a media "
                f"token after them (token {prefix + int(at[0])}). Put the media first in the prompt, or give these "
                "rows groups of their own."
            )
