"""Statistics of counts: against definitions, and many resamples at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.scoring.agreement import (
    bias,
    confusion,
    intraclass_correlation,
    lower_median,
    mean_absolute_error,
)
from histoscore.scoring.confusions import (
    STATISTICS,
    Difference,
    divided,
    intraclass,
    slope,
    weighted_kappa,
)
from histoscore.vocabulary import OARSI_MOUSE

RUNGS = OARSI_MOUSE.rungs
GRADES = np.asarray(RUNGS, dtype=float)
PAIRS = st.lists(st.tuples(st.sampled_from(RUNGS), st.sampled_from(RUNGS)), min_size=2, max_size=40)
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Table 2 of Shrout & Fleiss 1979: six targets, four judges."""


def counted(pairs: list[tuple[float, float]]) -> np.ndarray:
    return confusion([a for a, _ in pairs], [b for _, b in pairs], OARSI_MOUSE)


def test_icc_is_that_of_the_textbook() -> None:
    assert intraclass_correlation(SHROUT_FLEISS) == pytest.approx(0.29, abs=0.005)


@given(PAIRS)
def test_icc_of_counts_is_that_of_the_mean_squares(pairs: list[tuple[float, float]]) -> None:
    known = intraclass_correlation(np.array(pairs, dtype=float))
    found = float(intraclass(counted(pairs), GRADES))
    assert found == pytest.approx(np.nan if known is None else known, abs=1e-9, nan_ok=True)


@given(PAIRS)
def test_consistency_and_limits_of_counts_are_those_of_the_pairs(
    pairs: list[tuple[float, float]],
) -> None:
    a, b = np.array(pairs).T
    counts = counted(pairs)
    mean, spread = (a - b).mean(), (a - b).std(ddof=1)
    assert float(STATISTICS["limit_low"](counts, GRADES)) == pytest.approx(mean - 1.96 * spread)
    assert float(STATISTICS["limit_high"](counts, GRADES)) == pytest.approx(mean + 1.96 * spread)
    between, within = ((a + b) / 2).var(ddof=1) * 2, (a - b).var(ddof=1) / 2
    known = (between - within) / (between + within) if between + within > 1e-12 else np.nan
    found = float(STATISTICS["icc_3_1"](counts, GRADES))
    assert found == pytest.approx(known, abs=1e-9, nan_ok=True)


def test_consistency_does_not_count_a_constant_shift() -> None:
    shifted = counted([(rung + 1, rung) for rung in (1.0, 2.0, 3.0, 4.0, 5.0)])
    assert float(STATISTICS["icc_3_1"](shifted, GRADES)) == 1
    assert np.isnan(STATISTICS["icc_3_1"](counted([(2, 3)]), GRADES))
    assert np.isnan(STATISTICS["limit_low"](counted([(2, 3)]), GRADES))


def test_icc_of_equal_grades_or_of_one_pair_is_undefined() -> None:
    assert intraclass_correlation(np.full((5, 3), 2.0)) is None
    assert intraclass_correlation(np.array([[1.0, 2.0]])) is None
    assert np.isnan(intraclass(counted([(2, 2), (2, 2)]), GRADES))
    assert np.isnan(intraclass(counted([(2, 3)]), GRADES))


def test_icc_counts_a_constant_shift_as_disagreement() -> None:
    shifted = [(rung + 1, rung) for rung in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert float(intraclass(counted(shifted), GRADES)) < 0.9
    assert float(slope(counted(shifted), GRADES)) == pytest.approx(1)


@given(PAIRS)
def test_slope_is_that_of_least_squares(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    found = float(slope(counted(pairs), GRADES))
    if np.ptp(second) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.polyfit(second, first, 1)[0], abs=1e-9)


@given(PAIRS)
def test_bias_and_error_are_means_of_differences(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    a, b = first.tolist(), second.tolist()
    assert bias(a, b, OARSI_MOUSE) == pytest.approx((first - second).mean())
    assert bias(b, a, OARSI_MOUSE) == pytest.approx((second - first).mean())
    assert mean_absolute_error(a, b, OARSI_MOUSE) == pytest.approx(np.abs(first - second).mean())


@pytest.mark.parametrize("name", STATISTICS)
def test_many_tables_of_counts_give_what_each_gives_alone(name: str) -> None:
    counts = np.random.default_rng(2).integers(0, 4, (5, 3, 8, 8))
    together = STATISTICS[name](counts, GRADES)
    alone = [[STATISTICS[name](one, GRADES) for one in row] for row in counts]
    assert together == pytest.approx(np.array(alone))


@pytest.mark.parametrize(
    "name", [name for name in STATISTICS if name not in ("icc", "limit_low", "limit_high")]
)
@given(PAIRS)
def test_everything_twice_changes_no_statistic(name: str, pairs: list[tuple[float, float]]) -> None:
    once, twice = (STATISTICS[name](factor * counted(pairs), GRADES) for factor in (1, 2))
    assert float(once) == pytest.approx(float(twice), nan_ok=True)


def test_a_difference_is_first_minus_second() -> None:
    good, bad = counted([(0, 0), (3, 3), (6, 6)]), counted([(0, 6), (3, 3), (6, 0)])
    apart = Difference(weighted_kappa)(np.stack([good, bad]), GRADES)
    assert float(apart) == pytest.approx(1 - float(weighted_kappa(bad, GRADES)))


def test_nothing_by_nothing_is_undefined_not_an_error() -> None:
    assert np.isnan(divided(np.array(0.0), np.array(0.0)))
    assert divided(np.array([1.0, 1.0]), np.array([0.0, 2.0])).tolist()[1] == 0.5


@given(st.lists(st.sampled_from(RUNGS), min_size=1, max_size=9))
def test_the_lower_median_is_a_grade_that_was_given(grades: list[float]) -> None:
    middle = lower_median(grades)
    assert middle in grades
    assert middle <= np.median(grades)
    if len(grades) % 2:
        assert middle == np.median(grades)


def test_there_is_no_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="no grades"):
        lower_median([])
