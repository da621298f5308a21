"""Sheets as people send them: CSV in any usual dialect, or XLSX, read as text and nothing else.

A cell is the text that stands in it: "None", "NA", "001", "1E5" and "MARCH1" are ids, not values.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.study.names import suggestion, tidy

_MAX_BYTES = 50_000_000
_DELIMITERS = {",": "comma", ";": ";", "\t": "tab"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte-order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_EXCEL_SEPARATOR_LINE = "sep="


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


@dataclass(slots=True)
class RawSheet:
    """Numbered lines of cells before the header is understood, with notes and problems so far."""

    lines: list[tuple[int, list[str]]]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


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
        from histoscore.study.workbook import read_workbook

        raw = read_workbook(path, ids)
    else:
        raw = _read_text(path, known)
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


def misspelt_columns(sheet: Sheet, known: Sequence[str]) -> list[str]:
    """A sentence for each foreign column whose name is nearly that of an absent optional one.

    Silently carrying `exlude` along would score what the study excludes.
    """
    absent = [name for name in known if name not in sheet.columns]
    return [
        f"row 1: unknown column {column!r}{hint}; or give it a name further from that"
        for column in sheet.columns
        if column not in known and (hint := suggestion(column, absent))
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


def _read_text(path: Path, known: Sequence[str]) -> RawSheet:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    text, notes = _decode(path, data)
    delimiter, text = _delimiter(text, known)
    if delimiter != ",":
        notes.append(f"read as {_DELIMITERS[delimiter]} separated")
    raw = RawSheet([], notes)
    try:
        for number, cells in enumerate(_records(text, delimiter), start=1):
            raw.lines.append((number, cells))
    except csv.Error as error:
        place = f"row {len(raw.lines) + 1}"
        raise ManifestError(f"{path}: {place}: not a readable CSV line ({error})") from None
    return raw


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _decode(path: Path, data: bytes) -> tuple[str, list[str]]:
    """The text of a sheet and, where it is not plain UTF-8, a note on how it was read."""
    for bom, encoding, title in _BOMS:
        if data.startswith(bom):
            return _decoded(path, data[len(bom) :], encoding), [f"read as {title}"]
    if b"\0" in data[:4000]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return _decoded(path, data, encoding), ["read as UTF-16"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        encoding = _old_encoding(data)
    return _decoded(path, data, encoding), [f"not UTF-8; read as {encoding}: check the accents"]


def _old_encoding(data: bytes) -> str:
    """Old Macs end lines with CR alone and wrote Mac Roman; everybody else wrote cp1252."""
    return "mac_roman" if b"\r" in data and b"\n" not in data else "cp1252"


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ManifestError(f"{path}: is not readable text; save it as CSV UTF-8 or as .xlsx")
    return text


def _delimiter(text: str, known: Sequence[str]) -> tuple[str, str]:
    """The delimiter whose header holds most known columns, and the text without Excel's `sep=`."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith(_EXCEL_SEPARATOR_LINE) and first.strip()[4:] in _DELIMITERS:
        return first.strip()[4:], rest
    if first.strip("\r").lower() == "sep=\t":
        return "\t", rest
    return max(_DELIMITERS, key=lambda delimiter: _header_fit(text, delimiter, known)), text


def _header_fit(text: str, delimiter: str, known: Sequence[str]) -> tuple[int, int]:
    try:
        header = next(_records(text, delimiter), [])
    except csv.Error:
        return -1, 0
    names = [tidy(cell).casefold() for cell in header]
    return sum(name in known for name in names), len(names)


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
