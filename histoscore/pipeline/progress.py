"""Who is told how a long job goes: the terminal, a log, or nobody."""

from __future__ import annotations

from typing import Protocol

from histoscore.records import SlideResult


class Reporter(Protocol):
    """Told of every step of `score_study`, in the parent process, in order."""

    def hashing(self, done: int, total: int) -> None:
        """Bytes of slides read for their SHA-256, of all bytes."""

    def begin(self, slides: int, settled: int) -> None:
        """Slides in the sheet, and how many of them need no work (any more)."""

    def tiles(self, slide: str, done: int, total: int) -> None:
        """Tiles of the slide in flight."""

    def slide(self, result: SlideResult, worker: str = "") -> None:
        """A slide's result is on the disk; workers of a cluster have names."""

    def note(self, text: str) -> None:
        """Something the user should read, that stops nothing."""


class Silence:
    """A reporter that tells nobody."""

    def hashing(self, done: int, total: int) -> None: ...

    def begin(self, slides: int, settled: int) -> None: ...

    def tiles(self, slide: str, done: int, total: int) -> None: ...

    def slide(self, result: SlideResult, worker: str = "") -> None: ...

    def note(self, text: str) -> None: ...
