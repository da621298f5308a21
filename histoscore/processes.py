"""Processes that belong to another one."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import Any


def end_with_parent() -> None:
    """From now on this process ends when its parent has died, whatever it is doing."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent: Any = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
