"""The side of a Dask worker: it supervises a scoring process of its own, as a local run does.

What is registered with the cluster is a `Bench`: the plan of the run, and in each Dask worker the
supervisor with its scoring process, which stays between slides so that the model stays loaded.
"""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from distributed import WorkerPlugin, get_worker

from histoscore import __version__
from histoscore.errors import EnvironmentStopError, UsageError
from histoscore.pipeline.planning import is_settled
from histoscore.pipeline.supervisor import Supervisor
from histoscore.pipeline.worker import WorkerPlan
from histoscore.records import SlideJob


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker did about a slide whose result is on the disk.

    Attributes:
        worker: its name. seconds: that the slide took there.
        facts: what it runs on, empty before its scorer was needed.
        lost: why scoring processes of this worker ended while the slide was in flight.
    """

    worker: str
    seconds: float
    facts: Mapping[str, str | int]
    lost: tuple[str, ...]


class Bench(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """A run's place in each Dask worker. One slide at a time is scored there."""

    def __init__(self, name: str, plan: WorkerPlan) -> None:
        self.name = name
        self._plan = plan
        self._version = __version__

    def setup(self, worker: Any) -> None:
        """Called where a worker joins the run."""
        _allow_children()
        self._worker = str(worker.name)
        log = f"worker-{re.sub(r'[^A-Za-z0-9_.-]+', '_', self._worker)}.log"
        self._seen = _Seen()
        self._supervisor = Supervisor(replace(self._plan, log_name=log), self._seen)
        self._turn = Lock()

    def teardown(self, worker: Any) -> None:
        """Called where a worker, or the run, ends."""
        self._supervisor.close()

    def score(self, job: SlideJob) -> Outcome:
        """Score a slide, unless that was done by a worker that could not tell."""
        with self._turn:
            begun = time.monotonic()
            self._check(job)
            self._seen.lost.clear()
            if not is_settled(self._plan.run.committed(job.key)):
                self._supervisor.score(job)
            seconds = time.monotonic() - begun
            return Outcome(self._worker, seconds, dict(self._seen.facts), tuple(self._seen.lost))

    def _check(self, job: SlideJob) -> None:
        """Raises what stops the run: another version here, or storage that is not shared."""
        if self._version != __version__:
            raise UsageError(
                f"worker {self._worker} has histoscore {__version__}, the run is made with "
                f"{self._version}; install the same version on every machine"
            )
        for path, what in (
            (self._plan.run.record_path, "the run folder"),
            (job.row.path, "the slide"),
        ):
            if not path.exists():
                raise EnvironmentStopError(
                    f"worker {self._worker} does not see {what} ({path}). All machines must see "
                    "slides and run folder under the same path; what is finished stays, and the "
                    "same line goes on"
                )


def score_slide(bench: str, job: SlideJob) -> Outcome:
    """The task: score a slide at the bench of this name."""
    place: Bench = get_worker().plugins[bench]
    return place.score(job)


class _Seen:
    """A watcher that keeps what the client will want to know."""

    def __init__(self) -> None:
        self.facts: Mapping[str, str | int] = {}
        self.lost: list[str] = []

    def ready(self, facts: Mapping[str, str | int], worker: str = "") -> None:
        self.facts = facts

    def tiles(self, job: SlideJob, done: int, total: int) -> None: ...

    def committed(self, job: SlideJob, worker: str = "") -> None: ...

    def worker_lost(self, job: SlideJob, reason: str, worker: str = "") -> None:
        self.lost.append(reason)

    def note(self, text: str) -> None: ...


def _allow_children() -> None:
    """Dask marks its workers as daemons, which may have no child processes, lest they outlive
    them; a scoring process ends with its parent by itself."""
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
