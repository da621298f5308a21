"""People's grades given to a run: kept, agreed with in its outputs, counted where asked."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import pytest
from helpers.evaluated_run import GROUPS, make_all, make_run, off_by, slide_of, write_scorers

from histoscore.cli import run as histoscore
from histoscore.errors import ManifestError, UsageError
from histoscore.pipeline.evaluation import EvaluationOptions, evaluate_run
from histoscore.pipeline.graded import read_run
from histoscore.pipeline.readings import read_people
from histoscore.pipeline.report import report_run
from histoscore.runs.verify import verify
from histoscore.vocabulary import Compartment


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scores(run: Path, region: str) -> dict[str, dict[str, str]]:
    """Rows of animals.csv of a region, by animal."""
    return {r["animal"]: r for r in table(run / "animals.csv") if r["region"] == region}


def sheet(run: Path, name: str) -> list[dict[str, object]]:
    """A sheet of the workbook below its banner."""
    rows = list(openpyxl.load_workbook(run / "results.xlsx")[name].iter_rows(values_only=True))
    titles = [str(title).split(" (")[0] for title in rows[1]]
    return [dict(zip(titles, row, strict=True)) for row in rows[2:]]


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to which the grades of three scorers were given; the model's count."""
    made = make_all(tmp_path_factory.mktemp("agreed"))
    report_run(made.run, scorers=made.scorers)
    evaluate_run(made.run, made.scorers, made.folder / "evaluated", EvaluationOptions())
    return made.folder


