"""The workbook cell by cell: value, type, number format, and the width of every column.

What is expected lies in `golden_workbook.json`. After a change that is meant, renew it and read
the difference before it is committed:

    HISTOSCORE_RENEW_GOLDEN=1 python -m pytest tests/export/test_golden_workbook.py
    git diff tests/export/golden_workbook.json
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from example_study import example_study

from histoscore.export.workbook import workbook_bytes
from histoscore.records import AuditEvent

GOLDEN = Path(__file__).with_name("golden_workbook.json")
RENEW = "HISTOSCORE_RENEW_GOLDEN"


def content() -> bytes:
    """The example study with a small p and an audit trail."""
    study = example_study()
    small = replace(study.groups[0], p=4.0123456789e-8, outcome="hyaline_area_um2", primary=False)
    event = AuditEvent(1, "2024-05-06T07:08:09+00:00", "a@b", "run started", "histoscore: 0.1.0")
    return workbook_bytes(replace(study, groups=(*study.groups, small), events=(event,)))


def seen() -> dict[str, Any]:
    """Every sheet as it is read by a program that did not write it."""
    book = openpyxl.load_workbook(io.BytesIO(content()))
    return {sheet.title: {"widths": widths(sheet)} | rows(sheet) for sheet in book}


def widths(sheet: Any) -> dict[str, float]:
    return {
        name: round(column.width, 2)
        for name, column in sorted(sheet.column_dimensions.items())
        if column.width
    }


def rows(sheet: Any) -> dict[str, list[Any]]:
    """Row → cells as [value, type, number format, b where bold]; a cell without a value is null."""
    return {
        str(row[0].row): [told(cell) for cell in row]
        for row in sheet.iter_rows()
        if any(cell.value is not None for cell in row)
    }


def told(cell: Any) -> list[Any] | None:
    if cell.value is None:
        return None
    bold = ["b"] if cell.font.b else []
    return [cell.value, cell.data_type, cell.number_format, *bold]


def lines(found: dict[str, Any]) -> str:
    """JSON with a line a row, so that a difference can be read."""
    sheets = []
    for title, sheet in found.items():
        body = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in sheet.items())
        sheets.append(f" {json.dumps(title)}: {{\n" + ",\n".join(body) + "\n }")
    return "{\n" + ",\n".join(sheets) + "\n}\n"


def test_every_cell_of_the_workbook_is_as_it_was() -> None:
    found = lines(seen())
    if os.environ.get(RENEW):
        GOLDEN.write_text(found, encoding="utf-8")
        pytest.skip(f"renewed {GOLDEN.name}: read the difference before it is committed")
    known, now = json.loads(GOLDEN.read_text(encoding="utf-8")), json.loads(found)
    assert list(now) == list(known)
    for title, sheet in known.items():
        assert now[title].keys() == sheet.keys(), title
        for row, cells in sheet.items():
            assert now[title][row] == cells, f"{title}, row {row}"
