"""What a process takes of the machine: cores, and memory that it has freed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from histoscore.processes import THREADS, give_memory_back, keep_to_cores, usable_cores


def test_glibc_is_asked_to_give_back_what_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, int] = {}
    library = SimpleNamespace(mallopt=asked.__setitem__)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    give_memory_back()
    assert asked == {-8: 2, -3: 2**24, -1: 2**26}


def test_cores_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert usable_cores() == 3


@pytest.mark.parametrize(("cores", "usable"), [(7, 7), (None, 1)])
def test_where_the_system_does_not_tell_they_are_the_machines(
    cores: int | None, usable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert usable_cores() == usable


@pytest.mark.parametrize(
    ("quota", "usable"),
    [("max 100000", 6), ("250000 100000", 2), ("20000 100000", 1), ("900000 100000", 6), ("", 6)],
)
def test_a_container_may_give_fewer(
    quota: str, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr("histoscore.processes._CGROUP", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    assert usable_cores() == usable


def test_a_process_keeps_to_the_cores_that_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, "")
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    keep_to_cores(4)
    assert usable_cores() == 4
    assert os.environ["OMP_NUM_THREADS"] == "4"
    keep_to_cores(40)
    assert usable_cores() == 6
