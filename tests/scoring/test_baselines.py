"""Baselines learn from other animals only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from histoscore.scoring.baselines import Measures, majority, morphometry_only, ridge
from histoscore.scoring.comparison import Item, Place
from histoscore.vocabulary import OARSI_MOUSE, Compartment

RUNGS = OARSI_MOUSE.rungs
ITEMS = [Item(f"{n}.svs", 1, compartment) for n in range(6) for compartment in Compartment]
PLACES = {f"{n}.svs": Place(f"m{n // 2}") for n in range(6)}
REFERENCE = {item: RUNGS[n % 5] for n, item in enumerate(ITEMS)}


def measured(grade: float, noise: float = 0.0) -> Measures:
    place = RUNGS.index(grade)
    return Measures(20_000 - 2_000 * place + noise, 30 - 3 * place, place / 8, 1 - place / 9)


MEASURES = {item: measured(grade, 7.0 * n) for n, (item, grade) in enumerate(REFERENCE.items())}


def with_changed(animal: str) -> dict[Item, float]:
    """The reference with other grades for one animal."""
    return {
        item: 6.0 if PLACES[item.slide].animal == animal else grade
        for item, grade in REFERENCE.items()
    }


@pytest.mark.parametrize("animal", ["m0", "m1", "m2"])
def test_an_animals_own_grades_never_reach_its_predictions(animal: str) -> None:
    own = [item for item in ITEMS if PLACES[item.slide].animal == animal]
    changed = with_changed(animal)
    before, after = majority(REFERENCE, PLACES), majority(changed, PLACES)
    assert [before[item] for item in own] == [after[item] for item in own]
    first = morphometry_only(REFERENCE, MEASURES, PLACES, OARSI_MOUSE)
    second = morphometry_only(changed, MEASURES, PLACES, OARSI_MOUSE)
    assert [first[item] for item in own] == [second[item] for item in own]
    assert first != second


def test_majority_is_the_most_frequent_rung_and_of_equals_the_lower() -> None:
    places = {f"{n}.svs": Place(f"m{n}") for n in range(4)}
    items = [Item(f"{n}.svs", 1, Compartment.MFC) for n in range(4)]
    reference = dict(zip(items, (0.0, 3.0, 3.0, 0.0), strict=True))
    assert list(majority(reference, places).values()) == [3, 0, 0, 3]
    tied = dict(zip(items, (6.0, 4.0, 2.0, 5.0), strict=True))
    assert majority(tied, places)[items[0]] == 2


def test_measures_that_follow_the_grade_predict_it() -> None:
    predicted = morphometry_only(REFERENCE, MEASURES, PLACES, OARSI_MOUSE)
    steps = [abs(RUNGS.index(predicted[i]) - RUNGS.index(REFERENCE[i])) for i in ITEMS]
    assert max(steps) <= 1
    assert np.mean(steps) < 0.2


def test_what_was_not_measured_is_not_predicted_but_lost_cartilage_is() -> None:
    measures = {item: MEASURES[item] for item in ITEMS[1:]}
    bare = Measures(0.0, 0.0, 1.0, None)
    predicted = morphometry_only(REFERENCE, {**measures, ITEMS[5]: bare}, PLACES, OARSI_MOUSE)
    assert ITEMS[0] not in predicted
    assert predicted[ITEMS[5]] > 3


def test_nothing_is_learnt_from_one_other_animal() -> None:
    two = {i: g for i, g in REFERENCE.items() if PLACES[i.slide].animal != "m2"}
    assert majority(two, PLACES) == {}
    assert morphometry_only(two, MEASURES, PLACES, OARSI_MOUSE) == {}


def test_ridge_is_that_of_scikit_learn_on_standardised_columns() -> None:
    rng = np.random.default_rng(4)
    known, asked, answers = rng.normal(3, 2, (30, 4)), rng.normal(3, 2, (5, 4)), rng.normal(size=30)
    middle, spread = known.mean(0), known.std(0)
    model = Ridge(alpha=1.5).fit((known - middle) / spread, answers)
    expected = model.predict((asked - middle) / spread)
    assert ridge(known, answers, asked, 1.5) == pytest.approx(expected)
    constant = np.column_stack([known, np.full(30, 7.0)])
    with_constant = ridge(constant, answers, np.column_stack([asked, np.full(5, 9.0)]), 1.5)
    assert with_constant == pytest.approx(expected)
