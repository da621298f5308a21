"""The files of an evaluation: tables with one statistic a row, and the page that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from histoscore.export.dictionary import FRACTION, RUNG, TEXT, WHOLE, Cell, Column
from histoscore.export.evaluation_page import evaluation_html
from histoscore.export.tables import Table, csv_text
from histoscore.files import make_folder, write_atomic
from histoscore.scoring.comparison import EvaluationRow
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.reliability import CurveBin

_COMPARISON = Column("comparison", TEXT, "the two that are compared; the first is judged")
_N = Column("n", WHOLE, "compartments with both grades")
_N_ANIMALS = Column("n_animals", WHOLE, "animals that they are of")
_NOTE = Column("note", TEXT, "what to know about this row")
_ESTIMATE = (
    Column("stratum_kind", TEXT, "what the stratum is", allowed="all, compartment, group, batch"),
    Column("stratum", TEXT, "which one"),
    Column("statistic", TEXT, "which one"),
    Column("value", FRACTION, "the statistic; empty where undefined"),
    Column("low", FRACTION, "lower bound of its 95 % interval over animals"),
    Column("high", FRACTION, "upper bound of its 95 % interval over animals"),
    _N,
    _N_ANIMALS,
    Column("n_missing", WHOLE, "compartments that a person graded and the judged one did not"),
    _NOTE,
)

EVALUATION = (_COMPARISON, *_ESTIMATE)
AREAS = (_COMPARISON, Column("measure", TEXT, "area, or outlined tissue"), *_ESTIMATE)
CONFUSION = (
    _COMPARISON,
    Column("first", RUNG, "rung that the first gave", "grade"),
    Column("second", RUNG, "rung that the second gave", "grade"),
    _N,
)
CALIBRATION_CURVE = (
    _COMPARISON,
    Column("bin_low", FRACTION, "lower bound of the bin", allowed="0–1"),
    Column("bin_high", FRACTION, "upper bound of the bin", allowed="0–1"),
    _N,
    _N_ANIMALS,
    Column("mean_confidence", FRACTION, "mean probability of the grade given", allowed="0–1"),
    Column("observed", FRACTION, "share of the grades given that were right", allowed="0–1"),
    Column("observed_low", FRACTION, "lower bound of its 95 % interval", allowed="0–1"),
    Column("observed_high", FRACTION, "upper bound of its 95 % interval", allowed="0–1"),
    _NOTE,
)

PAGE = "evaluation.html"


def write_evaluation(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Writes the tables and the page; returns the paths, the page last.

    An areas.csv of an earlier evaluation without its counterpart now is removed.
    """
    make_folder(folder)
    paths = []
    for table in evaluation_tables(evaluation):
        paths.append(folder / f"{table.name}.csv")
        write_atomic(paths[-1], csv_text(table))
    if not evaluation.area_rows:
        (folder / "areas.csv").unlink(missing_ok=True)
    write_atomic(folder / PAGE, evaluation_html(evaluation))
    return (*paths, folder / PAGE)


def evaluation_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """evaluation, confusion, calibration_curve, and areas where there are any."""
    tables = [
        _table("evaluation", EVALUATION, map(_cells, evaluation.rows)),
        _table("confusion", CONFUSION, _confusion_cells(evaluation)),
        _table("calibration_curve", CALIBRATION_CURVE, map(_cells, evaluation.curves)),
    ]
    if evaluation.area_rows:
        tables.append(_table("areas", AREAS, map(_cells, evaluation.area_rows)))
    return tuple(tables)


def agreement_table(evaluation: Evaluation) -> Table:
    """Every statistic of every comparison over all compartments, for a study's workbook."""
    rows = (row for row in evaluation.rows if row.stratum_kind == "all")
    return _table("agreement", EVALUATION, map(_cells, rows))


def _table(name: str, columns: tuple[Column, ...], values: Iterable[Mapping[str, Cell]]) -> Table:
    rows = tuple(tuple(value[column.name] for column in columns) for value in values)
    return Table(name, columns, rows)


def _cells(row: EvaluationRow | CurveBin) -> dict[str, Cell]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _confusion_cells(evaluation: Evaluation) -> Iterable[dict[str, Cell]]:
    rungs = evaluation.ladder.rungs
    for name, counts in evaluation.confusions.items():
        for first, row in zip(rungs, counts, strict=True):
            for second, n in zip(rungs, row, strict=True):
                yield {"comparison": name, "first": first, "second": second, "n": int(n)}
