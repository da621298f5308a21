"""Jonckheere–Terpstra against listing every deal, two-group tests and a textbook's example."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.scoring.ranktests import mann_whitney
from histoscore.scoring.trends import (
    expected_j,
    is_countable,
    j_distribution,
    jonckheere_terpstra,
)

GRADES = st.sampled_from([0, 0.5, 1, 2, 3, 4, 5, 6])
GROUP = st.lists(GRADES, min_size=1, max_size=3)

HUNDAL = (
    [40, 35, 38, 43, 44, 41],
    [38, 40, 47, 44, 40, 42],
    [48, 40, 45, 43, 46, 44],
)
"""Pieces made by workers who know nothing, something, much of their output (Hundal 1969), as in
Hollander & Wolfe, Nonparametric Statistical Methods, where J is 79."""


def deals(values: Sequence[float], sizes: Sequence[int]) -> Iterator[list[list[float]]]:
    """Every way to deal the values into groups of these sizes."""
    if len(sizes) == 1:
        yield [list(values)]
        return
    for chosen in combinations(range(len(values)), sizes[0]):
        rest = [value for place, value in enumerate(values) if place not in chosen]
        for others in deals(rest, sizes[1:]):
            yield [[values[place] for place in chosen], *others]


def j_by_counting(samples: Sequence[Sequence[float]]) -> float:
    return sum(
        (x < y) + (x == y) / 2
        for earlier, later in combinations(samples, 2)
        for x in earlier
        for y in later
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(GROUP, min_size=2, max_size=3))
def test_exact_p_is_that_of_listing_every_deal(samples: list[list[float]]) -> None:
    sizes = [len(sample) for sample in samples]
    mean, observed = expected_j(sizes), j_by_counting(samples)
    every = [j_by_counting(deal) for deal in deals(list(chain(*samples)), sizes)]
    result = jonckheere_terpstra(samples)
    assert (result.statistic, result.method) == (observed, "exact")
    assert np.mean(every) == pytest.approx(mean)
    far = np.mean([abs(j - mean) >= abs(observed - mean) for j in every])
    assert result.p == pytest.approx(far, abs=1e-12)


@settings(deadline=None)
@given(st.lists(GRADES, min_size=1, max_size=6), st.lists(GRADES, min_size=1, max_size=6))
def test_for_two_groups_it_is_mann_whitney(a: list[float], b: list[float]) -> None:
    trend, pair = jonckheere_terpstra([a, b]), mann_whitney(a, b)
    assert trend.statistic == pair.statistic
    assert trend.p == pytest.approx(pair.p, abs=1e-12)


def test_the_textbook_example_and_its_table() -> None:
    """J = 79; without ties P(J ≥ 79) for groups of 6, 6, 6 is tabled as 0.0231."""
    assert jonckheere_terpstra(HUNDAL).statistic == 79
    counts = j_distribution([6, 6, 6], np.ones(18, dtype=np.int64))
    assert counts.sum() == math.factorial(18) / math.factorial(6) ** 3
    assert counts[2 * 79 :].sum() / counts.sum() == pytest.approx(0.0231, abs=5e-5)


@pytest.mark.parametrize(
    ("sizes", "ties"), [([4, 5, 6], [5, 1, 3, 6]), ([3, 3, 3, 3], [12]), ([2, 7, 3], [1] * 12)]
)
def test_mean_and_variance_are_those_of_the_published_formula(
    sizes: list[int], ties: list[int]
) -> None:
    """Hollander & Wolfe's null variance of J with ties."""
    counts = j_distribution(sizes, np.array(ties))
    j = np.arange(len(counts)) / 2
    mean = counts @ j / counts.sum()
    n, sized, tied = sum(sizes), np.array(sizes, float), np.array(ties, float)

    def three(x: np.ndarray) -> float:
        return float((x * (x - 1) * (x - 2)).sum())

    def five(x: np.ndarray) -> float:
        return float((x * (x - 1) * (2 * x + 5)).sum())

    def two(x: np.ndarray) -> float:
        return float((x * (x - 1)).sum())

    variance = (five(np.array([n], float)) - five(sized) - five(tied)) / 72
    variance += three(sized) * three(tied) / (36 * n * (n - 1) * (n - 2))
    variance += two(sized) * two(tied) / (8 * n * (n - 1))
    assert mean == pytest.approx(expected_j(sizes))
    assert counts @ (j - mean) ** 2 / counts.sum() == pytest.approx(variance)


def test_groups_too_many_to_count_are_drawn_with_their_error() -> None:
    random = np.random.default_rng(5)
    samples = [random.choice([0, 0.5, 1, 2, 3], 6).tolist() for _ in range(4)]
    exact = jonckheere_terpstra(samples)
    more = [[*sample, *sample] for sample in samples]
    assert exact.method == "exact"
    assert not is_countable([12] * 4, np.unique(list(chain(*more)), return_counts=True)[1])
    drawn = jonckheere_terpstra(more, permutations=20_000, seed=3)
    assert drawn == jonckheere_terpstra(more, permutations=20_000, seed=3)
    assert drawn.method.startswith("20000 random permutations, p ± 0.0")
    assert drawn.statistic == 4 * exact.statistic


def test_drawn_p_is_the_exact_one_within_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = jonckheere_terpstra(HUNDAL).p
    monkeypatch.setattr("histoscore.scoring.trends.is_countable", lambda *_: False)
    drawn = jonckheere_terpstra(HUNDAL, permutations=100_000, seed=1)
    assert drawn.p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000))


def test_equal_values_throughout_say_nothing() -> None:
    assert jonckheere_terpstra([[2, 2], [2, 2], [2]]).p == 1


@pytest.mark.parametrize("samples", [[[1.0]], [[1.0], []], [[1.0], [math.nan]]])
def test_what_has_no_trend_is_refused(samples: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="a trend needs"):
        jonckheere_terpstra(samples)
