"""Differences within animals: the signed-rank test and its effect sizes, on plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from histoscore.scoring.effects import Effect
from histoscore.scoring.ranktests import RankTest, Values, doubled_midranks

_HALVINGS = 60


def signed_rank(differences: Sequence[float]) -> RankTest:
    """Wilcoxon's signed-rank test by the distribution over all signs, two-sided.

    Zeros are ranked with the others and then have no sign (Pratt 1959, J Am Stat Assoc
    54:655–667); tied sizes share a midrank. The statistic is the rank sum of the positive
    differences; p is the share of all ways to choose signs that lie at least as far from its
    mean. 1 where all differences are 0.

    Raises:
        ValueError: no differences, or one that is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not values.size:
        raise ValueError("no animal has both values")
    ranks = doubled_midranks(np.abs(values))
    observed, total = int(ranks[values > 0].sum()), int(ranks[values != 0].sum())
    chances = sign_distribution([int(rank) for rank in ranks[values != 0]])
    far = np.abs(2 * np.arange(len(chances)) - total) >= abs(2 * observed - total)
    p = float(min(1.0, chances[far].sum()))
    return RankTest("Wilcoxon signed-rank", observed / 2, p, "exact")


def sign_distribution(ranks: Sequence[int]) -> Values:
    """Chance of each sum (the index) of whole ranks, each taken or not with chance ½."""
    chances = np.zeros(sum(ranks) + 1)
    chances[0] = 1.0
    reached = 0
    for rank in ranks:
        taken = chances[: reached + 1] / 2
        chances[: reached + 1] /= 2
        chances[rank : rank + reached + 1] += taken
        reached += rank
    return chances


def smallest_paired_p(n: int) -> float:
    """The least two-sided p that n animals with both values can give."""
    return float(min(1.0, 2.0 ** (1 - n)))


def paired_shift(differences: Sequence[float], confidence: float = 0.95) -> Effect:
    """Hodges–Lehmann estimate of a paired shift: the median of all Walsh averages, in their unit.

    Interval (Tukey; Hollander & Wolfe, ch. 3): the shifts that the exact two-sided signed-rank
    test without ties does not reject, ends included. None where no shift can be rejected, as with
    5 animals at 95 %.
    """
    values = np.asarray(differences, dtype=np.float64)
    first, second = np.triu_indices(len(values))
    averages = np.sort((values[first] + values[second]) / 2)
    chances = sign_distribution(range(1, len(values) + 1))
    place = int((np.cumsum(chances) <= (1 - confidence) / 2 + 1e-12).sum())
    estimate = float(np.median(averages))
    if place < 1:
        return Effect(estimate, None, None)
    return Effect(estimate, float(averages[place - 1]), float(averages[-place]))


def paired_delta(differences: Sequence[float], confidence: float = 0.95) -> Effect:
    """Delta within animals: the share with a positive difference minus that with a negative one.

    Cliff's delta for matched pairs (Cliff 1993, Psychol Bull 114:494–509), −1 to 1. Interval:
    Tango's (1998, Stat Med 17:891–908) score interval for the difference of two dependent
    proportions, which is no point where all animals agree. None with one animal.
    """
    signs = np.sign(np.asarray(differences, dtype=np.float64))
    n, above, below = len(signs), int((signs > 0).sum()), int((signs < 0).sum())
    delta = (above - below) / n
    if n < 2:
        return Effect(delta, None, None)
    z = float(special.ndtri((1 + confidence) / 2))
    low = _limit(n, above, below, -1.0, z)
    high = _limit(n, above, below, 1.0, z)
    return Effect(delta, low, high)


def _limit(n: int, above: int, below: int, end: float, z: float) -> float:
    """Where the score statistic is as far off as allowed, between the estimate and an end."""
    inside, outside = (above - below) / n, end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if abs(tango_score(n, above, below, middle)) <= z:
            inside = middle
        else:
            outside = middle
    return inside


def tango_score(n: int, above: int, below: int, delta: float) -> float:
    """(observed − delta) ÷ its standard error, with the likeliest shares that delta allows."""
    linear = (2 * n - above + below) * delta - above - below
    constant = -below * delta * (1 - delta)
    share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * share + delta * (1 - delta))
    apart = above - below - n * delta
    if variance <= 0:
        return 0.0 if apart == 0 else math.copysign(math.inf, apart)
    return apart / math.sqrt(variance)
