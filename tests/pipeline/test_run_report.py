"""Tables from committed records only; blinded runs, and opening them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from helpers.fake_scorer import SCORER, fake_model, times_scored, write_study

from histoscore.config import load_config
from histoscore.errors import ManifestError, UsageError
from histoscore.pipeline.facts import audit_events
from histoscore.pipeline.report import compartment_scores, report_run
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.records import CompartmentResult, SectionResult, SlideResult
from histoscore.runs.verify import verify
from histoscore.study import StudyRow
from histoscore.vocabulary import Compartment, Status

OPTIONS = ScoreOptions(scorer=SCORER, model=fake_model)
CONFIG = load_config(overrides=["statistics.permutations=1000"])
ROW = StudyRow(row=2, slide="a.svs", path=Path("a.svs"), animal="m1", group="sham")


def blinded_study(folder: Path) -> Path:
    """Eight animals without groups; the odd ones are ill."""
    write_study(folder, {f"{i}.svs": f"grade {3 if i % 2 else 0}" for i in range(8)})
    sheet = folder / "study.csv"
    sheet.write_text("slide,animal\n" + "".join(f"{i}.svs,m{i}\n" for i in range(8)))
    return sheet


def key_sheet(folder: Path, animals: range = range(8)) -> Path:
    path = folder / "key.csv"
    lines = [f"m{i},{'DMM' if i % 2 else 'sham'}\n" for i in animals]
    path.write_text("animal,group\n" + "".join(lines))
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_report_from_records_equals_the_runs_own(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {f"{i}.svs": f"grade {i % 4}" for i in range(8)})
    summary = score_study(sheet, tmp_path / "run", CONFIG, OPTIONS)
    before = {path: path.read_bytes() for path in summary.files}
    for name in times_scored(tmp_path):
        (tmp_path / name).unlink()
    for path in summary.files:
        path.unlink()
    again = report_run(tmp_path / "run")
    assert {path: path.read_bytes() for path in again.files} == before
    assert verify(tmp_path / "run") == []


def test_a_key_opens_a_blinded_run_for_good_and_the_opening_is_an_event(tmp_path: Path) -> None:
    run = score_study(blinded_study(tmp_path), tmp_path / "run", CONFIG, OPTIONS).run
    assert table(run.path / "groups.csv") == []
    assert "the key is not opened" in (run.path / "report.html").read_text()
    opened = report_run(run.path, key_sheet(tmp_path))
    assert [c.group for c in opened.tables.groups if c.primary and c.p is not None] == ["DMM"]
    assert {row["group"] for row in table(run.path / "animals.csv")} == {"sham", "DMM"}
    event = run.trail.last("key opened")
    assert event is not None
    assert event.details["sheet"] == "key.csv"
    number = event.number
    later = report_run(run.path)
    assert later.tables.groups == opened.tables.groups
    report_run(run.path, key_sheet(tmp_path))
    again = run.trail.last("key opened")
    assert again is not None
    assert again.number == number
    assert verify(run.path) == []


def test_a_key_must_name_every_animal(tmp_path: Path) -> None:
    run = score_study(blinded_study(tmp_path), tmp_path / "run", CONFIG, OPTIONS).run
    with pytest.raises(ManifestError, match="no group for m0, m7"):
        report_run(run.path, key_sheet(tmp_path, range(1, 7)))
    assert run.trail.last("key opened") is None


def test_a_run_that_knows_its_groups_needs_no_key(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 0"})
    score_study(sheet, tmp_path / "run", CONFIG, OPTIONS)
    with pytest.raises(ManifestError, match="needs no key"):
        report_run(tmp_path / "run", key_sheet(tmp_path))


def test_an_unfinished_run_gives_no_tables(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 0"})
    summary = score_study(sheet, tmp_path / "run", CONFIG, OPTIONS)
    summary.run.result_path(summary.record.slides[1].key).unlink()
    with pytest.raises(UsageError, match=r"1 of 2 slides have no result: b\.svs"):
        report_run(tmp_path / "run")


def section(status: Status, *compartments: CompartmentResult) -> SectionResult:
    return SectionResult(
        section=1, x=0, y=0, width=9, height=5, area_um2=1.0, status=status,
        reason="no joint found", compartments=compartments,
    )  # fmt: skip


def scored_with(*sections: SectionResult) -> SlideResult:
    return SlideResult(slide="a.svs", animal="m1", status=Status.SCORED, sections=sections)


def test_a_section_without_a_joint_counts_as_four_missing_grades() -> None:
    scores = list(compartment_scores(ROW, "sham", scored_with(section(Status.REVIEW))))
    assert [score.compartment for score in scores] == list(Compartment)
    assert all(score.grade is None and score.hyaline_area_um2 is None for score in scores)


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.NO_TISSUE])
def test_a_section_that_was_not_to_be_scored_does_not_count(status: Status) -> None:
    assert list(compartment_scores(ROW, "sham", scored_with(section(status)))) == []


def test_the_group_that_counts_is_the_keys() -> None:
    part = CompartmentResult(compartment=Compartment.MTP, status=Status.SCORED, grade=2)
    scores = list(compartment_scores(ROW, "DMM", scored_with(section(Status.SCORED, part))))
    assert {score.group for score in scores} == {"DMM"}
    assert {s.compartment: s.grade for s in scores}[Compartment.MTP] == 2


def test_the_workbook_tells_the_trail_and_stays_the_same(tmp_path: Path) -> None:
    run = score_study(blinded_study(tmp_path), tmp_path / "run", CONFIG, OPTIONS).run
    told = [event.what for event in audit_events(run)]
    assert told[0] == "run started"
    assert set(told[1:]) == {"slide committed"}
    opened = report_run(run.path, key_sheet(tmp_path)).tables
    assert opened.events[-1].what == "key opened"
    assert opened.events[-1].details.startswith("sha256: ")
    assert report_run(run.path).tables.events == opened.events


def test_a_resumption_is_told_only_where_it_had_something_to_do(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 0"})
    run = score_study(sheet, tmp_path / "run", CONFIG, OPTIONS).run
    before = audit_events(run)
    score_study(sheet, tmp_path / "run", CONFIG, OPTIONS)
    assert audit_events(run) == before
    run.result_path(run.record().slides[1].key).unlink()
    score_study(sheet, tmp_path / "run", CONFIG, OPTIONS)
    told = audit_events(run)
    assert told[: len(before)] == before
    assert [event.what for event in told[len(before) :]] == ["run resumed", "slide committed"]


def test_a_damaged_trail_is_told(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 0"})
    run = score_study(sheet, tmp_path / "run", CONFIG, OPTIONS).run
    lines = run.trail.path.read_text().splitlines(keepends=True)
    run.trail.path.write_text("".join([lines[0], "no event\n", *lines[2:]]))
    events = audit_events(run)
    assert events[0].what == "run started"
    assert "line 2: not an event" in " ".join(e.details for e in events if e.number is None)


def test_a_picture_that_changed_is_told_by_verify_after_a_report_too(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 0"})
    run = score_study(sheet, tmp_path / "run", CONFIG, OPTIONS).run
    picture = run.overlay_path("a.svs", 1)
    picture.write_bytes(picture.read_bytes() + b"x")
    report_run(run.path)
    name = picture.relative_to(run.path).as_posix()
    assert any(name in problem for problem in verify(run.path))
    picture.unlink()
    with pytest.raises(UsageError, match=r"1 of 2 slides have no result: a\.svs"):
        report_run(run.path)
