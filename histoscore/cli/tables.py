"""Verbs on sheets of scores alone, without slides: agree, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def agree(
    scorers: Annotated[
        Path,
        typer.Argument(
            metavar="SCORERS", help="Sheet `slide, section, compartment, scorer, grade`."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for agreement.csv.")],
    ladder: Annotated[
        str,
        typer.Option("--ladder", metavar="NAME|FILE|0-10", help="The grades that there are."),
    ] = "oarsi_mouse_2010",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Resamples of animals for intervals.")
    ] = 2000,
) -> None:
    """Hold scorers, and reads of one scorer, against each other; no slide is opened."""
    from histoscore.cli.evaluation_summary import print_agreement
    from histoscore.config import find_ladder
    from histoscore.pipeline.scorers import agree_sheet

    print_agreement(agree_sheet(scorers, out, find_ladder(ladder), seed, resamples))


def compare(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Table of scores, .csv or .xlsx; text is text.")
    ],
    outcome: Annotated[
        list[str],
        typer.Option("--outcome", metavar="COLUMN", help="Column of numbers; repeatable."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for groups.csv.")],
    group: Annotated[
        str, typer.Option("--group", metavar="COLUMN", help="Column of the groups.")
    ] = "group",
    animal: Annotated[
        str,
        typer.Option(
            "--animal", metavar="COLUMN[,COLUMN…]", help="Columns that name the unit together."
        ),
    ] = "animal",
    aggregate: Annotated[
        str, typer.Option("--aggregate", help="Rows of an animal: mean, max, sum or median.")
    ] = "mean",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="COLUMN=VALUE", help="Only these rows; repeatable, all must hold."
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option("--missing", metavar="CODE", help="Stands for a missing value; repeatable."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="GROUP", help="Default: the first in the table."),
    ] = None,
    power: Annotated[
        bool, typer.Option("--power", help="Also power.csv: what a next study could find.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting, as min_animals=5."),
    ] = None,
) -> None:
    """Compare groups on any table of scores; n is animals, several rows of one put together."""
    from histoscore.cli.summary import print_comparison
    from histoscore.config import StatisticsSettings, overridden, parse_settings
    from histoscore.pipeline.score_table import compare_table
    from histoscore.study.scores import ScoreColumns

    chosen = overridden({"reference": reference} if reference is not None else {}, overrides or [])
    columns = ScoreColumns(
        outcomes=tuple(dict.fromkeys(outcome)),
        group=group,
        animal=tuple(dict.fromkeys(name.strip() for name in animal.split(","))),
        where=_conditions(where or []),
        missing=tuple(missing or ()),
    )
    settings = parse_settings(StatisticsSettings, chosen, "the command line")
    print_comparison(compare_table(table, out, columns, settings, aggregate, power))


def _conditions(texts: list[str]) -> dict[str, tuple[str, ...]]:
    from histoscore.errors import UsageError

    conditions: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise UsageError(f"--where {text}: write a column and a value, as sex=male")
        conditions[name.strip()] = (*conditions.get(name.strip(), ()), value)
    return conditions
