"""The worker process: builds the scorer, takes slides one by one, commits each result.

This is the per-slide boundary: a SlideError makes that slide `failed` and nothing else. Whatever
else goes wrong ends the process, and the supervisor deals with that.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import DeviceError, HistoscoreError, SlideError
from histoscore.pipeline.messages import (
    Asked,
    Broken,
    Done,
    Progress,
    Ready,
    Scorer,
    Started,
    Stopped,
)
from histoscore.processes import end_with_parent, give_memory_back, keep_to_cores
from histoscore.records import SlideJob, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.vocabulary import Status

LOG_NAME = "worker.log"
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How to make a worker: the scorer as `package.module:Class`, its settings, the run, and the
    name of the file in the run folder that takes what is printed."""

    scorer: str
    config: ScoreConfig
    run: RunFolder
    log_name: str = LOG_NAME

    @property
    def log(self) -> Path:
        return self.run.path / self.log_name


def serve(connection: Connection, plan: WorkerPlan) -> None:
    """Body of the worker process: score what comes down the connection until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    end_with_parent()
    give_memory_back()
    if plan.config.threads:
        keep_to_cores(plan.config.threads)
    _log_to(plan.log)
    try:
        scorer = build_scorer(plan)
        connection.send(Ready(dict(scorer.facts())))
        while True:
            asked: Asked = connection.recv()
            score_one(scorer, asked, plan.run, connection)
    except DeviceError as error:
        connection.send(Broken(str(error)))
    except HistoscoreError as error:
        connection.send(Stopped(error))
    except (EOFError, BrokenPipeError):  # the parent closed the connection or is gone
        return


def build_scorer(plan: WorkerPlan) -> Scorer:
    """The scorer that the plan names, made from its class."""
    module, _, name = plan.scorer.partition(":")
    scorer: Scorer = getattr(importlib.import_module(module), name)(plan.config, plan.run.path)
    return scorer


def score_one(scorer: Scorer, asked: Asked, run: RunFolder, connection: Connection) -> None:
    """Score one slide, commit what came of it, and say so."""
    job = asked.job
    connection.send(Started(job.key))
    if asked.following:
        scorer.prepare(asked.following)
    run.begin(job.key, job.row.slide)
    begun = time.monotonic()

    def report_tiles(done: int, total: int) -> None:
        connection.send(Progress(job.key, done, total))

    try:
        result = scorer.score(job, report_tiles)
    except SlideError as error:
        result = _failed_cleanly(job, run, str(error))
    except MemoryError:
        result = _failed_cleanly(job, run, OUT_OF_MEMORY)
    took = {"seconds": round(time.monotonic() - begun, 1), "sha256": job.sha256}
    run.commit(job.key, result.model_copy(update=took))
    connection.send(Done(job.key))


def failed(job: SlideJob, reason: str) -> SlideResult:
    """The result of a slide that could not be scored, with the reason that the tables show."""
    return SlideResult(
        slide=job.row.slide,
        animal=job.row.animal,
        status=Status.FAILED,
        reason=reason,
        sha256=job.sha256 or None,
    )


def _failed_cleanly(job: SlideJob, run: RunFolder, reason: str) -> SlideResult:
    run.clear_pictures(job.row.slide)
    return failed(job, reason)


def _log_to(path: Path) -> None:
    """Send what libraries and crashes print to a file: the terminal is the parent's."""
    with path.open("a", encoding="utf-8") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    faulthandler.enable()
