"""The study sheet as a whole: every row, and every contradiction between rows, told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from histoscore.files import sha256_of
from histoscore.records import Record
from histoscore.study.names import collisions, likeness
from histoscore.study.rows import COLUMNS, OPTIONAL, REQUIRED, StudyRow, exists, parse_row
from histoscore.study.sheet import (
    Sheet,
    missing_columns,
    misspelt_columns,
    raise_problems,
    read_sheet,
)
from histoscore.vocabulary import Knee

_IDS = ("slide", "animal", "group", "batch", "sections")


class Study(Record):
    """A checked study sheet: its rows in order, its hash, and what was noticed on reading it."""

    path: Path
    sha256: str
    rows: tuple[StudyRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_groups(self) -> bool:
        """False in a blinded run, where no row names its group."""
        return bool(self.groups)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in order of first appearance."""
        return tuple(dict.fromkeys(row.group for row in self.rows if row.group is not None))

    @property
    def animals(self) -> tuple[str, ...]:
        """Animals in order of first appearance."""
        return tuple(dict.fromkeys(row.animal for row in self.rows))


def read_study(path: Path, allow_missing: bool = False) -> Study:
    """Read and check a study sheet (.csv or .xlsx). No slide is opened.

    Args:
        path: the sheet; slides are named relative to its folder, or absolutely.
        allow_missing: take rows whose slide is not on disk (they fail when they are opened)
            instead of refusing the sheet.

    Raises:
        ManifestError: with one line for each thing that is wrong, and the row it stands in.
    """
    sheet = read_sheet(path, COLUMNS, _IDS)
    rows, problems = _parse(sheet, path.absolute().parent)
    missing = _missing_files(rows)
    if not allow_missing:
        problems += missing
    problems += _contradictions(sheet, rows)
    raise_problems(path, problems)
    notes = sheet.notes + tuple(missing) + tuple(_remarks(sheet, rows))
    return Study(path=path, sha256=sha256_of(path), rows=tuple(rows), notes=notes)


def _parse(sheet: Sheet, folder: Path) -> tuple[list[StudyRow], list[str]]:
    problems = list(sheet.problems)
    problems += missing_columns(sheet, REQUIRED) + misspelt_columns(sheet, REQUIRED, OPTIONAL)
    if not sheet.rows:
        problems.append("row 2: there are no slides under the header")
    rows = []
    for line in sheet.rows:
        row, wrong = parse_row(line, folder)
        problems += wrong
        if row:
            rows.append(row)
    return rows, problems


def _missing_files(rows: Sequence[StudyRow]) -> list[str]:
    return [
        f"row {row.row}: the slide {row.slide!r} is not there ({row.path})"
        for row in rows
        if not row.exclude and not exists(row.path)
    ]


def _contradictions(sheet: Sheet, rows: Sequence[StudyRow]) -> list[str]:
    """What no single row shows: animals that are two things, slides that are two animals'."""
    animals = [(line.number, line.cells.get("animal", "")) for line in sheet.rows]
    return (
        collisions(animals)
        + _animals_in_two_groups(rows)
        + _knees_of_two_kinds(rows)
        + _slides_of_two_animals(rows)
    )


def _animals_in_two_groups(rows: Sequence[StudyRow]) -> list[str]:
    index = [row for row in rows if row.knee is Knee.INDEX]
    found = _disagreements(index, lambda r: r.animal, lambda r: r.group or "(blank)")
    return [
        f"{places}: the animal {animal} stands in the groups {' and '.join(groups)}"
        for animal, places, groups in found
    ]


def _knees_of_two_kinds(rows: Sequence[StudyRow]) -> list[str]:
    sided = [row for row in rows if row.side is not None]
    found = _disagreements(sided, lambda r: f"{r.animal} {r.side}", lambda r: r.knee)
    return [f"{places}: the knee {knee} is both {' and '.join(k)}" for knee, places, k in found]


def _slides_of_two_animals(rows: Sequence[StudyRow]) -> list[str]:
    found = _disagreements(rows, lambda r: str(_real(r.path)), lambda r: r.animal)
    return [
        f"{places}: the slide {path} is given to the animals {' and '.join(animals)}"
        for path, places, animals in found
    ]


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path


def _disagreements(
    rows: Iterable[StudyRow], of: Callable[[StudyRow], str], about: Callable[[StudyRow], Any]
) -> Iterator[tuple[str, str, list[str]]]:
    """(key, `rows 2 and 5`, values) of each key whose rows hold more than one value."""
    for key, members in groupby(sorted(rows, key=lambda row: (of(row), row.row)), of):
        first: dict[str, int] = {}
        for row in members:
            first.setdefault(str(about(row)), row.row)
        if len(first) > 1:
            yield key, "rows " + " and ".join(map(str, first.values())), list(first)


def _remarks(sheet: Sheet, rows: Sequence[StudyRow]) -> list[str]:
    foreign = [name for name in sheet.columns if name not in COLUMNS]
    notes = [f"columns carried through: {', '.join(foreign)}"] if foreign else []
    groups = dict.fromkeys(row.group for row in rows if row.group is not None)
    notes += _alike(list(groups))
    if groups:
        index = [row for row in rows if row.knee is Knee.INDEX]
        without = dict.fromkeys(row.animal for row in index if row.group is None)
        notes += [
            f"the animal {animal} has no group: it is scored but not compared" for animal in without
        ]
    notes += [
        f"row {row.row}: has an exclude_reason but is not excluded"
        for row in rows
        if row.exclude_reason and not row.exclude
    ]
    return notes


def _alike(groups: Sequence[str]) -> list[str]:
    seen: dict[str, str] = {}
    notes = []
    for group in groups:
        other = seen.setdefault(likeness(group).casefold(), group)
        if other != group:
            notes.append(f"the groups {other!r} and {group!r} are two groups, though nearly alike")
    return notes
