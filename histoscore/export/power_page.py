"""The report's power table: a row a pair of groups, a column a number of animals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histoscore.scoring.power import ALPHA, Power


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Power by size for one pair and share of responders; `note` where there is none."""

    comparison: str
    responding: str
    cells: tuple[float | None, ...]
    note: str


def power_rows(found: Sequence[Power]) -> list[PowerRow]:
    """The table's rows in the order of the comparisons, its columns in that of `SIZES`."""
    rows: dict[tuple[str | None, str, str, float], list[Power]] = {}
    for one in found:
        key = (one.timepoint, one.reference, one.group, one.responding)
        rows.setdefault(key, []).append(one)
    return [
        PowerRow(
            f"{group} against {reference}" + ("" if timepoint is None else f", {timepoint}"),
            f"{responding:.0%}",
            tuple(one.power for one in ones),
            ones[0].note,
        )
        for (timepoint, reference, group, responding), ones in rows.items()
    ]


def power_sentence(found: Sequence[Power]) -> str:
    """What the numbers are, and what they take for true; empty where there are none."""
    errors = [one.error for one in found if one.error is not None]
    if not errors:
        return ""
    return (
        "Share of simulated studies in which one exact Mann–Whitney test of the primary outcome "
        f"has p ≤ {ALPHA:g}, not adjusted for several comparisons (each ± "
        f"{100 * max(errors):.0f} percentage points at most, from the simulation). Their animals "
        "are drawn with replacement from this study's. They are taken to scatter as these do, and "
        "the difference found here is taken for the true one, which flatters a small study that "
        "found one. Responding: share of a group's animals that are as the group's in this "
        "study; the others are as the reference group's."
    )
