"""Sizes of effects between two groups of animals, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from histoscore.scoring.ranktests import Values, is_countable, subset_sums


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

    Interval: Cliff's (1993, Psychol Bull 114:494–509) asymmetric one from the unbiased variance,
    not less than (1 − δ²)/(mn − 1), with Student's t at m + n − 2 degrees of freedom (Feng & Cliff
    2004, J Mod Appl Stat Methods 3:322–332; the default of R's effsize). Where the groups do not
    overlap that variance is 0 and the interval would be a point; its inner end is then Wilson's
    (1927) lower limit for n successes of n, n the smaller group, on delta's scale:
    (n − z²)/(n + z²). No interval with one animal in a group.
    """
    dominance = np.sign(np.subtract.outer(np.asarray(group, float), np.asarray(reference, float)))
    delta = float(dominance.mean())
    if min(dominance.shape) < 2:
        return Effect(delta, None, None)
    if abs(delta) == 1:
        inner = _separated_limit(min(dominance.shape), confidence)
        return Effect(delta, *sorted((inner * delta, delta)))
    t_squared = _t_quantile(confidence, sum(dominance.shape) - 2) ** 2
    spread = t_squared * _delta_variance(dominance, delta)
    half = math.sqrt(spread * ((1 - delta**2) ** 2 + spread))
    middle, scale = delta - delta**3, 1 - delta**2 + spread
    return Effect(delta, max(-1.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


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


def _delta_variance(dominance: NDArray[np.float64], delta: float) -> float:
    """Unbiased variance of delta over the (group, reference) matrix of −1, 0, 1, with its floor."""
    m, n = dominance.shape
    rows = float(((dominance.mean(axis=1) - delta) ** 2).sum())
    columns = float(((dominance.mean(axis=0) - delta) ** 2).sum())
    cells = float(((dominance - delta) ** 2).sum())
    unbiased = (n * n * rows + m * m * columns - cells) / (m * n * (m - 1) * (n - 1))
    return float(max(unbiased, (1 - delta**2) / (m * n - 1)))


def _separated_limit(smaller: int, confidence: float) -> float:
    z = float(special.ndtri((1 + confidence) / 2))
    z_squared = z * z
    return (smaller - z_squared) / (smaller + z_squared)


def _t_quantile(confidence: float, degrees: int) -> float:
    return float(special.stdtrit(degrees, (1 + confidence) / 2))


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
