"""How far two graders agree on the same compartments: a person and a model, or two people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoscore.scoring import confusions
from histoscore.scoring.clusters import finite
from histoscore.vocabulary import Ladder


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two graders over the compartments that both graded.

    `kappa` is quadratically weighted, None where it is undefined; `exact` and `within_one` are
    fractions; `mean_absolute_error` is in grades, not rungs; None where nothing was graded twice.
    """

    n: int
    n_missing: int
    kappa: float | None
    exact: float | None
    within_one: float | None
    mean_absolute_error: float | None


def agreement(a: Sequence[float | None], b: Sequence[float | None], ladder: Ladder) -> Agreement:
    """Agreement of two lists of grades of the same things; a pair with a blank is only counted.

    Raises:
        ValueError: the lists differ in length, or a grade is not on the ladder.
    """
    pairs = [pair for pair in zip(a, b, strict=True) if None not in pair]
    first = [x for x, _ in pairs if x is not None]
    second = [y for _, y in pairs if y is not None]
    return Agreement(
        n=len(pairs),
        n_missing=len(a) - len(pairs),
        kappa=quadratic_weighted_kappa(first, second, ladder),
        exact=exact_agreement(first, second, ladder),
        within_one=within_one_rung(first, second, ladder),
        mean_absolute_error=mean_absolute_error(first, second, ladder),
    )


def confusion(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> NDArray[np.int64]:
    """(rungs, rungs) counts: row the rung that `a` gave, column the rung that `b` gave."""
    counts = np.zeros((len(ladder), len(ladder)), dtype=np.int64)
    np.add.at(counts, (_rungs(a, ladder), _rungs(b, ladder)), 1)
    return counts


def quadratic_weighted_kappa(
    a: Sequence[float], b: Sequence[float], ladder: Ladder
) -> float | None:
    """Cohen's kappa with squared distances of rung index as weights (Cohen 1968).

    None where there are no pairs, or where both gave one and the same rung throughout: no
    disagreement could have happened by chance, and kappa is 0 ÷ 0.
    """
    return _of_pairs(confusions.weighted_kappa, a, b, ladder)


def exact_agreement(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Fraction of pairs on the same rung."""
    return _of_pairs(confusions.share_exact, a, b, ladder)


def within_one_rung(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Fraction of pairs at most one rung apart."""
    return _of_pairs(confusions.share_within_one, a, b, ladder)


def mean_absolute_error(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Mean distance in grades, so that 0 against 0.5 counts half of 1 against 2."""
    return _of_pairs(confusions.mean_absolute, a, b, ladder)


def bias(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Mean of a − b in grades: above 0 the first grades higher."""
    return _of_pairs(confusions.mean_signed, a, b, ladder)


def intraclass_correlation(ratings: NDArray[np.float64]) -> float | None:
    """ICC(2,1) of ratings (targets, raters): two-way random, absolute agreement, single rater.

    Shrout & Fleiss 1979, Psychol Bull 86:420–428; ICC(A,1) of McGraw & Wong 1996, Psychol
    Methods 1:30–46. None for fewer than two targets or raters, and where all ratings are equal.
    """
    n, k = ratings.shape
    if n < 2 or k < 2:
        return None
    middle, of_targets, of_raters = ratings.mean(), ratings.mean(1), ratings.mean(0)
    targets = k * ((of_targets - middle) ** 2).sum() / (n - 1)
    raters = n * ((of_raters - middle) ** 2).sum() / (k - 1)
    rest = ratings - of_targets[:, None] - of_raters + middle
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    below = targets + (k - 1) * error + k * (raters - error) / n
    return float((targets - error) / below) if below > 0 else None


def lower_median(grades: Sequence[float]) -> float:
    """The middle grade; of an even number the lower of the two middle ones, so always a rung.

    Raises:
        ValueError: no grades.
    """
    if not grades:
        raise ValueError("no grades to take a median of")
    return sorted(grades)[(len(grades) - 1) // 2]


def _of_pairs(
    statistic: confusions.Statistic, a: Sequence[float], b: Sequence[float], ladder: Ladder
) -> float | None:
    return finite(float(statistic(confusion(a, b, ladder), np.asarray(ladder.rungs, float))))


def _rungs(grades: Sequence[float], ladder: Ladder) -> NDArray[np.intp]:
    return np.array([ladder.index(grade) for grade in grades], dtype=np.intp)
