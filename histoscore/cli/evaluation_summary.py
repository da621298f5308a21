"""What `evaluate` and `agree` say when they are done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from histoscore.cli.summary import plain_console
from histoscore.export.evaluation_wording import (
    TITLES,
    HeadlineRow,
    headline,
    headline_sentence,
    with_interval,
)
from histoscore.pipeline.evaluation import EvaluationSummary
from histoscore.pipeline.scorers import AgreementSummary
from histoscore.scoring.comparison import EvaluationRow
from histoscore.scoring.raters import ALL_SCORERS, APART

_WITHOUT_INTERVAL = ("exact", "within_one", "icc")
"""So that a line fits; the table on disk has them all."""


def print_evaluation(summary: EvaluationSummary) -> None:
    """The headline of an evaluation, what it says in a sentence, remarks, and where it lies."""
    console = plain_console()
    evaluation = summary.evaluation
    names = (*evaluation.comparisons, *evaluation.differences)
    console.print(_headline_table(headline(evaluation, names)))
    console.print(headline_sentence(evaluation), markup=False)
    for notice in evaluation.notices:
        console.print(f"note: {notice}", markup=False)
    if evaluation.banner:
        console.print(f"\n{evaluation.banner}", markup=False, style="bold")
    console.print(f"\ntable  {summary.files[0]}", markup=False)
    console.print(f"page   {summary.files[-1]}", markup=False)


def print_agreement(summary: AgreementSummary) -> None:
    """Agreement of scorers, each one's bias, how much there is to discuss, and where it lies."""
    console = plain_console()
    found = summary.agreement
    console.print(_headline_table(headline(found.evaluation, found.evaluation.comparisons)))
    for statistic, title in (("icc", "ICC(2,1)"), ("icc_3_1", "ICC(3,1)")):
        row = found.evaluation.row(ALL_SCORERS, statistic)
        if row is not None and row.value is not None:
            console.print(f"{title} of all scorers: {with_interval(row)}, {row.n} compartments")
    for bias in found.biases:
        if bias.rung is None and bias.bias.value is not None:
            size = abs(bias.bias.value)
            way = "higher" if bias.bias.value > 0 else "lower"
            console.print(f"{bias.scorer} grades {size:.2f} {way} than the others", markup=False)
    discuss = f"{len(found.discussions)} compartments with grades {APART} rungs or more apart"
    console.print(f"{discuss}: {summary.files[-1].name}", markup=False)
    for notice in found.evaluation.notices:
        console.print(f"note: {notice}", markup=False)
    console.print(f"\ntable  {summary.files[0]}", markup=False)


def _headline_table(rows: Sequence[HeadlineRow]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, title_justify="left", title="agreement, 95 % intervals over animals"
    )
    table.add_column("comparison", overflow="fold")
    for name in ("n", *TITLES.values()):
        table.add_column(name, no_wrap=True)
    for row in rows:
        n = str(row.first.n) if row.first else "0"
        cells = [
            _estimate(cell, bare=name in _WITHOUT_INTERVAL)
            for name, cell in zip(TITLES, row.cells, strict=True)
        ]
        table.add_row(*map(Text, (row.name, n, *cells)))  # Text: [brackets] are no markup
    return table


def _estimate(row: EvaluationRow | None, bare: bool) -> str:
    if row is None or row.value is None:
        return "–"
    if bare or row.low is None or row.high is None:
        return f"{row.value:.2f}"
    return f"{row.value:.2f} ({row.low:.2f} to {row.high:.2f})"
