"""Group statistics on a table of anybody's scores, several rows an animal put together first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from histoscore.config import StatisticsSettings
from histoscore.scoring.families import Answer, Family, answer, plan_of

AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "max": max,
    "sum": math.fsum,
    "median": statistics.median,
}
"""How the rows of an animal become one value, by name."""

_GROWS_WITH_ROWS = ("max", "sum")


def compare_values(
    outcome: str,
    values: Mapping[str, Sequence[float]],
    groups: Mapping[str, str],
    settings: StatisticsSettings,
    aggregate: str = "mean",
) -> tuple[Answer, ...]:
    """Compare groups on one outcome, which is one Holm family.

    Args:
        outcome: its name.
        values: animal → its values; an animal without any has no part.
        groups: animal → group, in the order in which groups are shown; the first is the default
            reference.
        settings: reference, contrasts, least n, confidence.
        aggregate: a key of `AGGREGATES`.

    Raises:
        ConfigError: the reference or a contrast names a group that there is not.
        KeyError: no such aggregate.
    """
    order = tuple(dict.fromkeys(groups.values()))
    samples: dict[str, dict[str, float]] = {group: {} for group in order}
    for animal, group in groups.items():
        if values[animal]:
            samples[group][animal] = AGGREGATES[aggregate](values[animal])
    counts = {len(found) for found in values.values() if found}
    family = Family(outcome, samples, outcome, _remarks(aggregate, counts))
    return answer(family, plan_of(order, settings), settings)


def _remarks(aggregate: str, counts: set[int]) -> tuple[str, ...]:
    if not counts or max(counts) == 1:
        return ()
    fewest, most = min(counts), max(counts)
    span = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    grows = fewest < most and aggregate in _GROWS_WITH_ROWS
    return (f"{aggregate} of {span} rows an animal" + (", which grows with them" if grows else ""),)
