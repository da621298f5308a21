"""Intervals over animals: what is drawn, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.scoring.clusters import (
    MIN_ANIMALS,
    NO_SPREAD,
    TOO_FEW,
    Bootstrap,
    estimate,
    quantile_estimate,
    resampled_sums,
    sums_by_animal,
)

BOOTSTRAP = Bootstrap(seed=3, resamples=500)


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def rows_of(values: list[float]) -> np.ndarray:
    return np.column_stack([values, np.ones(len(values))])


def test_a_resample_has_as_many_animals_and_the_same_seed_the_same_ones() -> None:
    weights = BOOTSTRAP.weights(7)
    assert weights.shape == (500, 7)
    assert (weights.sum(1) == 7).all()
    assert np.array_equal(weights, Bootstrap(3, 500).weights(7))
    assert not np.array_equal(weights, Bootstrap(4, 500).weights(7))
    assert not np.array_equal(weights, BOOTSTRAP.weights(7, stream=1))


def test_all_rows_of_an_animal_come_along() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    sums = sums_by_animal(rows, ["b", "a", "b", "a", "c", "b"])
    assert sums.tolist() == [[8, 10], [14, 17], [8, 9]]
    drawn = resampled_sums(sums, BOOTSTRAP)
    assert drawn == pytest.approx(BOOTSTRAP.weights(3) @ sums)


def test_the_interval_is_the_middle_95_percent_of_resampled_means() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0]
    found = estimate(rows_of(values), mean, BOOTSTRAP)
    by_hand = [np.dot(weights, values) / 6 for weights in BOOTSTRAP.weights(6)]
    assert found.value == pytest.approx(4.5)
    assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, (0.025, 0.975)))


def test_more_rows_of_the_same_animals_do_not_narrow_the_interval() -> None:
    values, names = [1.0, 4.0, 2.0, 8.0, 5.0], list("abcde")
    once = estimate(sums_by_animal(rows_of(values), names), mean, BOOTSTRAP)
    many = estimate(sums_by_animal(rows_of(values * 9), names * 9), mean, BOOTSTRAP)
    assert (many.low, many.high) == (pytest.approx(once.low), pytest.approx(once.high))


@given(st.permutations(list(range(8))))
def test_the_order_of_the_animals_does_not_matter(order: list[int]) -> None:
    values, names = np.array([3.0, 1, 4, 1, 5, 9, 2, 6]), np.array(list("abcdefgh"))
    first = estimate(sums_by_animal(rows_of(list(values)), list(names)), mean, BOOTSTRAP)
    shuffled = sums_by_animal(rows_of(list(values[order])), list(names[order]))
    assert estimate(shuffled, mean, BOOTSTRAP) == first


@pytest.mark.parametrize("animals", range(MIN_ANIMALS + 1))
def test_few_animals_have_a_value_and_no_interval(animals: int) -> None:
    found = estimate(rows_of([float(n) for n in range(animals)]), mean, BOOTSTRAP)
    assert found.n_animals == animals
    assert (found.value is None) == (animals == 0)
    assert (found.low is None) == (animals < MIN_ANIMALS)
    assert (found.note == TOO_FEW) == (0 < animals < MIN_ANIMALS)


def test_a_statistic_that_is_often_undefined_has_no_interval() -> None:
    def needs_the_first(sums: np.ndarray) -> np.ndarray:
        return np.where(sums[..., 0] > 0, sums[..., 0], np.nan)

    sums = np.eye(8)[:, :1]
    found = estimate(sums, needs_the_first, BOOTSTRAP)
    assert (found.value, found.low) == (1, None)
    assert "undefined in" in found.note


def test_equal_resamples_claim_no_certainty() -> None:
    found = estimate(rows_of([1.0] * 9), mean, BOOTSTRAP)
    assert (found.value, found.low, found.high, found.note) == (1.0, None, None, NO_SPREAD)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(-9, 9)), min_size=6, max_size=25),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_a_weighted_quantile_is_that_of_the_rows_written_out(
    rows: list[tuple[str, float]], share: float
) -> None:
    rows = [*rows, *((name, float(n)) for n, name in enumerate("abcdef"))]
    values, names = np.array([v for _, v in rows]), [name for name, _ in rows]
    boot = Bootstrap(seed=1, resamples=40)
    found = quantile_estimate(values, names, share, boot)
    place = {name: n for n, name in enumerate(sorted(set(names)))}
    by_hand = [
        np.quantile(np.repeat(values, [int(w[place[name]]) for name in names]), share)
        for w in boot.weights(len(place))
    ]
    assert found.value == pytest.approx(np.quantile(values, share))
    if found.low is not None:
        assert [found.low, found.high] == pytest.approx(np.quantile(by_hand, (0.025, 0.975)))
    else:
        assert np.ptp(np.quantile(by_hand, (0.025, 0.975))) == pytest.approx(0)
