"""Processes that belong to another one, and what memory a process keeps."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

_MALLOC = {"trim_threshold": -1, "mmap_threshold": -3, "mmap_max": -4, "arena_max": -8}
"""malloc.h's M_TRIM_THRESHOLD and so on."""


def end_with_parent() -> None:
    """From now on this process ends when its parent has died, whatever it is doing."""
    threading.Thread(target=_await_parent, daemon=True).start()


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


def _await_parent() -> None:
    parent: Any = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
