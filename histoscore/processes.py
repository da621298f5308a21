"""Processes that belong to another one, and the cores and memory that a process takes."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

THREADS = "HISTOSCORE_THREADS"
"""Names in the environment how many cores this process and its children keep to."""
_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_MALLOC = {"trim_threshold": -1, "mmap_threshold": -3, "mmap_max": -4, "arena_max": -8}
"""malloc.h's M_TRIM_THRESHOLD and so on."""


def end_with_parent() -> None:
    """From now on this process ends when its parent has died, whatever it is doing."""
    threading.Thread(target=_await_parent, daemon=True).start()


def usable_cores() -> int:
    """Cores that this process may use: of the machine, of its affinity, of its container, and of
    those what it was told to keep to."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not every system tells
        cores = len(os.sched_getaffinity(0))
    told = int(os.environ.get(THREADS) or cores)
    return max(1, min(cores, round(_share() or cores), told))


def keep_to_cores(cores: int) -> None:
    """From now on this process and its children compute in so many threads. To be called before
    PyTorch is imported, which counts for itself."""
    os.environ[THREADS] = os.environ["OMP_NUM_THREADS"] = str(cores)


def private_gib(pid: int | None) -> float:
    """Memory of a process that is no file's, in GiB; 0 where the system does not tell (Linux
    does, in /proc)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    fields = dict(line.partition(":")[::2] for line in lines)
    kib = (fields.get(name, "0").split()[0] for name in ("RssAnon", "RssShmem"))
    return sum(map(int, kib)) / 2**20


def give_memory_back() -> None:
    """Asks glibc to give freed memory back to the system.

    Scoring takes large arrays, one after the other, in several threads; left alone, glibc keeps
    a heap for each thread, and freed arrays in them (docs/performance.md). To be called before
    anything large is imported. Elsewhere than on glibc nothing happens.
    """
    tune_malloc(arena_max=2, mmap_threshold=2**24, trim_threshold=2**26)


def tune_malloc(**options: int) -> None:
    """Sets options of glibc's malloc by their names in mallopt(3); another libc is left alone."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in options.items():
            mallopt(_MALLOC[name], value)


def _share() -> float | None:
    """Cores' worth of time that the container gives (cgroup 2); None where it does not say."""
    try:
        quota, _, period = _CGROUP.read_text(encoding="ascii").partition(" ")
        return float(quota) / float(period)
    except (OSError, ValueError):  # not Linux, an older system, or "max"
        return None


def _await_parent() -> None:
    parent: Any = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
