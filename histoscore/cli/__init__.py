"""The verbs, a few lines each. Heavy imports happen inside them: `--help` must be quick."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer

from histoscore.cli import evaluation, models, review, runs, selftest, sheets, tables
from histoscore.cli.leaving import Leave
from histoscore.errors import HistoscoreError

app = typer.Typer(
    help="OARSI grades and cartilage areas from whole slides of mouse knees.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(sheets.info)
app.command()(sheets.check)
app.command()(runs.score)
app.command()(runs.merge)
app.command()(runs.report)
app.command()(evaluation.evaluate)
app.command()(tables.agree)
app.command()(tables.compare)
app.command()(review.review)
app.command()(runs.verify)
app.command()(selftest.selftest)
app.command()(sheets.phantom)
app.command()(models.train)
app.add_typer(models.model_app, name="model")
app.add_typer(models.config_app, name="config")
app.add_typer(sheets.study_app, name="study")


def main() -> None:
    """Entry point of `histoscore`; leaves with the exit codes that the README lists."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # µ on a console that has none
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line asks (default: this program's) and say its exit code."""
    try:
        app(arguments)
    except HistoscoreError as error:
        typer.echo(f"histoscore: {error}", err=True)
        return error.exit_code
    except Leave as leaving:
        return leaving.exit_code
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:  # Typer's own: 2 for a wrong command line, which is 1 here
        return 1 if end.code == 2 else int(end.code or 0)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
