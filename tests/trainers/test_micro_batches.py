"""Rows of one prompt stay together when batches are cut."""

import pytest
import torch

from vidalign.trainers.online.micro_batches import micro_batches, same_prompts, shuffled_groups
from vidalign.trainers.online.scoring import scoring_chunks


def test_equal_prompts_are_one_group_whatever_their_padding_holds():
    ids = torch.tensor([[0, 5, 6], [9, 5, 6], [1, 5, 6], [0, 5, 7], [0, 0, 6]])
    mask = torch.tensor([[0, 1, 1], [0, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 1]])
    group = same_prompts(ids, mask).tolist()
    assert group[0] == group[1]
    assert len(set(group)) == 4


def test_groups_are_shuffled_and_their_rows_stay_together():
    group = torch.arange(16).repeat_interleave(4)
    orders = set()
    for seed in range(5):
        torch.manual_seed(seed)
        order = shuffled_groups(group)
        assert sorted(order.tolist()) == list(range(64))
        assert group[order].unique_consecutive().numel() == 16
        assert all(order[k : k + 4].tolist() == sorted(order[k : k + 4].tolist()) for k in range(0, 64, 4))
        orders.add(tuple(group[order].tolist()))
    assert len(orders) == 5


def test_shuffling_draws_what_trls_shuffle_draws():
    group = torch.arange(4).repeat_interleave(2)
    torch.manual_seed(1)
    shuffled_groups(group)
    after = torch.rand(1)
    torch.manual_seed(1)
    torch.randperm(8)
    assert torch.rand(1) == after


def test_micro_batches_cut_rows_and_nothing_else():
    batch = {"ids": torch.arange(8).view(4, 2), "count": torch.tensor(7), "media": ["a", "b", "c"]}
    parts = micro_batches(batch, torch.tensor([2, 3, 0, 1]), 2)
    assert [part["ids"].tolist() for part in parts] == [[[4, 5], [6, 7]], [[0, 1], [2, 3]]]
    assert all(part["count"] == 7 and part["media"] is batch["media"] for part in parts)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (1000, [[0, 1, 2, 3, 4, 5]]),  # 2 x (100 + 3 x 10) = 260
        (260, [[0, 1, 2, 3, 4, 5]]),
        (259, [[0, 1, 2], [3, 4, 5]]),
        (120, [[0, 1], [2], [3, 4], [5]]),
        (10, [[0], [1], [2], [3], [4], [5]]),
    ],
)
def test_as_many_rows_of_a_group_as_fit_are_scored_at_once(budget, expected):
    group = torch.tensor([7, 7, 7, 2, 2, 2])
    assert scoring_chunks(group, [100] * 6, [110] * 6, budget) == expected


def test_a_group_does_not_join_a_chunk_that_cut_another():
    group = torch.tensor([0, 0, 0, 1])
    chunks = scoring_chunks(group, [100, 100, 100, 20], [110, 110, 110, 30], 125)
    assert sorted(row for chunk in chunks for row in chunk) == [0, 1, 2, 3]
    assert [len(chunk) for chunk in chunks[:1]] == [2]
