"""Effect sizes and their intervals against published numbers, brute force and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from histoscore.scoring.effects import cliffs_delta, hodges_lehmann
from histoscore.scoring.ranktests import mann_whitney

GRADES = st.sampled_from([0, 0.5, 1, 2, 3, 4, 5, 6])
GROUP = st.lists(GRADES, min_size=2, max_size=9)


def test_delta_of_the_published_example() -> None:
    """Data and delta as printed in the tests of R's effsize (after Hogarty & Kromrey 1999)."""
    treatment = [10, 10, 20, 20, 20, 30, 30, 30, 40, 50]
    control = [10, 20, 30, 40, 40, 50]
    assert cliffs_delta(control, treatment).estimate == -0.25


def newcombe(theta: float, m: int, n: int) -> tuple[float, float]:
    """Method 5 as printed, for the chance theta of a larger value, by SciPy's root finding."""
    pairs, z = (m + n) / 2 - 1, stats.norm.ppf(0.975)

    def apart(x: float) -> float:
        variance = x * (1 - x) / (m * n) * (1 + pairs * ((1 - x) / (2 - x) + x / (1 + x)))
        return (theta - x) ** 2 - z**2 * variance

    low = 0.0 if theta == 0 else optimize.brentq(apart, 0, theta - 1e-12, xtol=1e-14)
    high = 1.0 if theta == 1 else optimize.brentq(apart, theta + 1e-12, 1, xtol=1e-14)
    return low, high


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("group", [(1, 1, 2, 6), (0, 0.5, 0.5, 2, 3, 4), (5, 5.5, 6)])
def test_interval_of_delta_is_newcombes(group: tuple[float, ...], sign: int) -> None:
    reference = [sign * value for value in (0, 0.5, 1, 2, 3)]
    effect = cliffs_delta(reference, [sign * value for value in group])
    low, high = newcombe((1 + effect.estimate) / 2, len(group), len(reference))
    assert (effect.low, effect.high) == pytest.approx((2 * low - 1, 2 * high - 1), abs=1e-9)


@given(GROUP, GROUP)
def test_delta_is_u_on_another_scale(a: list[float], b: list[float]) -> None:
    u = mann_whitney(a, b).statistic
    assert cliffs_delta(a, b).estimate == pytest.approx(2 * u / (len(a) * len(b)) - 1)


@given(GROUP, GROUP)
def test_intervals_hold_their_estimate_and_turn_with_the_groups(
    a: list[float], b: list[float]
) -> None:
    for measure, limit in ((cliffs_delta, 1.0), (hodges_lehmann, 6.0)):
        forth, back = measure(a, b), measure(b, a)
        assert forth.estimate == pytest.approx(-back.estimate)
        if forth.low is None or forth.high is None:
            assert measure is hodges_lehmann
            continue
        assert -limit <= forth.low <= forth.estimate + 1e-12
        assert forth.estimate - 1e-12 <= forth.high <= limit
        assert (forth.low, forth.high) == pytest.approx((-(back.high or 0), -(back.low or 0)))


@pytest.mark.parametrize("sign", [1, -1])
def test_groups_apart_have_an_interval_and_not_a_point(sign: int) -> None:
    effect = cliffs_delta([0, 0, 0, 1, 1], [sign * x for x in (7, 8, 9, 9)])
    inner = 2 * newcombe(1.0, 4, 5)[0] - 1
    assert effect.estimate == sign
    assert 0 < inner < 0.3
    assert (effect.low, effect.high) == pytest.approx(tuple(sorted((sign * inner, sign))))


def test_equal_groups_do_not_have_a_certain_delta() -> None:
    effect = cliffs_delta([2, 2, 2, 2], [2, 2, 2, 2])
    assert effect.estimate == 0
    assert effect.low is not None
    assert effect.low < -0.3


def test_one_animal_has_no_interval() -> None:
    effect = cliffs_delta([1], [2, 3, 4])
    assert (effect.estimate, effect.low, effect.high) == (1, None, None)


def test_shift_is_the_median_of_all_differences() -> None:
    assert hodges_lehmann([1, 2, 4], [10, 20]).estimate == np.median([9, 8, 6, 19, 18, 16])


@given(st.lists(st.integers(0, 10**6), min_size=9, max_size=13, unique=True), st.integers(4, 5))
def test_shift_interval_is_what_the_exact_test_does_not_reject(values: list[int], cut: int) -> None:
    a = [float(x) for x in values[:cut]]
    b = [x + 1 / 3 for x in values[cut:]]
    effect = hodges_lehmann(a, b)
    assert effect.low is not None
    assert effect.high is not None
    for inside, outside in (
        (effect.low + 0.01, effect.low - 0.01),
        (effect.high - 0.01, effect.high + 0.01),
    ):
        assert mann_whitney(a, [x - outside for x in b]).p <= 0.05
        if len(set(np.subtract.outer(b, a).ravel().round(6))) == len(a) * len(b):
            assert mann_whitney(a, [x - inside for x in b]).p > 0.05


def test_three_against_three_allow_no_shift_interval() -> None:
    effect = hodges_lehmann([1, 2, 3], [4, 5, 7])
    assert (effect.estimate, effect.low, effect.high) == (3, None, None)
    assert hodges_lehmann([1, 2, 3], [4, 5, 7], confidence=0.9).low == 1


def test_large_groups_get_a_shift_interval_by_approximation() -> None:
    a, b = np.arange(70.0).tolist(), (np.arange(80.0) + 10).tolist()
    effect = hodges_lehmann(a, b)
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < effect.estimate < effect.high


def test_intervals_of_tied_grades_cover_what_they_say() -> None:
    """600 studies of 8 v 8 from two grade distributions with a known delta."""
    random = np.random.default_rng(11)
    grades = np.array([0, 0.5, 1, 2, 3, 4])
    weights = np.array([[0.3, 0.25, 0.2, 0.15, 0.07, 0.03], [0.1, 0.15, 0.2, 0.25, 0.2, 0.1]])
    truth = float(weights[1] @ np.sign(np.subtract.outer(grades, grades)) @ weights[0])
    held = 0
    for _ in range(600):
        a, b = (random.choice(grades, 8, p=w).tolist() for w in weights)
        effect = cliffs_delta(a, b)
        held += effect.low is not None and effect.low <= truth <= (effect.high or 0)
    assert held / 600 > 0.93
