"""XLSX sheets: the text a person sees, with Excel's own inventions refused."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from histoscore.errors import ManifestError
from histoscore.study import read_study
from histoscore.study.sheet import Sheet, read_sheet


def workbook(folder: Path, rows: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = folder / "study.xlsx"
    book.save(path)
    return path


def sheet_of(folder: Path, rows: Sequence[Sequence[Any]]) -> Sheet:
    return read_sheet(workbook(folder, rows), ("slide", "animal"), ids=("slide", "animal"))


@pytest.mark.fault(27)
def test_ids_keep_the_text_that_is_seen(tmp_path: Path) -> None:
    ids = ["001", "1E5", "MARCH1", "NA", "None", 7, 7.0, 0.5]
    sheet = sheet_of(tmp_path, [["slide", "animal"], *(["a.svs", value] for value in ids)])
    seen = [row.cells["animal"] for row in sheet.rows]
    assert seen == ["001", "1E5", "MARCH1", "NA", "None", "7", "7", "0.5"]
    assert sheet.problems == ()


def test_zeros_that_the_format_shows_are_kept(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["slide", "animal"], ["a.svs", 7]])
    book = openpyxl.load_workbook(path)
    book.active["B2"].number_format = "000"
    book.save(path)
    assert read_sheet(path, ("slide", "animal")).rows[0].cells["animal"] == "007"


def test_id_that_excel_turned_into_a_date_is_a_problem(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["slide", "animal", "born"],
        ["a.svs", datetime(2024, 3, 1), datetime(2024, 3, 1)],
    ]
    sheet = sheet_of(tmp_path, rows)
    assert sheet.problems == (
        "row 2, animal: holds the date 2024-03-01; format the column as text and type it again",
    )
    assert sheet.rows[0].cells["born"] == "2024-03-01"


def test_formula_without_a_stored_value_is_a_problem(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, [["slide", "animal"], ["a.svs", '="M"&1']])
    assert "row 2, animal: a formula without a stored value" in sheet.problems[0]


@pytest.mark.fault(28)
def test_stored_value_of_a_formula_is_read_and_stated(tmp_path: Path) -> None:
    path = tmp_path / "study.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["slide", "animal"])
        sheet.write_formula(1, 0, '="a"&".svs"', value="a.svs")
        sheet.write_string(1, 1, "=M1")
    read = read_sheet(path, ("slide", "animal"))
    assert read.rows[0].cells == {"slide": "a.svs", "animal": "=M1"}
    assert read.problems == ()
    assert read.notes == ("1 cells hold formulas; their stored values were read",)


@pytest.mark.fault(28)
def test_error_cells_and_merged_cells_are_problems(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["slide", "animal"], ["a.svs", "M1"], ["b.svs", "#N/A"]])
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("A2:A3")
    book.save(path)
    problems = read_sheet(path, ("slide", "animal")).problems
    assert any("A2:A3: are merged" in problem for problem in problems)
    assert any("holds the error #N/A" in problem for problem in problems)


def test_other_worksheets_and_hidden_rows_are_stated(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["slide", "animal"], ["a.svs", "M1"], ["b.svs", "M2"]])
    book = openpyxl.load_workbook(path)
    book.create_sheet("notes")
    book.active.row_dimensions[3].hidden = True
    book.save(path)
    sheet = read_sheet(path, ("slide", "animal"))
    assert len(sheet.rows) == 2
    assert sheet.notes == (
        "the worksheet 'Sheet' was read, 1 others not",
        "1 hidden rows were read like the others",
    )


def test_study_reads_from_a_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.svs").touch()
    rows: list[list[Any]] = [
        ["Slide", "Animal", "mpp", "exclude"],
        ["a.svs", 12, 0.725, True],
        [None, None],
    ]
    study = read_study(workbook(tmp_path, rows))
    assert [(row.animal, row.mpp, row.exclude) for row in study.rows] == [("12", 0.725, True)]


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.xlsx"
    path.write_bytes(b"slide,animal\n")
    with pytest.raises(ManifestError, match=r"not a readable \.xlsx"):
        read_sheet(path, ("slide",))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "x")
    with pytest.raises(ManifestError, match=r"not a readable \.xlsx"):
        read_sheet(path, ("slide",))


def test_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "study.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x", "w") as big:
        for _ in range(201):
            big.write(bytes(1_000_000))
    with pytest.raises(ManifestError, match="unpacks to more"):
        read_sheet(path, ("slide",))
