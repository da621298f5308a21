"""Decisions flow back: into tables, workbook, agreement, and into what training takes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from helpers.review_page import Page, open_page
from helpers.reviewable_run import CORNERS, make_reviewable

from histoscore.cli import run as histoscore
from histoscore.config import SectionSettings
from histoscore.models.study_grades import join_grades
from histoscore.models.survey import survey
from histoscore.pipeline.report import report_run
from histoscore.runs.folder import RunFolder
from histoscore.runs.verify import verify
from histoscore.study import Study, read_scorers
from histoscore.vocabulary import OARSI_MOUSE, Compartment

OKAPI, TAPIR = CORNERS


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    opened = open_page(make_reviewable(tmp_path))
    yield opened
    opened.desk.shelf.close()


def table(page: Page, name: str) -> list[dict[str, str]]:
    path = page.desk.run.folder.path / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def finals(page: Page, slide: str, section: int = 1) -> dict[str, tuple[str, str, str]]:
    """Compartment → the model's grade, the final one, and whose it is."""
    return {
        row["compartment"]: (row["grade"], row["final_grade"], row["final_source"])
        for row in table(page, "compartments")
        if (row["slide"], row["section"]) == (slide, str(section))
    }


def score(page: Page, animal: str, region: str) -> str:
    rows = [r for r in table(page, "animals") if (r["animal"], r["region"]) == (animal, region)]
    return rows[0]["grade_max"]


def grade_all(page: Page, name: str, grade: float, code: str) -> None:
    for compartment in Compartment:
        page.decide(code, compartment.value, grade, name, reason="as I see it")


