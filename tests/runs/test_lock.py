"""One process at a time works on a run folder; the dead do not count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from histoscore.errors import RunInUseError
from histoscore.runs import lock as lock_module
from histoscore.runs.lock import LOCK_NAME, Owner, RunLock, process_start


def owner_of(folder: Path) -> Owner:
    return Owner.model_validate(json.loads((folder / LOCK_NAME).read_text()))


def leave_lock(folder: Path, **changes: object) -> Owner:
    """A lock as a process on this host would leave it, with some fields changed."""
    with RunLock(folder):
        owner = owner_of(folder).model_copy(update=changes)
    (folder / LOCK_NAME).write_text(owner.model_dump_json())
    return owner


@pytest.fixture
def dead_process() -> int:
    """Id of a process that ran and is gone."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_the_lock_names_its_owner_and_is_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with RunLock(folder) as lock:
        assert owner_of(folder).pid == os.getpid()
        assert lock.replaced is None
    assert list(folder.iterdir()) == []


@pytest.mark.fault(37)
def test_a_second_run_is_refused_with_process_host_and_start(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        owner = owner_of(tmp_path)
        with pytest.raises(RunInUseError) as refusal, RunLock(tmp_path):
            pytest.fail("two owners")
        assert owner_of(tmp_path) == owner
    assert refusal.value.exit_code == 3
    for fact in (str(owner.pid), owner.host, owner.started):
        assert fact in str(refusal.value)


def test_take_over_does_not_overrule_a_living_process_here(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(RunInUseError), RunLock(tmp_path, take_over=True):
        pytest.fail("two owners")


@pytest.mark.fault(37)
def test_a_dead_owners_lock_is_taken_over(tmp_path: Path, dead_process: int) -> None:
    dead = leave_lock(tmp_path, pid=dead_process)
    with RunLock(tmp_path) as lock:
        assert lock.replaced == dead
        assert owner_of(tmp_path).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_later_process_with_the_same_id_is_not_the_owner(tmp_path: Path) -> None:
    leave_lock(tmp_path, process_start="long ago")
    with RunLock(tmp_path) as lock:
        assert lock.replaced is not None


@pytest.mark.fault(37)
def test_another_hosts_lock_stays_unless_it_is_overruled(tmp_path: Path) -> None:
    leave_lock(tmp_path, host="node17")
    with pytest.raises(RunInUseError, match=r"node17.*--take-over"), RunLock(tmp_path):
        pytest.fail("another host may still work here")
    with RunLock(tmp_path, take_over=True) as lock:
        assert lock.replaced is not None
        assert lock.replaced.host == "node17"


def test_a_lock_that_says_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(b"\x00\x01")
    with RunLock(tmp_path):
        assert owner_of(tmp_path).pid == os.getpid()


def test_an_overruled_owner_does_not_remove_the_new_owners_lock(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        other = owner_of(tmp_path).model_copy(update={"token": "another"})
        (tmp_path / LOCK_NAME).write_text(other.model_dump_json())
    assert owner_of(tmp_path) == other


def test_of_two_that_find_a_stale_lock_the_slower_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead_process: int
) -> None:
    leave_lock(tmp_path, pid=dead_process)
    stale = owner_of(tmp_path)
    reads = iter([stale])  # what the slower one saw, before the quicker one took over
    real = lock_module._read
    with RunLock(tmp_path):
        quicker = owner_of(tmp_path)
        monkeypatch.setattr(lock_module, "_read", lambda path: next(reads, None) or real(path))
        with pytest.raises(RunInUseError), RunLock(tmp_path):
            pytest.fail("two owners")
        assert owner_of(tmp_path) == quicker


def test_a_process_has_one_start_and_a_dead_one_none(dead_process: int) -> None:
    assert process_start(os.getpid()) == process_start(os.getpid()) is not None
    assert process_start(dead_process) is None


@pytest.mark.fault(40)
def test_without_links_the_lock_is_still_exclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(lock_module.os, "link", refused)
    with RunLock(tmp_path), pytest.raises(RunInUseError), RunLock(tmp_path):
        pytest.fail("two owners")
