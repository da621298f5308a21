"""The light parent's side: one worker process, watched, replaced when it dies or hangs.

A slide that was in flight when its worker died is tried once more by a fresh worker. If that one
dies too, the slide is `failed` with the reason and the next slide goes on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import TracebackType
from typing import Protocol, Self

from histoscore.errors import EnvironmentStopError
from histoscore.pipeline.messages import (
    Asked,
    Broken,
    Done,
    Message,
    Progress,
    Ready,
    Started,
    Stopped,
)
from histoscore.pipeline.worker import OUT_OF_MEMORY, WorkerPlan, failed, serve
from histoscore.processes import private_gib
from histoscore.records import SlideJob

ATTEMPTS = 2
_START_SECONDS = 300.0
_POLITE_SECONDS = 2.0
_LOOK_SECONDS = 0.5
"""How often a worker's memory is looked at."""


class Watcher(Protocol):
    """Who is told how the work goes."""

    def ready(self, facts: Mapping[str, str | int], worker: str = "") -> None:
        """A worker is ready; what it runs on. Workers of a cluster have names."""

    def tiles(self, job: SlideJob, done: int, total: int) -> None:
        """Tiles done of all tiles of the slide in flight."""

    def committed(self, job: SlideJob, worker: str = "") -> None:
        """A result is on the disk."""

    def worker_lost(self, job: SlideJob, reason: str, worker: str = "") -> None:
        """A worker died or was ended while this slide was in flight."""

    def note(self, text: str) -> None:
        """Something the user should read, that stops nothing."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker's end before its slide was done: `worker died (signal 9)`, `timed out …`."""

    reason: str


class Worker:
    """A worker process as the parent sees it: started, asked, listened to, ended."""

    def __init__(self, plan: WorkerPlan) -> None:
        # No daemon: those may have no processes of their own, and for GPUs some read.
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=serve, args=(far_end, plan))
        self._log = plan.log
        self._process.start()
        far_end.close()

    def send(self, asked: Asked) -> None:
        """Hand over a slide; that the worker is gone shows when it is listened to."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(asked)

    def listen(self, deadline: float) -> Message | Lost | None:
        """The next message, the worker's end, or None at the deadline (of time.monotonic)."""
        patience = max(0.0, deadline - time.monotonic())
        awake = wait([self._pipe, self._process.sentinel], timeout=patience)
        try:
            if self._pipe.poll():
                message: Message = self._pipe.recv()
                return message
        except (EOFError, ConnectionResetError):
            return Lost(self._epitaph())
        return Lost(self._epitaph()) if self._process.sentinel in awake else None

    @property
    def gib(self) -> float:
        """Memory that the process has for itself; 0 where the system does not tell."""
        return private_gib(self._process.pid)

    def end(self) -> None:
        """End the process; safe to call again.

        An idle worker leaves by itself when its pipe closes; a busy or hung one is killed.
        """
        self._pipe.close()
        self._process.join(_POLITE_SECONDS)
        self._process.kill()
        self._process.join()

    def _epitaph(self) -> str:
        self._process.join(_POLITE_SECONDS)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"worker died (signal {-code})"
        return f"worker died (exit code {code}; see {self._log.name})"


class Supervisor:
    """Gets slides scored by one worker at a time. A context manager: leaving it ends the worker.

    Raises (from `score_all`):
        HistoscoreError: what the worker met that concerns every slide (disk, model).
        EnvironmentStopError: no worker can be started.
    """

    def __init__(self, plan: WorkerPlan, watcher: Watcher) -> None:
        self._plan = plan
        self._watcher = watcher
        self._limits = plan.config.limits
        self._worker: Worker | None = None
        self._device: str | int | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; no other is started any more."""
        self._closed = True
        self._dismiss()

    def score_all(self, jobs: Iterable[SlideJob]) -> None:
        """Score slides in order. Each is committed, as scored or as failed, when this returns."""
        for job, following in with_next(jobs):
            self.score(job, following)
            self._watcher.committed(job)

    def score(self, job: SlideJob, following: SlideJob | None = None) -> None:
        """Score one slide; `following` may be prepared meanwhile. It is committed, as scored or as
        failed, when this returns.

        A second try has the worker to itself: the next slide may have brought it down.
        """
        for attempt in range(1, ATTEMPTS + 1):
            lost = self._attempt(Asked(job, following if attempt == 1 else None))
            if lost is None:
                return
            self._dismiss()
            self._watcher.worker_lost(job, lost.reason)
            if attempt == ATTEMPTS:
                self._plan.run.clear_pictures(job.row.slide)
                self._plan.run.commit(job.key, failed(job, lost.reason))

    def _attempt(self, asked: Asked) -> Lost | None:
        """One try at a slide: None when it is committed."""
        worker = self._ready_worker()
        worker.send(asked)
        seconds, gib = self._limits.seconds_per_slide, self._limits.gib_per_slide
        deadline = time.monotonic() + seconds
        while True:
            message = worker.listen(min(deadline, time.monotonic() + _LOOK_SECONDS))
            if not isinstance(message, Done) and worker.gib > gib:
                return Lost(f"{OUT_OF_MEMORY} (more than {gib:g} GiB; limits.gib_per_slide)")
            match message:
                case Started():
                    deadline = time.monotonic() + seconds
                case Progress(done=done, total=total):
                    self._watcher.tiles(asked.job, done, total)
                case Done():
                    return None
                case Broken(reason=reason):
                    return Lost(reason)
                case Stopped(error=error):
                    raise error
                case Lost() as lost:
                    return lost
                case None if time.monotonic() >= deadline:
                    return Lost(f"timed out after {seconds:g} s")

    def _ready_worker(self) -> Worker:
        if self._closed:
            raise EnvironmentStopError("the worker was ended before its slide was scored")
        if self._worker is None:
            self._worker = Worker(self._plan)
            self._await_ready(self._worker)
        return self._worker

    def _await_ready(self, worker: Worker) -> None:
        match worker.listen(time.monotonic() + _START_SECONDS):
            case Ready(facts=facts):
                self._check_device(facts.get("device"))
                self._watcher.ready(facts)
            case Stopped(error=error):
                raise error
            case other:
                reason = other.reason if isinstance(other, Lost) else "it does not answer"
                raise EnvironmentStopError(
                    f"the worker process that scores slides cannot be started: {reason}. "
                    f"What it said stands in {self._plan.log}"
                )

    def _check_device(self, device: str | int | None) -> None:
        """A run that began on a GPU does not go on without it unasked: a hundred times as slow,
        and its numbers agree within a tolerance only."""
        if self._device not in (None, device):
            raise EnvironmentStopError(
                f"the device {self._device} is gone (there is {device} now). What is finished "
                f"stays; when it is back the same line goes on, or goes on without it with "
                f"--device {device}"
            )
        self._device = device

    def _dismiss(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def with_next(jobs: Iterable[SlideJob]) -> Iterator[tuple[SlideJob, SlideJob | None]]:
    """Each job beside the one after it; the last beside None."""
    waiting: SlideJob | None = None
    for job in jobs:
        if waiting is not None:
            yield waiting, job
        waiting = job
    if waiting is not None:
        yield waiting, None
