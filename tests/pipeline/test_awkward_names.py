"""Names that programs like to take for something else, from study.csv to every export."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from helpers.fake_scorer import SCORER, fake_model
from pzfx import read_pzfx

from histoscore.config import load_config
from histoscore.pipeline.study import ScoreOptions, score_study

GROUPS = ("None", "NA", "null", "all", "blinded")
ANIMALS = (
    *("001", "1", "01", "1E5", "MARCH1", "=1+1", "-3", "+4", "@home", "TRUE"),
    *("NaN", "inf", "#N/A", "'=x", "1.0", "2,5", "nan", "N/A", '<b>"', "m & m"),
)
GRADES = (0, 0.5, 0, 1, 3, 4, 5, 4, 2, 2, 3, 1, 6, 5, 6, 6, 1, 0, 1, 0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored run of four animals in each of the groups."""
    folder = tmp_path_factory.mktemp("awkward")
    with (folder / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(("slide", "animal", "group"))
        for place, animal in enumerate(ANIMALS):
            (folder / f"{place}.svs").write_text(f"grade {GRADES[place]}\n{place}\n")
            sheet.writerow((f"{place}.svs", animal, GROUPS[place // 4]))
    options = ScoreOptions(scorer=SCORER, model=fake_model)
    config = load_config(overrides=["statistics.permutations=1000"])
    return score_study(folder / "study.csv", folder / "run", config, options).run.path


def unquoted(text: str) -> str:
    """What analysis.R does to a cell that spreadsheets must not take for a formula."""
    return re.sub(r"^'(?=[^0-9A-Za-z])", "", text)


def test_the_script_in_r_undoes_the_quoting_as_these_tests_do(run: Path) -> None:
    script = (run / "analysis.R").read_text(encoding="utf-8")
    assert 'sub("^\'(?=[^0-9A-Za-z])", "", column, perl = TRUE)' in script
    assert 'colClasses = "character", na.strings = character()' in script


@pytest.mark.parametrize("name", ["slides", "sections", "compartments", "animals"])
@pytest.mark.fault(27)
def test_animals_in_csv_are_the_sheets(run: Path, name: str) -> None:
    frame = pd.read_csv(run / f"{name}.csv", dtype=str, keep_default_na=False)
    assert tuple(dict.fromkeys(frame["animal"].map(unquoted))) == ANIMALS


@pytest.mark.fault(31)
def test_no_cell_of_a_csv_begins_like_a_formula(run: Path) -> None:
    text = pd.read_csv(run / "animals.csv", dtype=str, keep_default_na=False)["animal"]
    assert not text.str.match(r"[=+\-@]").any()


@pytest.mark.fault(26)
def test_groups_in_csv_are_the_sheets_and_the_first_is_the_reference(run: Path) -> None:
    animals = pd.read_csv(run / "animals.csv", dtype=str, keep_default_na=False)
    assert tuple(dict.fromkeys(animals["group"])) == GROUPS
    rows = pd.read_csv(run / "groups.csv", dtype=str, keep_default_na=False)
    pairs = rows[(rows["primary"] == "yes") & (rows["reference"] != "")]
    assert set(pairs["reference"]) == {"None"}
    assert tuple(pairs["group"]) == GROUPS[1:]
    (at_once,) = rows[(rows["primary"] == "yes") & (rows["reference"] == "")]["group"]
    assert at_once == "all"


@pytest.mark.fault(27)
@pytest.mark.fault(31)
def test_the_workbook_holds_them_as_text(run: Path) -> None:
    book = openpyxl.load_workbook(run / "results.xlsx")
    for sheet, header in (("Animals", "animal"), ("Compartments", "animal"), ("Animals", "group")):
        rows = list(book[sheet].iter_rows(min_row=2))
        (column,) = [n for n, cell in enumerate(rows[0]) if cell.value == header]
        cells = [row[column] for row in rows[1:]]
        assert {cell.data_type for cell in cells} == {"s"}
        wanted = ANIMALS if header == "animal" else GROUPS
        assert tuple(dict.fromkeys(cell.value for cell in cells)) == wanted
    wide = [tuple(c.value for c in row) for row in book["Animals wide"].iter_rows()]
    assert any(row[:5] == GROUPS for row in wide)
    assert not [c for sheet in book for row in sheet.iter_rows() for c in row if c.data_type == "f"]


def test_prism_has_a_column_for_each_group_with_its_own_animals(run: Path) -> None:
    frame = read_pzfx(str(run / "prism" / "grade_max.pzfx"), "grade_max medial")
    assert tuple(frame.columns) == GROUPS
    assert frame.T.to_numpy().ravel().tolist() == list(GRADES)


@pytest.mark.fault(32)
def test_the_report_shows_them(run: Path) -> None:
    texts: list[str] = []
    page = HTMLParser()
    page.handle_data = texts.append  # type: ignore[method-assign]
    page.feed((run / "report.html").read_text(encoding="utf-8"))
    assert {*ANIMALS, *GROUPS} <= set(texts)


def test_figures_name_every_group(run: Path) -> None:
    svg = (run / "figures" / "grade_max-medial.svg").read_text(encoding="utf-8")
    for group in GROUPS:
        assert f">{group}</text>" in svg
