"""The files of `agree`: agreement.csv, confusion.csv, scorer_bias.csv, discuss.csv; unrounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from histoscore.export.dictionary import FRACTION, FULL, RUNG, TEXT, WHOLE, Cell, Column
from histoscore.export.evaluation import CONFUSION, EVALUATION, evaluation_tables
from histoscore.export.tables import Table, csv_text
from histoscore.files import make_folder, write_atomic
from histoscore.scoring.raters import Discussion, ScorerBias
from histoscore.scoring.scorers import ScorerAgreement
from histoscore.vocabulary import format_rung

AGREEMENT = tuple(
    replace(column, style=FULL) if column.style is FRACTION else column for column in EVALUATION
)

BIASES = (
    Column("scorer", TEXT, "who is held against the others"),
    Column("rung", TEXT, "lower median of the others' grades; all: over every rung"),
    Column("n", WHOLE, "compartments that the scorer and another graded"),
    Column("n_animals", WHOLE, "animals that they are of"),
    Column("mean_grade", FULL, "mean of the scorer's grades there", "grade"),
    Column("exact", FULL, "share on that rung", "fraction", "0–1"),
    Column("bias", FULL, "mean of scorer − mean of the others; above 0: grades higher", "grade"),
    Column("bias_low", FULL, "lower bound of its 95 % interval over animals", "grade"),
    Column("bias_high", FULL, "upper bound of its 95 % interval over animals", "grade"),
    Column("note", TEXT, "what to know about this row"),
)

DISCUSS = (
    Column("slide", TEXT, "slide as the sheet writes it"),
    Column("animal", TEXT, "whose it is, where the sheet says"),
    Column("section", WHOLE, "section"),
    Column("compartment", TEXT, "compartment"),
    Column("rungs_apart", WHOLE, "rungs between the lowest and the highest grade"),
    Column("lowest", RUNG, "lowest grade", "grade"),
    Column("highest", RUNG, "highest grade", "grade"),
    Column("grades", TEXT, "each scorer's grade"),
)

NAMES = ("agreement.csv", "confusion.csv", "scorer_bias.csv", "discuss.csv")


def write_agreement(agreement: ScorerAgreement, folder: Path) -> tuple[Path, ...]:
    """Writes the four tables into a folder, which is made where it is not there."""
    make_folder(folder)
    paths = []
    for name, table in zip(NAMES, agreement_tables(agreement), strict=True):
        paths.append(folder / name)
        write_atomic(paths[-1], csv_text(table))
    return tuple(paths)


def agreement_tables(agreement: ScorerAgreement) -> tuple[Table, ...]:
    """agreement, confusion, scorer_bias, discuss."""
    by_name = {table.name: table for table in evaluation_tables(agreement.evaluation)}
    biases = (_bias_cells(bias) for bias in agreement.biases)
    discuss = (_discuss_cells(one) for one in agreement.discussions)
    return (
        Table("agreement", AGREEMENT, by_name["evaluation"].rows),
        Table("confusion", CONFUSION, by_name["confusion"].rows),
        Table("scorer_bias", BIASES, tuple(map(tuple, biases))),
        Table("discuss", DISCUSS, tuple(map(tuple, discuss))),
    )


def _bias_cells(row: ScorerBias) -> Iterator[Cell]:
    yield row.scorer
    yield "all" if row.rung is None else format_rung(row.rung)
    yield from (row.n, row.n_animals, row.mean_grade, row.exact)
    yield from (row.bias.value, row.bias.low, row.bias.high, row.bias.note)


def _discuss_cells(one: Discussion) -> Iterator[Cell]:
    yield from (one.item.slide, one.animal, one.item.section, one.item.compartment.value)
    yield from (one.apart, min(one.grades.values()), max(one.grades.values()))
    yield "; ".join(f"{name}: {format_rung(grade)}" for name, grade in one.grades.items())
