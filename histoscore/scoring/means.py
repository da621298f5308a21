"""Tests of means on plain numbers, after Welch: groups may scatter differently.

They take values for measurements with normal scatter, which grades are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from histoscore.scoring.ranktests import RankTest


def welch_t(reference: Sequence[float], group: Sequence[float]) -> RankTest | None:
    """Welch's t for group − reference, two-sided (Welch 1947, Biometrika 34:28–35).

    None where a group has fewer than two values, or neither scatters.
    """
    a, b = np.asarray(reference, float), np.asarray(group, float)
    if min(len(a), len(b)) < 2:
        return None
    spreads = [float(x.var(ddof=1)) / len(x) for x in (a, b)]
    if not sum(spreads):
        return None
    t = float(b.mean() - a.mean()) / math.sqrt(sum(spreads))
    parts = (spread**2 / (len(x) - 1) for spread, x in zip(spreads, (a, b), strict=True))
    degrees = sum(spreads) ** 2 / sum(parts)
    return RankTest("Welch t", t, float(2 * special.stdtr(degrees, -abs(t))), f"{degrees:.3g} df")


def welch_anova(samples: Sequence[Sequence[float]]) -> RankTest | None:
    """Welch's analysis of variance (1951, Biometrika 38:330–336).

    None where a group has fewer than two values, or one does not scatter.
    """
    arrays = [np.asarray(sample, float) for sample in samples]
    k = len(arrays)
    if k < 2 or any(len(x) < 2 or not x.var() for x in arrays):
        return None
    sizes = np.array([len(x) for x in arrays], float)
    means = np.array([x.mean() for x in arrays])
    weights = sizes / np.array([x.var(ddof=1) for x in arrays])
    shares = weights / weights.sum()
    between = float((weights * (means - shares @ means) ** 2).sum()) / (k - 1)
    uneven = float(((1 - shares) ** 2 / (sizes - 1)).sum()) / (k**2 - 1)
    f, degrees = between / (1 + 2 * (k - 2) * uneven), 1 / (3 * uneven)
    p = float(special.fdtrc(k - 1, degrees, f))
    return RankTest("Welch ANOVA", f, p, f"{k - 1} and {degrees:.3g} df")
