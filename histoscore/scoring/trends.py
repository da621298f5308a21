"""Trend over ordered groups: the Jonckheere–Terpstra test, exact where it can be counted.

J is kept doubled, so that it is a whole number however many values are tied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from histoscore.scoring.ranktests import RankTest, Values, drawn_method

NAME = "Jonckheere–Terpstra"

_MAX_STEPS = 50_000
_MAX_NUMBERS = 5 * 10**7
_DRAWS_AT_ONCE = 5_000

Whole = NDArray[np.int64]


def jonckheere_terpstra(
    samples: Sequence[Sequence[float]], permutations: int = 200_000, seed: int = 0
) -> RankTest:
    """Jonckheere–Terpstra test that values rise (or fall) along the samples, two-sided.

    The statistic J counts the pairs of animals of two groups in which the later group's value is
    larger, ties half (Terpstra 1952, Indag Math 14:327–333; Jonckheere 1954, Biometrika
    41:133–145). p is the share of all ways to deal the observed values into groups of these sizes
    whose J lies at least as far from its mean; beyond what can be counted, (b + 1) ÷ (m + 1) over
    `permutations` random deals.

    Raises:
        ValueError: fewer than two groups, an empty one, or a value that is not finite.
    """
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    if len(arrays) < 2 or not all(array.size for array in arrays):
        raise ValueError("a trend needs two groups or more, and animals in each")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a trend needs finite numbers; leave missing values out")
    sizes = [len(array) for array in arrays]
    observed = _doubled_j(arrays)
    ties = np.unique(np.concatenate(arrays), return_counts=True)[1]
    if is_countable(sizes, ties):
        p, method = _exact_p(sizes, ties, observed), "exact"
    else:
        p = _drawn_p(sizes, ties, observed, permutations, seed)
        method = drawn_method(p, permutations)
    return RankTest(NAME, observed / 2, p, method)


def expected_j(sizes: Sequence[int]) -> float:
    """The mean of J where no group differs; above it values rise along the groups."""
    return _doubled_mean(sizes) / 2


def is_countable(sizes: Sequence[int], ties: Whole) -> bool:
    """Whether the exact distribution is counted; `ties` is how often each value occurs."""
    states = np.ones(1)  # how many there are with this many animals dealt
    for size in sizes:
        states = np.convolve(states, np.ones(size + 1))
    steps = dealt = 0
    for tie in map(int, ties):
        shares = min(math.comb(tie + len(sizes) - 1, tie), int(states[dealt + tie]))
        steps += int(states[dealt]) * shares
        dealt += tie
    return steps <= _MAX_STEPS and steps * (2 * _doubled_mean(sizes) + 1) <= _MAX_NUMBERS


def j_distribution(sizes: Sequence[int], ties: Whole) -> Values:
    """How many deals give each doubled J, which is the index.

    Values are dealt from the smallest up, all that are equal at once; what is kept is how many
    animals of each group have theirs, and the J so far.
    """
    length = 2 * _doubled_mean(sizes) + 1
    counts = {(0,) * len(sizes): np.eye(1, length)[0]}
    for tie in ties:
        later: dict[tuple[int, ...], Values] = {}
        for dealt, ways in counts.items():
            room = [size - done for size, done in zip(sizes, dealt, strict=True)]
            for share in _shares(int(tie), room):
                gain = _gain(dealt, share)
                state = tuple(map(sum, zip(dealt, share, strict=True)))
                target = later.setdefault(state, np.zeros(length))
                target[gain:] += _orders(share) * ways[: length - gain]
        counts = later
    return np.asarray(counts[tuple(sizes)], dtype=np.float64)


def _shares(total: int, room: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to hand out `total` equal values over groups with so much room."""
    if len(room) == 1:
        if total <= room[0]:
            yield (total,)
        return
    least = max(0, total - sum(room[1:]))
    for first in range(least, min(total, room[0]) + 1):
        for rest in _shares(total - first, room[1:]):
            yield (first, *rest)


def _gain(dealt: Sequence[int], share: Sequence[int]) -> int:
    """What equal values add to the doubled J: 2 for each smaller one before, 1 for each tie."""
    gain = before = tied = 0
    for done, new in zip(dealt, share, strict=True):
        gain += new * (2 * before + tied)
        before, tied = before + done, tied + new
    return gain


def _orders(share: Sequence[int]) -> int:
    """In how many ways the animals with equal values can be spread like this."""
    return math.factorial(sum(share)) // math.prod(map(math.factorial, share))


def _doubled_mean(sizes: Sequence[int]) -> int:
    return sum(one * two for one, two in combinations(sizes, 2))


def _doubled_j(arrays: Sequence[Values]) -> int:
    return sum(
        int((np.sign(np.subtract.outer(later, earlier)) + 1).sum())
        for earlier, later in combinations(arrays, 2)
    )


def _exact_p(sizes: Sequence[int], ties: Whole, observed: int) -> float:
    counts, mean = j_distribution(sizes, ties), _doubled_mean(sizes)
    far = np.abs(np.arange(len(counts)) - mean) >= abs(observed - mean)
    return float(min(1.0, counts[far].sum() / counts.sum()))


def _drawn_p(
    sizes: Sequence[int], ties: Whole, observed: int, permutations: int, seed: int
) -> float:
    mean = _doubled_mean(sizes)
    deals = _deals(tuple(sizes), permutations, seed)
    as_far = 0
    for start in range(0, permutations, _DRAWS_AT_ONCE):
        found = _doubled_js(deals[start : start + _DRAWS_AT_ONCE], ties, len(sizes))
        as_far += int((np.abs(found - mean) >= abs(observed - mean)).sum())
    return (as_far + 1) / (permutations + 1)


@lru_cache(maxsize=1)
def _deals(sizes: tuple[int, ...], permutations: int, seed: int) -> NDArray[np.int16]:
    """(permutations, animals) the group of each value, from the smallest up, at random.

    Kept, because the outcomes of a study mostly have the same numbers of animals.
    """
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    deals = np.tile(groups, (permutations, 1))
    random.permuted(deals, axis=1, out=deals)
    deals.setflags(write=False)
    return deals


def _doubled_js(deals: NDArray[np.int16], ties: Whole, n_groups: int) -> Whole:
    """(rows,) doubled J of deals (rows, animals); `ties` are the equal values from below."""
    starts = np.cumsum(ties) - ties
    total = np.zeros(len(deals), dtype=np.int64)
    before = np.zeros((len(deals), len(ties)), dtype=np.int64)
    for group in range(n_groups):
        here = np.add.reduceat((deals == group).astype(np.int64), starts, axis=1)
        total += (before * here).sum(axis=1)
        before += 2 * np.cumsum(here, axis=1) - here  # smaller ones count twice, equal ones once
    return total
