"""A study scored by Dask's workers is the study scored here, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.fake_scorer import SCORER, fake_model, times_scored, write_study
from helpers.programs import QUICK, TESTS, finish, start
from helpers.run_tables import tables_of

from histoscore.config import ScoreConfig, load_config
from histoscore.errors import EnvironmentStopError, ModelError, UsageError
from histoscore.pipeline import executors
from histoscore.pipeline.executors import cluster
from histoscore.pipeline.executors.dask_worker import Bench
from histoscore.pipeline.executors.settings import ClusterSettings
from histoscore.pipeline.progress import Silence
from histoscore.pipeline.report import RunSummary
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.records import SlideResult
from histoscore.runs.audit import AuditTrail
from histoscore.runs.verify import COMMITTED, verify

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

SLIDES = {f"knee {i}.svs": f"grade {i % 3}" for i in range(6)} | {"refused.svs": "refuse blurred"}


def config(**settings: object) -> ScoreConfig:
    wanted = {"statistics.permutations": 1000, **settings}
    return load_config(overrides=[f"{name}={value}" for name, value in wanted.items()])


def options(executor: str = "dask", scorer: str = SCORER, workers: int = 2) -> ScoreOptions:
    two = ClusterSettings(workers=workers)
    return ScoreOptions(scorer=scorer, model=fake_model, executor=executor, cluster=two)


class Listener(Silence):
    """Keeps the notes, and who scored what."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.scored: dict[str, str] = {}

    def slide(self, result: SlideResult, worker: str = "") -> None:
        self.scored[result.slide] = worker

    def note(self, text: str) -> None:
        self.notes.append(text)


def run_study(
    sheet: Path, name: str, executor: str = "dask", listener: Listener | None = None
) -> RunSummary:
    return score_study(sheet, sheet.parent / name, config(), options(executor), listener)


def outcomes(summary: RunSummary) -> dict[str, str]:
    return {s.slide: f"{s.status}: {s.reason}".rstrip(": ") for s in summary.tables.slides}


def test_two_dask_workers_give_the_tables_of_a_local_run(tmp_path: Path) -> None:
    sheet, listener = write_study(tmp_path, SLIDES), Listener()
    run_study(sheet, "local", "local")
    summary = run_study(sheet, "dask", listener=listener)
    assert summary.exit_code == 2
    assert tables_of(tmp_path / "dask") == tables_of(tmp_path / "local")
    assert set(listener.scored) == set(SLIDES)
    assert set(listener.scored.values()) == {"cpu-1", "cpu-2"}
    assert any(note.startswith("Dask dashboard: http://127.0.0.1:") for note in listener.notes)
    sealed = [event.details for event in summary.run.trail.events() if event.what == COMMITTED]
    assert {one["slide"]: one["worker"] for one in sealed} == listener.scored
    assert verify(summary.run.path) == []
    assert not list(summary.run.path.glob("worker*.log"))


def test_a_run_goes_on_with_another_executor(tmp_path: Path) -> None:
    """Where slides are scored is no part of what a run is."""
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "crash-once 9"})
    (tmp_path / "b.svs").rename(tmp_path / "away.svs")
    with pytest.raises(UsageError):
        run_study(sheet, "run")
    (tmp_path / "away.svs").rename(tmp_path / "b.svs")
    run_study(sheet, "run")
    run_study(sheet, "run", "local")
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2}
    assert verify(tmp_path / "run") == []


@pytest.mark.fault(44)
@pytest.mark.fault(45)
def test_scoring_processes_and_dask_workers_that_die_cost_their_own_slides_only(
    tmp_path: Path,
) -> None:
    slides = {
        "good.svs": "grade 1",
        "segfault.svs": "crash 11",
        "once.svs": "crash-once 9",
        "host once.svs": "crash-host-once 9",
        "host.svs": "crash-host 9",
        "bug.svs": "bug x",
        "good too.svs": "grade 2",
    }
    sheet, listener = write_study(tmp_path, slides), Listener()
    summary = run_study(sheet, "run", listener=listener)
    found = outcomes(summary)
    assert found.pop("bug.svs").startswith("failed: worker died (exit code 1; see worker-cpu-")
    assert found == {
        "good.svs": "scored",
        "segfault.svs": "failed: worker died (signal 11)",
        "once.svs": "scored",
        "host once.svs": "scored",
        "host.svs": "failed: worker died (2 times, with its host)",
        "good too.svs": "scored",
    }
    assert times_scored(tmp_path)["host.svs"] == 2
    assert any(
        note.startswith("segfault.svs: worker died (signal 11) · cpu-") for note in listener.notes
    )
    assert "host.svs" not in " ".join(p.name for p in (summary.run.path / "overlays").iterdir())
    assert verify(summary.run.path) == []


