"""Rank tests against brute force, SciPy, statsmodels and published output."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from histoscore.scoring.ranktests import (
    dunn,
    holm,
    is_countable,
    kruskal_wallis,
    mann_whitney,
    smallest_p,
    subset_sums,
)

GRADES = st.sampled_from([0, 0.5, 1, 2, 3, 4, 5, 6])
SMALL_GROUP = st.lists(GRADES, min_size=1, max_size=6)

OZONE = {
    "May": "41 36 12 18 28 23 19 8 7 16 11 14 18 14 34 6 30 11 1 11 4 32 23 45 115 37",
    "June": "29 71 39 23 21 37 20 12 13",
    "July": "135 49 32 64 40 77 97 97 85 10 27 7 48 35 61 79 63 16 80 108 20 52 82 50 64 59",
    "Aug": "39 9 16 78 35 66 122 89 110 44 28 65 22 59 23 31 44 21 9 45 168 73 76 118 84 85",
    "Sept": "96 78 73 91 47 32 20 23 21 24 44 21 28 9 13 46 18 13 24 16 13 23 36 7 14 30 14 18 20",
}
"""Ozone in New York in 1973, by month (Chambers et al. 1983; R's `airquality`)."""

OZONE_SAMPLES = {month: [float(x) for x in text.split()] for month, text in OZONE.items()}


def p_by_listing(a: list[float], b: list[float]) -> float:
    """Two-sided permutation p, every deal listed, with SciPy's midranks."""
    ranks = stats.rankdata(a + b)
    expected = len(b) * (len(ranks) + 1) / 2
    distance = abs(ranks[len(a) :].sum() - expected)
    deals = [abs(sum(deal) - expected) for deal in combinations(ranks, len(b))]
    return float(np.mean([other >= distance - 1e-9 for other in deals]))


@given(SMALL_GROUP, SMALL_GROUP)
def test_exact_p_is_that_of_listing_every_deal(a: list[float], b: list[float]) -> None:
    result = mann_whitney(a, b)
    assert result.p == pytest.approx(p_by_listing(a, b), abs=1e-12)
    assert result.method == "exact"


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=14, unique=True), st.data())
def test_without_ties_u_and_p_are_those_of_scipy(values: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    a, b = values[:cut], values[cut:]
    known = stats.mannwhitneyu(b, a, method="exact")
    result = mann_whitney(a, b)
    assert result.statistic == known.statistic
    assert result.p == pytest.approx(known.pvalue, abs=1e-12)


@given(SMALL_GROUP, SMALL_GROUP)
def test_order_of_groups_does_not_change_p(a: list[float], b: list[float]) -> None:
    forth, back = mann_whitney(a, b), mann_whitney(b, a)
    assert forth.p == pytest.approx(back.p, abs=1e-12)
    assert forth.statistic + back.statistic == len(a) * len(b)


@given(SMALL_GROUP, SMALL_GROUP)
def test_only_order_matters(a: list[float], b: list[float]) -> None:
    stretched = mann_whitney([math.exp(x) for x in a], [math.exp(x) for x in b])
    assert stretched == mann_whitney(a, b)


@pytest.mark.parametrize(("n", "least"), [(3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_complete_separation_gives_the_smallest_p(n: int, least: float) -> None:
    assert mann_whitney(range(n), range(n, 2 * n)).p == pytest.approx(least)
    assert smallest_p(n, n) == pytest.approx(least)


def test_equal_values_throughout_say_nothing() -> None:
    assert mann_whitney([2, 2, 2, 2], [2, 2, 2, 2, 2]).p == 1
    assert (kruskal_wallis([[1, 1], [1, 1], [1]]).statistic, kruskal_wallis([[1], [1]]).p) == (0, 1)
    assert dunn({"a": [1, 1], "b": [1, 1]}, [("a", "b")])[0].p == 1


def test_groups_too_large_to_count_are_drawn_reproducibly() -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(size=80).tolist(), random.normal(0.4, size=90).tolist()
    assert not is_countable(80, 90)
    drawn = mann_whitney(a, b, permutations=20_000, seed=7)
    assert drawn == mann_whitney(a, b, permutations=20_000, seed=7)
    assert drawn.p == pytest.approx(stats.mannwhitneyu(b, a).pvalue, abs=0.005)


def test_drawn_p_tells_its_error_which_repetitions_show() -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(size=80).tolist(), random.normal(0.3, size=90).tolist()
    drawn = [mann_whitney(a, b, permutations=2_000, seed=seed) for seed in range(40)]
    words, _, error = drawn[0].method.rpartition("± ")
    assert words == "2000 random permutations, p "
    spread = 1.96 * np.std([one.p for one in drawn], ddof=1)
    assert float(error) == pytest.approx(spread, rel=0.6)


def test_drawn_p_is_never_zero() -> None:
    assert mann_whitney(range(80), range(80, 170), permutations=1_000).p == 1 / 1_001


def test_counted_distribution_reaches_large_groups() -> None:
    counts = subset_sums(np.arange(60, dtype=np.int64), 30)
    assert counts.sum() == pytest.approx(math.comb(60, 30), rel=1e-12)


@given(st.lists(st.lists(GRADES, min_size=2, max_size=7), min_size=2, max_size=5))
def test_kruskal_wallis_is_that_of_scipy(samples: list[list[float]]) -> None:
    if len({value for sample in samples for value in sample}) == 1:
        return
    known = stats.kruskal(*samples)
    result = kruskal_wallis(samples)
    assert result.statistic == pytest.approx(known.statistic, abs=1e-9)
    assert result.p == pytest.approx(known.pvalue, abs=1e-9)


def test_dunn_gives_the_published_output_for_the_ozone_data() -> None:
    published = {
        ("June", "May"): -0.925158,
        ("July", "May"): -4.419470,
        ("July", "June"): -2.244208,
        ("Aug", "May"): -4.132813,
        ("Aug", "June"): -2.038635,
        ("Aug", "July"): 0.286657,
        ("Sept", "May"): -1.321202,
        ("Sept", "June"): 0.002538,
        ("Sept", "July"): 3.217199,
        ("Sept", "Aug"): 2.922827,
    }
    assert kruskal_wallis(list(OZONE_SAMPLES.values())).statistic == pytest.approx(
        29.2666, abs=5e-5
    )
    results = dunn(OZONE_SAMPLES, list(published))
    for result, z in zip(results, published.values(), strict=True):
        assert result.statistic == pytest.approx(z, abs=1.01e-6)


@given(SMALL_GROUP, SMALL_GROUP)
def test_dunn_for_two_groups_is_the_root_of_kruskal_wallis(a: list[float], b: list[float]) -> None:
    (z,) = dunn({"a": a, "b": b}, [("a", "b")])
    assert z.statistic**2 == pytest.approx(kruskal_wallis([a, b]).statistic, abs=1e-9)
    assert z.statistic * (np.mean(stats.rankdata(a + b)[len(a) :]) - (len(a + b) + 1) / 2) >= -1e-9


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    known = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(tuple(known), abs=1e-12)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == ()


@pytest.mark.parametrize(("a", "b"), [([], [1.0]), ([1.0], [math.nan]), ([math.inf], [1.0])])
def test_empty_groups_and_missing_values_are_refused(a: list[float], b: list[float]) -> None:
    for test in (mann_whitney, lambda x, y: kruskal_wallis([x, y])):
        with pytest.raises(ValueError, match=r"without animals|finite"):
            test(a, b)
