"""Calibration: a known temperature is found, and sets hold new animals' grades as promised."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from histoscore.scoring.calibration import (
    Calibration,
    entry_mass,
    fit_calibration,
    fit_temperature,
    fit_threshold,
    grade_set,
    tempered,
)
from histoscore.vocabulary import OARSI_MOUSE

Values = NDArray[np.float64]
GRADES = np.asarray(OARSI_MOUSE.rungs)
RUNGS = len(GRADES)

distributions = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.floats(1e-6, 1),
).map(lambda x: x / x.sum(axis=1, keepdims=True))


def one_hot(*rungs: int, of: int = RUNGS) -> Values:
    return np.eye(of)[list(rungs)]


def own(n: int) -> list[str]:
    """An animal for each of n compartments."""
    return [f"m{i}" for i in range(n)]


def random_rows(n: int, seed: int, of: int = RUNGS) -> Values:
    return np.random.default_rng(seed).dirichlet(np.full(of, 0.5), n)


def random_case(seed: int, n: int = 40) -> tuple[Values, Values, list[str]]:
    """Probabilities, grades of three scorers and animals, without any relation."""
    rng = np.random.default_rng([7, seed])
    wanted = rng.multinomial(3, [1 / RUNGS] * RUNGS, n) / 3
    return random_rows(n, seed), wanted, [f"m{i}" for i in rng.integers(0, 25, n)]


class TestTemperature:
    @pytest.mark.parametrize("known", [0.3, 0.8, 1.0, 2.5, 7.0])
    def test_a_known_one_is_found(self, known: float) -> None:
        """The wanted distributions are exactly what softmax(log p ÷ T) gives."""
        truth = random_rows(30, 1)
        shifts = np.arange(30)[:, None]  # constants of a row mean nothing
        found = fit_temperature(np.log(truth) * known + shifts, truth, own(30))
        assert found == pytest.approx(known, rel=1e-3)

    @pytest.mark.parametrize("known", [0.5, 1.0, 3.0])
    def test_it_is_found_from_single_grades(self, known: float) -> None:
        truth = random_rows(4_000, 2)
        rng = np.random.default_rng(3)
        grades = [rng.choice(RUNGS, p=row) for row in truth]
        found = fit_temperature(np.log(truth) * known, one_hot(*grades), own(4_000))
        assert found == pytest.approx(known, rel=0.06)

    def test_every_animal_counts_the_same(self) -> None:
        p = random_rows(6, 5)
        wanted = 0.8 * p + 0.2 * random_rows(6, 6)
        animals = list("aaabbc")
        once = fit_temperature(np.log(p), wanted, animals)
        often = [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
        again = fit_temperature(np.log(p[often]), wanted[often], [animals[i] for i in often])
        as_others = fit_temperature(np.log(p[often]), wanted[often], own(10))
        assert again == pytest.approx(once, rel=1e-3)
        assert abs(as_others - once) > 0.03

    def test_it_stays_within_bounds(self) -> None:
        logs = np.log(random_rows(20, 6))
        right, wrong = one_hot(*logs.argmax(1)), one_hot(*logs.argmin(1))
        assert fit_temperature(logs, right, own(20)) == pytest.approx(0.2, rel=1e-3)
        assert fit_temperature(logs, wrong, own(20)) == pytest.approx(10, rel=1e-3)

    @given(distributions, st.floats(0.2, 10))
    def test_tempering_keeps_the_order_of_rungs(self, p: Values, temperature: float) -> None:
        found = tempered(np.log(p), temperature)
        assert found.sum(axis=1) == pytest.approx(np.ones(len(p)))
        assert (np.diff(np.take_along_axis(found, p.argsort(axis=1), 1), axis=1) >= -1e-12).all()
        assert tempered(np.log(p), 1.0) == pytest.approx(p)


class TestEntryMass:
    def test_neighbours_enter_by_probability(self) -> None:
        p = [[0.05, 0.20, 0.45, 0.10, 0.20]]
        assert entry_mass(p)[0] == pytest.approx([0.95, 0.45, 0.0, 0.65, 0.75])

    def test_ties_go_to_the_lower_rung(self) -> None:
        assert entry_mass([[0.25, 0.25, 0.25, 0.25]])[0] == pytest.approx([0, 0.25, 0.5, 0.75])
        assert entry_mass([[0.25, 0.5, 0.25]])[0] == pytest.approx([0.5, 0, 0.75])

    @given(distributions, st.floats(0, 0.99))
    def test_sets_are_neighbours_around_the_mode_with_more_mass_than_the_threshold(
        self, p: Values, threshold: float
    ) -> None:
        for row, entry in zip(p, entry_mass(p), strict=True):
            low, high = grade_set(row, threshold)
            inside = entry <= threshold
            assert inside[low : high + 1].all()
            assert inside.sum() == high + 1 - low
            assert low <= row.argmax() <= high
            assert row[low : high + 1].sum() > threshold - 1e-9

    @given(distributions, st.floats(0, 1), st.floats(0, 1))
    def test_sets_grow_with_the_threshold(self, p: Values, a: float, b: float) -> None:
        small, large = (grade_set(p[0], t) for t in sorted([a, b]))
        assert large[0] <= small[0] <= small[1] <= large[1]

    def test_the_ends_are_the_mode_and_the_whole_ladder(self) -> None:
        p = [0.0, 0.3, 0.7, 0.0]
        assert grade_set(p, 0.0) == (2, 2)
        assert grade_set(p, 0.7) == (1, 2)
        assert grade_set(p, 1.0) == grade_set(p, math.inf) == (0, 3)


class TestThreshold:
    p = np.array([[0.6, 0.3, 0.1]])
    """Its rungs enter at 0, 0.6 and 0.9."""

    def fitted(self, rungs: Sequence[int], coverage: float) -> float:
        n = len(rungs)
        return fit_threshold(self.p.repeat(n, 0), one_hot(*rungs, of=3), own(n), coverage)

    def test_it_is_the_quantile_with_one_animal_more(self) -> None:
        rungs = [0] * 6 + [1] * 2 + [2]
        assert self.fitted(rungs, 0.6) == 0  # 6 of 9 + 1
        assert self.fitted(rungs, 0.61) == pytest.approx(0.6)
        assert self.fitted(rungs, 0.8) == pytest.approx(0.6)
        assert self.fitted(rungs, 0.9) == pytest.approx(0.9)

    @pytest.mark.parametrize(("coverage", "enough"), [(0.8, 4), (0.9, 9), (0.95, 19)])
    def test_too_few_animals_get_the_whole_ladder(self, coverage: float, enough: int) -> None:
        assert self.fitted([0] * (enough - 1), coverage) == math.inf
        assert self.fitted([0] * enough, coverage) == 0

    def test_compartments_do_not_replace_animals(self) -> None:
        p, wanted = self.p.repeat(80, 0), one_hot(*[0] * 80, of=3)
        assert fit_threshold(p, wanted, [f"m{i % 8}" for i in range(80)]) == math.inf

    def test_every_animal_counts_the_same(self) -> None:
        """One hard animal of ten, whether one or ninety of its compartments were graded."""
        for copies in (1, 90):
            rungs = [0] * 9 + [1] * copies
            animals = own(9) + ["hard"] * copies
            p, wanted = self.p.repeat(len(rungs), 0), one_hot(*rungs, of=3)
            assert fit_threshold(p, wanted, animals, 0.8) == 0
            assert fit_threshold(p, wanted, animals, 0.85) == pytest.approx(0.6)

    def test_every_scorer_counts_by_share(self) -> None:
        wanted = one_hot(*[0] * 9, of=3)
        wanted[-1] = [0.5, 0.5, 0]
        p = self.p.repeat(9, 0)
        assert fit_threshold(p, wanted, own(9), 0.85) == 0  # 8.5 of 9 + 1
        assert fit_threshold(p, wanted, own(9), 0.86) == pytest.approx(0.6)

    @given(st.integers(0, 10_000), st.floats(0.05, 0.99), st.floats(0.05, 0.99))
    def test_more_coverage_never_lowers_it(self, seed: int, a: float, b: float) -> None:
        low, high = (fit_threshold(*random_case(seed), coverage=c) for c in sorted([a, b]))
        assert low <= high

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10_000))
    def test_order_and_names_mean_nothing(self, seed: int) -> None:
        p, wanted, animals = random_case(seed)
        order = np.random.default_rng(seed).permutation(len(p))
        renamed = [animals[i][::-1] + "!" for i in order]
        first = fit_calibration(np.log(p), wanted, animals)
        again = fit_calibration(np.log(p[order]), wanted[order], renamed)
        assert again.temperature == pytest.approx(first.temperature, rel=1e-3)
        assert again.threshold == pytest.approx(first.threshold, abs=1e-3)
        assert again.n_animals == first.n_animals


Sizes = Callable[[np.random.Generator], tuple[Values, NDArray[np.int64]]]


def alike(rng: np.random.Generator) -> tuple[Values, NDArray[np.int64]]:
    """Fifteen animals as hard as each other, eight compartments each."""
    return np.full(15, 0.6), np.full(15, 8)


def hard_ones_small(rng: np.random.Generator) -> tuple[Values, NDArray[np.int64]]:
    """Twenty animals; the hard third of them has one compartment, the rest have eight."""
    hard = rng.random(20) < 1 / 3
    return np.where(hard, 1.2, 0.1), np.where(hard, 1, 8)


def drawn(
    rng: np.random.Generator, sizes: Sizes, shared: float, claimed: float
) -> tuple[Values, Values, list[str]]:
    """A study: the model misses each grade by an error of which a share is the animal's own.

    `claimed` is the error that the model's probabilities admit to.
    """
    error, compartments = sizes(rng)
    animal = np.repeat(np.arange(len(error)), compartments)
    common, each = rng.normal(size=len(error))[animal], rng.normal(size=len(animal))
    missed = error[animal] * (math.sqrt(shared) * common + math.sqrt(1 - shared) * each)
    rungs = rng.integers(0, RUNGS, len(animal))
    logs = -(((GRADES[rungs] + missed)[:, None] - GRADES) ** 2) / (2 * claimed**2)
    return logs, one_hot(*rungs), [str(a) for a in animal]


def covered(calibration: Calibration, logs: Values, wanted: Values, animals: list[str]) -> float:
    """Share of wanted grades inside their sets, every animal counting the same."""
    inside = entry_mass(tempered(logs, calibration.temperature)) <= calibration.threshold
    _, inverse, counts = np.unique(animals, return_inverse=True, return_counts=True)
    return float(((inside * wanted).sum(axis=1) / counts[inverse]).sum() / len(counts))


@pytest.mark.parametrize(
    ("sizes", "shared", "claimed"),
    [
        pytest.param(alike, 0.0, 0.6, id="honest"),
        pytest.param(alike, 0.95, 0.3, id="too sure, errors alike within animals"),
        pytest.param(hard_ones_small, 0.0, 1.2, id="unsure, hard animals small"),
        pytest.param(hard_ones_small, 0.95, 0.6, id="hard animals small, errors alike within"),
    ],
)
def test_new_animals_are_covered_as_promised(sizes: Sizes, shared: float, claimed: float) -> None:
    """Over 200 studies, each with fresh animals to test on (standard error about 0.004)."""
    rng = np.random.default_rng(11)
    shares = []
    for _ in range(200):
        calibration = fit_calibration(*drawn(rng, sizes, shared, claimed))
        shares.append(covered(calibration, *drawn(rng, sizes, shared, claimed)))
    assert np.mean(shares) >= 0.89


def test_sets_are_no_wider_than_needed() -> None:
    """With many animals coverage is as asked, not more, and few sets are wide."""
    rng = np.random.default_rng(12)

    def many(rng: np.random.Generator) -> tuple[Values, NDArray[np.int64]]:
        return np.full(1_000, 0.6), np.full(1_000, 2)

    calibration = fit_calibration(*drawn(rng, many, 0.0, 0.6))
    logs, wanted, animals = drawn(rng, many, 0.0, 0.6)
    assert covered(calibration, logs, wanted, animals) == pytest.approx(0.9, abs=0.03)
    inside = entry_mass(tempered(logs, calibration.temperature)) <= calibration.threshold
    assert inside.sum(axis=1).mean() < 2.3


class TestCalibration:
    def test_it_says_what_it_was_fitted_on(self) -> None:
        p, wanted, animals = random_case(1)
        fitted = fit_calibration(np.log(p), wanted, animals, 0.8)
        temperature = fit_temperature(np.log(p), wanted, animals)
        threshold = fit_threshold(tempered(np.log(p), temperature), wanted, animals, 0.8)
        assert fitted == Calibration(temperature, threshold, 0.8, len(set(animals)), 40)

    @pytest.mark.parametrize("threshold", [0.0, 0.73, 1 - 1e-12, math.inf])
    def test_it_survives_strict_json(self, threshold: float) -> None:
        calibration = Calibration(1.7, threshold, 0.9, 12, 48)
        text = json.dumps(calibration.as_mapping(), allow_nan=False)
        assert Calibration.from_mapping(json.loads(text)) == calibration

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"temperature": 0}, "above 0"),
            ({"temperature": math.nan}, "above 0"),
            ({"threshold": -0.1}, "0 or more"),
            ({"threshold": math.nan}, "0 or more"),
            ({"coverage": 1}, "between 0 and 1"),
            ({"n_animals": 0}, "of 0 animals"),
            ({"n_animals": 50}, "48 compartments of 50"),
            ({"sharpness": 2}, "a calibration holds"),
        ],
    )
    def test_what_cannot_be_is_refused(self, change: dict[str, float], message: str) -> None:
        good = Calibration(1.7, 0.5, 0.9, 12, 48).as_mapping()
        with pytest.raises(ValueError, match=message):
            Calibration.from_mapping(good | change)

    def test_a_missing_number_is_refused(self) -> None:
        mapping = Calibration(1.7, 0.5, 0.9, 12, 48).as_mapping()
        del mapping["threshold"]
        with pytest.raises(ValueError, match="a calibration holds"):
            Calibration.from_mapping(mapping)


class TestRefusals:
    nothing = np.empty((0, RUNGS))
    rows = random_rows(3, 1)

    def test_no_compartments(self) -> None:
        for fit in (fit_temperature, fit_threshold, fit_calibration):
            with pytest.raises(ValueError, match="needs compartments"):
                fit(self.nothing, self.nothing, [])

    def test_arguments_that_do_not_belong_together(self) -> None:
        for fit in (fit_temperature, fit_threshold):
            with pytest.raises(ValueError, match="do not belong together"):
                fit(self.rows, self.rows, own(2))
            with pytest.raises(ValueError, match="do not belong together"):
                fit(self.rows, random_rows(3, 1, of=5), own(3))

    @pytest.mark.parametrize("bad", [[0.5, 0.6], [1.2, -0.2], [math.nan, 1.0]])
    def test_rows_that_are_no_distributions(self, bad: list[float]) -> None:
        with pytest.raises(ValueError, match="must be a distribution"):
            entry_mass([bad])
        with pytest.raises(ValueError, match="must be a distribution"):
            fit_temperature([[0.0, 0.0]], [bad], own(1))

    def test_numbers_out_of_range(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            tempered([[0.0, -math.inf]], 1.0)
        with pytest.raises(ValueError, match="above 0"):
            tempered([[0.0, 0.0]], 0.0)
        with pytest.raises(ValueError, match="between 0 and 1"):
            fit_threshold(self.rows, self.rows, own(3), 1.0)
        with pytest.raises(ValueError, match="0 or more"):
            grade_set([0.5, 0.5], -0.1)
