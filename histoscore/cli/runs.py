"""Verbs on runs: score, report, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from histoscore.cli.leaving import Leave

Sheet = Annotated[Path, typer.Argument(metavar="STUDY", help="Study sheet, .csv or .xlsx.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML configuration.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. tiles.batch=4."),
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Overrule a lock that another host left.")
]


def score(
    study: Sheet,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write.")],
    config: ConfigFile = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of a model bundle, or its folder.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda[:N].")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="auto, torch or openvino.")] = None,
    full_section: Annotated[
        bool, typer.Option("--full-section", help="Fine pass over the whole section.")
    ] = False,
    overrides: Overrides = None,
    executor: Annotated[
        str, typer.Option("--executor", help="local, dask, tcp://HOST:PORT or slurm.")
    ] = "local",
    cluster: Annotated[
        Path | None, typer.Option("--cluster", help="YAML settings of dask and slurm.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Workers of dask and slurm.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Every N-th slide from the I-th.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Slides that are not there fail; go on.")
    ] = False,
    take_over: TakeOver = False,
) -> None:
    """Score a study. The same line again resumes."""
    from histoscore.cli.progress import reporter
    from histoscore.cli.summary import print_interrupted, print_run
    from histoscore.config import load_config
    from histoscore.pipeline.executors.settings import load_cluster
    from histoscore.pipeline.shards import parse_shard
    from histoscore.pipeline.study import ScoreOptions, score_study

    named = _named(model=model, device=device, engine=engine)
    named += ["full_section=true"] if full_section else []
    settings = load_config(config, [*named, *(overrides or [])])
    options = ScoreOptions(
        allow_missing=allow_missing,
        take_over=take_over,
        executor=executor,
        cluster=load_cluster(cluster, workers),
        shard=parse_shard(shard) if shard else None,
    )
    with reporter() as progress:
        try:
            summary = score_study(study, out, settings, options, progress)
        except KeyboardInterrupt:
            print_interrupted(out, progress.counts)
            raise
    print_run(summary)
    raise Leave(summary.exit_code)


def report(
    run: Run,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="KEY", help="Sheet `animal, group` that ends blinding."),
    ] = None,
    scorers: Annotated[
        Path | None,
        typer.Option("--scorers", metavar="SCORERS", help="Sheet of people's grades; is kept."),
    ] = None,
    grades: Annotated[
        Literal["model", "person"] | None,
        typer.Option("--grades", help="Whose grades count; is kept."),
    ] = None,
    take_over: TakeOver = False,
) -> None:
    """Rebuild tables, workbook and report from a run's records."""
    from histoscore.cli.summary import print_run
    from histoscore.pipeline.report import report_run

    summary = report_run(run, key, take_over, scorers, grades)
    print_run(summary)
    raise Leave(summary.exit_code)


def merge(
    shards: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of shards.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write.")],
    take_over: TakeOver = False,
) -> None:
    """Join the shards of a study into one run."""
    from histoscore.cli.summary import print_run
    from histoscore.pipeline.merge import merge_runs

    summary = merge_runs(shards, out, take_over)
    print_run(summary)
    raise Leave(summary.exit_code)


def verify(run: Run) -> None:
    """Recompute every hash of a run and check its audit trail."""
    from histoscore.runs.verify import verify as problems_of

    problems = problems_of(run)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise Leave(1)
    typer.echo(f"{run}: every hash is right and the audit trail is whole")


def _named(**options: str | None) -> list[str]:
    """Options as overrides, quoted so that a bundle named 001 keeps its name."""
    import json

    return [f"{name}={json.dumps(value)}" for name, value in options.items() if value is not None]
