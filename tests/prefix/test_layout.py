"""The bookkeeping, on rows written out by hand."""

import pytest
import torch

from vidalign.prefix import SharedPrefixError, pack_rows


def pack(rows, labels, group, media=()):
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    targets = torch.tensor([row + [-100] * (width - len(row)) for row in labels])
    return pack_rows(ids, mask, targets, torch.tensor(group), media)


def test_two_groups_by_hand():
    layout = pack(
        rows=[[1, 2, 3, 10, 11], [1, 2, 3, 20], [7, 8, 30, 31], [7, 8, 40]],
        labels=[
            [-100, -100, -100, 10, 11],
            [-100, -100, -100, 20],
            [-100, -100, 30, 31],
            [-100, -100, 40],
        ],
        group=[0, 0, 1, 1],
    )
    assert layout.input_ids.tolist() == [1, 2, 3, 10, 11, 20, 7, 8, 30, 31, 40]
    assert [(group.start, group.prefix, group.suffixes) for group in layout.groups] == [
        (0, 3, (2, 1)),
        (6, 2, (2, 1)),
    ]
    # 10 and 20 are both predicted by the last prefix token (packed position 2), 11 by 10; 30 and 40 by position 7.
    assert layout.index.tolist() == [2, 3, 2, 7, 8, 7]
    assert layout.labels.tolist() == [10, 11, 20, 30, 31, 40]
    assert list(zip(layout.row.tolist(), layout.column.tolist(), strict=True)) == [
        (0, 2), (0, 3), (1, 2), (2, 1), (2, 2), (3, 1),
    ]  # fmt: skip
    rows = layout.to_rows(torch.arange(1.0, 7.0))
    assert rows.tolist() == [[0, 0, 1, 2], [0, 0, 3, 0], [0, 4, 5, 0], [0, 6, 0, 0]]


def test_groups_may_be_interleaved_as_trl_orders_pairs():
    """Chosen rows first, then rejected: the rows of a group do not stand together."""
    layout = pack(
        [[1, 2, 5], [3, 4, 6], [1, 2, 7], [3, 4, 8]], [[-100, -100, t] for t in (5, 6, 7, 8)], [0, 1, 0, 1]
    )
    assert layout.input_ids.tolist() == [1, 2, 5, 7, 3, 4, 6, 8]
    assert [group.rows for group in layout.groups] == [(0, 2), (1, 3)]
    assert layout.labels.tolist() == [5, 6, 7, 8] and layout.index.tolist() == [1, 5, 1, 5]


def test_responses_that_begin_alike_share_their_beginning_too():
    layout = pack([[1, 9, 9, 5], [1, 9, 9, 6]], [[-100, 9, 9, 5], [-100, 9, 9, 6]], [0, 0])
    assert layout.input_ids.tolist() == [1, 9, 9, 5, 6]
    # Every row still gets a log-prob for each of its own tokens.
    assert layout.index.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_row_that_ends_inside_the_prefix():
    layout = pack([[1, 2, 3], [1, 2, 3, 4]], [[-100, 2, 3], [-100, 2, 3, 4]], [0, 0])
    assert layout.groups[0].suffixes == (0, 1) and layout.input_ids.tolist() == [1, 2, 3, 4]


def test_a_row_alone_has_no_suffix():
    layout = pack([[1, 2, 3]], [[-100, -100, 3]], [0])
    assert layout.groups[0].prefix == 3 and layout.groups[0].suffixes == (0,)


def test_left_padding_keeps_columns():
    ids = torch.tensor([[0, 0, 1, 2, 5], [1, 2, 6, 7, 0]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]])
    labels = torch.tensor([[-100, -100, -100, -100, 5], [-100, -100, 6, 7, -100]])
    layout = pack_rows(ids, mask, labels, torch.tensor([0, 0]))
    assert layout.input_ids.tolist() == [1, 2, 5, 6, 7]
    assert list(zip(layout.row.tolist(), layout.column.tolist(), strict=True)) == [(0, 3), (1, 1), (1, 2)]


def test_the_first_token_of_a_left_padded_row_is_not_scored():
    ids, mask = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 1]])
    layout = pack_rows(ids, mask, torch.tensor([[-100, 1, 2]]), torch.tensor([0]))
    assert layout.labels.tolist() == [2]


def test_media_after_the_rows_part_is_refused():
    with pytest.raises(SharedPrefixError, match="row 1 has a media token"):
        pack([[1, 2, 3], [1, 4, 99]], [[-100] * 3] * 2, [0, 0], media=[99])


@pytest.mark.parametrize("mask", [[1, 0, 1], [0, 0, 0]])
def test_masks_with_holes_are_refused(mask):
    ids = torch.tensor([[1, 2, 3]])
    with pytest.raises(SharedPrefixError, match="row 0"):
        pack_rows(ids, torch.tensor([mask]), ids, torch.tensor([0]))


def test_gradients_pass_through_the_scatter():
    layout = pack([[1, 2, 3]], [[-100, 2, 3]], [0])
    values = torch.tensor([2.0, 3.0], requires_grad=True)
    (layout.to_rows(values) * torch.tensor([[5.0, 7.0]])).sum().backward()
    assert values.grad.tolist() == [5.0, 7.0]
