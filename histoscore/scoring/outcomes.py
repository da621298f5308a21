"""Outcomes of a table of anybody's scores: several rows of an animal are put together first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from histoscore.scoring.families import Family

AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "max": max,
    "sum": math.fsum,
    "median": statistics.median,
}
"""How the rows of an animal become one value, by name."""

_GROWS_WITH_ROWS = ("max", "sum")


def family_of(
    outcome: str,
    values: Mapping[str, Sequence[float]],
    groups: Mapping[str, str],
    aggregate: str = "mean",
) -> Family:
    """One outcome as a family: one value an animal.

    Args:
        outcome: its name.
        values: animal → its values; an animal without any has no part.
        groups: animal → group, in the order in which groups are shown.
        aggregate: a key of `AGGREGATES`.

    Raises:
        KeyError: no such aggregate.
    """
    samples: dict[str, dict[str, float]] = {group: {} for group in groups.values()}
    for animal, group in groups.items():
        if values[animal]:
            samples[group][animal] = AGGREGATES[aggregate](values[animal])
    counts = {len(found) for found in values.values() if found}
    return Family(outcome, samples, outcome, _remarks(aggregate, counts))


def _remarks(aggregate: str, counts: set[int]) -> tuple[str, ...]:
    if not counts or max(counts) == 1:
        return ()
    fewest, most = min(counts), max(counts)
    span = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    grows = fewest < most and aggregate in _GROWS_WITH_ROWS
    return (f"{aggregate} of {span} rows an animal" + (", which grows with them" if grows else ""),)
