"""The executor of a Dask cluster: one slide a worker in flight, results read back from the disk.

Correctness does not rest on Dask. A result is committed by the worker under its content key, and
counts when it can be read back here; a task that runs twice finds the first one's result. Only
paths and a few words travel. What is lost with the scheduler is who was doing what.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from histoscore.errors import EnvironmentStopError, UsageError
from histoscore.pipeline.executors.settings import ClusterSettings
from histoscore.pipeline.supervisor import Watcher
from histoscore.pipeline.worker import WorkerPlan, failed
from histoscore.records import SlideJob
from histoscore.runs.folder import RunFolder

try:
    from distributed import CancelledError, Client, Future, KilledWorker

    from histoscore.pipeline.executors.dask_worker import Bench, Outcome, score_slide
    from histoscore.pipeline.executors.places import Place, connected, on_slurm, on_this_machine
except ModuleNotFoundError as error:
    raise UsageError(
        f"this executor needs Dask, which is not installed ({error.name}): "
        'pip install "histoscore[cluster]"'
    ) from None

_LOOK_SECONDS = 1.0
"""How often the client looks who is there, while no slide is finished."""
_VISIBLE_SECONDS = 120.0
"""How long a result that a worker committed may take to be seen from here: network shares keep
what they know of a folder for up to a minute."""
_WAIT_SECONDS = 60.0
"""After which it is told, again and again, that there is no worker."""
_QUICK_SECONDS = 1.0
"""Slides that take less on average are handed out ahead."""
_STRAGGLER = 5.0
"""Times the mean time of a slide after which one that still runs is told; but not before"""
_STRAGGLER_SECONDS = 60.0


def open_this_machine(
    _name: str, plan: WorkerPlan, watcher: Watcher, settings: ClusterSettings
) -> ClusterExecutor:
    """Workers on this machine: one a GPU, or several that share its cores."""
    return ClusterExecutor(plan, watcher, on_this_machine(plan.config, settings))


def open_connected(
    address: str, plan: WorkerPlan, watcher: Watcher, _settings: ClusterSettings
) -> ClusterExecutor:
    """The workers of a scheduler that runs."""
    return ClusterExecutor(plan, watcher, connected(address))


def open_slurm(
    _name: str, plan: WorkerPlan, watcher: Watcher, settings: ClusterSettings
) -> ClusterExecutor:
    """Workers that Slurm starts as jobs."""
    return ClusterExecutor(plan, watcher, on_slurm(settings))


@dataclass
class _Flight:
    """A slide that was handed to the cluster, and since when a worker has it (of monotonic)."""

    job: SlideJob
    future: Any
    begun: float | None = None
    worker: str = ""
    told: bool = False


@dataclass
class _Crew:
    """Names of the workers that are there, by address, and since when there are none."""

    names: dict[str, str] = field(default_factory=dict)
    alone_since: float | None = None
    looked: float = 0.0


class ClusterExecutor:
    """Gets slides scored by a Dask cluster. A context manager: leaving it lets the workers go."""

    def __init__(
        self, plan: WorkerPlan, watcher: Watcher, place: AbstractContextManager[Place]
    ) -> None:
        self._plan, self._watcher, self._place = _portable(plan), watcher, place
        self._token = secrets.token_hex(4)
        self._flying: dict[str, _Flight] = {}
        self._landed: SimpleQueue[Future] = SimpleQueue()
        self._crew = _Crew()
        self._facts: dict[str, Mapping[str, str | int]] = {}
        self._mean, self._scored = 0.0, 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            place = stack.enter_context(self._place)
            self._client: Client = place.client
            self._refill = place.refill
            config = self._plan.config.model_copy(update=place.changes)
            bench = Bench(self._bench, replace(self._plan, config=config))
            self._client.register_plugin(bench, name=self._bench)
            for note in place.notes:
                self._watcher.note(note)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if self._client.status == "running":
                self._client.cancel([flight.future for flight in self._flying.values()])
                self._client.unregister_worker_plugin(self._bench)

    @property
    def _bench(self) -> str:
        return f"histoscore-{self._token}"

    def score_all(self, jobs: Iterable[SlideJob]) -> None:
        """Score slides, one a worker at a time, so that few are ever known to the cluster."""
        waiting = iter(jobs)
        try:
            self._fill(waiting)
            while self._flying:
                self._land(self._done())
                self._look_around()
                self._fill(waiting)
        except (CancelledError, OSError) as lost:
            if isinstance(lost, OSError) and lost.filename:  # a file's, no connection's
                raise
            raise self._scheduler_lost() from lost

    def _fill(self, waiting: Iterator[SlideJob]) -> None:
        while len(self._flying) < self._wanted():
            job = next(waiting, None)
            if job is None:
                return
            key = f"{job.key}-{self._token}"
            future = self._client.submit(score_slide, self._bench, job, key=key, pure=False)
            self._flying[key] = _Flight(job, future)
            future.add_done_callback(self._landed.put)

    def _wanted(self) -> int:
        """Slides that are to be known to the cluster: one a worker, for a second one might wait
        behind a slow one while another worker has nothing to do; two where slides are quick."""
        ahead = 2 if self._scored and self._mean < _QUICK_SECONDS else 1
        return max(1, ahead * len(self._crew.names))

    def _done(self) -> list[Future]:
        """Tasks that have ended, waited for a moment."""
        try:
            landed = [self._landed.get(timeout=_LOOK_SECONDS)]
            while not self._landed.empty():
                landed.append(self._landed.get())
        except Empty:
            return []
        return landed

    def _land(self, landed: Sequence[Future]) -> None:
        """What tasks that have ended say is asked for at once: each question goes far."""
        flights = [self._flying.pop(future.key) for future in landed]
        try:
            outcomes = self._client.gather(list(landed))
        except KilledWorker:
            for flight in flights:
                self._land_alone(flight)
            return
        for flight, outcome in zip(flights, outcomes, strict=True):
            self._take(flight, outcome)

    def _land_alone(self, flight: _Flight) -> None:
        """One of several, of which one or more took their workers down."""
        try:
            outcome: Outcome = flight.future.result()
        except KilledWorker as killed:
            times = killed.allowed_failures + 1
            self._give_up(flight.job, f"worker died ({times} times, with its host)")
        else:
            self._take(flight, outcome)

    def _take(self, flight: _Flight, outcome: Outcome) -> None:
        job = flight.job
        if outcome.facts and outcome.facts != self._facts.get(outcome.worker):
            self._facts[outcome.worker] = outcome.facts
            self._watcher.ready(outcome.facts, outcome.worker)
        for reason in outcome.lost:
            self._watcher.worker_lost(job, reason, outcome.worker)
        _await_result(self._plan.run, job, outcome.worker)
        self._scored += 1
        self._mean += (outcome.seconds - self._mean) / self._scored
        self._watcher.committed(job, outcome.worker)

    def _give_up(self, job: SlideJob, reason: str) -> None:
        """Dask lost a worker with this slide as often as it is allowed to."""
        self._watcher.worker_lost(job, reason)
        self._plan.run.clear_pictures(job.row.slide)
        self._plan.run.commit(job.key, failed(job, reason))
        self._watcher.committed(job)

    def _scheduler_lost(self) -> EnvironmentStopError:
        return EnvironmentStopError(
            "the connection to the Dask scheduler is lost. What is finished stays; the same line "
            "goes on, with this executor or with --executor local"
        )

    def _look_around(self) -> None:
        """Who is there, who has left, and which slides take long."""
        now = time.monotonic()
        if now - self._crew.looked < _LOOK_SECONDS:
            return
        if self._client.status != "running":
            raise self._scheduler_lost()
        workers = self._client.scheduler_info()["workers"]
        names = {address: str(facts["name"]) for address, facts in workers.items()}
        for address in self._crew.names.keys() - names.keys():
            self._watcher.note(f"worker {self._crew.names[address]} is gone")
        self._refill()
        alone = None if names else self._crew.alone_since or now
        if alone is not None and now - alone >= _WAIT_SECONDS:
            self._watcher.note("still waiting for a worker")
            alone = now
        self._crew = _Crew(names, alone, now)
        self._watch_stragglers(now)

    def _watch_stragglers(self, now: float) -> None:
        for address, keys in self._client.processing().items():
            for key in keys:
                flight = self._flying.get(key)
                if flight is None:
                    continue
                worker = self._crew.names.get(address, address)
                if flight.worker != worker:
                    flight.begun, flight.worker = now, worker
                self._tell_straggler(flight, now)

    def _tell_straggler(self, flight: _Flight, now: float) -> None:
        seconds = now - (flight.begun or now)
        if not flight.told and seconds > max(_STRAGGLER_SECONDS, _STRAGGLER * self._mean):
            flight.told = True
            self._watcher.note(
                f"{flight.job.row.slide}: runs for {seconds:.0f} s on {flight.worker}; "
                f"a slide takes {self._mean:.0f} s on average"
            )


def _portable(plan: WorkerPlan) -> WorkerPlan:
    """The plan with absolute paths: workers may be started anywhere."""
    model = Path(plan.config.model)
    named = {"model": str(model.absolute())} if (model / "model.json").is_file() else {}
    config = plan.config.model_copy(update=named)
    return replace(plan, run=RunFolder(plan.run.path.absolute()), config=config)


def _await_result(run: RunFolder, job: SlideJob, worker: str) -> None:
    """Raises EnvironmentStopError where a result that a worker committed does not appear here."""
    deadline, pause = time.monotonic() + _VISIBLE_SECONDS, 0.05
    while run.recorded(job.key) is None:
        if time.monotonic() > deadline:
            raise EnvironmentStopError(
                f"{run.result_path(job.key)}: worker {worker} has written it, and it is not to be "
                "seen from here. All machines must see the run folder under the same path; the "
                "same line goes on"
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
