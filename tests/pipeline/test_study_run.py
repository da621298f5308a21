"""A study through the whole machinery, with a scorer that does what each slide's text says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from helpers.fake_scorer import BANNER, SCORER, TILES, fake_model, times_scored, write_study

from histoscore.config import ScoreConfig, load_config
from histoscore.errors import (
    EnvironmentStopError,
    ManifestError,
    ModelError,
    RunInUseError,
    RunMismatchError,
    UsageError,
)
from histoscore.pipeline.progress import Silence
from histoscore.pipeline.report import RunSummary
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.records import SlideResult
from histoscore.runs.audit import AuditTrail
from histoscore.runs.folder import RunFolder
from histoscore.runs.lock import RunLock
from histoscore.runs.verify import COMMITTED, verify
from histoscore.vocabulary import Status

QUICK = {"statistics.permutations": 1000}
FAKE = ScoreOptions(scorer=SCORER, model=fake_model)
TABLES = ("slides.csv", "sections.csv", "compartments.csv", "animals.csv", "groups.csv")


def config(**settings: object) -> ScoreConfig:
    return load_config(overrides=[f"{k}={v}" for k, v in ({**QUICK, **settings}).items()])


def run_study(
    sheet: Path, out: Path, options: ScoreOptions = FAKE, **settings: object
) -> RunSummary:
    return score_study(sheet, out, config(**settings), options)


def rows(run: Path, table: str) -> list[dict[str, str]]:
    with (run / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def outcomes(run: Path) -> dict[str, str]:
    return {r["slide"]: f"{r['status']}: {r['reason']}".rstrip(": ") for r in rows(run, "slides")}


def test_a_finished_run_holds_what_the_contract_names(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {f"{i}.svs": f"grade {i % 3}" for i in range(4)})
    summary = run_study(sheet, tmp_path / "run")
    assert summary.exit_code == 0
    for name in (*TABLES, "run.json", "results.xlsx", "report.html", "analysis.R", "SHA256SUMS"):
        assert (tmp_path / "run" / name).stat().st_size > 0, name
    assert {row["status"] for row in rows(tmp_path / "run", "slides")} == {"scored"}
    assert [row["slide"] for row in rows(tmp_path / "run", "slides")] == [
        f"{i}.svs" for i in range(4)
    ]
    assert BANNER in (tmp_path / "run" / "report.html").read_text()
    assert not list((tmp_path / "run").rglob("*.part"))
    assert not (tmp_path / "run" / "run.lock").exists()
    assert verify(tmp_path / "run") == []


def test_run_json_says_what_the_run_was_made_with(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 2", "b.svs": "refuse too blurred"})
    run_study(sheet, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["model"]["sha256"] == "7" * 64
    assert (record["device"], record["engine"], record["engine_threads"]) == ("cpu", "fake", 1)
    assert record["counts"] == {"scored": 1, "failed": 1}
    assert [slide["slide"] for slide in record["slides"]] == ["a.svs", "b.svs"]
    assert all(len(slide["sha256"]) == 64 for slide in record["slides"])
    assert record["config"]["statistics"]["permutations"] == 1000
    assert record["started"] <= record["finished"]
    assert record["started"].endswith("+00:00")


@pytest.mark.fault(44)
@pytest.mark.fault(45)
@pytest.mark.fault(47)
def test_one_bad_slide_costs_no_other(tmp_path: Path) -> None:
    slides = {
        "good.svs": "grade 3",
        "refused.svs": "refuse truncated (short read)",
        "memory.svs": "memory -",
        "segfault.svs": "crash 11",
        "killed.svs": "crash 9",
        "bug.svs": "bug x",
        "hangs.svs": "hang 60",
        "also good.svs": "grade 0.5",
    }
    sheet = write_study(tmp_path, slides)
    summary = run_study(sheet, tmp_path / "run", **{"limits.seconds_per_slide": 2})
    assert summary.exit_code == 2
    assert outcomes(tmp_path / "run") == {
        "good.svs": "scored",
        "refused.svs": "failed: truncated (short read)",
        "memory.svs": "failed: out of memory",
        "segfault.svs": "failed: worker died (signal 11)",
        "killed.svs": "failed: worker died (signal 9)",
        "bug.svs": "failed: worker died (exit code 1; see worker.log)",
        "hangs.svs": "failed: timed out after 2 s",
        "also good.svs": "scored",
    }
    tried = times_scored(tmp_path)
    assert (tried["refused.svs"], tried["segfault.svs"], tried["hangs.svs"]) == (1, 2, 2)
    assert "KeyError: 'x'" in (tmp_path / "run" / "worker.log").read_text()
    assert {row["animal"] for row in rows(tmp_path / "run", "animals")} == {
        f"m{i}" for i in range(1, 9)
    }
    assert len(list((tmp_path / "run" / "overlays").iterdir())) == 2
    assert verify(tmp_path / "run") == []


@pytest.mark.parametrize("accident", ["crash-once 9", "hang-once 60"])
@pytest.mark.fault(44)
def test_a_slide_survives_one_accident(tmp_path: Path, accident: str) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": accident})
    summary = run_study(sheet, tmp_path / "run", **{"limits.seconds_per_slide": 2})
    assert outcomes(tmp_path / "run") == {"a.svs": "scored", "b.svs": "scored"}
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2}
    lost = summary.run.trail.last("worker lost")
    assert lost is not None
    assert lost.details["slide"] == "b.svs"


def test_the_next_slide_is_prepared_while_one_is_scored(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "refuse no", "c.svs": "grade 2"})
    run_study(sheet, tmp_path / "run")
    assert (tmp_path / "prepared.txt").read_text().split() == ["b.svs", "c.svs"]


@pytest.mark.fault(45)
def test_a_slide_that_brings_the_worker_down_early_costs_no_other(tmp_path: Path) -> None:
    """The slide at hand is tried again without preparing the next, and is not blamed twice."""
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "crash-ahead 9"})
    run_study(sheet, tmp_path / "run")
    assert outcomes(tmp_path / "run") == {"a.svs": "scored", "b.svs": "scored"}
    assert times_scored(tmp_path)["b.svs"] == 1


@pytest.mark.fault(60)
def test_the_same_call_again_scores_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 2", "b.svs": "refuse no", "c.svs": "grade 0"})
    run_study(sheet, tmp_path / "run")
    before = {name: (tmp_path / "run" / name).read_bytes() for name in (*TABLES, "results.xlsx")}
    run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 1, "c.svs": 1}
    for name, content in before.items():
        assert (tmp_path / "run" / name).read_bytes() == content, name
    assert verify(tmp_path / "run") == []


def test_what_failed_for_a_passing_reason_is_tried_again_next_time(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"crashes.svs": "crash 9", "refused.svs": "refuse no"})
    assert run_study(sheet, tmp_path / "run").exit_code == 2
    tried = times_scored(tmp_path)
    run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {**tried, "crashes.svs": tried["crashes.svs"] + 2}


def test_a_result_that_lost_its_picture_is_made_again(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 2", "b.svs": "grade 1"})
    run = run_study(sheet, tmp_path / "run").run
    run.overlay_path("b.svs", 1).unlink()
    run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2}
    assert verify(tmp_path / "run") == []


def test_results_that_a_killed_call_could_not_seal_are_sealed_by_the_next(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 2", "b.svs": "grade 1"})
    run = run_study(sheet, tmp_path / "run").run
    first, *_ = run.trail.path.read_text().splitlines(keepends=True)
    run.trail.path.write_text(first)
    run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 1}
    sealed = [event.details["slide"] for event in run.trail.events() if event.what == COMMITTED]
    assert sorted(sealed) == ["a.svs", "b.svs"]
    assert verify(run.path) == []


@pytest.mark.fault(21)
def test_excluded_and_doubled_slides_are_skipped_with_their_reason(tmp_path: Path) -> None:
    for name in ("a.svs", "again.svs"):
        (tmp_path / name).write_text("grade 1\n")
    (tmp_path / "b.svs").write_text("crash 9\n")
    sheet = tmp_path / "study.csv"
    sheet.write_text(
        "slide,animal,group,exclude,exclude_reason\na.svs,m1,sham,,\nagain.svs,m1,sham,,\n"
        "b.svs,m2,DMM,yes,knife mark\na.svs,m1,sham,,\n"
    )
    assert run_study(sheet, tmp_path / "run").exit_code == 0
    assert [f"{row['status']}: {row['reason']}" for row in rows(tmp_path / "run", "slides")] == [
        "scored: ",
        "skipped: duplicate of a.svs",
        "skipped: excluded: knife mark",
        "skipped: duplicate of a.svs",
    ]
    assert times_scored(tmp_path) == {"a.svs": 1}
    assert verify(tmp_path / "run") == []


@pytest.mark.fault(21)
def test_one_file_for_two_animals_stops_the_study(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 1"})
    (tmp_path / "b.svs").write_bytes((tmp_path / "a.svs").read_bytes())
    with pytest.raises(ManifestError, match=r"rows 2 and 3: a\.svs \(m1\) and b\.svs \(m2\)"):
        run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {}
    assert list((tmp_path / "run").iterdir()) == []


def test_empty_files_are_not_each_others_doubles(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "refuse", "b.svs": "refuse", "c.svs": "grade 1"})
    for name in ("a.svs", "b.svs"):
        (tmp_path / name).write_bytes(b"")
    run_study(sheet, tmp_path / "run")
    assert outcomes(tmp_path / "run") == {
        "a.svs": "failed: empty file",
        "b.svs": "failed: empty file",
        "c.svs": "scored",
    }


@pytest.mark.fault(24)
def test_slides_that_are_not_there_stop_the_study_unless_allowed(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"})
    (tmp_path / "b.svs").unlink()
    with pytest.raises(ManifestError, match=r"b\.svs"):
        run_study(sheet, tmp_path / "run")
    options = ScoreOptions(allow_missing=True, scorer=SCORER, model=fake_model)
    assert run_study(sheet, tmp_path / "run", options).exit_code == 2
    assert outcomes(tmp_path / "run") == {"a.svs": "scored", "b.svs": "failed: no such file"}
    (tmp_path / "b.svs").write_text("grade 2\n")
    assert run_study(sheet, tmp_path / "run", options).exit_code == 0


@pytest.mark.fault(5)
def test_a_folder_named_like_a_slide_fails_alone(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"})
    (tmp_path / "b.svs").unlink()
    (tmp_path / "b.svs").mkdir()
    run_study(sheet, tmp_path / "run")
    assert outcomes(tmp_path / "run")["b.svs"] == "failed: not a slide; it is a folder"


@pytest.mark.fault(3)
def test_a_slide_that_changed_since_the_run_began_fails_with_both_hashes(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"})
    run_study(sheet, tmp_path / "run")
    old = (tmp_path / "b.svs").read_bytes()
    (tmp_path / "b.svs").write_text("grade 6\n")
    assert run_study(sheet, tmp_path / "run").exit_code == 2
    reason = outcomes(tmp_path / "run")["b.svs"]
    assert reason.startswith("failed: file changed since ingest (sha256 ")
    assert reason.count("…") == 2
    (tmp_path / "b.svs").write_bytes(old)
    assert run_study(sheet, tmp_path / "run").exit_code == 0
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 1}


@pytest.mark.fault(38)
def test_a_run_of_another_config_or_sheet_is_refused_with_the_difference(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"})
    run_study(sheet, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(RunMismatchError, match=r"config\.tiles\.batch: auto → 4"):
        run_study(sheet, tmp_path / "run", **{"tiles.batch": 4})
    sheet.write_text(sheet.read_text().replace("DMM", "DMM+exo"))
    with pytest.raises(RunMismatchError, match="study sheet"):
        run_study(sheet, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_folder_with_other_peoples_files_is_not_written_into(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.docx").write_text("")
    with pytest.raises(UsageError, match=r"chapter1\.docx"):
        run_study(sheet, tmp_path / "thesis")
    with pytest.raises(UsageError, match="is a file"):
        run_study(sheet, sheet)


def test_a_run_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    with RunLock(tmp_path / "run"), pytest.raises(RunInUseError):
        run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {}


@pytest.mark.fault(33)
def test_a_full_disk_in_the_worker_stops_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "disk /run/x.png"})
    with pytest.raises(EnvironmentStopError, match=r"/run/x\.png: cannot be written"):
        run_study(sheet, tmp_path / "run")
    assert RunFolder(tmp_path / "run").has_record()
    assert AuditTrail(tmp_path / "run" / "events.jsonl").problems() == []
    with pytest.raises(EnvironmentStopError):
        run_study(sheet, tmp_path / "run")
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2}


def test_a_model_that_cannot_be_used_is_told_as_such(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    options = ScoreOptions(scorer="helpers.fake_scorer:UnusableModel", model=fake_model)
    with pytest.raises(ModelError, match=r"weights\.safetensors is cut short"):
        run_study(sheet, tmp_path / "run", options)


def test_a_worker_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    options = ScoreOptions(scorer="helpers.fake_scorer:BrokenScorer", model=fake_model)
    with pytest.raises(EnvironmentStopError, match=r"exit code 3.*worker\.log"):
        run_study(sheet, tmp_path / "run", options)


class Listener(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begin(self, slides: int, settled: int) -> None:
        self.told.append(("begin", slides, settled))

    def tiles(self, slide: str, done: int, total: int) -> None:
        self.told.append((slide, done, total))

    def slide(self, result: SlideResult, worker: str = "") -> None:
        self.told.append((result.slide, result.status))


def test_progress_is_told_tile_by_tile_and_slide_by_slide(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    listener = Listener()
    score_study(sheet, tmp_path / "run", config(), FAKE, listener)
    tiles = [("a.svs", tile, TILES) for tile in range(1, TILES + 1)]
    assert listener.told == [("begin", 1, 0), *tiles, ("a.svs", Status.SCORED)]
