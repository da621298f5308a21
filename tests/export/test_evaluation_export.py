"""Tables and page of an evaluation."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.evaluated_run import BANNER, make_all, make_run, off_by, write_scorers

from histoscore.export import evaluation as exported
from histoscore.export.evaluation import evaluation_tables, write_evaluation
from histoscore.export.evaluation_page import evaluation_html
from histoscore.export.evaluation_wording import AREA_TITLES
from histoscore.pipeline.evaluation import EvaluationOptions, evaluation_of
from histoscore.pipeline.graded import read_run
from histoscore.scoring.confusions import STATISTICS
from histoscore.scoring.evaluation import Evaluation

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
TABLES = {
    "evaluation.csv": exported.EVALUATION,
    "areas.csv": exported.AREAS,
    "confusion.csv": exported.CONFUSION,
    "calibration_curve.csv": exported.CALIBRATION_CURVE,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    made = make_all(tmp_path_factory.mktemp("made"), animals=18)
    options = EvaluationOptions(truth=made.truth, resamples=200)
    return evaluation_of(read_run(made.run), made.scorers, options)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_say_what_the_evaluation_says(found: Evaluation, tmp_path: Path) -> None:
    paths = write_evaluation(found, tmp_path)
    assert [path.name for path in paths] == [
        "evaluation.csv", "confusion.csv", "calibration_curve.csv", "areas.csv", "evaluation.html"
    ]  # fmt: skip
    rows = table(tmp_path / "evaluation.csv")
    assert len(rows) == len(found.rows)
    kappa = found.row("model vs reference", "qwk")
    assert kappa is not None
    (row,) = [
        r for r in rows
        if (r["comparison"], r["stratum"], r["statistic"]) == ("model vs reference", "all", "qwk")
    ]  # fmt: skip
    assert (row["value"], row["low"]) == (f"{kappa.value:.4f}", f"{kappa.low:.4f}")
    cells = [r for r in table(tmp_path / "confusion.csv") if r["comparison"] == "A vs B"]
    assert len(cells) == 64
    assert sum(int(r["n"]) for r in cells) == found.confusions["A vs B"].sum()


def test_equal_evaluations_give_equal_bytes(found: Evaluation, tmp_path: Path) -> None:
    first, second = (write_evaluation(found, tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_areas_of_an_earlier_evaluation_do_not_stay(found: Evaluation, tmp_path: Path) -> None:
    write_evaluation(found, tmp_path)
    write_evaluation(replace(found, area_rows=(), areas=()), tmp_path)
    assert not (tmp_path / "areas.csv").exists()
    assert "<h2>Areas</h2>" not in (tmp_path / "evaluation.html").read_text()


def test_the_page_is_whole_and_shows_every_comparison(found: Evaluation) -> None:
    page = evaluation_html(found)
    assert page.lstrip().startswith("<!doctype html>")
    assert BANNER in page
    assert all(f"<td>{name}" in page for name in (*found.comparisons, *found.differences))
    assert page.count("<svg") == 3 + 2 + 2 + 4
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "http-equiv" in page
    assert "<script" not in page


def test_names_from_sheets_are_escaped(tmp_path: Path) -> None:
    evil = "<img src=x>$\\frac"
    make_run(tmp_path, groups=("=1+1", "<b>DMM</b>"))
    sheet = write_scorers(tmp_path / "s.csv", {evil: off_by((0, 1)), "@B": off_by((0,))})
    options = EvaluationOptions(resamples=100)
    page_of = evaluation_of(read_run(tmp_path / "run"), sheet, options)
    page = evaluation_html(page_of)
    assert "<img" not in page
    assert "<b>DMM" not in page
    assert "&lt;img src=x&gt;" in page
    write_evaluation(page_of, tmp_path / "out")
    cells = {cell for row in table(tmp_path / "out" / "evaluation.csv") for cell in row.values()}
    assert not [cell for cell in cells if re.match(r"[=+@]", cell)]


def test_a_run_with_nothing_in_common_still_gets_a_page(tmp_path: Path) -> None:
    make_run(tmp_path, model=lambda _animal, _compartment: None)
    sheet = write_scorers(tmp_path / "s.csv", {"A": off_by((0, 1))})
    found = evaluation_of(read_run(tmp_path / "run"), sheet, EvaluationOptions(resamples=100))
    share = found.row("model vs reference", "found_share")
    assert share is not None
    assert (share.value, share.n_missing) == (0, 48)
    page = evaluation_html(found)
    assert "the model graded 0 of the 48" in page
    assert all(cell.value is None for cell in map(found.row, found.comparisons, ["qwk"] * 99)
               if cell)  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_the_page_in_docs_has_the_columns_in_order(name: str) -> None:
    chapter = PAGE.read_text(encoding="utf-8").partition(f"\n### {name}\n")[2]
    chapter = re.split(r"\n##+ ", chapter)[0]
    told = re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)
    assert told == [column.name for column in TABLES[name]]


def test_the_page_in_docs_has_every_statistic(found: Evaluation) -> None:
    text = PAGE.read_text(encoding="utf-8")
    statistics = {row.statistic for row in (*found.rows, *found.area_rows)} | {"dice"}
    assert set(STATISTICS) < statistics
    assert [name for name in statistics if f"`{name}`" not in text] == []
    assert {row.statistic for row in found.area_rows} <= set(AREA_TITLES)


def test_tables_have_no_number_that_is_not_finite(found: Evaluation) -> None:
    for one in evaluation_tables(found):
        assert all("nan" not in text for row in one.texts() for text in row)
