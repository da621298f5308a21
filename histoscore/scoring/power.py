"""What a next study could find, from the animals of this one: power by drawing them again.

Nothing is assumed about a distribution: a simulated animal has a value that an animal of this
study had. What the study found is taken for the truth, which flatters a small one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from histoscore.config import StatisticsSettings
from histoscore.scoring.families import Family, Pair, Plan
from histoscore.scoring.ranktests import Values, mann_whitney

SIZES = (4, 5, 6, 8, 10, 12, 15, 20)
"""Animals a group of the studies that are simulated."""

RESPONDING = (1.0, 0.5)
"""Shares of the group that are as this study's group; the others are as its reference group."""

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Power:
    """Share of simulated studies of n against n animals with p ≤ 0.05; None where it is not known.

    `error` is half the 95 % interval of the simulation.
    """

    outcome: str
    reference: str
    group: str
    responding: float
    n: int
    power: float | None
    error: float | None
    note: str = ""
    timepoint: str | None = None


def power_table(
    family: Family, plan: Plan, settings: StatisticsSettings, simulations: int = 1000
) -> tuple[Power, ...]:
    """Power of one exact Mann–Whitney test, not adjusted, for each pair of the plan.

    Each simulated group is drawn with replacement from this study's animals: the reference from
    the reference group, the other from the group (a share `responding`) and the reference group.

    A pair with fewer than `min_animals` animals in a group has rows without power.
    """
    return tuple(row for pair in plan.pairs for row in _rows(family, pair, settings, simulations))


def _rows(
    family: Family, pair: Pair, settings: StatisticsSettings, simulations: int
) -> Iterator[Power]:
    held, sample = (np.asarray(family.values(group)) for group in pair)
    few = min(len(held), len(sample)) < settings.min_animals
    for responding in RESPONDING:
        for place, n in enumerate(SIZES):
            if few:
                note = f"fewer than {settings.min_animals} animals in a group to draw from"
                yield Power(family.outcome, *pair, responding, n, None, None, note)
                continue
            random = np.random.default_rng([settings.seed, place])
            found = [_is_found(held, sample, responding, n, random) for _ in range(simulations)]
            power = float(np.mean(found))
            error = 1.96 * math.sqrt(max(power * (1 - power), 1 / simulations) / simulations)
            yield Power(family.outcome, *pair, responding, n, power, error)


def _is_found(
    held: Values, sample: Values, responding: float, n: int, random: np.random.Generator
) -> bool:
    reference = random.choice(held, n)
    responds = random.random(n) < responding
    group = np.where(responds, random.choice(sample, n), random.choice(held, n))
    return _p(tuple(sorted(reference.tolist())), tuple(sorted(group.tolist()))) <= ALPHA


@lru_cache(maxsize=4096)
def _p(reference: tuple[float, ...], group: tuple[float, ...]) -> float:
    """Small studies of few grades recur."""
    return mann_whitney(reference, group).p