def test_a_decision_is_final_and_the_models_grade_stands_beside_it(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    page.decide(code, "MFC", 5, reason="half of it is gone")
    page.decide(code, "LTP", 1)
    report_run(page.desk.run.folder.path)
    assert finals(page, OKAPI) == {
        "MFC": ("3", "5", "person"),
        "MTP": ("2", "2", "model"),
        "LFC": ("0", "0", "model"),
        "LTP": ("", "1", "person"),
    }


def test_animals_use_the_models_grades_until_people_shall_count(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "MFC", 5, reason="half of it is gone")
    run = page.desk.run.folder.path
    report_run(run)
    assert score(page, "quagga-1", "medial") == "3"
    assert histoscore(["report", str(run), "--grades", "person"]) == 0
    assert score(page, "quagga-1", "medial") == "5"
    told = report_run(run).tables.reading["grades that count"]
    assert told.startswith("People's grades count where there are any: 1 compartments.")
    assert "in the review by ann (assist), not signed off yet" in told
    assert "Not held against the model, for its own was in sight: 1 grade." in told
    assert verify(run) == []


def test_who_signs_off_says_whose_grades_count(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "MFC", 5, reason="half of it is gone")
    page.post("/api/sign", scorer="ann", counting="person")
    page.post("/api/tables")
    assert score(page, "quagga-1", "medial") == "5"
    events = [event.what for event in page.desk.run.folder.trail.events()]
    assert events.count("grades that count chosen") == 1


def test_what_a_person_cannot_grade_has_no_final_grade_and_counts_as_missing(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "MFC", None, gradable=False, comment="folded over")
    report_run(page.desk.run.folder.path, counting="person")
    assert finals(page, OKAPI)["MFC"] == ("3", "", "person")
    row = next(
        r for r in table(page, "animals") if (r["animal"], r["region"]) == ("quagga-1", "MFC")
    )
    assert (row["grade_max"], row["n_missing"]) == ("", "1")


def test_several_scorers_give_their_lower_median_and_a_settled_grade_wins(page: Page) -> None:
    for name, grade in (("ann", 1), ("bob", 3), ("cy", 4)):
        page.join(name)
        page.decide(page.code_of(OKAPI), "LTP", grade, name)
        page.decide(page.code_of(TAPIR), "LTP", grade, name)
    for name in ("ann", "bob", "cy"):
        page.post("/api/sign", scorer=name, counting="person")
    body = {"code": page.code_of(TAPIR), "compartment": "LTP", "grade": 4, "seen": 0}
    page.post("/api/consensus", scorer="bob", reason="at the microscope", **body)
    report_run(page.desk.run.folder.path)
    assert finals(page, OKAPI)["LTP"] == ("", "3", "person")
    assert finals(page, TAPIR)["LTP"] == ("", "4", "person")


def test_as_many_who_cannot_grade_as_who_can_withhold_the_grade(page: Page) -> None:
    page.join("ann"), page.join("bob")
    code = page.code_of(OKAPI)
    page.decide(code, "LTP", 2, "ann")
    page.decide(code, "LTP", None, "bob", gradable=False, comment="torn")
    report_run(page.desk.run.folder.path)
    assert finals(page, OKAPI)["LTP"] == ("", "", "person")


def test_scorers_csv_is_a_scorers_sheet_with_more_columns(page: Page) -> None:
    page.join("=1+1", "independent"), page.join("bob")
    code = page.code_of(TAPIR, 2)
    grade_all(page, "=1+1", 2, code)
    page.decide(code, "LTP", 3, "bob", comment='a "cleft", deep', flagged=True)
    page.decide(code, "LFC", None, "bob", comment="only looked")
    report_run(page.desk.run.folder.path)
    path = page.desk.run.folder.path / "scorers.csv"
    rows = read_scorers(path, OARSI_MOUSE)
    assert [(row.scorer, row.compartment, row.grade) for row in rows] == [
        *(("=1+1", compartment, 2.0) for compartment in Compartment),
        ("bob", Compartment.LTP, 3.0),
    ]
    assert {(row.slide, row.section, row.animal) for row in rows} == {(TAPIR, 2, "numbat-2")}
    assert "'=1+1" in path.read_text("utf-8")  # no spreadsheet takes it for a formula
    last = table(page, "scorers")[-1]
    assert (last["mode"], last["model_shown"], last["flagged"]) == ("assist", "yes", "yes")
    assert last["comment"] == 'a "cleft", deep'


def test_agreement_is_of_grades_that_were_given_before_the_models_was_seen(page: Page) -> None:
    page.join("ann", "independent"), page.join("bob", "assist")
    for code in sorted(page.desk.subjects):
        grade_all(page, "ann", 2, code)
        grade_all(page, "bob", 4, code)
    code = page.code_of(OKAPI)
    page.decide(code, "MFC", 3, "ann", reason="the model has a point")
    summary = report_run(page.desk.run.folder.path)
    book = openpyxl.load_workbook(summary.run.path / "results.xlsx")
    rows = [row for row in book["Agreement"].iter_rows(values_only=True) if row[0]]
    compared = {str(row[0]) for row in rows[2:]}
    assert any("ann" in name for name in compared)
    assert not any("bob" in name for name in compared)
    final = finals(page, OKAPI)["MFC"]
    assert final == ("3", "3", "person")  # the lower median of 3 and 4
    exact = [
        row for row in book["Agreement"].iter_rows(values_only=True)
        if row[0] == "model vs ann" and "exact" in row
    ]  # fmt: skip
    assert exact


def test_workbook_and_trail_tell_the_whole_review(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "MFC", 5, reason="half of it is gone")
    summary = report_run(page.desk.run.folder.path)
    book = openpyxl.load_workbook(summary.run.path / "results.xlsx")
    assert book.sheetnames.index("Review") < book.sheetnames.index("Audit")
    (title, *_), *rows = [r for r in book["Review"].iter_rows(values_only=True) if r[1]]
    assert title == "slide"
    assert rows[0][:5] == (OKAPI, 1, "MFC", "ann", 5)
    audit = [" ".join(map(str, row)) for row in book["Audit"].iter_rows(values_only=True)]
    assert any("review: decided" in row and "half of it is gone" in row for row in audit)


def test_a_run_without_a_review_has_nothing_of_it(tmp_path: Path) -> None:
    run = make_reviewable(tmp_path)
    summary = report_run(run)
    assert not (run / "scorers.csv").exists()
    assert "Review" not in openpyxl.load_workbook(run / "results.xlsx").sheetnames
    assert "grades that count" not in summary.tables.reading


def test_decisions_behind_a_broken_link_do_not_count_and_it_is_told(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "LTP", 2)
    page.decide(page.code_of(TAPIR), "LTP", 2)
    folder: RunFolder = page.desk.run.folder
    events = folder.path / "events.jsonl"
    *lines, last = events.read_text().splitlines()
    events.write_text("\n".join([*lines, last.replace('"grade": 2.0', '"grade": 6.0')]) + "\n")
    summary = report_run(folder.path)
    sources = [finals(page, slide)["LTP"][1:] for slide in (OKAPI, TAPIR)]
    assert sources == [("2", "person"), ("", "")]
    assert any(event.what == "trail damaged" for event in summary.tables.events)
    assert verify(folder.path)


def test_agree_and_evaluate_take_the_reviews_sheet(page: Page, tmp_path: Path) -> None:
    for name, grade in (("ann", 2), ("bob", 3)):
        page.join(name)
        for code in page.desk.subjects:
            grade_all(page, name, grade, code)
    run = page.desk.run.folder.path
    report_run(run)
    sheet = str(run / "scorers.csv")
    assert histoscore(["agree", sheet, "--out", str(tmp_path / "agreed")]) == 0
    assert histoscore(["evaluate", str(run), sheet, "--out", str(tmp_path / "evaluated")]) == 0


def test_training_takes_the_reviews_sheet(page: Page) -> None:
    """Correcting is labelling: what was decided stands beside the sections it was given to."""
    page.join()
    grade_all(page, "ann", 4, page.code_of(OKAPI))
    run = page.desk.run.folder
    report_run(run.path)
    study = run.read(run.study_path, Study)
    slides = survey(study, SectionSettings(min_area_um2=50_000), print)
    grades = join_grades(run.path / "scorers.csv", slides, study, OARSI_MOUSE, print)
    assert grades == {(OKAPI, 1): {c: {"ann": 4.0} for c in Compartment}}
