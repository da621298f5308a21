"""Sheets as people send them: CSV in any usual dialect, or XLSX, read as text and nothing else.

A cell is the text that stands in it: "None", "NA", "001", "1E5" and "MARCH1" are ids, not values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.study.delimited import read_delimited
from histoscore.study.lines import RawSheet
from histoscore.study.names import suggestion, tidy
from histoscore.study.workbook import read_workbook

_MAX_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One line of a sheet; `number` is the one that a spreadsheet shows (the header is 1)."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as text: column names in order, rows, what was noticed, what is wrong."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_sheet(path: Path, known: Sequence[str], ids: Sequence[str] = ()) -> Sheet:
    """The rows of a .csv, .tsv, .txt or .xlsx sheet as text.

    Args:
        path: the sheet.
        known: column names that mean something; they are matched whatever their capitals.
        ids: columns whose numbers and dates in a workbook are suspect (they name things).

    Raises:
        ManifestError: the file cannot be read as a sheet at all. What is wrong inside it stands
            in `Sheet.problems`, so that a caller can report everything at once.
    """
    _check_file(path)
    if path.suffix.lower() == ".xlsx":
        raw = read_workbook(path, ids)
    else:
        raw = read_delimited(path, known)
    return _under_header(path, raw, known)


def raise_problems(path: Path, problems: Sequence[str]) -> None:
    """Raise one ManifestError that lists every problem; nothing happens where there is none."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ManifestError(f"{path}: {count}; nothing was started\n{lines}")


def missing_columns(sheet: Sheet, required: Sequence[str]) -> list[str]:
    """A sentence for each required column that the sheet lacks."""
    return [
        f"row 1: the column {name} is missing{suggestion(name, sheet.columns)}"
        for name in required
        if name not in sheet.columns
    ]


def misspelt_columns(sheet: Sheet, required: Sequence[str], optional: Sequence[str]) -> list[str]:
    """A sentence for each foreign column whose name is nearly that of an absent optional one.

    Silently carrying `exlude` along would score what the study excludes.
    """
    absent = [name for name in optional if name not in sheet.columns]
    foreign = [name for name in sheet.columns if name not in (*required, *optional)]
    return [
        f"row 1: unknown column {name!r}{hint} (a column of your own needs another name)"
        for name in foreign
        if (hint := suggestion(name, absent))
    ]


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    if path.is_dir():
        raise ManifestError(f"{path}: is a folder; give the sheet inside it")
    if size == 0:
        raise ManifestError(f"{path}: is empty")
    if size > _MAX_BYTES:
        raise ManifestError(f"{path}: {size:,} bytes is too large for a sheet")
    if path.suffix.lower() in (".xls", ".ods", ".numbers", ".xlsm", ".xlsb"):
        raise ManifestError(f"{path}: save it as .xlsx or .csv; {path.suffix} is not read")


def _under_header(path: Path, raw: RawSheet, known: Sequence[str]) -> Sheet:
    filled = [(number, cells) for number, cells in raw.lines if any(map(tidy, cells))]
    if not filled:
        raise ManifestError(f"{path}: holds no rows")
    (_, header), *body = filled
    names = [_column_name(cell, known) for cell in header]
    while names and not names[-1]:
        names.pop()
    problems = raw.problems + _header_problems(names)
    rows = []
    for number, cells in body:
        problems += _cell_problems(number, cells, len(names))
        padded = cells + [""] * (len(names) - len(cells))
        pairs = zip(names, padded, strict=False)
        rows.append(SheetRow(number, {name: cell for name, cell in pairs if name}))
    columns = tuple(dict.fromkeys(name for name in names if name))
    return Sheet(path, columns, tuple(rows), tuple(raw.notes), tuple(problems))


def _column_name(cell: str, known: Sequence[str]) -> str:
    name = tidy(cell)
    return name.casefold() if name.casefold() in known else name


def _header_problems(names: Sequence[str]) -> list[str]:
    twice = dict.fromkeys(name for name in names if name and names.count(name) > 1)
    unnamed = [str(place) for place, name in enumerate(names, start=1) if not name]
    problems = [f"row 1: the column {name} stands {names.count(name)} times" for name in twice]
    if unnamed:
        problems.append(f"row 1: column number {', '.join(unnamed)} has no name")
    return problems


def _cell_problems(number: int, cells: Sequence[str], width: int) -> list[str]:
    problems = []
    if any(map(tidy, cells[width:])):
        problems.append(
            f"row {number}: {len(cells)} cells under {width} column names; "
            "put text that holds the separator in double quotes"
        )
    if any("\ufffd" in cell for cell in cells):
        problems.append(
            f"row {number}: holds � where a letter was lost; export the sheet again as UTF-8"
        )
    return problems
