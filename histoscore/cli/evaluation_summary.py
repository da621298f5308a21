"""What `evaluate` says when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from histoscore.cli.summary import plain_console
from histoscore.export.evaluation_wording import TITLES, HeadlineRow, headline, headline_sentence
from histoscore.pipeline.evaluation import EvaluationSummary
from histoscore.scoring.comparison import EvaluationRow

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
