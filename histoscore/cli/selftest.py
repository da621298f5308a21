"""Verb on the installation: selftest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoscore.cli.leaving import Leave

if TYPE_CHECKING:
    from histoscore.export.selftest import SelftestRecord


def selftest(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the record.")
    ] = Path("selftest"),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda[:N].")] = "auto",
    engine: Annotated[str, typer.Option("--engine", help="auto, torch or openvino.")] = "auto",
) -> None:
    """Check this installation against known values, and write a record to sign."""
    from histoscore.export.selftest import write_record
    from histoscore.pipeline.selftest import run_selftest

    typer.echo("checking files and scoring a drawn knee; this takes half a minute", err=True)
    record = run_selftest(device, engine)
    page, data = write_record(record, out)
    _print(record)
    typer.echo(f"\nrecord  {page}\ndata    {data}")
    raise Leave(0 if record.passed else 2)


def _print(record: SelftestRecord) -> None:
    """A line a part, what failed or was left open, and the verdict."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from histoscore.cli.summary import plain_console
    from histoscore.export.selftest import Outcome, Part

    console = plain_console()
    table = Table(box=SIMPLE_HEAD)
    for name in ("checks of", *(outcome.value for outcome in Outcome)):
        table.add_column(name, justify="left" if name == "checks of" else "right")
    for part in Part:
        table.add_row(part.value, *(str(record.count(outcome, part)) for outcome in Outcome))
    console.print(table)
    for check in record.checks:
        if check.outcome is not Outcome.PASSED:
            words = f"{check.name}: found {check.found}, expected {check.expected}"
            console.print(
                f"{check.outcome.value}: {check.part.value}: {words} {check.tolerance}".rstrip()
                + (f" ({check.note})" if check.note else ""),
                markup=False,
            )
    console.print(f"\n{record.verdict}", markup=False, style="bold")
    if record.banner:
        console.print(record.banner, markup=False)
