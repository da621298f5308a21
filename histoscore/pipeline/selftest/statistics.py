"""Are published examples answered as they are printed: the same code that compares animals."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from histoscore.config import StatisticsSettings
from histoscore.export.selftest import Check, Part
from histoscore.pipeline.score_table import compare_table
from histoscore.pipeline.selftest.known_values import EXAMPLES, Golden, Tolerance, Value, compared
from histoscore.records import Answer
from histoscore.scoring.families import ALL_GROUPS
from histoscore.study.scores import ScoreColumns

SIX_DIGITS = Tolerance(1e-6, relative=True, title="6 digits")
"""The tests are exact or closed formulas: what is left is the rounding of other mathematics
libraries, some 1e-13."""

SOURCES = {
    "permeability": "Hollander & Wolfe 1973, p. 69; R's wilcox.test",
    "dominance": "Hogarty & Kromrey 1999; R's effsize",
    "motivation": "Hundal 1969, in Hollander & Wolfe",
}
_TREND = {"motivation": ("none", "rough", "accurate")}

_QUANTITIES = {
    "statistic and p": ("statistic", "p"),
    "p after Holm": ("p_adjusted",),
    "Cliff's delta and its 95 % interval": (
        "cliffs_delta",
        "cliffs_delta_low",
        "cliffs_delta_high",
    ),
    "Hodges–Lehmann shift and its 95 % interval": ("shift", "shift_low", "shift_high"),
}


def found_statistics() -> dict[str, Value]:
    """Example, comparison and quantity → value, for all that is known."""
    return {
        f"{example}, {_title(row)}: {words}": values
        for example in SOURCES
        for row in _answers(example)
        for words, names in _QUANTITIES.items()
        if None not in (values := tuple(getattr(row, name) for name in names))
    }


def statistics_checks(golden: Golden) -> Iterator[Check]:
    """Every golden statistic against what this installation computes."""
    found = found_statistics()
    for name, expected in golden.statistics.items():
        source = SOURCES[name.partition(",")[0]]
        yield compared(Part.STATISTICS, name, expected, found.get(name), SIX_DIGITS, source)


def _answers(example: str) -> tuple[Answer, ...]:
    columns = ScoreColumns(outcomes=("value",), where={"example": (example,)})
    settings = StatisticsSettings(ordered_groups=_TREND.get(example, ()))
    with tempfile.TemporaryDirectory() as folder:
        return compare_table(EXAMPLES, Path(folder), columns, settings).answers


def _title(row: Answer) -> str:
    if row.group == ALL_GROUPS:
        return row.test
    return f"{row.group} against {row.reference}, {row.test}"
