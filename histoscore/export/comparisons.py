"""groups.csv of a table of scores, with the columns of a run's, and power.csv; numbers in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from histoscore.export.dictionary import FRACTION, FULL, GROUPS, P_VALUE, TEXT, WHOLE, Column, Style
from histoscore.export.tables import Table, csv_text
from histoscore.files import make_folder, write_atomic
from histoscore.records import Answer
from histoscore.scoring.power import Power

FULL_GROUPS = tuple(
    replace(column, style=FULL) if column.style in (FRACTION, P_VALUE) else column
    for column in GROUPS
)
"""The columns of groups.csv without rounding."""

_SHARE = Style(FULL.write, "0.000")
"""Written in full, shown to the thousandth."""

POWER = (
    Column("outcome", TEXT, "column of the table"),
    Column("reference", TEXT, "group that the other is held against"),
    Column("group", TEXT, "group"),
    Column("responding", FULL, "share of its animals that are as this study's group", "fraction"),
    Column("n", WHOLE, "animals in each group of the simulated studies", "animals"),
    Column(
        "power", _SHARE, "share of them with p ≤ 0.05, one exact test, not adjusted", "fraction"
    ),
    Column("error", _SHARE, "half the 95 % interval of the simulation", "fraction"),
    Column("note", TEXT, "what to know about this row"),
)

STUDY_POWER = (
    POWER[0],
    Column("timepoint", TEXT, "as the study sheet writes it; compared within"),
    *POWER[1:],
)
"""The columns of the workbook's sheet Power."""

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


def write_power(rows: Sequence[Power], folder: Path) -> Path:
    """Writes power.csv into a folder that is there."""
    path = folder / "power.csv"
    write_atomic(path, csv_text(power_cells(rows, POWER)))
    return path


def power_cells(rows: Sequence[Power], columns: Sequence[Column] = STUDY_POWER) -> Table:
    """One row a simulated study's size."""
    cells = tuple(tuple(getattr(row, column.name) for column in columns) for row in rows)
    return Table("power", tuple(columns), cells)
