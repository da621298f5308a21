"""Statistics of two graders from how often each pair of rungs was given.

`counts` (…, rungs, rungs) holds how often the first grader gave the row's rung where the second
gave the column's. Counts of animals add up, so a resample of animals is a weighted sum of their
counts, and every statistic takes many resamples at once. Undefined is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.float64] | NDArray[np.int64]


class Statistic(Protocol):
    """(…, rungs, rungs) counts and the rungs' grades (rungs,) → (…) values."""

    def __call__(self, counts: Counts, grades: Numbers) -> Numbers: ...


def weighted_kappa(counts: Counts, grades: Numbers) -> Numbers:
    """Cohen's kappa with squared distances of rung index as weights (Cohen 1968).

    Undefined where both gave one and the same rung throughout.
    """
    rungs = np.arange(len(grades), dtype=float)
    weights = (rungs[:, None] - rungs) ** 2
    by_chance = np.einsum("...i,...j,ij->...", counts.sum(-1), counts.sum(-2), weights)
    disagreement = (counts * weights).sum((-2, -1)) * counts.sum((-2, -1))
    return 1 - divided(disagreement, by_chance)


def share_exact(counts: Counts, grades: Numbers) -> Numbers:
    """Share of pairs on the same rung."""
    return _share_within(0, counts, grades)


def share_within_one(counts: Counts, grades: Numbers) -> Numbers:
    """Share of pairs at most one rung apart."""
    return _share_within(1, counts, grades)


def mean_absolute(counts: Counts, grades: Numbers) -> Numbers:
    """Mean absolute difference, in grades."""
    apart = np.abs(grades[:, None] - grades)
    return divided((counts * apart).sum((-2, -1)), counts.sum((-2, -1)))


def mean_signed(counts: Counts, grades: Numbers) -> Numbers:
    """Mean of first − second, in grades: above 0 the first grades higher."""
    return divided((counts * (grades[:, None] - grades)).sum((-2, -1)), counts.sum((-2, -1)))


def intraclass(counts: Counts, grades: Numbers) -> Numbers:
    """ICC(2,1): two-way random, absolute agreement, single rater, of two graders, on grades.

    Shrout & Fleiss 1979 (Psychol Bull 86:420–428), ICC(A,1) of McGraw & Wong 1996. The mean
    squares are multiplied by 2n²(n − 1), which leaves sums that are exact for whole and half
    grades. Undefined for fewer than two pairs, and where all grades are equal.
    """
    n = counts.sum((-2, -1))
    sums, differences = grades[:, None] + grades, grades[:, None] - grades
    total = (counts * differences).sum((-2, -1))
    rows = n * (counts * sums**2).sum((-2, -1)) - (counts * sums).sum((-2, -1)) ** 2
    error = n * (counts * differences**2).sum((-2, -1)) - total**2
    below = n * (rows + error) + 2 * (n - 1) * total**2 - 2 * error
    return divided(n * (rows - error), np.where(n < 2, 0.0, below))


def intraclass_consistency(counts: Counts, grades: Numbers) -> Numbers:
    """ICC(3,1): two-way mixed, consistency, single rater, of two graders, on grades.

    As `intraclass`, but a constant shift between the two is no disagreement (Shrout & Fleiss
    1979). Undefined for fewer than two pairs, and where all grades are equal.
    """
    n = counts.sum((-2, -1))
    sums, differences = grades[:, None] + grades, grades[:, None] - grades
    rows = n * (counts * sums**2).sum((-2, -1)) - (counts * sums).sum((-2, -1)) ** 2
    error = n * (counts * differences**2).sum((-2, -1)) - (counts * differences).sum((-2, -1)) ** 2
    return divided(rows - error, np.where(n < 2, 0.0, rows + error))


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of agreement: mean difference + `away` sample standard deviations, in grades.

    Bland & Altman 1986 (Lancet 327:307–310); of a single compartment, not of a mean. Undefined
    for fewer than two pairs.
    """

    away: float

    def __call__(self, counts: Counts, grades: Numbers) -> Numbers:
        n, differences = counts.sum((-2, -1)), grades[:, None] - grades
        total = (counts * differences).sum((-2, -1))
        squares = n * (counts * differences**2).sum((-2, -1)) - total**2
        variance = divided(np.maximum(squares, 0), n * np.where(n < 2, 0.0, n - 1))
        return divided(total, n) + self.away * np.sqrt(variance)


def slope(counts: Counts, grades: Numbers) -> Numbers:
    """Least-squares slope of the first's grade on the second's.

    Below 1 high grades are drawn together, and differences between groups shrink. Undefined
    where the second gave one rung throughout.
    """
    n, of_first, of_second = counts.sum((-2, -1)), counts.sum(-1), counts.sum(-2)
    together = np.einsum("...ij,i,j->...", counts, grades, grades)
    covariance = n * together - (of_first @ grades) * (of_second @ grades)
    return divided(covariance, n * (of_second @ grades**2) - (of_second @ grades) ** 2)


AGREEMENT: Mapping[str, Statistic] = {
    "qwk": weighted_kappa,
    "exact": share_exact,
    "within_one": share_within_one,
    "mae": mean_absolute,
    "icc": intraclass,
}
"""What the headline shows, by the name it has in tables."""

LIMITS = 1.96
"""Standard deviations from the mean to the 95 % limits of agreement."""

STATISTICS: Mapping[str, Statistic] = {
    **AGREEMENT,
    "icc_3_1": intraclass_consistency,
    "bias": mean_signed,
    "limit_low": Limit(-LIMITS),
    "limit_high": Limit(LIMITS),
    "slope": slope,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A statistic of one grader minus that of another; counts are (…, 2, rungs, rungs)."""

    statistic: Statistic

    def __call__(self, counts: Counts, grades: Numbers) -> Numbers:
        first, second = counts[..., 0, :, :], counts[..., 1, :, :]
        return self.statistic(first, grades) - self.statistic(second, grades)


def divided(above: Numbers, below: Numbers) -> Numbers:
    """above ÷ below, NaN where below is 0."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    unknown = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=unknown, where=below != 0))


def _share_within(rungs: int, counts: Counts, grades: Numbers) -> Numbers:
    places = np.arange(len(grades))
    near = np.abs(places[:, None] - places) <= rungs
    return divided((counts * near).sum((-2, -1)), counts.sum((-2, -1)))
