"""results.xlsx: the study for people who live in a spreadsheet.

Text is text and numbers are numbers; there is no formula, no merged cell and no macro. The bytes
are equal for equal tables. A sheet Audit is there where there is an audit trail.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import xlsxwriter

from histoscore.export import tables as make
from histoscore.export import values, wording
from histoscore.export.additions import Additions
from histoscore.export.arrive import arrive_items
from histoscore.export.comparisons import power_cells
from histoscore.export.dictionary import TEXT, Cell, Column
from histoscore.export.evaluation import agreement_table
from histoscore.export.read_me import read_me
from histoscore.export.tables import Table, review_table
from histoscore.files import write_atomic
from histoscore.records import StudyTables
from histoscore.vocabulary import Region, Status

OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}

_MAX_WIDTH, _MIN_WIDTH = 48, 9
_MAX_CELL = 32_767
_MAX_FOOTER = 200
ROWS_OF_A_SHEET = 1_048_576
"""Excel has no more; what lies beyond would be left out without a word."""
_LINE_HEIGHT = 15
_NO_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_STATUS_COLORS = {Status.FAILED: "#F4C7C3", Status.REVIEW: "#FCE8B2", Status.WARNED: "#FFF6DA"}


def write_workbook(tables: StudyTables, path: Path, additions: Additions | None = None) -> None:
    """Writes the workbook; the same bytes for the same tables."""
    write_atomic(path, workbook_bytes(tables, additions))


def workbook_bytes(tables: StudyTables, additions: Additions | None = None) -> bytes:
    """The workbook as a file's content."""
    beside = additions or Additions()
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, OPTIONS) as book:
        book.set_properties(
            {
                "title": "histoscore results",
                "author": "histoscore",
                "comments": wording.provenance(tables),
                "created": wording.created(tables).replace(tzinfo=None),
            }
        )
        study = make.study_tables(tables, beside.decisions)
        _Book(book, tables).write((*study, *_more_tables(tables, beside)))
    return buffer.getvalue()


def _more_tables(tables: StudyTables, beside: Additions) -> tuple[Table, ...]:
    """Those that not every study has."""
    power = [power_cells(beside.power)] if beside.power else []
    agreement = [agreement_table(beside.agreement)] if beside.agreement else []
    review = [review_table(beside.review)] if beside.review else []
    trail = [make.audit(tables)] if tables.events else []
    return (*power, *agreement, *review, *trail)


