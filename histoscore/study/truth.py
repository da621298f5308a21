"""The truth sheet of a phantom: what each compartment is, by construction."""

from __future__ import annotations

from pathlib import Path

from histoscore.records import Record
from histoscore.study.names import tidy
from histoscore.study.people import read_compartment, read_rung, read_section
from histoscore.study.rows import read_number
from histoscore.study.sheet import SheetRow, missing_columns, raise_problems, read_sheet
from histoscore.vocabulary import Compartment, Ladder

_KEY = ("slide", "section", "compartment")
AREAS = ("hyaline_area_um2", "calcified_area_um2")


class TrueCompartment(Record):
    """What is true of one compartment of one section; areas in µm², None where not stated."""

    row: int
    slide: str
    section: int
    compartment: Compartment
    grade: float | None = None
    hyaline_area_um2: float | None = None
    calcified_area_um2: float | None = None


def read_truth(path: Path, ladder: Ladder) -> tuple[TrueCompartment, ...]:
    """The rows of a truth sheet in its order; columns beside those of `TrueCompartment` are left.

    Raises:
        ManifestError: lists every cell that cannot be read, and compartments that stand twice.
    """
    sheet = read_sheet(path, (*_KEY, "grade", *AREAS), ("slide",))
    problems = list(sheet.problems) + missing_columns(sheet, _KEY)
    rows: list[TrueCompartment] = []
    for line in sheet.rows if all(name in sheet.columns for name in _KEY) else ():
        try:
            rows.append(_parse(line, ladder))
        except ValueError as error:
            problems.append(f"row {line.number}: {error}")
    raise_problems(path, problems + _twice(rows))
    return tuple(rows)


def _parse(line: SheetRow, ladder: Ladder) -> TrueCompartment:
    cells = {name: tidy(cell) for name, cell in line.cells.items()}
    if not cells["slide"]:
        raise ValueError("slide is blank")
    return TrueCompartment(
        row=line.number,
        slide=line.cells["slide"],
        section=read_section(cells["section"]),
        compartment=read_compartment(cells["compartment"]),
        grade=read_rung(cells.get("grade", ""), ladder),
        **{name: _area(name, cells.get(name, "")) for name in AREAS},
    )


def _area(name: str, text: str) -> float | None:
    if not text:
        return None
    value = read_number(text)
    if value < 0:
        raise ValueError(f"{name} {text} is negative")
    return value


def _twice(rows: list[TrueCompartment]) -> list[str]:
    first: dict[tuple[object, ...], TrueCompartment] = {}
    problems = []
    for row in rows:
        earlier = first.setdefault((tidy(row.slide), row.section, row.compartment), row)
        if earlier is not row:
            problems.append(
                f"rows {earlier.row} and {row.row}: {row.compartment} of {row.slide} section "
                f"{row.section} stands twice"
            )
    return problems
