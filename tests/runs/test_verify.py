"""What `verify` finds in a run folder that somebody touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from histoscore.config import ScoreConfig
from histoscore.errors import UsageError
from histoscore.files import sha256_of, write_atomic
from histoscore.records import SectionResult, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import ModelFacts, SlideEntry, begin_record
from histoscore.runs.verify import COMMITTED, SEALED, verify
from histoscore.vocabulary import Status

MODEL = ModelFacts(name="demo", sha256="7" * 64, validated_on_real_tissue=False)
KEY = "ab" * 16
SECTION = SectionResult(
    section=1, x=3, y=5, width=70, height=40, area_um2=9e5, status=Status.SCORED
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of one slide with one picture and one table, sealed twice."""
    run = RunFolder(tmp_path)
    record = begin_record("study.csv", "5" * 64, ScoreConfig(), MODEL, "2026-01-01T00:00:00+00:00")
    entry = SlideEntry(slide="a.svs", key=KEY, sha256="1" * 64)
    run.write(run.record_path, record.model_copy(update={"slides": (entry,)}))
    write_atomic(run.overlay_path("a.svs", 1), b"picture")
    scored = {"animal": "m1", "status": Status.SCORED, "sections": (SECTION,)}
    run.commit(KEY, SlideResult(slide="a.svs", **scored))
    name = run.result_path(KEY).relative_to(tmp_path).as_posix()
    run.trail.append(COMMITTED, files={name: sha256_of(run.result_path(KEY))})
    for content in ("slide\nold\n", "slide\na.svs\n"):
        write_atomic(tmp_path / "slides.csv", content)
        run.trail.append(SEALED, files={"slides.csv": sha256_of(tmp_path / "slides.csv")})
    run.write_sums()
    return run


def test_an_untouched_run_has_no_problems(run: RunFolder) -> None:
    assert verify(run.path) == []


def test_a_run_may_be_moved(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("archive") / "moved"
    shutil.copytree(run.path, elsewhere)
    assert verify(elsewhere) == []


def edit_table(run: RunFolder) -> None:
    (run.path / "slides.csv").write_text("slide\nb.svs\n")


def edit_table_and_sums(run: RunFolder) -> None:
    edit_table(run)
    run.write_sums()


def cut_last_event(run: RunFolder) -> None:
    lines = run.trail.path.read_text().splitlines(keepends=True)
    run.trail.path.write_text("".join(lines[:-1]))


def swap_picture_and_sums(run: RunFolder) -> None:
    run.overlay_path("a.svs", 1).write_bytes(b"nicer picture")
    run.write_sums()


def rewrite_result_and_sums(run: RunFolder) -> None:
    run.commit(KEY, SlideResult(slide="a.svs", animal="m1", status=Status.WARNED))
    run.write_sums()


def forget_result(run: RunFolder) -> None:
    run.result_path(KEY).unlink()
    run.write_sums()


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        (edit_table, "slides.csv: changed since it was written"),
        (edit_table_and_sums, "slides.csv: is not the file that was sealed by event 3"),
        (cut_last_event, "slides.csv: is not the file that was sealed by event 2"),
        (rewrite_result_and_sums, "result.json: is not the file that was sealed by event 1"),
        (swap_picture_and_sums, "is gone or changed"),
        (forget_result, f"a.svs: its result {KEY} is missing or unreadable"),
        (lambda run: (run.path / "slides.csv").unlink(), "slides.csv: is gone"),
        (lambda run: (run.path / "x.csv").touch(), "x.csv: is not in SHA256SUMS"),
        (lambda run: run.sums_path.unlink(), "SHA256SUMS is not there"),
        (lambda run: run.trail.path.unlink(), "no event seals the tables"),
        (lambda run: run.record_path.write_text("{}"), "run.json: cannot be read"),
    ],
)
def test_what_was_touched_is_named(
    run: RunFolder, touch: Callable[[RunFolder], object], told: str
) -> None:
    touch(run)
    problems = verify(run.path)
    assert len(problems) == 1
    assert told in problems[0]


def test_a_folder_without_a_run_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        verify(tmp_path)
