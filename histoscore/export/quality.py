"""What a reader should doubt: flags counted, stain by batch, batches that go with groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from histoscore.export.origins import slide_origins, slides_by_group
from histoscore.records import StudyTables
from histoscore.vocabulary import Knee

NO_BATCH = "no batch given"
READOUTS = ("orange_share", "blue_green_share", "median_density", "hue_spread", "focus")
"""The read-outs that are shown by batch, where they were taken; all are in sections.csv."""

_STRONG = 0.5


@dataclass(frozen=True, slots=True)
class FlagCount:
    """How often a flag was raised, among how many `sections`, `compartments` or `knees`."""

    flag: str
    where: str
    n: int
    of: int


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch: its animals by group, and medians of the read-outs of its sections."""

    batch: str
    animals: tuple[int, ...]
    sections: int
    readouts: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches in the sheet's order over `groups`, with the read-outs that were taken."""

    groups: tuple[str, ...]
    readouts: tuple[str, ...]
    rows: tuple[BatchRow, ...]
    warnings: tuple[str, ...]


def flag_counts(tables: StudyTables) -> tuple[FlagCount, ...]:
    """Flags of sections and compartments, the most frequent of each first."""
    sections = [section for slide in tables.slides for section in slide.sections]
    parts = [part for section in sections for part in section.compartments]
    return (
        *_counted("sections", [section.flags for section in sections]),
        *_counted("compartments", [part.flags for part in parts]),
    )


def batches(tables: StudyTables) -> Batches:
    """Animals and stain by batch, and warnings where batch and group cannot be told apart."""
    origins = slide_origins(tables)
    groups = slides_by_group(tables)
    animals: dict[str, dict[str, set[str]]] = {}
    readouts: dict[str, list[Mapping[str, float]]] = {}
    for group, slides in groups.items():
        for slide in slides:
            batch = origins[slide.slide].batch or NO_BATCH
            if origins[slide.slide].knee is Knee.INDEX:
                animals.setdefault(batch, {}).setdefault(group, set()).add(slide.animal)
            readouts.setdefault(batch, []).extend(s.readouts for s in slide.sections)
    order = list(dict.fromkeys(origins[slide.slide].batch or NO_BATCH for slide in tables.slides))
    taken = [n for n in READOUTS if any(n in one for many in readouts.values() for one in many)]
    counts = {b: {g: len(animals.get(b, {}).get(g, ())) for g in groups} for b in order}
    rows = tuple(
        BatchRow(
            batch,
            tuple(counts[batch].values()),
            len(readouts[batch]),
            tuple(_median([one[n] for one in readouts[batch] if n in one]) for n in taken),
        )
        for batch in order
    )
    return Batches(tuple(groups), tuple(taken), rows, confounding(counts))


def confounding(animals: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Sentences about groups that share no batch, and batches that go with groups.

    Args:
        animals: number of animals by batch and group.
    """
    known = {batch: row for batch, row in animals.items() if batch != NO_BATCH}
    groups = [g for g in next(iter(known.values()), {}) if any(r[g] for r in known.values())]
    if len(known) < 2 or len(groups) < 2:
        return ()
    where = {group: {batch for batch, row in known.items() if row[group]} for group in groups}
    apart = [f"{a} and {b}" for a, b in combinations(groups, 2) if not where[a] & where[b]]
    if apart:
        return (
            f"Batch and group are confounded: {'; '.join(apart)} share no batch. A difference "
            "between them may be one of stain, section thickness or scanner.",
        )
    strength = _cramers_v([[row[group] for group in groups] for row in known.values()])
    if strength >= _STRONG:
        return (
            f"Batch and group go together (Cramér's V {strength:.2f}): part of a difference "
            "between groups may be one of stain, section thickness or scanner.",
        )
    return ()


def _cramers_v(table: Sequence[Sequence[int]]) -> float:
    """Association in a table of counts without empty rows or columns, 0 (none) … 1."""
    rows = [row for row in table if any(row)]
    total = sum(map(sum, rows))
    columns = [sum(row[place] for row in rows) for place in range(len(rows[0]))]
    chi_squared = sum(
        (count - sum(row) * column / total) ** 2 / (sum(row) * column / total)
        for row in rows
        for count, column in zip(row, columns, strict=True)
    )
    smaller = min(len(rows), len(columns)) - 1
    return float((chi_squared / total / smaller) ** 0.5) if smaller else 0.0


def _counted(where: str, flags: Sequence[Sequence[str]]) -> list[FlagCount]:
    counts = Counter(flag for some in flags for flag in dict.fromkeys(some))
    return [FlagCount(flag, where, n, len(flags)) for flag, n in counts.most_common()]


def _median(numbers: Sequence[float]) -> float | None:
    return float(median(numbers)) if numbers else None
