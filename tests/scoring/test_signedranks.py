"""Paired tests and effects against listing every sign, SciPy, likelihoods and a textbook."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from histoscore.scoring.signedranks import (
    paired_delta,
    paired_shift,
    signed_rank,
    smallest_paired_p,
    tango_score,
)

DIFFERENCES = st.lists(st.sampled_from([-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3]), min_size=1, max_size=9)

BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
DEPRESSION = [before - after for before, after in zip(BEFORE, AFTER, strict=True)]
"""Hamilton depression factor of nine patients, first and second visit (Hollander & Wolfe; also
the example of R's `wilcox.test`, which prints V = 40 and a one-sided p of 0.01953)."""


def p_by_listing(differences: list[float]) -> float:
    """Every choice of signs of the non-zero differences, ranks by SciPy, zeros ranked along."""
    ranks = stats.rankdata(np.abs(differences))[np.array(differences) != 0]
    signs = np.sign([d for d in differences if d])
    observed = abs(float(signs @ ranks))
    every = [abs(float(np.dot(choice, ranks))) for choice in product([-1, 1], repeat=len(ranks))]
    return float(np.mean([other >= observed - 1e-9 for other in every]))


@settings(deadline=None)
@given(DIFFERENCES)
def test_p_is_that_of_listing_every_sign(differences: list[float]) -> None:
    assert signed_rank(differences).p == pytest.approx(p_by_listing(differences), abs=1e-12)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=12, unique=True), st.data())
def test_without_zeros_and_ties_it_is_scipys(sizes: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    differences = [size * sign for size, sign in zip(sizes, signs, strict=True)]
    known = stats.wilcoxon(differences, alternative="greater", method="exact")
    assert signed_rank(differences).statistic == known.statistic
    both = stats.wilcoxon(differences, method="exact")
    assert signed_rank(differences).p == pytest.approx(both.pvalue, abs=1e-12)


def test_the_textbook_example() -> None:
    result = signed_rank(DEPRESSION)
    assert result.statistic == 40
    assert result.p == pytest.approx(2 * 0.01953, abs=1e-5)
    shift = paired_shift(DEPRESSION, confidence=1 - 2 * 0.0196)
    assert shift.estimate == pytest.approx(0.46)
    assert (shift.low, shift.high) == pytest.approx((0.010, 0.786))


@given(DIFFERENCES)
def test_turning_the_knees_round_turns_signs_and_keeps_p(differences: list[float]) -> None:
    turned = [-d for d in differences]
    assert signed_rank(differences).p == pytest.approx(signed_rank(turned).p, abs=1e-12)
    for measure in (paired_delta, paired_shift):
        forth, back = measure(differences), measure(turned)
        assert forth.estimate == pytest.approx(-back.estimate)
        if forth.low is None or forth.high is None:
            assert len(differences) < 6
            continue
        assert forth.low - 1e-9 <= forth.estimate <= forth.high + 1e-9
        assert back.high == pytest.approx(-forth.low, abs=1e-9)


def test_no_difference_anywhere_says_nothing() -> None:
    assert signed_rank([0, 0, 0, 0]).p == 1
    delta = paired_delta([0, 0, 0, 0])
    assert delta.estimate == 0
    assert delta.low is not None
    assert delta.low < -0.3


@pytest.mark.parametrize("n", [4, 5, 6, 8])
def test_all_in_one_direction_gives_the_smallest_p(n: int) -> None:
    assert signed_rank(range(1, n + 1)).p == smallest_paired_p(n) == 2 / 2**n


def test_five_animals_allow_no_interval_of_the_shift() -> None:
    assert paired_shift([1, 2, 3, 4, 5]).low is None
    assert paired_shift([1, 2, 3, 4, 5, 6]).low == 1


@given(st.lists(st.floats(-9, 9).map(lambda x: round(x, 3)), min_size=6, max_size=10, unique=True))
def test_the_interval_holds_the_shifts_that_are_not_rejected(values: list[float]) -> None:
    effect = paired_shift(values)
    assert effect.low is not None
    assert effect.high is not None
    averages = [(x + y) / 2 for i, x in enumerate(values) for y in values[i:]]
    if len({round(average, 6) for average in averages}) < len(averages):
        return
    steps = np.diff(np.sort(averages))
    little = float(steps.min()) / 3
    for bound, out in ((effect.low, -little), (effect.high, little)):
        assert signed_rank([v - bound - out for v in values]).p <= 0.05
        assert signed_rank([v - bound + out for v in values]).p > 0.05


@pytest.mark.parametrize(("n", "above", "below"), [(8, 5, 1), (12, 3, 3), (10, 7, 0), (20, 2, 9)])
def test_the_interval_of_delta_is_where_the_score_of_the_likelihood_says(
    n: int, above: int, below: int
) -> None:
    """The likeliest share of negatives is searched for numerically, not by Tango's formula."""
    differences = [1.0] * above + [-1.0] * below + [0.0] * (n - above - below)
    effect = paired_delta(differences)
    for delta in (effect.low, effect.high):
        assert delta is not None
        if abs(delta) > 0.999:
            continue

        def unlikely(share: float, delta: float = delta) -> float:
            chances = (share + delta, share, 1 - 2 * share - delta)
            counts = (above, below, n - above - below)
            return -sum(k * math.log(max(c, 1e-300)) for k, c in zip(counts, chances, strict=True))

        low, high = max(0.0, -delta), (1 - delta) / 2
        share = optimize.minimize_scalar(
            unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        ).x
        error = math.sqrt(n * (2 * share + delta - delta**2))
        assert abs(above - below - n * delta) / error == pytest.approx(
            stats.norm.ppf(0.975), rel=1e-3
        )
        assert tango_score(n, above, below, delta) == pytest.approx(
            (above - below - n * delta) / error, rel=1e-3
        )


def test_one_animal_has_a_delta_and_no_interval() -> None:
    assert (paired_delta([2.0]).estimate, paired_delta([2.0]).low) == (1, None)


@pytest.mark.parametrize("differences", [[], [math.nan], [1.0, math.inf]])
def test_nothing_and_missing_values_are_refused(differences: list[float]) -> None:
    with pytest.raises(ValueError, match=r"both values|finite"):
        signed_rank(differences)
