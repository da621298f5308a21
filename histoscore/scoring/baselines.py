"""What a grade costs without looking: two predictors that a model has to beat.

Each animal is predicted from the other animals only. Nothing is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from histoscore.scoring.clusters import Numbers
from histoscore.scoring.comparison import Grades, Item, Places
from histoscore.vocabulary import Compartment, Ladder

PENALTY = 1.0
"""Of the ridge regression, on standardised measures."""

MIN_OTHERS = 2
"""Other animals that there must be to learn anything from."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of one compartment; areas in µm², thickness in µm, shares 0–1."""

    hyaline_area_um2: float
    mean_thickness_um: float
    lesion_extent: float
    safranin_fraction: float | None


def majority(reference: Grades, places: Places) -> dict[Item, float]:
    """The most frequent rung of the other animals' reference grades; of equal ones the lower."""
    predicted: dict[Item, float] = {}
    for animal, (own, others) in _folds(list(reference), places).items():
        if len({places[item.slide].animal for item in others} - {animal}) >= MIN_OTHERS:
            counts = Counter(reference[item] for item in others)
            grade = min(counts, key=lambda rung: (-counts[rung], rung))
            predicted |= dict.fromkeys(own, grade)
    return predicted


def morphometry_only(
    reference: Grades, measures: Mapping[Item, Measures], places: Places, ladder: Ladder
) -> dict[Item, float]:
    """Ridge regression of the rung index on the measures and the compartment, to the nearest rung.

    Learnt on the other animals. What was not measured is not predicted, but for a Safranin
    fraction: where no hyaline cartilage is left there is none, which is a sign of its own.
    """
    items = [item for item in reference if item in measures]
    predicted: dict[Item, float] = {}
    for own, others in _folds(items, places).values():
        if len({places[item.slide].animal for item in others}) < MIN_OTHERS:
            continue
        rungs = np.array([ladder.index(reference[item]) for item in others], dtype=float)
        fitted = ridge(_features(others, measures), rungs, _features(own, measures), PENALTY)
        places_on_ladder = np.clip(np.rint(fitted), 0, len(ladder) - 1).astype(int)
        predicted |= {
            item: ladder.rungs[place] for item, place in zip(own, places_on_ladder, strict=True)
        }
    return predicted


def ridge(known: Numbers, answers: Numbers, asked: Numbers, penalty: float) -> Numbers:
    """(m,) predictions for `asked` (m, k) after ridge regression of answers (n,) on known (n, k).

    Columns are standardised by what is known; the intercept bears no penalty (Hoerl & Kennard
    1970, Technometrics 12:55–67). A column without spread says nothing.
    """
    middle, spread = known.mean(0), known.std(0)
    spread = np.where(spread > 0, spread, np.inf)
    x = (known - middle) / spread
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (answers - answers.mean()))
    return np.asarray(answers.mean() + (asked - middle) / spread @ weights)


def _folds(items: Sequence[Item], places: Places) -> dict[str, tuple[list[Item], list[Item]]]:
    """Animal → (its items, those of all other animals)."""
    animals = dict.fromkeys(places[item.slide].animal for item in items)
    return {
        animal: (
            [item for item in items if places[item.slide].animal == animal],
            [item for item in items if places[item.slide].animal != animal],
        )
        for animal in animals
    }


def _features(items: Sequence[Item], measures: Mapping[Item, Measures]) -> Numbers:
    return np.array([_row(item.compartment, measures[item]) for item in items], dtype=float)


def _row(compartment: Compartment, measured: Measures) -> list[float]:
    safranin = measured.safranin_fraction
    return [
        measured.hyaline_area_um2,
        measured.mean_thickness_um,
        measured.lesion_extent,
        0.0 if safranin is None else safranin,
        float(safranin is None),
        *(float(compartment is one) for one in Compartment),
    ]
