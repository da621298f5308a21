"""Killed, interrupted, orphaned: what was finished stays, and the same line again goes on."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fake_scorer import times_scored, write_study
from helpers.programs import QUICK, finish, start

from histoscore.runs.audit import AuditTrail
from histoscore.runs.lock import process_start
from histoscore.runs.verify import verify

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

SLIDES = {f"knee {i}.svs": f"slow {0.1 + i / 100}" for i in range(5)}


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def committed(run: Path) -> set[str]:
    return {path.parent.name for path in run.glob("results/*/result.json")}


def worker_of(process: subprocess.Popen[str]) -> int:
    """Id of the scoring worker: the child that multiprocessing spawned for `serve`."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            words = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if fields[1] == str(process.pid) and b"spawn_main" in words:
            return int(path.parent.name)
    pytest.fail("the run has no worker")


def tables(run: Path) -> dict[str, list[dict[str, str]]]:
    """All tables as rows, without the seconds that a slide took."""
    found = {}
    for path in sorted(run.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            found[path.name] = list(csv.DictReader(file))
    for row in found["slides.csv"]:
        del row["seconds"]
    return found


def end(process: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str]:
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    sheet = write_study(folder, SLIDES)
    code, _, err = finish("score", sheet, "--out", folder / "run", *QUICK)
    assert code == 0, err
    return tables(folder / "run")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.fault(35)
def test_a_run_killed_at_any_time_goes_on_where_it_was(
    tmp_path: Path, undisturbed: dict[str, list[dict[str, str]]], seed: int
) -> None:
    sheet, run = write_study(tmp_path, SLIDES), tmp_path / "run"
    chance = random.Random(seed)
    process = start("score", sheet, "--out", run, *QUICK)
    finished = chance.randrange(len(SLIDES))
    wait_for(lambda: len(committed(run)) >= finished and process.poll() is None)
    time.sleep(chance.random() * 0.2)
    end(process, signal.SIGKILL)
    done = committed(run)
    begun = times_scored(tmp_path)
    code, _, err = finish("score", sheet, "--out", run, *QUICK)
    assert code == 0, err
    assert tables(run) == undisturbed
    again = sum(times_scored(tmp_path).values()) - sum(begun.values())
    assert again == len(SLIDES) - len(done)
    assert verify(run) == []
    assert not list(run.rglob("*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks the worker up in /proc")
def test_a_worker_whose_parent_is_gone_ends_itself(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "hang 60"})
    process = start("score", sheet, "--out", tmp_path / "run")
    wait_for(lambda: bool(times_scored(tmp_path)))
    worker = worker_of(process)
    end(process, signal.SIGKILL)
    wait_for(lambda: process_start(worker) is None, seconds=5)
    assert process_start(worker) is None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.fault(58)
def test_an_interrupt_leaves_a_run_that_goes_on(
    tmp_path: Path, undisturbed: dict[str, list[dict[str, str]]], how: signal.Signals
) -> None:
    sheet, run = write_study(tmp_path, SLIDES), tmp_path / "run"
    # A file that is just being opened when the signal comes is nobody's to close.
    process = start("score", sheet, "--out", run, *QUICK, ignored="ResourceWarning")
    wait_for(lambda: len(committed(run)) >= 2)
    code, err = end(process, how)
    assert code == 130
    assert "Interrupted" in err
    assert "the same line again goes on" in err
    assert "Traceback" not in err
    assert not (run / "run.lock").exists()
    assert AuditTrail(run / "events.jsonl").last("run interrupted") is not None
    assert finish("score", sheet, "--out", run, *QUICK)[0] == 0
    assert tables(run) == undisturbed


@pytest.mark.fault(37)
def test_a_dead_runs_lock_is_taken_over_and_told(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "hang-once 60"})
    process = start("score", sheet, "--out", tmp_path / "run", *QUICK)
    wait_for((tmp_path / "a.once").exists)
    end(process, signal.SIGKILL)
    assert (tmp_path / "run" / "run.lock").exists()
    code, _, err = finish("score", sheet, "--out", tmp_path / "run", *QUICK)
    assert code == 0
    assert f"took over the lock of process {process.pid}" in err
    assert AuditTrail(tmp_path / "run" / "events.jsonl").last("lock taken over") is not None


@pytest.mark.fault(37)
def test_two_runs_on_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "hang 60"})
    process = start("score", sheet, "--out", tmp_path / "run")
    wait_for(lambda: bool(times_scored(tmp_path)))
    code, _, err = finish("score", sheet, "--out", tmp_path / "run")
    assert code == 3
    assert f"in use by process {process.pid} on " in err
    assert end(process, signal.SIGTERM)[0] == 130
