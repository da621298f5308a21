"""groups.csv of a table of scores: the columns of a run's, numbers in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from histoscore.export.dictionary import FRACTION, FULL, GROUPS, P_VALUE
from histoscore.export.tables import Table, csv_text
from histoscore.files import make_folder, write_atomic
from histoscore.scoring.families import Answer

FULL_GROUPS = tuple(
    replace(column, style=FULL) if column.style in (FRACTION, P_VALUE) else column
    for column in GROUPS
)
"""The columns of groups.csv without rounding."""

NAME = "groups.csv"


def comparison_table(answers: Sequence[Answer]) -> Table:
    """One row an answer; region, timepoint and primary are a run's, and empty here."""
    known = {field.name for field in fields(Answer)}
    rows = tuple(
        tuple(getattr(row, column.name) if column.name in known else None for column in FULL_GROUPS)
        for row in answers
    )
    return Table("groups", FULL_GROUPS, rows)


def write_comparisons(answers: Sequence[Answer], folder: Path) -> Path:
    """Writes groups.csv into a folder, which is made where it is not there."""
    make_folder(folder)
    path = folder / NAME
    write_atomic(path, csv_text(comparison_table(answers)))
    return path
