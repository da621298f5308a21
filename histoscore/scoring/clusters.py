"""Intervals over animals: whole animals are drawn again, with everything that belongs to them.

Compartments and sections of an animal are alike, so an interval over compartments would be too
narrow (Field & Welsh 2007, J R Stat Soc B 69:369–390). A statistic here is a function of sums over
animals; a resample of animals is then a weighted sum, and all resamples are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

MIN_ANIMALS = 5
"""With fewer there are too few different resamples for a 95 % interval."""

MAX_UNDEFINED = 0.1
"""Where a larger share of the resamples has no value, there is no interval."""

TOO_FEW = f"no interval: fewer than {MIN_ANIMALS} animals"

NO_SPREAD = "no interval: the resamples do not differ"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; None is undefined, and `note` says why."""

    value: float | None
    low: float | None
    high: float | None
    n_animals: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How animals are drawn: the same seed and number of animals give the same resamples.

    So two graders of the same animals are compared on the same resamples. Independent sets of
    animals that enter one statistic need a `stream` each.
    """

    seed: int = 0
    resamples: int = 2000

    def weights(self, animals: int, stream: int = 0) -> Numbers:
        """(resamples, animals) how often each animal was drawn; every row sums to `animals`."""
        return _weights(self.seed, self.resamples, animals, stream)


@lru_cache(maxsize=64)
def _weights(seed: int, resamples: int, animals: int, stream: int) -> Numbers:
    rng = np.random.default_rng([seed, animals, stream])
    drawn = rng.multinomial(animals, np.full(animals, 1 / animals), size=resamples)
    weights = drawn.astype(np.float64)
    weights.setflags(write=False)
    return weights


def sums_by_animal(rows: NDArray[np.generic], animals: Sequence[str]) -> Numbers:
    """(animals, …) sums of rows (n, …), animals in the order of their names."""
    names, place = np.unique(np.asarray(animals, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((len(names), *rows.shape[1:]))
    np.add.at(sums, place, rows)
    return sums


def estimate(
    sums: Numbers, statistic: Callable[[Numbers], Numbers], bootstrap: Bootstrap
) -> Estimate:
    """A statistic of sums over animals (animals, …), with its percentile interval.

    `statistic` takes (…) or (resamples, …) sums and returns one value each, NaN where undefined.
    """
    return estimates(sums, {"": statistic}, bootstrap)[""]


def estimates(
    sums: Numbers, statistics: Mapping[str, Callable[[Numbers], Numbers]], bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """Several statistics of the same sums, on the same resamples; see `estimate`."""
    n = len(sums)
    if not n:
        return dict.fromkeys(statistics, Estimate(None, None, None, 0, "no pairs"))
    drawn = resampled_sums(sums, bootstrap) if n >= MIN_ANIMALS else None
    total = sums.sum(0)
    return {
        name: _estimate(float(statistic(total)), drawn, statistic, n)
        for name, statistic in statistics.items()
    }


def _estimate(
    value: float, drawn: Numbers | None, statistic: Callable[[Numbers], Numbers], n: int
) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, None, None, n, "undefined")
    if drawn is None:
        return Estimate(value, None, None, n, TOO_FEW)
    return with_interval(value, statistic(drawn), n)


def resampled_sums(sums: Numbers, bootstrap: Bootstrap, stream: int = 0) -> Numbers:
    """(resamples, …) sums over the animals of each resample."""
    drawn = bootstrap.weights(len(sums), stream) @ sums.reshape(len(sums), -1)
    return drawn.reshape(-1, *sums.shape[1:])


def with_interval(value: float, resampled: Numbers, n_animals: int) -> Estimate:
    """The middle 95 % of the resamples around a value.

    None where too many are undefined, and where all are equal: a point would claim certainty.
    """
    known = resampled[np.isfinite(resampled)]
    undefined = 1 - len(known) / len(resampled)
    note = f"undefined in {undefined:.1%} of the resamples" if undefined else ""
    if undefined > MAX_UNDEFINED:
        return Estimate(value, None, None, n_animals, f"no interval: {note}")
    low, high = np.quantile(known, (0.025, 0.975))
    if low == high:
        return Estimate(value, None, None, n_animals, joined(NO_SPREAD, note))
    return Estimate(value, float(low), float(high), n_animals, note)


def quantile_estimate(
    values: Numbers, animals: Sequence[str], share: float, bootstrap: Bootstrap
) -> Estimate:
    """A quantile of values (n,) over all animals' rows together, with its interval."""
    if not len(values):
        return Estimate(None, None, None, 0, "no pairs")
    names, place = np.unique(np.asarray(animals, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(values, kind="stable")
    value = float(np.quantile(values, share))
    if len(names) < MIN_ANIMALS:
        return Estimate(value, None, None, len(names), TOO_FEW)
    weights = bootstrap.weights(len(names))[:, place[order]]
    return with_interval(value, _weighted_quantiles(values[order], weights, share), len(names))


def joined(*notes: str) -> str:
    """Notes behind one another, each once."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


def finite(value: float) -> float | None:
    """The value, or None where it is not a finite number."""
    return value if np.isfinite(value) else None


def _weighted_quantiles(ordered: Numbers, weights: Numbers, share: float) -> Numbers:
    """(resamples,) linear quantiles of ordered values (n,), each `weights` (resamples, n) times."""
    reached = weights.cumsum(1)
    place = (reached[:, -1] - 1) * share
    below = np.floor(place)
    low = ordered[np.minimum((reached <= below[:, None]).sum(1), len(ordered) - 1)]
    high = ordered[np.minimum((reached <= below[:, None] + 1).sum(1), len(ordered) - 1)]
    return np.asarray(low + (place - below) * (high - low))
