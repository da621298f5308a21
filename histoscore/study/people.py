"""Sheets about people's work: who graded what, and the key that opens a blinded study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from histoscore.records import Record
from histoscore.study.names import collisions, tidy, unquoted
from histoscore.study.rows import read_number, read_side
from histoscore.study.sheet import (
    Sheet,
    SheetRow,
    missing_columns,
    misspelt_columns,
    raise_problems,
    read_sheet,
)
from histoscore.vocabulary import Compartment, Ladder, Side, format_rung

_KEY_COLUMNS = ("animal", "group")
_SCORER_COLUMNS = ("slide", "section", "compartment", "scorer", "grade")
_SCORER_OPTIONAL = ("animal", "side", "read")


class ScorerGrade(Record):
    """One person's grade of one compartment of one section; a blank grade is None, never 0."""

    row: int
    slide: str
    section: int
    compartment: Compartment
    scorer: str
    grade: float | None
    animal: str | None = None
    side: Side | None = None
    read: str | None = None


def read_key(path: Path) -> dict[str, str]:
    """Group of each animal from a key sheet (`animal, group`), in its order.

    Raises:
        ManifestError: lists every animal that is blank, without a group, or in two groups.
    """
    sheet = read_sheet(path, _KEY_COLUMNS, _KEY_COLUMNS)
    problems = list(sheet.problems) + missing_columns(sheet, _KEY_COLUMNS)
    problems += collisions((line.number, line.cells.get("animal", "")) for line in sheet.rows)
    key: dict[str, str] = {}
    for line in sheet.rows if not problems else ():
        animal, group = tidy(line.cells["animal"]), tidy(line.cells["group"])
        if not animal or not group:
            problems.append(f"row {line.number}: needs both an animal and its group")
        elif key.setdefault(animal, group) != group:
            problems.append(
                f"row {line.number}: {animal} is in the groups {key[animal]} and {group}"
            )
    raise_problems(path, problems)
    return key


def read_scorers(path: Path, ladder: Ladder) -> tuple[ScorerGrade, ...]:
    """Grades by people from a scorers sheet, in its order.

    Raises:
        ManifestError: lists every cell that cannot be read, every grade that is not a rung of the
            ladder, and every compartment that one scorer graded twice in one read.
    """
    known = _SCORER_COLUMNS + _SCORER_OPTIONAL
    sheet = read_sheet(path, known, ("slide", "scorer", "animal", "read"))
    problems = list(sheet.problems) + missing_columns(sheet, _SCORER_COLUMNS)
    problems += misspelt_columns(sheet, _SCORER_COLUMNS, _SCORER_OPTIONAL)
    grades: list[ScorerGrade] = []
    if all(name in sheet.columns for name in _SCORER_COLUMNS):
        grades = _parse_grades(sheet, ladder, problems)
    raise_problems(path, problems + _graded_twice(grades))
    return tuple(grades)


def _parse_grades(sheet: Sheet, ladder: Ladder, problems: list[str]) -> list[ScorerGrade]:
    grades = []
    for line in sheet.rows:
        try:
            grades.append(_parse_grade(line, ladder))
        except ValueError as error:
            problems.append(f"row {line.number}: {error}")
    return grades


def _parse_grade(line: SheetRow, ladder: Ladder) -> ScorerGrade:
    cells: dict[str, Any] = {name: unquoted(tidy(cell)) for name, cell in line.cells.items()}
    for name in ("slide", "scorer"):
        if not cells[name]:
            raise ValueError(f"{name} is blank")
    return ScorerGrade(
        row=line.number,
        slide=unquoted(line.cells["slide"]),
        section=read_section(cells["section"]),
        compartment=read_compartment(cells["compartment"]),
        scorer=cells["scorer"],
        grade=read_rung(cells["grade"], ladder),
        animal=cells.get("animal") or None,
        side=read_side(cells.get("side", "")),
        read=cells.get("read") or None,
    )


def read_section(text: str) -> int:
    """A section's number, from 1. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"section {text!r} must be a number from 1")
    return int(text)


def read_compartment(text: str) -> Compartment:
    """A compartment, in capitals or not. Raises ValueError."""
    try:
        return Compartment(text.upper())
    except ValueError:
        raise ValueError(f"compartment {text!r} must be one of {', '.join(Compartment)}") from None


def read_rung(text: str, ladder: Ladder) -> float | None:
    """A rung of the ladder; blank is None. Raises ValueError."""
    if not text:
        return None
    return ladder.rungs[ladder.index(read_number(text))]


def _graded_twice(grades: Sequence[ScorerGrade]) -> list[str]:
    first: dict[tuple[object, ...], ScorerGrade] = {}
    problems = []
    for grade in grades:
        key = (tidy(grade.slide), grade.section, grade.compartment, grade.scorer, grade.read)
        earlier = first.setdefault(key, grade)
        if earlier is not grade:
            what = f"{grade.compartment} of {grade.slide} section {grade.section}"
            problems.append(
                f"rows {earlier.row} and {grade.row}: {grade.scorer} graded {what} twice "
                f"({_shown(earlier)}, {_shown(grade)}); number repeated readings in the column read"
            )
    return problems


def _shown(grade: ScorerGrade) -> str:
    return "blank" if grade.grade is None else format_rung(grade.grade)
