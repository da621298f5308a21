"""Rank tests on plain numbers: exact where it can be counted, ties by midranks.

Two-sided throughout. Midranks are kept doubled, so that they are whole numbers and no comparison
of two permutations hangs on a rounding error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[np.float64]

_COUNTABLE = 10**8
_DRAWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class RankTest:
    """A test's name, statistic, two-sided p, and how p was found (`exact`, …)."""

    name: str
    statistic: float
    p: float
    method: str


def doubled_midranks(values: Values) -> NDArray[np.int64]:
    """Twice the midrank (from 1) of each value; tied values share one.

    Raises:
        ValueError: a value is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("ranks need finite numbers; leave missing values out")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    doubled = 2 * np.cumsum(counts) - counts + 1
    return np.asarray(doubled[inverse], dtype=np.int64)


def subset_sums(whole: NDArray[np.int64], size: int) -> Values:
    """How many subsets of `size` elements have each sum; index is the sum.

    The shift algorithm of Streitberg & Röhmel (1986, Statistical Software Newsletter 12:10–17):
    elements are added one at a time, so that ties cost nothing and no subset is listed. Counts
    are floats, exact to 2⁵³ and correct to 1e-12 beyond.
    """
    largest = int(np.sort(whole)[len(whole) - size :].sum())
    counts = np.zeros((size + 1, largest + 1))
    counts[0, 0] = 1
    for element in np.sort(whole):
        counts[1:, element:] += counts[:-1, : largest + 1 - element].copy()
    return np.asarray(counts[size], dtype=np.float64)


def is_countable(n: int, m: int) -> bool:
    """Whether the exact distribution for n and m animals is counted (up to about 60 v 60)."""
    small, total = min(n, m), n + m
    return small * total * small * (2 * total - small + 1) <= _COUNTABLE


def mann_whitney(
    reference: Sequence[float], group: Sequence[float], permutations: int = 200_000, seed: int = 0
) -> RankTest:
    """Permutation Mann–Whitney (Wilcoxon rank-sum) test with midranks for ties.

    The statistic is U of `group`: pairs in which it is larger, ties counting half. p is the
    share of all ways to deal the observed midranks into groups of these sizes whose rank sum lies
    at least as far from its mean (Lehmann 1975, Nonparametrics, ch. 1). It is exact while the
    distribution can be counted; beyond, (b + 1) ÷ (m + 1) over `permutations` random deals
    (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585).

    Raises:
        ValueError: a group is empty, or a value is not finite.
    """
    a, b = _sample(reference), _sample(group)
    ranks = doubled_midranks(np.concatenate([a, b]))
    u = float(ranks[len(a) :].sum()) / 2 - len(b) * (len(b) + 1) / 2
    small = ranks[: len(a)] if len(a) < len(b) else ranks[len(a) :]
    if is_countable(len(a), len(b)):
        p, method = _exact_p(ranks, small), "exact"
    else:
        p = _drawn_p(ranks, small, permutations, seed)
        method = drawn_method(p, permutations)
    return RankTest("Mann–Whitney", u, p, method)


def kruskal_wallis(samples: Sequence[Sequence[float]]) -> RankTest:
    """Kruskal–Wallis H, corrected for ties, p from chi-square with k − 1 degrees of freedom.

    Kruskal & Wallis 1952 (J Am Stat Assoc 47:583–621). Where all values are equal H is 0, p 1.

    Raises:
        ValueError: fewer than two groups, an empty one, or a value that is not finite.
    """
    means, sizes, variance = _joint_ranks(samples)
    if len(samples) < 2:
        raise ValueError("Kruskal–Wallis needs two groups or more")
    center = (sizes.sum() + 1) / 2
    h = float((sizes * (means - center) ** 2).sum() / variance) if variance else 0.0
    p = float(special.chdtrc(len(samples) - 1, h))
    return RankTest("Kruskal–Wallis", h, p, "chi-square approximation")


def dunn(
    samples: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]
) -> tuple[RankTest, ...]:
    """Dunn's z for pairs (reference, group) on the joint ranks of all samples, unadjusted p.

    Dunn 1964 (Technometrics 6:241–252) with its correction for ties; positive where the group's
    ranks are higher. Where all values are equal z is 0, p 1.
    """
    means, sizes, variance = _joint_ranks(list(samples.values()))
    place = {name: index for index, name in enumerate(samples)}
    results = []
    for reference, group in pairs:
        i, j = place[reference], place[group]
        error = math.sqrt(variance * (1 / sizes[i] + 1 / sizes[j]))
        z = float(means[j] - means[i]) / error if error else 0.0
        p = float(2 * special.ndtr(-abs(z)))
        results.append(RankTest("Dunn", z, p, "normal approximation"))
    return tuple(results)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values adjusted for their number, in the order given (Holm 1979, Scand J Stat 6:65–70)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def smallest_p(n: int, m: int) -> float:
    """The least two-sided p that an exact rank test of n against m animals can give."""
    return min(1.0, 2 / math.comb(n + m, n))


def drawn_method(p: float, permutations: int) -> str:
    """How a p from random permutations was found, with the 95 % limits of its simulation error."""
    error = 1.96 * math.sqrt(p * (1 - p) / permutations)
    return f"{permutations} random permutations, p ± {error:.1g}"


def _sample(values: Sequence[float]) -> Values:
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size:
        raise ValueError("a group without animals cannot be tested")
    return sample


def _exact_p(ranks: NDArray[np.int64], group: NDArray[np.int64]) -> float:
    counts = subset_sums(ranks, len(group))
    expected = len(group) * (len(ranks) + 1)  # the mean of doubled rank sums, a whole number
    far = np.abs(np.arange(len(counts)) - expected) >= abs(int(group.sum()) - expected)
    return float(min(1.0, counts[far].sum() / counts.sum()))


def _drawn_p(
    ranks: NDArray[np.int64], group: NDArray[np.int64], permutations: int, seed: int
) -> float:
    random = np.random.default_rng(seed)
    expected = len(group) * (len(ranks) + 1)
    observed = abs(int(group.sum()) - expected)
    as_far = 0
    for start in range(0, permutations, _DRAWS_AT_ONCE):
        rows = min(_DRAWS_AT_ONCE, permutations - start)
        deals = random.permuted(np.tile(ranks, (rows, 1)), axis=1)[:, : len(group)]
        as_far += int((np.abs(deals.sum(axis=1) - expected) >= observed).sum())
    return (as_far + 1) / (permutations + 1)


def _joint_ranks(samples: Sequence[Sequence[float]]) -> tuple[Values, Values, float]:
    """Mean joint midrank and size of each sample, and the variance of a rank, less its ties.

    N(N + 1)/12 − Σ(t³ − t)/(12(N − 1)) over the t values of each tie.
    """
    arrays = [_sample(sample) for sample in samples]
    pooled = np.concatenate(arrays)
    ranks = doubled_midranks(pooled) / 2
    sizes = np.array([len(array) for array in arrays], dtype=np.float64)
    means = np.array([part.mean() for part in np.split(ranks, np.cumsum(sizes[:-1]).astype(int))])
    n = len(pooled)
    ties = np.unique(pooled, return_counts=True)[1].astype(np.float64)
    variance = (n * (n * n - 1) - float((ties**3 - ties).sum())) / (12 * (n - 1)) if n > 1 else 0.0
    return means, sizes, variance
