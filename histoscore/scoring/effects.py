"""Sizes of effects between two groups of animals, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from histoscore.scoring.ranktests import Values, is_countable, subset_sums

_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate and its interval; None where so few animals allow no interval."""

    estimate: float
    low: float | None
    high: float | None


def cliffs_delta(
    reference: Sequence[float], group: Sequence[float], confidence: float = 0.95
) -> Effect:
    """Cliff's delta: P(group larger) − P(group smaller) over all pairs, −1 to 1.

    Interval: Newcombe's method 5 for the Mann–Whitney statistic (2006, Stat Med 25:559–573) on
    delta's scale. It holds the deltas that lie within z standard errors of the estimate, the
    error taken at delta itself and not at the estimate, so it is no point where groups do not
    overlap. With 8 animals a group it holds the truth about as often as it says, where Cliff's
    asymmetric interval does not (`benchmarks/statistics.py`). None with one animal in a group.
    """
    dominance = np.sign(np.subtract.outer(np.asarray(group, float), np.asarray(reference, float)))
    delta = float(dominance.mean())
    if min(dominance.shape) < 2:
        return Effect(delta, None, None)
    low, high = (_delta_limit(delta, end, dominance.shape, confidence) for end in (-1.0, 1.0))
    return Effect(delta, low, high)


def hodges_lehmann(
    reference: Sequence[float], group: Sequence[float], confidence: float = 0.95
) -> Effect:
    """Hodges–Lehmann shift: the median of all differences group − reference, in their unit.

    Interval (Moses; Lehmann 1975, ch. 2): the shifts that the exact two-sided Mann–Whitney test
    without ties does not reject, ends included. With tied values it covers at least as often as
    it says (Noether 1967, J Am Stat Assoc 62:184–188). None where no shift can be rejected, as in
    3 v 3 at 95 %.
    """
    a, b = np.asarray(reference, float), np.asarray(group, float)
    differences = np.sort(np.subtract.outer(b, a), axis=None)
    estimate = float(np.median(differences))
    place = _interval_place(len(a), len(b), confidence)
    if place < 1:
        return Effect(estimate, None, None)
    return Effect(estimate, float(differences[place - 1]), float(differences[-place]))


def _delta_limit(delta: float, end: float, shape: tuple[int, ...], confidence: float) -> float:
    """The delta between the estimate and an end that is just not too far from the estimate."""
    z = float(special.ndtri((1 + confidence) / 2))
    inside, outside = delta, end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if abs(delta - middle) <= z * math.sqrt(_delta_variance(middle, *shape)):
            inside = middle
        else:
            outside = middle
    return inside


def _delta_variance(delta: float, m: int, n: int) -> float:
    """Variance of the estimate where delta is true, for exponential distributions (Newcombe)."""
    larger = (1 + delta) / 2  # the chance that the group's animal has the larger value
    smaller = 1 - larger
    pairs = (m + n) / 2 - 1
    spread = 1 + pairs * (smaller / (1 + smaller) + larger / (1 + larger))
    return 4 * larger * smaller * spread / (m * n)


@cache
def _interval_place(m: int, n: int, confidence: float) -> int:
    """Which ordered difference, counted from either end, bounds the interval; 0 is none."""
    tail = (1 - confidence) / 2
    if not is_countable(m, n):
        z = float(special.ndtri(1 - tail))
        return max(1, math.floor(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12)))
    counts = _untied_u_counts(m, n)
    cumulative = np.cumsum(counts) / counts.sum()
    return int((cumulative <= tail + 1e-12).sum())


def _untied_u_counts(m: int, n: int) -> Values:
    """How many deals of m + n distinct ranks give U = 0, 1, 2, …"""
    small = min(m, n)
    return subset_sums(np.arange(m + n, dtype=np.int64), small)[small * (small - 1) // 2 :]
