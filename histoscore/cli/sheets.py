"""Verbs on slides and sheets: info, check, phantom, study new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histoscore.cli.leaving import Leave

study_app = typer.Typer(help="Study sheets.", no_args_is_help=True)


def info(
    slide: Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide's file.")],
    mpp: Annotated[
        float | None, typer.Option("--mpp", help="µm per pixel, where the file does not say.")
    ] = None,
) -> None:
    """Say what a slide is: format, size, levels, pixel size and its source, sections found."""
    from histoscore.cli.summary import print_slide
    from histoscore.config import ScoreConfig
    from histoscore.errors import SlideError, UsageError
    from histoscore.pipeline.inspection import describe_slide

    if not slide.exists():
        raise UsageError(f"{slide}: no such file")
    try:
        found, sections = describe_slide(slide, ScoreConfig(), mpp)
    except SlideError as error:
        raise type(error)(f"{slide}: {error}") from None
    print_slide(found, sections)


def check(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Study sheet, .csv or .xlsx.")],
) -> None:
    """Read the sheet and every slide's header, and say all that is wrong. Scores nothing."""
    from histoscore.cli.summary import print_check
    from histoscore.config import ScoreConfig
    from histoscore.pipeline.inspection import check_study

    checked = check_study(study, ScoreConfig())
    print_check(checked)
    raise Leave(2 if checked.failing else 0)


def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    animals: Annotated[
        int, typer.Option("--animals", min=1, help="Animals, dealt to the groups in turn.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same study.")],
    appearance: Annotated[
        str | None, typer.Option("--appearance", help="standard (the default) or shifted.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML settings; see configs/phantom.yaml.")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Draw a synthetic study with exact truth."""
    from histoscore.phantom.study import write_phantom_study

    write_phantom_study(out, animals, seed, appearance, overrides or [], typer.echo, config)
    typer.echo(f"wrote {out / 'study.csv'}")


@study_app.command("new")
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with slides.")],
) -> None:
    """Write FOLDER/study.csv from the slides in it, guesses marked as guesses."""
    from histoscore.errors import UsageError
    from histoscore.files import write_atomic
    from histoscore.study import new_study

    sheet = folder / "study.csv"
    if sheet.exists():
        raise UsageError(f"{sheet}: is there already; rename it first")
    write_atomic(sheet, new_study(folder))
    typer.echo(f"wrote {sheet}; read its guess_note column before you trust it")
