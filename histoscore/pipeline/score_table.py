"""`compare`: from a table of anybody's scores to groups.csv, without a run or a slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histoscore.config import StatisticsSettings
from histoscore.errors import UsageError
from histoscore.records import Answer
from histoscore.scoring.families import answer, plan_of
from histoscore.scoring.outcomes import AGGREGATES, family_of
from histoscore.scoring.parametric import answer_parametric
from histoscore.scoring.power import power_table
from histoscore.study.scores import ScoreColumns, read_scores


@dataclass(frozen=True, slots=True)
class TableComparison:
    """What was found, where it lies (groups.csv first), and what was left out."""

    answers: tuple[Answer, ...]
    files: tuple[Path, ...]
    notices: tuple[str, ...]
    confidence: float = 0.95


def compare_table(
    table: Path,
    out: Path,
    columns: ScoreColumns,
    settings: StatisticsSettings,
    aggregate: str = "mean",
    power: bool = False,
) -> TableComparison:
    """Compare the groups of a table on its outcomes and write groups.csv to a folder.

    With `power` also power.csv: what a next study could find.

    Raises:
        UsageError: no such aggregate, nothing to compare, or `out` is no place for the result.
        ManifestError: the table is wrong; the text lists everything that is.
        ConfigError: the reference or a contrast names a group that the table does not have.
    """
    from histoscore.export.comparisons import NAME, write_comparisons, write_power

    if aggregate not in AGGREGATES:
        raise UsageError(f"--aggregate {aggregate}: must be one of {', '.join(AGGREGATES)}")
    check_place(out, table, NAME)
    scores = read_scores(table, columns)
    if not scores.groups:
        raise UsageError(f"{table}: no row has a {columns.group}; there is nothing to compare")
    plan = plan_of(scores.group_order, settings)
    families = [
        family_of(outcome, values, scores.groups, aggregate)
        for outcome, values in scores.values.items()
    ]
    answers = tuple(
        row
        for family in families
        for ask in (answer, answer_parametric)
        for row in ask(family, plan, settings)
    )
    files = [write_comparisons(answers, out)]
    if power:
        rows = (row for family in families for row in power_table(family, plan, settings))
        files.append(write_power(tuple(rows), out))
    return TableComparison(answers, tuple(files), scores.notices, settings.confidence)


def check_place(out: Path, source: Path, name: str) -> None:
    """Raises UsageError where results would fall on their source, or among a run's sealed files."""
    if (out / name).resolve() == source.resolve():
        raise UsageError(f"{out}: the result would overwrite {source}; choose another --out")
    for folder in (out.resolve(), *out.resolve().parents):
        if (folder / "run.json").exists():
            raise UsageError(
                f"{out}: lies in a run, whose files are sealed; choose a folder beside it"
            )