def test_each_gpu_has_a_worker_that_sees_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker runs on that is not what the first one runs on is told, and in the trail."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    sheet, listener = write_study(tmp_path, {f"{i}.svs": "slow 0.5" for i in range(4)}), Listener()
    on_gpus = options(scorer="helpers.fake_scorer:SeesOneGpu")
    summary = score_study(sheet, tmp_path / "run", config(), on_gpus, listener)
    assert set(listener.scored.values()) == {"gpu-0", "gpu-3"}
    differs = summary.run.trail.last("worker differs")
    assert differs is not None
    found = {summary.record.device: None, differs.details["device"]: None}
    assert sorted(found) == ["cuda (0)", "cuda (3)"]
    assert differs.details["device"] == f"cuda ({differs.details['worker'][-1]})"
    assert any("runs on device cuda" in note for note in listener.notes)


def test_a_slide_that_takes_long_is_told_with_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_STRAGGLER_SECONDS", 1.0)
    slides = {f"{i}.svs": "grade 1" for i in range(5)} | {"long.svs": "slow 6"}
    sheet, listener = write_study(tmp_path, slides), Listener()
    run_study(sheet, "run", listener=listener)
    (told,) = [note for note in listener.notes if note.startswith("long.svs: runs for ")]
    assert f" on {listener.scored['long.svs']}; a slide takes " in told


def test_a_model_that_no_worker_can_use_stops_the_run(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    unusable = options(scorer="helpers.fake_scorer:UnusableModel", workers=1)
    with pytest.raises(ModelError, match=r"weights\.safetensors is cut short"):
        score_study(sheet, tmp_path / "run", config(), unusable)


def test_an_executor_that_there_is_not_is_refused_before_anything(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--executor sge: is none; known: local, dask, slurm"):
        score_study(tmp_path / "no sheet", tmp_path / "run", config(), options("sge"))


def test_without_dask_the_way_to_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    monkeypatch.delitem(sys.modules, cluster.__name__)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r'pip install "histoscore\[cluster\]"'):
        run_study(sheet, "run")


def test_nothing_listens_at_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histoscore.pipeline.executors.places.CONNECT_SECONDS", 0.5)
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    with pytest.raises(EnvironmentStopError, match="no Dask scheduler answers at tcp://127"):
        run_study(sheet, "run", "tcp://127.0.0.1:9")


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def dask_program(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    python_path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": python_path},
    )


@contextmanager
def a_scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler with one worker, as a person would start them; its address and process."""
    place = folder / "scheduler.json"
    known = ("--scheduler-file", str(place))
    here = ("--host", "127.0.0.1", "--no-dashboard")
    one = ("--nthreads", "1", "--local-directory", str(folder / "dask"))
    scheduler = dask_program("scheduler", *known, *here, "--port", "0")
    wait_for(place.exists)
    worker = dask_program("worker", *known, *here, *one)
    try:
        yield json.loads(place.read_text())["address"], scheduler
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait(timeout=30)


@pytest.mark.fault(35)
def test_a_scheduler_that_is_lost_leaves_a_run_that_goes_on_locally(tmp_path: Path) -> None:
    slides = {f"{i}.svs": "slow 0.4" for i in range(6)}
    sheet, run = write_study(tmp_path, slides), tmp_path / "run"
    finish("score", sheet, "--out", tmp_path / "undisturbed", *QUICK)
    (tmp_path / "begun.txt").unlink()
    with a_scheduler(tmp_path) as (address, scheduler):
        process = start("score", sheet, "--out", run, "--executor", address, *QUICK)
        wait_for(lambda: len(list(run.glob("results/*/result.json"))) >= 2)
        scheduler.kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 4, said
    assert "the connection to the Dask scheduler is lost" in said
    assert "Traceback" not in said
    done = len(list(run.glob("results/*/result.json")))
    assert 2 <= done < len(slides)
    before = sum(times_scored(tmp_path).values())
    assert finish("score", sheet, "--out", run, *QUICK)[0] == 0
    assert sum(times_scored(tmp_path).values()) - before == len(slides) - done
    assert tables_of(run) == tables_of(tmp_path / "undisturbed")
    assert verify(run) == []


@pytest.mark.fault(58)
def test_an_interrupt_ends_the_workers_too(tmp_path: Path) -> None:
    sheet, run = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "hang 60"}), tmp_path / "run"
    process = start(
        *("score", sheet, "--out", run, "--executor", "dask", "--workers", "1", *QUICK),
        ignored="ResourceWarning",
    )
    wait_for(lambda: "b.svs" in times_scored(tmp_path))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same line again goes on" in said
    assert "Traceback" not in said
    assert AuditTrail(run / "events.jsonl").last("run interrupted") is not None


def test_a_worker_of_another_version_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    made = Bench.__init__

    def of_another_version(bench: Bench, *arguments: object) -> None:
        made(bench, *arguments)  # type: ignore[arg-type]
        bench._version = "9.9.9"

    monkeypatch.setattr(Bench, "__init__", of_another_version)
    with pytest.raises(UsageError, match=r"worker cpu-\d has histoscore .* made with 9\.9\.9"):
        run_study(sheet, "run")


def test_every_executor_can_be_imported() -> None:
    for path in (*executors.EXECUTORS.values(), executors.CONNECTED):
        module, _, function = path.partition(":")
        assert callable(getattr(__import__(module, fromlist=["_"]), function))
