import math

import pytest
import torch

from vidalign.trainers.ranks import rank_metrics, starts, to_table

NAN = math.nan


def test_by_hand():
    scores = torch.tensor(
        [
            [3.0, 2.0, 1.0],  # in order
            [1.0, 2.0, NAN],  # reversed
            [2.0, 3.0, 1.0],  # one pair of three wrong, and the best is not on top
            [2.0, 2.0, 1.0],  # a tie on top: two pairs right, none wrong
            [9.0, NAN, NAN],  # nothing to compare
        ]
    )
    metrics = rank_metrics(scores)
    assert metrics["accuracy"] == pytest.approx((3 + 0 + 2 + 2) / (3 + 1 + 3 + 3))
    assert metrics["top1"] == pytest.approx(1 / 4)
    assert metrics["kendall_tau"] == pytest.approx((1 - 1 + 1 / 3 + 2 / 3) / 4)


def test_nothing_to_compare():
    assert rank_metrics(torch.tensor([[1.0, NAN], [NAN, NAN]])) == {}


def test_items_that_are_missing_at_the_front():
    assert rank_metrics(torch.tensor([[NAN, 2.0, 1.0]])) == {"accuracy": 1.0, "top1": 1.0, "kendall_tau": 1.0}


def test_random_scores_against_loops():
    scores = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    scores[torch.rand(20, 6, generator=torch.Generator().manual_seed(1)) < 0.3] = NAN
    right = wrong = top = chains = 0
    taus = []
    for row in scores.tolist():
        row = [value for value in row if not math.isnan(value)]
        if len(row) < 2:
            continue
        signs = [row[i] - row[j] for i in range(len(row)) for j in range(i + 1, len(row))]
        chains += 1
        top += row[0] > max(row[1:])
        right, wrong = right + sum(s > 0 for s in signs), wrong + sum(s < 0 for s in signs)
        taus.append(sum((s > 0) - (s < 0) for s in signs) / len(signs))
    metrics = rank_metrics(scores)
    assert metrics["accuracy"] == pytest.approx(right / (right + wrong))
    assert metrics["top1"] == pytest.approx(top / chains)
    assert metrics["kendall_tau"] == pytest.approx(sum(taus) / len(taus))


def test_table():
    chain = torch.tensor([0, 0, 0, 1, 2, 2])
    values = torch.arange(6.0, requires_grad=True)
    table, present = to_table(values, chain)
    assert starts(chain).tolist() == [0, 3, 4]
    assert table.tolist() == [[0, 1, 2], [3, 0, 0], [4, 5, 0]]
    assert present.int().tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    (grad,) = torch.autograd.grad((table**2).sum(), values)
    assert grad.tolist() == [0, 2, 4, 6, 8, 10]


def test_table_of_a_part_of_the_chains():
    """A rank's part of a batch need not begin with number 0."""
    table, _ = to_table(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4, 4, 7]))
    assert table.tolist() == [[1, 2], [3, 0]]
