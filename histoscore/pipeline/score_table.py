"""`compare`: from a table of anybody's scores to groups.csv, without a run or a slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histoscore.config import StatisticsSettings
from histoscore.errors import UsageError
from histoscore.scoring.families import Answer
from histoscore.scoring.outcomes import AGGREGATES, compare_values
from histoscore.study.scores import ScoreColumns, read_scores


@dataclass(frozen=True, slots=True)
class TableComparison:
    """What was found, where it lies, and what was left out."""

    answers: tuple[Answer, ...]
    file: Path
    notices: tuple[str, ...]


def compare_table(
    table: Path,
    out: Path,
    columns: ScoreColumns,
    settings: StatisticsSettings,
    aggregate: str = "mean",
) -> TableComparison:
    """Compare the groups of a table on its outcomes and write groups.csv to a folder.

    Raises:
        UsageError: no such aggregate, nothing to compare, or `out` is no place for the result.
        ManifestError: the table is wrong; the text lists everything that is.
        ConfigError: the reference or a contrast names a group that the table does not have.
    """
    from histoscore.export.comparisons import NAME, write_comparisons

    if aggregate not in AGGREGATES:
        raise UsageError(f"--aggregate {aggregate}: must be one of {', '.join(AGGREGATES)}")
    check_place(out, table, NAME)
    scores = read_scores(table, columns)
    if not scores.groups:
        raise UsageError(f"{table}: no row has a {columns.group}; there is nothing to compare")
    answers = tuple(
        row
        for outcome, values in scores.values.items()
        for row in compare_values(outcome, values, scores.groups, settings, aggregate)
    )
    return TableComparison(answers, write_comparisons(answers, out), scores.notices)


def check_place(out: Path, source: Path, name: str) -> None:
    """Raises UsageError where results would fall on their source, or among a run's sealed files."""
    if (out / name).resolve() == source.resolve():
        raise UsageError(f"{out}: the result would overwrite {source}; choose another --out")
    for folder in (out.resolve(), *out.resolve().parents):
        if (folder / "run.json").exists():
            raise UsageError(
                f"{out}: lies in a run, whose files are sealed; choose a folder beside it"
            )