class _Book:
    """The open workbook with its formats."""

    def __init__(self, book: Any, tables: StudyTables) -> None:
        self.book = book
        self.tables = tables
        self.plain = book.add_format({"valign": "top"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self.label = book.add_format({"bold": True, "valign": "top"})
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.header = book.add_format(
            {"bold": True, "bg_color": "#E8EEF0", "bottom": 1, "text_wrap": True, "valign": "top"}
        )
        self.warning = book.add_format(
            {"bold": True, "font_color": "#7A1F00", "bg_color": "#FDE7DC", "valign": "top"}
        )
        self.numbers: dict[str, Any] = {}

    def write(self, study: Sequence[Table]) -> None:
        """All sheets, in the order in which people look for them."""
        by_name = {table.name: table for table in study}
        sheets: dict[str, Callable[[str], None]] = {
            "Animals": lambda name: self._table(name, by_name["animals"]),
            "Animals wide": self._animals_wide,
            "Compartments": lambda name: self._table(name, by_name["compartments"]),
            "Sections": lambda name: self._table(name, by_name["sections"]),
            "Slides": lambda name: self._table(name, by_name["slides"]),
            "Failed and excluded": lambda name: self._table(
                name, make.ungraded(self.tables.slides)
            ),
            "Statistics": lambda name: self._table(name, by_name["groups"]),
            "Power": lambda name: self._table(name, by_name["power"]),
            "Agreement": lambda name: self._table(name, by_name["agreement"]),
            "Review": lambda name: self._table(name, by_name["scorers"]),
            "Audit": lambda name: self._table(name, by_name["audit"]),
            "Methods": lambda name: self._two_columns(
                name, (("Methods", wording.methods_paragraph(self.tables)),), 110
            ),
            "Dictionary": lambda name: self._dictionary(name, study),
            "ARRIVE": lambda name: self._two_columns(name, arrive_items(self.tables), 100),
        }
        sources = {
            "Power": "power",
            "Agreement": "agreement",
            "Review": "scorers",
            "Audit": "audit",
        }
        for name, table in sources.items():
            if table not in by_name:
                del sheets[name]
        self._two_columns("Read me", read_me(self.tables, tuple(sheets)), 100)
        for name, write in sheets.items():
            write(name)

    def _two_columns(self, name: str, rows: Sequence[tuple[str, str]], width: int) -> None:
        sheet = self.book.add_worksheet(name)
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, width)
        sheet.write_string(0, 0, f"histoscore: {name}", self.title)
        start = 2 + self._banner(sheet, 1)
        for row, (label, text) in enumerate(rows, start=start):
            sheet.write_string(row, 0, _fitting(label), self.label)
            sheet.write_string(row, 1, _fitting(text), self.wrapped)
            sheet.set_row(row, _LINE_HEIGHT * max(1, ceil(len(text) * 1.05 / width)))
        sheet.hide_gridlines(2)
        self._printable(sheet)

    def _banner(self, sheet: Any, row: int) -> int:
        """Writes the banner, if there is one; the number of rows it took."""
        text = wording.banner(self.tables)
        if not text:
            return 0
        sheet.write_string(row, 0, _fitting(text), self.warning)
        for column in range(1, 8):
            sheet.write_blank(row, column, None, self.warning)
        return 1

    def _table(self, name: str, table: Table) -> None:
        """A table with frozen header and filter, below the banner."""
        sheet = self.book.add_worksheet(name)
        top = self._banner(sheet, 0)
        if top + len(table.rows) >= ROWS_OF_A_SHEET:
            told = (
                f"{len(table.rows)} rows are too many for a sheet; they stand in {table.name}.csv"
            )
            sheet.write_string(top, 0, told, self.warning)
            return
        last_row, last_column = top + len(table.rows), len(table.columns) - 1
        for index, column in enumerate(table.columns):
            cells = [row[index] for row in table.rows]
            sheet.set_column(index, index, _width(column, cells))
            sheet.write_string(top, index, column.title, self.header)
            self._column(sheet, top + 1, index, column, cells)
        sheet.set_row(top, 2 * _LINE_HEIGHT)
        sheet.freeze_panes(top + 1, _frozen_columns(table))
        sheet.autofilter(top, 0, max(last_row, top + 1), last_column)
        self._color_status(sheet, table, top)
        self._printable(sheet)
        sheet.repeat_rows(0, top)

    def _column(
        self, sheet: Any, top: int, index: int, column: Column, cells: Sequence[Cell]
    ) -> None:
        """The cells of a column from row `top` down; a number is the one that the CSV shows."""
        look, text = self._number(column.style.number_format), column.style.text
        for row, value in enumerate(cells, start=top):
            if value is None or value == "":
                continue
            if column.is_text or isinstance(value, str):
                sheet.write_string(row, index, _fitting(text(value)), self.plain)
            else:
                sheet.write_number(row, index, float(text(value)), look)

    def _number(self, number_format: str | None) -> Any:
        name = number_format or "General"
        if name not in self.numbers:
            self.numbers[name] = self.book.add_format({"num_format": name, "valign": "top"})
        return self.numbers[name]

    def _printable(self, sheet: Any) -> None:
        """Landscape A4, as wide as one page; what made it stands at the foot."""
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        line = wording.provenance(self.tables).replace("&", "&&")
        sheet.set_footer(f"&L&7{line[:_MAX_FOOTER]}&R&7&A, page &P of &N")

    def _color_status(self, sheet: Any, table: Table, top: int) -> None:
        """Rows that need a look get a quiet colour in their status cell."""
        names = [column.name for column in table.columns]
        if "status" not in names:
            return
        index = names.index("status")
        for number, row in enumerate(table.rows, start=top + 1):
            color = _STATUS_COLORS.get(Status(str(row[index])))
            if color:
                look = self.book.add_format({"bg_color": color, "valign": "top"})
                sheet.write_string(number, index, str(row[index]), look)

    def _animals_wide(self, name: str) -> None:
        """Blocks of one column a group, one row an animal, to be pasted into Prism."""
        sheet = self.book.add_worksheet(name)
        sheet.set_column(0, 40, 20)
        row = self._banner(sheet, 0)
        sheet.write_string(row, 0, "One column a group, one row an animal; ids to the right.")
        sheet.freeze_panes(row + 1, 0)
        row += 2
        for timepoint in values.timepoints(self.tables):
            for outcome in values.outcome_order(self.tables):
                for region in values.region_order(self.tables):
                    row = self._block(sheet, row, outcome, region, timepoint)
        self._printable(sheet)

    def _block(
        self, sheet: Any, row: int, outcome: str, region: Region, timepoint: str | None
    ) -> int:
        """One outcome in one region; the row where the next block starts."""
        groups = values.values_by_group(self.tables, outcome, region, timepoint)
        if not groups:
            return row
        title = f"{values.outcome_title(outcome)}, {region.value}"
        title += f", {timepoint}" if timepoint is not None else ""
        is_primary = (outcome, region) == (self.tables.primary_outcome, self.tables.primary_region)
        sheet.write_string(row, 0, title + (" (primary outcome)" if is_primary else ""), self.label)
        offset = len(groups) + 1
        for index, group in enumerate(groups):
            sheet.write_string(row + 1, index, _fitting(group.group), self.header)
            sheet.write_string(row + 1, index + offset, _fitting(f"id: {group.group}"), self.header)
            for number, (animal, value) in enumerate(
                zip(group.animals, group.values, strict=True), start=row + 2
            ):
                sheet.write_string(number, index + offset, _fitting(animal), self.plain)
                if value is not None:
                    sheet.write_number(number, index, round(value, 4), self._number("General"))
        return row + 3 + max(len(group.animals) for group in groups)

    def _dictionary(self, name: str, study: Sequence[Table]) -> None:
        rows = tuple(
            (t.name, c.name, c.meaning, c.unit, c.allowed) for t in study for c in t.columns
        )
        titles = ("table", "column", "meaning", "unit", "allowed values")
        columns = tuple(Column(title, TEXT, "") for title in titles)
        self._table(name, Table("dictionary", columns, rows))


@lru_cache(maxsize=65_536)
def _fitting(text: str) -> str:
    """Text that a cell can hold: no control characters, no longer than Excel allows."""
    return _NO_CONTROLS.sub("", text)[:_MAX_CELL]


def _width(column: Column, cells: Sequence[Cell]) -> int:
    header = max(len(word) for word in column.title.split(" "))
    longest = max((len(column.style.text(c)) for c in cells[:500]), default=0)
    return max(_MIN_WIDTH, min(_MAX_WIDTH, max(header, longest) + 3))


def _frozen_columns(table: Table) -> int:
    """The leading columns that say whose row it is."""
    return 1 if table.name in ("animals", "groups", "dictionary") else 2
