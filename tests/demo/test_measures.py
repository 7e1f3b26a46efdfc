"""Differences, spreads and shares of pairs, by hand."""

import math

import pytest

from demo.measures import clip_means, pairs_in_order
from vidalign.report.statistics import difference, spread


def test_differences_are_paired_over_clips():
    # Gaps 0.1, 0.1, 0.4: mean 0.2, sample variance (0.01 + 0.01 + 0.04) / 2 = 0.03, error sqrt(0.03 / 3) = 0.1.
    gap = difference([0.6, 0.3, 0.9], [0.5, 0.2, 0.5])
    assert gap.mean == pytest.approx(0.2)
    assert gap.error == pytest.approx(0.1)
    assert gap.errors == pytest.approx(2.0)
    assert difference([0.5, 0.5], [0.5, 0.5]).errors == 0
    assert difference([0.75, 0.75], [0.5, 0.5]).errors == math.inf


def test_spread_is_the_sample_deviation():
    assert spread([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert spread([0.7]) == (0.7, 0.0)


def test_a_clips_value_is_its_mean_over_seeds(results):
    runs = results.pairs.runs["DPO"]
    assert clip_means(runs, lambda evaluation: evaluation.recall) == pytest.approx([0.55, 0.45, 0.65, 0.55])


@pytest.mark.parametrize(
    ("logps", "share"),
    [
        ([-1.0, -2.0, -3.0], 1.0),
        ([-3.0, -2.0, -1.0], 0.0),
        ([-1.0, -3.0, -2.0], 2 / 3),
        ([-1.0, -1.0], 0.0),  # a tie puts nothing in order
    ],
)
def test_the_share_of_all_pairs_that_are_in_order(logps, share):
    assert pairs_in_order(logps) == pytest.approx(share)


def test_an_evaluation_has_a_share_for_each_chain(results):
    evaluation = results.chains.runs["frozen"]["DPO"][0].evaluation
    assert evaluation.order == pytest.approx([1, 1, 2 / 3, 0])
    assert evaluation.mean_order == pytest.approx(2 / 3)
