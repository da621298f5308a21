"""How far two graders agree on the same compartments: a person and a model, or two people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    counts = confusion(a, b, ladder)
    rungs = np.arange(len(ladder))
    weights = (rungs[:, None] - rungs[None, :]) ** 2
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0))
    disagreement = float((weights * by_chance).sum())
    if disagreement == 0:
        return None
    return 1 - float((weights * counts).sum()) * len(a) / disagreement


def exact_agreement(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Fraction of pairs on the same rung."""
    return _fraction_within(0, a, b, ladder)


def within_one_rung(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Fraction of pairs at most one rung apart."""
    return _fraction_within(1, a, b, ladder)


def mean_absolute_error(a: Sequence[float], b: Sequence[float], ladder: Ladder) -> float | None:
    """Mean distance in grades, so that 0 against 0.5 counts half of 1 against 2."""
    grades = np.asarray(ladder.rungs)
    distances = np.abs(grades[_rungs(a, ladder)] - grades[_rungs(b, ladder)])
    return float(distances.mean()) if distances.size else None


def _fraction_within(
    rungs: int, a: Sequence[float], b: Sequence[float], ladder: Ladder
) -> float | None:
    apart = np.abs(_rungs(a, ladder) - _rungs(b, ladder))
    return float((apart <= rungs).mean()) if apart.size else None


def _rungs(grades: Sequence[float], ladder: Ladder) -> NDArray[np.intp]:
    return np.array([ladder.index(grade) for grade in grades], dtype=np.intp)
