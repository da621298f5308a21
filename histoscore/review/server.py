"""`review`: a finished run opened for a person at this computer, until they close it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from histoscore.errors import EnvironmentStopError, UsageError
from histoscore.pipeline.given import choose_counting
from histoscore.pipeline.graded import read_run
from histoscore.pipeline.report import RunSummary, rebuild
from histoscore.review.assets import References, page_files, references
from histoscore.review.desk import Desk, Fixed
from histoscore.runs.lock import RunLock
from histoscore.runs.review_log import ReviewLog
from histoscore.study import Study

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """How a review is opened.

    Attributes:
        mode: the mode of every scorer; None: each chooses.
        port: 0: one that is free.
        references: a folder with a picture of each grade, instead of the drawn ones.
        browser: open the page in the person's browser.
        take_over: overrule a lock that was made on another host.
    """

    mode: Fixed = None
    port: int = 0
    references: Path | None = None
    browser: bool = True
    take_over: bool = False


def review_run(folder: Path, options: ReviewOptions, say: Callable[[str], None]) -> RunSummary:
    """Serve the page until it is interrupted, then make the run's tables with what was decided.

    Raises:
        UsageError: no finished run there, or the packages of the page are not installed.
        RunInUseError: another process works on the run.
        EnvironmentStopError: the port cannot be had, or the disk refuses.
    """
    _check_packages()
    run = read_run(folder)
    shown = references(run.ladder, options.references)
    with RunLock(folder, options.take_over):
        if run.folder.trail.problems():
            raise UsageError(
                f"{folder}: its audit trail is damaged, and decisions cannot be added to it; "
                "histoscore verify says where"
            )
        log = ReviewLog(run.folder.trail)
        desk = Desk(run, run.folder.read(run.folder.study_path, Study), log, options.mode)
        if not desk.subjects:
            raise UsageError(f"{folder}: no section of this run can be graded")
        try:
            _serve(desk, shown, options, say)
        finally:
            desk.shelf.close()
        if log.additions:
            say("making tables, workbook and report with what was decided")
        return rebuild(run.folder)


def _check_packages() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UsageError(
            "the review page needs packages that are not installed: "
            'pip install "histoscore[review]"'
        ) from None


def _serve(
    desk: Desk, shown: References, options: ReviewOptions, say: Callable[[str], None]
) -> None:
    import uvicorn

    with _bound(options.port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            guarded_page(desk, shown, port, announcing(say, options.browser)),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
            limit_concurrency=1000,
        )
        say("The review page is open to this computer alone; Ctrl-C closes it.")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listener])


def guarded_page(
    desk: Desk, shown: References, port: int, announce: Callable[[str], None]
) -> ASGIApp:
    """The page behind its gate; `announce` is told each link to enter by."""
    from histoscore.review.app import Api
    from histoscore.review.gate import Gate

    folder = desk.run.folder
    api = Api(
        desk,
        page_files(),
        shown,
        choose=lambda counting: choose_counting(folder, counting),
        tables=lambda: [p.relative_to(folder.path).as_posix() for p in rebuild(folder).files],
    )
    return Gate(api.application(), port, announce)


def announcing(say: Callable[[str], None], browser: bool) -> Callable[[str], None]:
    """Tells the links to enter by: the first is opened, the next ones are for another browser."""
    words = chain(["Open"], repeat("For another browser, open"))
    opening = chain([browser and _has_screen()], repeat(False))

    def announce(link: str) -> None:
        say(f"{next(words)} {link}")
        if next(opening):
            webbrowser.open(link)

    return announce


def _has_screen() -> bool:
    """Whether a browser would have a window: one that runs in the terminal would take the link."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """A socket that only this computer reaches. Raises EnvironmentStopError."""
    # Told that it is TCP, asyncio sends small answers at once; else each waits 40 ms for another.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        try:
            listener.bind((HOST, port))
            listener.listen(128)
        except OSError as error:
            raise EnvironmentStopError(
                f"port {port} cannot be had ({error.strerror}); leave --port out, or name another"
            ) from None
        yield listener
