"""Where slides are scored: in this process's own worker, or by the workers of a Dask cluster.

An executor is given slides and tells a watcher what came of each; everything else of a run (record,
trail, tables) is the same whichever it is, and is written by the process that was started.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from histoscore.errors import UsageError
from histoscore.pipeline.executors.settings import ClusterSettings
from histoscore.pipeline.supervisor import Watcher
from histoscore.pipeline.worker import WorkerPlan
from histoscore.records import SlideJob

LOCAL = "local"
EXECUTORS = {
    LOCAL: "histoscore.pipeline.executors.local:open_local",
    "dask": "histoscore.pipeline.executors.cluster:open_this_machine",
    "slurm": "histoscore.pipeline.executors.cluster:open_slurm",
}
"""Name → what opens it, as `package.module:function`."""

CONNECTED = "histoscore.pipeline.executors.cluster:open_connected"
"""What opens a scheduler that runs already, by its address."""

SCHEMES = ("tcp://", "tls://")


class Executor(Protocol):
    """Gets slides scored.

    Raises (from `score_all`):
        HistoscoreError: what a worker met that concerns every slide (disk, model).
        EnvironmentStopError: no worker can be started, or the cluster is lost.
    """

    def score_all(self, jobs: Iterable[SlideJob]) -> None:
        """Score slides. Each is committed, as scored or as failed, when this returns."""


def check_executor(name: str) -> None:
    """Raises UsageError for what is neither an executor nor a scheduler's address."""
    if name not in EXECUTORS and not name.startswith(SCHEMES):
        known = ", ".join(EXECUTORS)
        raise UsageError(
            f"--executor {name}: is none; known: {known}, or a scheduler's address (tcp://…:8786)"
        )


def open_executor(
    name: str, plan: WorkerPlan, watcher: Watcher, settings: ClusterSettings
) -> AbstractContextManager[Executor]:
    """An executor by name, or by the address of a scheduler; leaving it ends its workers.

    Raises:
        UsageError: there is no such executor, or the packages that it needs are not installed.
    """
    check_executor(name)
    module, _, function = EXECUTORS.get(name, CONNECTED).partition(":")
    opened: AbstractContextManager[Executor] = getattr(importlib.import_module(module), function)(
        name, plan, watcher, settings
    )
    return opened
