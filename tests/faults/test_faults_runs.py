"""The table of faults, runs: machines that fail, devices that go, programs that are stopped."""

from __future__ import annotations

import csv
import errno
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.failing_disk import IN_WORKER, MAPPING_SCORER, FailingDisk, small_map
from helpers.failing_disk import SCORER as ON_FAILING_DISK
from helpers.fake_scorer import SCORER, fake_model, times_scored, write_study
from helpers.programs import QUICK, finish, start
from helpers.slide_files import write_svs, write_tiff

from histoscore import files
from histoscore.config import load_config
from histoscore.errors import (
    DeviceError,
    EnvironmentStopError,
    RunMismatchError,
    UnreachableSlideError,
)
from histoscore.export.zarr_labels import read_label_store
from histoscore.files import write_atomic
from histoscore.geometry import Box, Mpp
from histoscore.models.engines import driver_told
from histoscore.pipeline.messages import Asked, Ready
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.pipeline.supervisor import Supervisor
from histoscore.pipeline.worker import WorkerPlan
from histoscore.runs.folder import RunFolder
from histoscore.runs.verify import verify
from histoscore.slides.open import open_slide

FAKE = ScoreOptions(scorer=SCORER, model=fake_model)


def scored(sheet: Path, scorer: str = SCORER, **limits: object) -> dict[str, str]:
    """What became of every slide: `status: reason`."""
    wanted = [f"limits.{name}={value}" for name, value in limits.items()]
    config = load_config(overrides=["statistics.permutations=1000", *wanted])
    options = ScoreOptions(scorer=scorer, model=fake_model)
    summary = score_study(sheet, sheet.parent / "run", config, options)
    assert verify(summary.run.path) == []
    return {s.slide: f"{s.status}: {s.reason}".rstrip(": ") for s in summary.tables.slides}


@pytest.mark.fault(33)
@pytest.mark.fault(34)
@pytest.mark.parametrize("place", ["parent", "worker"])
@pytest.mark.parametrize("n", [2, 6, 10])
def test_a_disk_that_refuses_once_leaves_a_run_that_a_rerun_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, n: int
) -> None:
    """A few n of what `python -m benchmarks.kills` does for every n."""
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2", "c.svs": "grade 3"})
    if place == "worker":
        monkeypatch.setenv(IN_WORKER, f"{n} {errno.EIO}")
    with (
        FailingDisk(n if place == "parent" else 0, errno.EIO, tmp_path / "run"),
        pytest.raises(EnvironmentStopError, match=r"/run/.*Input/output error"),
    ):
        scored(sheet, ON_FAILING_DISK)
    monkeypatch.delenv(IN_WORKER, raising=False)
    assert set(scored(sheet, ON_FAILING_DISK).values()) == {"scored"}


