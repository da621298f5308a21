"""Processes that belong to another one."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any


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


def _await_parent() -> None:
    parent: Any = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
