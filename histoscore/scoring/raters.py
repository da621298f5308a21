"""Several scorers at once: how alike they grade, each one's bias, and what to discuss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np

from histoscore.scoring.agreement import lower_median
from histoscore.scoring.clusters import Estimate, Numbers, estimate, estimates, sums_by_animal
from histoscore.scoring.comparison import EvaluationRow, Frame, Grades, Item, filled, share, strata
from histoscore.scoring.confusions import divided
from histoscore.vocabulary import Ladder

ALL_SCORERS = "all scorers"
"""The comparison of everybody at once."""

APART = 2
"""Rungs between the lowest and the highest grade that make an item worth a discussion."""


@dataclass(frozen=True, slots=True)
class ScorerBias:
    """How a scorer grades what the others put on one rung (None: on any rung), in grades.

    `exact` is the share on the others' rung, `bias` the mean of scorer − mean of the others.
    """

    scorer: str
    rung: float | None
    n: int
    n_animals: int
    mean_grade: float | None
    exact: float | None
    bias: Estimate


@dataclass(frozen=True, slots=True)
class Discussion:
    """An item on which scorers lie far apart; `apart` counts rungs."""

    item: Item
    animal: str
    grades: Mapping[str, float]
    apart: int


def rating_sums(ratings: Numbers) -> Numbers:
    """Ratings (items, raters) → rows (items, 4 + raters) whose sums give every ICC.

    Number of items, the sum and the squared sum over raters, the sum of squares, each rating.
    """
    total = ratings.sum(1)
    return np.column_stack([np.ones(len(ratings)), total, total**2, (ratings**2).sum(1), ratings])


def icc_of_sums(sums: Numbers, consistency: bool) -> Numbers:
    """ICC(2,1), or ICC(3,1) for `consistency`, of sums (…, 4 + raters) of `rating_sums`.

    Two-way analysis of variance, single rater (Shrout & Fleiss 1979, Psychol Bull 86:420–428).
    Undefined for fewer than two items, and where all ratings are equal.
    """
    n, total, squared, squares = (sums[..., place] for place in range(4))
    of_raters = sums[..., 4:]
    raters = of_raters.shape[-1]
    correction = divided(total**2, n * raters)
    between = squared / raters - correction
    judges = divided((of_raters**2).sum(-1), n) - correction
    rest = squares - correction - between - judges
    free = np.where(n < 2, 0.0, n - 1)
    targets, error = divided(between, free), divided(rest, free * (raters - 1))
    below = targets + (raters - 1) * error
    if not consistency:
        below = below + divided(raters * (judges / (raters - 1) - error), n)
    tiny = 1e-9 * np.maximum(squares / np.maximum(n, 1), 1e-300)
    return divided(targets - error, np.where(below > tiny, below, 0.0))


def joint_rows(
    by_scorer: Mapping[str, Grades], items: Sequence[Item], frame: Frame
) -> Iterator[EvaluationRow]:
    """ICC(2,1) and ICC(3,1) of all scorers, on the items that each of them graded."""
    for kind, stratum, chosen in strata(items, frame.places):
        full = [item for item in chosen if all(item in grades for grades in by_scorer.values())]
        ratings = np.array(
            [[grades[item] for grades in by_scorer.values()] for item in full], float
        )
        sums = sums_by_animal(
            rating_sums(ratings.reshape(len(full), len(by_scorer))), frame.animals(full)
        )
        blank = EvaluationRow(
            ALL_SCORERS, kind, stratum, "", None, None, None, 0, 0, len(chosen) - len(full)
        )
        functions = {
            "icc": partial(icc_of_sums, consistency=False),
            "icc_3_1": partial(icc_of_sums, consistency=True),
        }
        for statistic, found in estimates(sums, functions, frame.bootstrap).items():
            yield filled(blank, statistic, found, len(full))


def scorer_biases(
    scorer: str, by_scorer: Mapping[str, Grades], frame: Frame
) -> Iterator[ScorerBias]:
    """A scorer against the mean of the others' grades: overall, then by their lower median.

    Against the mean, since a lower median of two is the lower grade, and everybody would seem to
    grade high.
    """
    own = by_scorer[scorer]
    others = {
        item: [
            grades[item] for name, grades in by_scorer.items() if name != scorer and item in grades
        ]
        for item in own
    }
    both = {item: given for item, given in others.items() if given}
    middle = {item: lower_median(given) for item, given in both.items()}
    for rung in (None, *frame.ladder.rungs):
        items = [item for item in both if rung is None or middle[item] == rung]
        apart = np.array([[own[item] - fmean(both[item]), 1.0] for item in items]).reshape(-1, 2)
        found = estimate(sums_by_animal(apart, frame.animals(items)), share, frame.bootstrap)
        yield ScorerBias(
            scorer,
            rung,
            len(items),
            found.n_animals,
            fmean(own[item] for item in items) if items else None,
            fmean(own[item] == middle[item] for item in items) if items else None,
            found,
        )


def discussions(
    by_scorer: Mapping[str, Grades], items: Sequence[Item], frame: Frame
) -> tuple[Discussion, ...]:
    """The items on which scorers lie `APART` rungs or more apart, the furthest first."""
    found = []
    for item in items:
        grades = {name: own[item] for name, own in by_scorer.items() if item in own}
        apart = rungs_apart(list(grades.values()), frame.ladder)
        if apart >= APART:
            found.append(Discussion(item, frame.places[item.slide].animal, grades, apart))
    return tuple(sorted(found, key=lambda one: -one.apart))


def rungs_apart(grades: Sequence[float], ladder: Ladder) -> int:
    """Rungs between the lowest and the highest grade; 0 for fewer than two."""
    places = [ladder.index(grade) for grade in grades]
    return max(places) - min(places) if places else 0