@pytest.mark.fault(33)
@pytest.mark.fault(34)
def test_a_disk_that_refuses_a_label_map_leaves_a_run_that_a_rerun_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zarr writes these; the worker ends, and a fresh one writes the store anew."""
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    monkeypatch.setenv(IN_WORKER, f"20 {errno.ENOSPC}")
    with pytest.raises(EnvironmentStopError, match=r"ome\.zarr: .*No space left"):
        scored(sheet, MAPPING_SCORER)
    monkeypatch.delenv(IN_WORKER)
    assert scored(sheet, MAPPING_SCORER) == {"a.svs": "scored"}
    (store,) = (tmp_path / "run" / "labels").iterdir()
    assert np.array_equal(read_label_store(store).tissue, small_map().tissue)


@pytest.mark.fault(36)
def test_a_result_is_flushed_before_and_after_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    flush, rename = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")  # noqa: PTH112
        flush(descriptor)

    def replace(source: Path, target: Path) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(files.os, "fsync", fsync)
    monkeypatch.setattr(files.os, "replace", replace)
    write_atomic(tmp_path / "result.json", "{}")
    assert order == ["file", "rename", "folder"]


@pytest.mark.fault(40)
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_share_that_cannot_flush_folders_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    flush, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(code, os.strerror(code))
        flush(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    write_atomic(tmp_path / "a.csv", "whole\n")
    assert len(calls) == 2
    assert (tmp_path / "a.csv").read_text() == "whole\n"


@pytest.mark.fault(57)
def test_a_workbook_that_is_open_elsewhere_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "results.xlsx").write_bytes(b"old")
    monkeypatch.setattr(files.os, "replace", locked)
    with pytest.raises(EnvironmentStopError, match=r"results\.xlsx.*close it where it is open"):
        write_atomic(tmp_path / "results.xlsx", b"new")
    assert (tmp_path / "results.xlsx").read_bytes() == b"old"


@pytest.mark.fault(38)
def test_another_runs_folder_is_refused_with_the_difference_and_exit_1(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    assert finish("score", sheet, "--out", tmp_path / "run", *QUICK)[0] == 0
    code, _, said = finish("score", sheet, "--out", tmp_path / "run", "--set", "tiles.overlap=0.1")
    assert code == 1
    assert "config.tiles.overlap: 0.25 → 0.1" in said
    assert "Choose a new folder for --out" in said


class Share:
    """A network share that fails in passing: the first reads raise."""

    def __init__(self, failures: int, code: int = errno.EIO) -> None:
        self.left, self.code = failures, code

    def failing(self, real: Callable[..., object]) -> Callable[..., object]:
        def read(*arguments: object, **named: object) -> object:
            self.left -= 1
            if self.left >= 0:
                raise OSError(self.code, os.strerror(self.code))
            return real(*arguments, **named)

        return read


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PAUSES", (0.0, 0.0, 0.0))


@pytest.mark.fault(39)
@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_share_that_comes_back_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with open_slide(write_tiff(tmp_path / "a.tif")) as slide:
        monkeypatch.setattr(os, "pread", Share(3, code).failing(os.pread))
        assert slide.read_at(Box(10, 10, 50, 40), Mpp(slide.info.mpp)).shape == (40, 50, 3)


@pytest.mark.fault(39)
@pytest.mark.usefixtures("_no_pauses")
def test_a_share_that_stays_away_fails_its_slide_and_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_slide(write_tiff(tmp_path / "a.tif")) as slide:
        slide.pass_over_damage()
        monkeypatch.setattr(os, "pread", Share(99).failing(os.pread))
        with pytest.raises(UnreachableSlideError, match=r"^cannot be read \(Input/output error\)$"):
            slide.read_at(Box(10, 10, 50, 40), Mpp(slide.info.mpp))
        assert slide.unreadable == ()


@pytest.mark.fault(39)
@pytest.mark.usefixtures("_no_pauses")
def test_a_slide_that_cannot_be_reached_fails_alone_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histoscore.pipeline import planning

    def dropped(path: Path, count: Callable[[int], None]) -> str:
        if path.name == "b.svs":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, count)

    sheet, real = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"}), planning._hash
    monkeypatch.setattr(planning, "_hash", dropped)
    assert scored(sheet) == {
        "a.svs": "scored", "b.svs": "failed: cannot be read (Input/output error)",
    }  # fmt: skip
    monkeypatch.undo()
    assert scored(sheet) == {"a.svs": "scored", "b.svs": "scored"}


@pytest.mark.fault(42)
def test_a_drivers_error_is_told_apart_from_a_bug_and_from_short_memory() -> None:
    with (
        pytest.raises(DeviceError, match=r"^device: CUDA error: an illegal memory access"),
        driver_told(),
    ):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
    with pytest.raises(RuntimeError, match="shapes"), driver_told():
        raise RuntimeError("shapes cannot be multiplied")
    with pytest.raises(torch.OutOfMemoryError), driver_told():
        raise torch.OutOfMemoryError("CUDA error: out of memory")


@pytest.mark.fault(42)
def test_a_device_that_fails_costs_its_slide_alone(tmp_path: Path) -> None:
    slides = {"a.svs": "grade 1", "b.svs": "device CUDA error", "c.svs": "device-once CUDA error"}
    assert scored(write_study(tmp_path, slides)) == {
        "a.svs": "scored", "b.svs": "failed: device: CUDA error", "c.svs": "scored",
    }  # fmt: skip
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2, "c.svs": 2}


@pytest.mark.fault(42)
def test_a_run_does_not_go_on_without_its_gpu_unasked(tmp_path: Path) -> None:
    class OnNothing:
        def ready(self, facts: object) -> None: ...

    class Fresh:
        def __init__(self, device: str) -> None:
            self.device = device

        def listen(self, deadline: float) -> Ready:
            return Ready({"device": self.device})

    plan = WorkerPlan(SCORER, load_config(), RunFolder(tmp_path))
    supervisor = Supervisor(plan, OnNothing())  # type: ignore[arg-type]
    supervisor._await_ready(Fresh("cuda"))  # type: ignore[arg-type]
    supervisor._await_ready(Fresh("cuda"))  # type: ignore[arg-type]
    with pytest.raises(EnvironmentStopError, match=r"cuda is gone.*--device cpu"):
        supervisor._await_ready(Fresh("cpu"))  # type: ignore[arg-type]


@pytest.mark.fault(44)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up in /proc")
def test_a_slide_that_takes_too_much_memory_fails_alone(tmp_path: Path) -> None:
    slides = {"a.svs": "grade 1", "b.svs": "greedy 1500", "c.svs": "grade 2"}
    assert scored(write_study(tmp_path, slides), gib_per_slide=1) == {
        "a.svs": "scored",
        "b.svs": "failed: out of memory (more than 1 GiB; limits.gib_per_slide)",
        "c.svs": "scored",
    }


@pytest.mark.fault(46)
def test_an_open_slide_cannot_be_sent_to_another_process(tmp_path: Path) -> None:
    with open_slide(write_svs(tmp_path / "a.svs")) as slide, pytest.raises((TypeError, ValueError)):
        pickle.dumps(slide)
    assert pickle.loads(pickle.dumps(Asked))  # what is sent are records


@pytest.mark.fault(58)
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_closed_terminal_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "hang-once 60"})
    process = start("score", sheet, "--out", tmp_path / "run", *QUICK, ignored="ResourceWarning")
    while not (tmp_path / "b.once").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert finish("score", sheet, "--out", tmp_path / "run", *QUICK)[0] == 0
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 2}


@pytest.mark.fault(59)
def test_another_consoles_letters_and_clock_change_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []
    for place, zone, encoding in (("here", "UTC", "utf-8"), ("there", "Asia/Kathmandu", "ascii")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        monkeypatch.setenv("LC_ALL", "C")
        folder = tmp_path / place
        folder.mkdir()
        sheet = write_study(folder, {"ä µ.svs": "grade 1", "b.svs": "grade 3"})
        code, _, said = finish("score", sheet, "--out", folder / "run", *QUICK)
        assert code == 0, said
        with (folder / "run" / "slides.csv").open(encoding="utf-8", newline="") as file:
            slides = [row | {"seconds": ""} for row in csv.DictReader(file)]
        rest = {p.name: p.read_bytes() for p in (folder / "run").glob("*.csv")} | {
            "slides.csv": b""
        }
        tables.append((slides, rest))
        record = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
        assert record["started"].endswith("+00:00")
    assert tables[0] == tables[1]


@pytest.mark.fault(60)
def test_a_run_of_another_version_is_told_and_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histoscore.runs import provenance

    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    scored(sheet)
    monkeypatch.setattr(provenance, "__version__", "9.9")
    with pytest.raises(RunMismatchError, match=r"histoscore: .* → 9\.9"):
        scored(sheet)
