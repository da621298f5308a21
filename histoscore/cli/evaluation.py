"""Verb on runs and people: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, finished.")],
    scorers: Annotated[
        Path,
        typer.Argument(
            metavar="SCORERS", help="Sheet `slide, section, compartment, scorer, grade`."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")],
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="TRUTH", help="A phantom's truth.csv.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option("--annotations", metavar="DIR", help="Outlines, one NAME.geojson a slide."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", metavar="NAME=RUN", help="Another run on the same slides."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the resamples; else the run's.")
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Resamples of animals for intervals.")
    ] = 2000,
) -> None:
    """Hold a run against scorers, and scorers against each other."""
    from histoscore.cli.evaluation_summary import print_evaluation
    from histoscore.pipeline.evaluation import EvaluationOptions, evaluate_run

    options = EvaluationOptions(truth, annotations, _named_runs(baseline or []), seed, resamples)
    print_evaluation(evaluate_run(run, scorers, out, options))


def _named_runs(baselines: list[str]) -> dict[str, Path]:
    from histoscore.errors import UsageError

    runs: dict[str, Path] = {}
    for text in baselines:
        name, equals, path = text.partition("=")
        if not (name.strip() and equals and path.strip()):
            raise UsageError(f"--baseline {text}: write a name and a run folder, as old=runs/old")
        if name.strip() in runs:
            raise UsageError(f"--baseline {text}: the name is taken; choose another")
        runs[name.strip()] = Path(path.strip())
    return runs
