"""How a long job shows itself: a bar on a terminal, plain lines in a log.

Both go to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from histoscore.records import SlideResult
from histoscore.vocabulary import Status

_MEGABYTE = 1_000_000


class Pace:
    """Slides and tiles done since the work began, and what that means for the rest."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.slides_left = 0
        self.slides = 0
        self.tiles = 0

    def begin(self, slides: int) -> None:
        self._begun, self.slides_left = time.monotonic(), slides

    def slide_done(self, tiles: int) -> None:
        self.slides += 1
        self.slides_left -= 1
        self.tiles += tiles

    def text(self, tiles_in_flight: int = 0) -> str:
        """`2.1 slides/min · 14 tiles/s`."""
        seconds = max(time.monotonic() - self._begun, 1e-3)
        tiles = (self.tiles + tiles_in_flight) / seconds
        return f"{60 * self.slides / seconds:.1f} slides/min · {tiles:.0f} tiles/s"

    def time_left(self) -> str:
        """`4 min left`, from the slides done; nothing to say before the first."""
        if not self.slides:
            return "time left unknown"
        seconds = (time.monotonic() - self._begun) / self.slides * self.slides_left
        return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


class LogReporter:
    """Plain lines, one a slide: for logs, and for people who read with a screen reader."""

    def __init__(self, stream: TextIO) -> None:
        self.counts: Counter[Status] = Counter()
        self._stream = stream
        self._pace = Pace()
        self._slides = 0
        self._hashed_tenths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def hashing(self, done: int, total: int) -> None:
        tenths = 10 * done // max(total, 1)
        if tenths > self._hashed_tenths:
            self._hashed_tenths = tenths
            self._line(f"reading slides: {done // _MEGABYTE} of {total // _MEGABYTE} MB")

    def begin(self, slides: int, settled: int) -> None:
        self._slides = slides
        self._pace.begin(slides - settled)
        self._line(f"{slides} slides, {slides - settled} to score")

    def tiles(self, slide: str, done: int, total: int) -> None: ...

    def slide(self, result: SlideResult, worker: str = "") -> None:
        self.counts[result.status] += 1
        self._pace.slide_done(result.tiles or 0)
        place = self._slides - self._pace.slides_left
        self._line(
            f"[{place}/{self._slides}] {outcome(result)} · {self._pace.text()} · "
            f"{self._pace.time_left()}" + (f" · {worker}" if worker else "")
        )

    def note(self, text: str) -> None:
        self._line(f"note: {text}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class TerminalReporter:
    """A bar for the slides of the study and one for the tiles of the slide at hand."""

    def __init__(self, stream: TextIO) -> None:
        self.counts: Counter[Status] = Counter()
        self._pace = Pace()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[done]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(file=stream),
        )
        self._reading = self._bars.add_task("reading slides", done="", visible=False)
        self._study = self._bars.add_task("scoring", done="", visible=False)
        self._slide = self._bars.add_task("", done="", visible=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def hashing(self, done: int, total: int) -> None:
        shown = f"{done // _MEGABYTE} of {total // _MEGABYTE} MB"
        self._bars.update(self._reading, completed=done, total=total, done=shown, visible=True)

    def begin(self, slides: int, settled: int) -> None:
        self._pace.begin(slides - settled)
        self._bars.update(self._reading, visible=False)
        self._bars.update(self._study, total=slides, completed=settled, visible=True)

    def tiles(self, slide: str, done: int, total: int) -> None:
        shown = f"{done}/{total} tiles"
        self._bars.update(
            self._slide, description=slide, completed=done, total=total, done=shown, visible=True
        )
        self._bars.update(self._study, done=self._pace.text(done))

    def slide(self, result: SlideResult, worker: str = "") -> None:
        self.counts[result.status] += 1
        self._pace.slide_done(result.tiles or 0)
        self._bars.update(self._study, advance=1, done=self._pace.text())
        self._bars.reset(self._slide, visible=False, done="")
        if not result.status.is_graded:
            self.note(outcome(result) + (f" · {worker}" if worker else ""))

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


def reporter() -> LogReporter | TerminalReporter:
    """Bars where standard error is a terminal, plain lines where it is not."""
    return TerminalReporter(sys.stderr) if sys.stderr.isatty() else LogReporter(sys.stderr)


def outcome(result: SlideResult) -> str:
    """`a.svs: scored with warnings`, or with the reason where there is no grade."""
    status = result.status.value.replace("_", " ")
    return f"{result.slide}: {status}" + (f": {result.reason}" if result.reason else "")
