"""How long work shows itself in a log and on a terminal."""

from __future__ import annotations

import io

import pytest

from histoscore.cli import progress
from histoscore.cli.progress import LogReporter, TerminalReporter
from histoscore.records import SlideResult
from histoscore.vocabulary import Status


class Terminal(io.StringIO):
    """Text that is shown on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands until the test moves it."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def done(name: str, status: Status = Status.SCORED, reason: str = "") -> SlideResult:
    return SlideResult(slide=name, animal="m1", status=status, reason=reason, tiles=120)


def test_a_log_gets_a_line_a_slide_with_rate_and_time_left(clock: list[float]) -> None:
    log = io.StringIO()
    reporter = LogReporter(log)
    reporter.begin(slides=5, settled=1)
    clock[0] += 60
    reporter.slide(done("a.svs"))
    clock[0] += 60
    reporter.slide(done("[b].svs", Status.FAILED, "empty file"))
    assert log.getvalue().splitlines() == [
        "5 slides, 4 to score",
        "[2/5] a.svs: scored · 1.0 slides/min · 2 tiles/s · 3 min left",
        "[3/5] [b].svs: failed: empty file · 1.0 slides/min · 2 tiles/s · 2 min left",
    ]
    assert reporter.counts == {Status.SCORED: 1, Status.FAILED: 1}


def test_a_log_is_not_flooded_while_slides_are_read() -> None:
    log = io.StringIO()
    reporter = LogReporter(log)
    for megabyte in range(1, 1001):
        reporter.hashing(megabyte * 1_000_000, 1_000_000_000)
    assert len(log.getvalue().splitlines()) == 10


def test_a_terminal_shows_slides_tiles_rate_and_what_went_wrong() -> None:
    terminal = Terminal()
    with TerminalReporter(terminal) as reporter:
        reporter.hashing(5_000_000, 9_000_000)
        reporter.begin(slides=3, settled=0)
        reporter.tiles("[a].svs", 30, 120)
        reporter.slide(done("[a].svs"))
        reporter.slide(done("[b].svs", Status.REVIEW, "no joint found"))
        reporter.tiles("c.svs", 77, 120)
    shown = terminal.getvalue()
    assert "[b].svs: needs review: no joint found" in shown
    assert "77/120 tiles" in shown
    assert "slides/min" in shown
    assert reporter.counts == {Status.SCORED: 1, Status.REVIEW: 1}
