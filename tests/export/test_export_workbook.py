"""results.xlsx: sheets in order, text as text, no formula, the banner in sight."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import openpyxl
import pytest
from example_study import ANIMALS, BANNER, EVIL, GROUPS, example_study

from histoscore.export.tables import study_tables
from histoscore.export.workbook import workbook_bytes
from histoscore.records import AuditEvent

SHEETS = [
    "Read me",
    "Animals",
    "Animals wide",
    "Compartments",
    "Sections",
    "Slides",
    "Failed and excluded",
    "Statistics",
    "Methods",
    "Dictionary",
    "ARRIVE",
]


@pytest.fixture(scope="module")
def content() -> bytes:
    return workbook_bytes(example_study())


@pytest.fixture(scope="module")
def book(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def column(sheet, title: str) -> list:
    (cell,) = [c for c in sheet[2] if str(c.value).split(" (")[0] == title]
    return [row[cell.column - 1] for row in sheet.iter_rows(min_row=3)]


def parts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if n.startswith("xl/worksheets/")]
        return {n: archive.read(n).decode("utf-8") for n in names}


def test_sheets_stand_in_the_promised_order(book: openpyxl.Workbook) -> None:
    assert book.sheetnames == SHEETS


@pytest.mark.fault(31)
def test_there_is_no_formula_no_merged_cell_no_link(content: bytes) -> None:
    for name, xml in parts(content).items():
        assert not re.search(r"<(f|mergeCell|hyperlink)\b", xml), name


def test_ids_are_text_whatever_they_look_like(book: openpyxl.Workbook) -> None:
    cells = column(book["Slides"], "animal")
    assert [c.value for c in cells] == list(ANIMALS)
    assert {c.data_type for c in cells} == {"s"}
    assert column(book["Slides"], "slide")[1].value == EVIL


def test_numbers_are_numbers_and_missing_ones_are_empty(book: openpyxl.Workbook) -> None:
    areas = [c.value for c in column(book["Compartments"], "hyaline_area_um2")]
    assert areas[0] == pytest.approx(18_000.1)
    assert areas[-1] is None
    assert areas[-2] is None


def test_headers_carry_the_unit(book: openpyxl.Workbook) -> None:
    headers = [cell.value for cell in book["Compartments"][2]]
    assert "hyaline_area_um2 (µm²)" in headers
    assert "lesion_extent (fraction)" in headers


def test_the_banner_stands_at_the_top_of_every_sheet(book: openpyxl.Workbook) -> None:
    for sheet in book:
        assert BANNER in (sheet["A1"].value, sheet["A2"].value), sheet.title


def test_without_a_banner_the_tables_start_in_the_first_row() -> None:
    reading = {k: v for k, v in example_study().reading.items() if k != "banner"}
    content = workbook_bytes(replace(example_study(), reading=reading))
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book["Animals"]["A1"].value == "animal"


def test_tables_have_a_frozen_header_and_a_filter(book: openpyxl.Workbook) -> None:
    for name in ("Animals", "Compartments", "Sections", "Slides", "Statistics", "Dictionary"):
        assert book[name].freeze_panes.endswith("3"), name
        assert book[name].auto_filter.ref.startswith("A2:"), name


def test_the_wide_sheet_has_a_column_a_group_with_the_primary_outcome_first(
    book: openpyxl.Workbook,
) -> None:
    rows = list(book["Animals wide"].iter_rows(min_row=4, values_only=True))
    assert rows[0][0] == "highest grade, medial (primary outcome)"
    assert rows[1][:3] == GROUPS
    assert [row[0] for row in rows[2:6]] == [0, 0.5, 0, 0.5]
    assert [row[2] for row in rows[2:6]] == [2, 3, None, None]
    assert [row[4] for row in rows[2:6]] == list(ANIMALS[:4])


def test_failed_and_excluded_gives_the_reasons(book: openpyxl.Workbook) -> None:
    reasons = [cell.value for cell in column(book["Failed and excluded"], "reason")]
    assert reasons == ["no joint found", "empty file"]


def test_the_dictionary_explains_every_column(book: openpyxl.Workbook) -> None:
    rows = list(book["Dictionary"].iter_rows(min_row=3, values_only=True))
    explained = {(row[0], row[1]) for row in rows if row[2]}
    for table in study_tables(example_study()):
        assert {(table.name, column.name) for column in table.columns} <= explained


def test_read_me_says_what_became_of_the_slides(book: openpyxl.Workbook) -> None:
    facts = {row[0]: row[1] for row in book["Read me"].iter_rows(values_only=True)}
    assert facts["slides"] == "12: 10 scored, 1 grade withheld, needs review, 1 failed"
    assert facts["animals"] == "12, 10 with grades"
    assert "grade_max is the highest grade" in facts["aggregation"]
    assert facts["primary result"].startswith("DMM + vehicle against sham (n = 4 and 4)")
    assert facts["without a grade"].startswith(
        "1 × grade withheld, needs review (no joint found); 1 × failed (empty file)."
    )
    assert [str(k)[6:] for k in facts if str(k).startswith("sheet ")] == SHEETS[1:]
    assert facts["study sheet sha256"] == "ab" * 32


def test_a_small_p_is_not_shown_as_zero(book: openpyxl.Workbook) -> None:
    cell = column(book["Statistics"], "p")[0]
    assert cell.value == pytest.approx(0.0286)
    assert cell.number_format == "[<0.0001]0.00E+00;0.0000"


def test_the_audit_trail_is_a_sheet_where_there_is_one(book: openpyxl.Workbook) -> None:
    assert "Audit" not in book.sheetnames
    events = (
        AuditEvent(1, "2024-05-06T07:08:09+00:00", "a@b", "key opened", "sheet: =key.csv"),
        AuditEvent(None, "", "", "trail damaged", "events.jsonl line 2: not an event"),
    )
    content = workbook_bytes(replace(example_study(), events=events))
    audit = openpyxl.load_workbook(io.BytesIO(content))["Audit"]
    assert [cell.value for cell in column(audit, "number")] == [1, None]
    assert [cell.value for cell in column(audit, "details")] == [e.details for e in events]


def test_no_sheet_is_promised_that_is_not_there(book: openpyxl.Workbook) -> None:
    words = " ".join(str(row[1]) for row in book["Read me"].iter_rows(values_only=True))
    assert "Agreement" not in words
    assert "Audit" not in words


def test_equal_tables_give_equal_bytes(content: bytes) -> None:
    assert workbook_bytes(example_study()) == content


def test_control_characters_do_not_break_the_file() -> None:
    study = example_study()
    slides = (study.slides[0].model_copy(update={"animal": "a\x00b\x1f"}), *study.slides[1:])
    content = workbook_bytes(replace(study, slides=slides))
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert column(book["Slides"], "animal")[0].value == "ab"


def test_a_table_of_more_rows_than_a_sheet_has_is_named_and_not_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("histoscore.export.workbook.ROWS_OF_A_SHEET", 8)
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(example_study())))
    told = [row[0] for row in book["Compartments"].iter_rows(values_only=True)]
    assert re.fullmatch(r"\d+ rows are too many .* they stand in compartments\.csv", told[-1])
