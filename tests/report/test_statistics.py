import math
import statistics

import pytest

from vidalign.report.statistics import bootstrap_mean


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
