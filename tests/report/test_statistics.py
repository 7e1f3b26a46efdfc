import math
import statistics

import pytest

from vidalign.report.statistics import Difference, bootstrap_mean, difference, spread


def test_the_interval_is_that_of_the_normal_law_where_it_holds():
    """For many values of a symmetric distribution the interval is mean ± 1.96 standard errors."""
    values = [math.sin(number * 12.9898) for number in range(2000)]
    found = bootstrap_mean(values, resamples=2000)
    error = statistics.stdev(values) / math.sqrt(len(values))
    assert found.value == pytest.approx(statistics.fmean(values))
    # 2,000 resamples know the ends to a few hundredths of a standard error.
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.2 * error)


def test_a_wider_confidence_is_a_wider_interval_and_equal_seeds_agree():
    values = [0.0, 0.2, 0.9, 1.0, 0.4]
    narrow, wide = (bootstrap_mean(values, confidence=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)


@pytest.mark.parametrize("values", [[0.5], [1.0, 1.0, 1.0]])
def test_nothing_varies(values):
    found = bootstrap_mean(values)
    assert (found.low, found.value, found.high) == (values[0],) * 3
    assert str(found) == f"{values[0]:.3f} [{values[0]:.3f}, {values[0]:.3f}]"


def test_no_values():
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])


def test_another_seed_and_another_number_of_resamples_are_other_intervals():
    values = [number**0.5 for number in range(40)]
    one = bootstrap_mean(values, seed=3, resamples=50)
    assert bootstrap_mean(values, seed=4, resamples=50) != one
    assert bootstrap_mean(values, seed=3, resamples=80) != one


def test_a_paired_difference_by_hand():
    """Gaps 1, 2, 3: mean 2, standard deviation 1, standard error 1 / sqrt(3)."""
    found = difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.error == pytest.approx(1 / math.sqrt(3))
    assert found.errors == pytest.approx(2 * math.sqrt(3))
    with pytest.raises(ValueError, match="zip"):
        difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("mean", "errors"), [(0.5, math.inf), (-0.5, -math.inf), (0.0, 0.0)])
def test_a_difference_that_does_not_vary(mean, errors):
    assert Difference(mean, 0.0).errors == errors


def test_spread():
    assert spread([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert spread([5.0]) == (5.0, 0.0)
