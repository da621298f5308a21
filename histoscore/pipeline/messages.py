"""What the light parent and the worker process say to each other. Results go over the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from histoscore.errors import HistoscoreError
from histoscore.records import SlideJob, SlideResult

ReportTiles = Callable[[int, int], None]
"""Called by a scorer with (tiles done, tiles in all) of the slide at hand."""


class Scorer(Protocol):
    """What turns a slide into a result; made once in the worker as `Scorer(config, run_folder)`.

    `score` writes its overlays and label maps into the run folder and returns the result without
    committing it. It raises SlideError for a slide that cannot be scored.
    """

    def facts(self) -> Mapping[str, str | int]:
        """`device`, `engine` and `engine_threads` as they are used, for run.json."""
        ...

    def prepare(self, job: SlideJob) -> None:
        """Begin, in the background, what can be done for a slide before its turn comes.

        Whatever goes wrong is told when the slide is scored.
        """
        ...

    def score(self, job: SlideJob, report_tiles: ReportTiles) -> SlideResult: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """To the worker: a slide to be scored, and the one that will be next, if it may be prepared."""

    job: SlideJob
    following: SlideJob | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The scorer is built; what it runs on."""

    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Started:
    """Work on the slide with this key has begun; its time limit counts from here."""

    key: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Tiles done of all tiles of a slide."""

    key: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Done:
    """The result under this key is on the disk."""

    key: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker's device failed and the process ends; a fresh one may score the slide."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The worker cannot go on with any slide: disk full, model unusable."""

    error: HistoscoreError


Message = Ready | Started | Progress | Done | Broken | Stopped
