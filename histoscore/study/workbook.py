"""XLSX sheets as text: what a person sees in a cell, never a formula, never a guess."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from histoscore.errors import ManifestError
from histoscore.study.lines import RawSheet
from histoscore.study.names import tidy

_MAX_UNPACKED_BYTES = 200_000_000
_ZERO_PADDED = re.compile(r"0+")


def read_workbook(path: Path, ids: Sequence[str]) -> RawSheet:
    """The lines of a workbook's first visible worksheet; stored values, not formulas.

    Args:
        path: an .xlsx file.
        ids: columns that name things: a date in one of them is Excel's work, and refused.

    Raises:
        ManifestError: not a workbook, or one that unpacks to an absurd size.
    """
    values, formulas = _load(path, stored=True), _load(path, stored=False)
    visible = [name for name in values.sheetnames if values[name].sheet_state == "visible"]
    if not visible:
        raise ManifestError(f"{path}: has no visible worksheet")
    raw = RawSheet()
    if len(visible) > 1:
        raw.notes.append(f"the worksheet {visible[0]!r} was read, {len(visible) - 1} others not")
    _read_lines(values[visible[0]], formulas[visible[0]], ids, raw)
    return raw


def _load(path: Path, stored: bool) -> Any:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MAX_UNPACKED_BYTES:
                raise ManifestError(f"{path}: unpacks to more than a sheet can be")
        with warnings.catch_warnings():  # openpyxl warns of charts and validations it skips
            warnings.simplefilter("ignore", UserWarning)
            return openpyxl.load_workbook(path, data_only=stored)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, ParseError, OSError):
        raise ManifestError(f"{path}: is not a readable .xlsx workbook; save it again") from None


def _read_lines(values: Any, formulas: Any, ids: Sequence[str], raw: RawSheet) -> None:
    raw.problems += [
        f"cells {merged}: are merged; unmerge them and fill every cell"
        for merged in values.merged_cells.ranges
    ]
    header: list[str] = []
    stored = 0
    for number, cells in enumerate(values.iter_rows(), start=1):
        texts = []
        for cell in cells:
            name = header[cell.column - 1] if header else ""
            is_formula = formulas.cell(cell.row, cell.column).data_type == "f"
            stored += is_formula
            problem = _cell_problem(cell, is_formula, name in ids)
            if problem:
                raw.problems.append(f"row {number}, {name or cell.column_letter}: {problem}")
            texts.append(_cell_text(cell))
        raw.lines.append((number, texts))
        if not header and any(map(tidy, texts)):
            header = [tidy(text).casefold() for text in texts]
    _note(raw, stored, "cells hold formulas; their stored values were read")
    hidden = sum(row.hidden for row in values.row_dimensions.values())
    _note(raw, hidden, "hidden rows were read like the others")


def _note(raw: RawSheet, count: int, sentence: str) -> None:
    if count:
        raw.notes.append(f"{count} {sentence}")


def _cell_problem(cell: Any, is_formula: bool, is_id: bool) -> str:
    if is_formula and cell.value is None:
        return "a formula without a stored value; open and save it in Excel, or paste the value"
    if cell.data_type == "e":
        return f"holds the error {cell.value}"
    if is_id and isinstance(cell.value, (date, time, timedelta)):
        return f"holds the date {_cell_text(cell)}; format the column as text and type it again"
    return ""


def _cell_text(cell: Any) -> str:
    """A cell's value as text: whole numbers without `.0`, zero padding as its format shows it."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case int() if _ZERO_PADDED.fullmatch(cell.number_format):
            return str(value).zfill(len(cell.number_format))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)
