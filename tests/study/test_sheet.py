"""Every dialect in which a sheet arrives gives the same text, or a refusal; never mojibake."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histoscore.errors import ManifestError
from histoscore.study.names import tidy
from histoscore.study.sheet import Sheet, read_sheet

KNOWN = ("slide", "animal", "group")
ROWS = [["slide", "animal", "note"], ["a b.svs", "Zoé 1", "Süß"], ["b.svs", "001", "x"]]


def sheet_from(folder: Path, data: bytes) -> Sheet:
    path = folder / "sheet.csv"
    path.write_bytes(data)
    return read_sheet(path, KNOWN)


def as_csv(delimiter: str = ",", line_end: str = "\n") -> str:
    return line_end.join(delimiter.join(row) for row in ROWS) + line_end


def cells_of(sheet: Sheet) -> list[list[str]]:
    return [list(sheet.columns)] + [list(row.cells.values()) for row in sheet.rows]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (as_csv().encode(), None),
        (as_csv(line_end="\r\n").encode(), None),
        (as_csv(line_end="\r").encode(), None),
        (as_csv().encode("utf-8-sig"), "read as UTF-8 with a byte-order mark"),
        (as_csv(";").encode(), "read as ; separated"),
        (as_csv("\t").encode(), "read as tab separated"),
        (("sep=;\r\n" + as_csv(";", "\r\n")).encode(), "read as ; separated"),
        (as_csv().encode("utf-16"), "read as UTF-16"),
        (b"\xfe\xff" + as_csv().encode("utf-16-be"), "read as UTF-16"),
        (as_csv().encode("utf-16-le"), "read as UTF-16"),
        (as_csv(";", "\r\n").encode("cp1252"), "not UTF-8; read as cp1252: check the accents"),
        (as_csv(line_end="\r").encode("mac_roman"), "not UTF-8; read as mac_roman"),
    ],
)
@pytest.mark.fault(28)
def test_dialects_are_recognised_and_stated(tmp_path: Path, data: bytes, note: str | None) -> None:
    sheet = sheet_from(tmp_path, data)
    assert cells_of(sheet) == ROWS
    assert sheet.problems == ()
    assert any(line.startswith(note) for line in sheet.notes) if note else sheet.notes == ()


def test_quoted_cells_keep_separators_quotes_and_newlines(tmp_path: Path) -> None:
    sheet = sheet_from(tmp_path, b'slide,animal\n"a, ""b"".svs","M\n1"\nc.svs,M2\n')
    assert [row.cells["slide"] for row in sheet.rows] == ['a, "b".svs', "c.svs"]
    assert sheet.rows[0].cells["animal"] == "M\n1"
    assert [row.number for row in sheet.rows] == [2, 3]


def test_blank_lines_count_but_are_no_rows(tmp_path: Path) -> None:
    sheet = sheet_from(tmp_path, b"slide,animal\na.svs,M1\n\n ,\nb.svs,M2\n")
    assert [row.number for row in sheet.rows] == [2, 5]


def test_trailing_empty_columns_are_dropped(tmp_path: Path) -> None:
    sheet = sheet_from(tmp_path, b"slide,animal,,\na.svs,M1,,\n")
    assert sheet.columns == ("slide", "animal")
    assert sheet.problems == ()


def test_unnamed_column_and_extra_cells_are_problems(tmp_path: Path) -> None:
    sheet = sheet_from(tmp_path, b"slide,,animal\na.svs,x,M1,oops\n")
    assert sheet.problems[0] == "row 1: column number 2 has no name"
    assert sheet.problems[1].startswith("row 2: 4 cells under 3 column names")


@pytest.mark.fault(28)
def test_letter_lost_before_it_came_here_is_a_problem(tmp_path: Path) -> None:
    assert "a letter was lost" in sheet_from(tmp_path, "slide\nZo�.svs\n".encode()).problems[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n , \n", "holds no rows"),
        (b'slide,animal\n"a.svs,M1\n', "not a readable CSV line"),
        (b"slide,animal\n\x00\x01\x02\x00\x00,M\x001", "not readable text"),
        (b"slide\n\x81\x8d\x90", "not readable text"),
    ],
)
def test_what_is_no_sheet_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        sheet_from(tmp_path, data)


@pytest.mark.parametrize("name", ["study.xls", "study.ods"])
def test_other_spreadsheets_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(ManifestError, match=r"save it as \.xlsx or \.csv"):
        read_sheet(path, KNOWN)


def test_absent_sheet_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        read_sheet(tmp_path / "none.csv", KNOWN)
    with pytest.raises(ManifestError, match="is a folder"):
        read_sheet(tmp_path, KNOWN)


_CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd\ufeff"), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t"),
)
def test_any_text_survives_a_csv(
    tmp_path: Path, cells: list[tuple[str, str]], delimiter: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("slide", "animal"), *cells])
    sheet = sheet_from(tmp_path, text.getvalue().encode("utf-8"))
    read = [(row.cells["slide"], row.cells["animal"]) for row in sheet.rows]
    assert read == [pair for pair in cells if any(map(tidy, pair))]
