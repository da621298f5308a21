"""The executor of a run on this machine: one supervised worker process."""

from __future__ import annotations

from histoscore.pipeline.executors.settings import ClusterSettings
from histoscore.pipeline.supervisor import Supervisor, Watcher
from histoscore.pipeline.worker import WorkerPlan


def open_local(
    _name: str, plan: WorkerPlan, watcher: Watcher, _settings: ClusterSettings
) -> Supervisor:
    """The supervisor is the executor: slides one by one, the next one prepared meanwhile."""
    return Supervisor(plan, watcher)
