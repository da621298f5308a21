"""The verb that opens the local page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from histoscore.cli.leaving import Leave
from histoscore.cli.runs import Run, TakeOver


def review(
    run: Run,
    mode: Annotated[
        Literal["independent", "assist"] | None,
        typer.Option("--mode", help="Whether the model's grade is hidden; else each chooses."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    references: Annotated[
        Path | None,
        typer.Option("--references", metavar="FOLDER", help="Your pictures: 0.jpg, 0.5.jpg, …"),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    take_over: TakeOver = False,
) -> None:
    """Open the page on which people grade a run's sections; Ctrl-C closes it."""
    from histoscore.cli.summary import print_run
    from histoscore.review.server import ReviewOptions, review_run

    options = ReviewOptions(mode, port, references, not no_browser, take_over)
    summary = review_run(run, options, lambda words: typer.echo(words, err=True))
    print_run(summary)
    raise Leave(summary.exit_code)