def test_a_study_without_peoples_grades_has_no_section_on_agreement(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    report_run(run)
    assert "Agreement" not in openpyxl.load_workbook(run / "results.xlsx").sheetnames
    assert "<h2>Agreement" not in (run / "report.html").read_text("utf-8")
    assert "grades that count" not in (run / "report.html").read_text("utf-8")


def test_the_workbook_has_the_numbers_of_evaluate(agreed: Path) -> None:
    found = {
        (row["comparison"], row["statistic"]): row
        for row in table(agreed / "evaluated" / "evaluation.csv")
        if row["stratum_kind"] == "all"
    }
    rows = sheet(agreed / "run", "Agreement")
    named = {str(row["comparison"]) for row in rows}
    assert {"model vs reference", "model vs A", "A vs B", "A read 1 vs read 2"} <= named
    statistics = {str(row["statistic"]) for row in rows if row["comparison"] == "A vs B"}
    asked = {"qwk", "exact", "within_one", "mae", "icc", "bias", "limit_low", "limit_high"}
    assert asked <= statistics
    compared = 0
    for row in rows:
        other = found.get((str(row["comparison"]), str(row["statistic"])))
        if other is None:
            assert row["comparison"] == "all scorers"
            continue
        compared += 1
        for name in ("value", "low", "high"):
            cell = row[name]
            assert other[name] == (
                "" if cell is None else f"{cell:.4f}".replace("-0.0000", "0.0000")
            )
    assert compared > 80


def test_the_report_tells_agreement_and_differences_of_every_pair(agreed: Path) -> None:
    page = (agreed / "run" / "report.html").read_text("utf-8")
    section = page[page.index("<h2>Agreement") : page.index("<h2>What became")]
    for name in ("model vs reference", "model vs C", "B vs C", "C vs others", "A read 1 vs read 2"):
        assert section.count(f"<td>{name}") == 2, name
    for words in ("QWK", "ICC(2,1)", "lower limit", "All scorers at once", "2000 resamples"):
        assert words in section, words


def test_the_grades_stay_in_the_run_and_the_trail_says_so(agreed: Path) -> None:
    run = agreed / "run"
    before = {
        path: path.read_bytes() for path in run.glob("*.*") if path.suffix in (".csv", ".html")
    }
    (given,) = [e for e in report_run(run).tables.events if e.what == "scorers' grades given"]
    assert "scorers.csv" in given.details
    report_run(run, scorers=agreed / "scorers.csv")
    assert {path: path.read_bytes() for path in before} == before
    assert verify(run) == []


def test_the_models_grades_count_until_people_are_asked_for(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    before = report_run(made.run).tables.animals
    held = report_run(made.run, scorers=made.scorers).tables
    assert held.animals == before
    assert held.reading["grades that count"].startswith("The model's grades count")
    assert {row["final_source"] for row in table(made.run / "compartments.csv")} == {"model"}
    people = report_run(made.run, counting="person").tables
    assert people.animals != before
    again = report_run(made.run, counting="model").tables
    assert again.animals == before
    chosen = [e.details for e in again.events if e.what == "grades that count chosen"]
    assert chosen == ["counting: person", "counting: model"]


def test_peoples_grades_count_where_there_are_any_and_everything_says_so(tmp_path: Path) -> None:
    def some(animal: int, compartment: Compartment) -> float | None:
        return 6.0 if animal < 6 and compartment is Compartment.LFC else None

    run = make_run(tmp_path)
    scorers = write_scorers(tmp_path / "people.csv", {"A": some, "B": some})
    line = ["report", str(run), "--scorers", str(scorers), "--grades", "person"]
    assert histoscore(line) == 0
    rows = table(run / "compartments.csv")
    sources = {(row["slide"], row["compartment"]): row["final_source"] for row in rows}
    assert sum(source == "person" for source in sources.values()) == 6
    animals = scores(run, "LFC")
    for row in rows:
        if row["compartment"] == "LFC":
            assert row["final_grade"] == animals[row["animal"]]["grade_max"]
    page = (run / "report.html").read_text("utf-8")
    assert "People&#39;s grades count where there are any: 6 compartments" in page
    assert "42 compartments that nobody graded have the model&#39;s" in page
    facts = [row[1] for row in openpyxl.load_workbook(run / "results.xlsx")["Read me"].values]
    assert any(str(fact).startswith("People's grades count") for fact in facts)
    assert report_run(run).tables.reading["grades that count"].startswith("People's")


def test_a_grade_that_the_model_withheld_comes_from_the_person(tmp_path: Path) -> None:
    def model(animal: int, compartment: Compartment) -> float | None:
        return None if animal == 3 else 1.0

    run = make_run(tmp_path, model=model)
    report_run(run)
    assert scores(run, "medial")["m3"]["grade_max"] == ""
    scorers = write_scorers(tmp_path / "people.csv", {"A": lambda a, c: 4.0 if a == 3 else None})
    report_run(run, scorers=scorers, counting="person")
    found = [
        r for r in table(run / "animals.csv") if (r["animal"], r["region"]) == ("m3", "medial")
    ]
    assert (found[0]["grade_max"], found[0]["n_missing"]) == ("4", "0")
    row = next(r for r in table(run / "compartments.csv") if r["animal"] == "m3")
    assert (row["grade"], row["final_grade"], row["final_source"]) == ("", "4", "person")


def test_nobodys_grades_cannot_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(UsageError, match=r"no grades by people .* --scorers"):
        report_run(run, counting="person")


def test_a_sheet_that_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(f"slide,section,compartment,scorer,grade\n{slide_of(1)},1,MTP,A,7\n")
    with pytest.raises(ManifestError, match=r"wrong\.csv"):
        report_run(run, scorers=wrong)
    gone = tmp_path / "gone.csv"
    with pytest.raises(ManifestError, match=r"gone\.csv"):
        report_run(run, scorers=gone)
    assert not (run / "scorers.json").exists()
    assert read_run(run).folder.trail.last("scorers' grades given") is None


def test_a_blinded_run_tells_no_group_in_its_agreement(tmp_path: Path) -> None:
    run = make_run(tmp_path, groups=())
    scorers = write_scorers(tmp_path / "people.csv", {"A": off_by((0, 1)), "B": off_by((0, 0, 1))})
    report_run(run, scorers=scorers)
    assert {row["stratum"] for row in sheet(run, "Agreement")} == {"all"}
    page = (run / "report.html").read_text("utf-8")
    assert not any(group in page for group in GROUPS if group != "sham")
    assert len(read_people(scorers, read_run(run)).scorers) == 2


def test_a_next_study_is_told_from_the_animals_of_this_one(agreed: Path) -> None:
    rows = sheet(agreed / "run", "Power")
    assert {(row["reference"], row["group"]) for row in rows} == {
        ("sham", "DMM + vehicle"),
        ("sham", "DMM + exosome"),
    }
    assert {row["outcome"] for row in rows} == {"grade_max"}
    assert all(0 <= float(str(row["power"])) <= 1 for row in rows)
    page = (agreed / "run" / "report.html").read_text("utf-8")
    section = page[page.index("<h2>What a next study") : page.index("<h2>A section of each")]
    for words in (
        "DMM + vehicle against sham",
        "animals a group",
        "flatters a small study",
        "replacement",
    ):
        assert words in section


def test_too_few_animals_are_no_ground_for_a_next_study(tmp_path: Path) -> None:
    run = make_run(tmp_path, animals=6, groups=("sham", "DMM"))
    report_run(run)
    assert {row["power"] for row in sheet(run, "Power")} == {None}
    page = (run / "report.html").read_text("utf-8")
    assert "fewer than 4 animals in a group to draw from" in page
    assert "Share of simulated studies" not in page
