"""People's grades as evaluations need them: each scorer's readings, and the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from histoscore.errors import ManifestError, UsageError
from histoscore.pipeline.graded import GradedRun
from histoscore.scoring.agreement import lower_median
from histoscore.scoring.comparison import Item
from histoscore.study import read_scorers
from histoscore.study.people import ScorerGrade
from histoscore.study.truth import TrueCompartment, read_truth

OWN_NAMES = ("model", "reference", "truth", "majority", "morphometry only", "others")
"""Names that comparisons use themselves, so no scorer and no baseline can have them."""

_SHOWN = 3

_Row = TypeVar("_Row", ScorerGrade, TrueCompartment)


@dataclass(frozen=True, slots=True)
class Readings:
    """Grades by scorer and read, on the slides of the run, in the order of the sheet.

    Attributes:
        by_read: scorer → read (blank: "") → grades, reads in their order.
        notices: what was left out, and why.
    """

    by_read: Mapping[str, Mapping[str, Mapping[Item, float]]]
    notices: tuple[str, ...] = ()

    @property
    def scorers(self) -> tuple[str, ...]:
        return tuple(self.by_read)

    def first(self, scorer: str) -> dict[Item, float]:
        """A scorer's grades: of each compartment the first read that has one."""
        grades: dict[Item, float] = {}
        for read in self.by_read[scorer].values():
            grades = {**read, **grades}
        return grades

    def reference(self, without: str | None = None) -> dict[Item, float]:
        """The lower median of the scorers' first grades; `without` leaves one scorer out."""
        grades: dict[Item, list[float]] = {}
        for scorer in self.scorers:
            for item, grade in self.first(scorer).items() if scorer != without else ():
                grades.setdefault(item, []).append(grade)
        return {item: lower_median(given) for item, given in grades.items()}

    def common(self) -> set[Item]:
        """What every scorer graded."""
        return set.intersection(*(set(self.first(scorer)) for scorer in self.scorers))


def read_people(path: Path, run: GradedRun) -> Readings:
    """The scorers' sheet on the slides of a run.

    Raises:
        ManifestError: the sheet is wrong, or contradicts the run about an animal.
        UsageError: none of its slides is in the run.
    """
    return readings_of(read_scorers(path, run.ladder), path, run)


def readings_of(rows: Sequence[ScorerGrade], path: Path, run: GradedRun) -> Readings:
    """The same of rows that were read; `path` is the sheet's name. Raises as `read_people`."""
    placed, notices = _placed(path, rows, run)
    _check_names(path, [row.scorer for row, _ in placed])
    _check_animals(path, placed, run)
    return gathered(placed, notices)


def gathered(placed: Sequence[tuple[ScorerGrade, Item]], notices: tuple[str, ...]) -> Readings:
    """Grades by scorer and read; scorers in the order of the rows, reads in theirs."""
    by_read: dict[str, dict[str, dict[Item, float]]] = {}
    for row, item in sorted(placed, key=lambda pair: _read_order(pair[0])):
        reads = by_read.setdefault(row.scorer, {}).setdefault(row.read or "", {})
        if row.grade is not None:
            reads[item] = row.grade
    order = dict.fromkeys(row.scorer for row, _ in placed)
    return Readings({scorer: by_read[scorer] for scorer in order}, notices)


def read_true(path: Path, run: GradedRun) -> tuple[dict[Item, TrueCompartment], tuple[str, ...]]:
    """The truth of the run's compartments, and what was left out. Raises as `read_people`."""
    placed, notices = _placed(path, read_truth(path, run.ladder), run)
    return {item: row for row, item in placed}, notices


def _placed(
    path: Path, rows: Sequence[_Row], run: GradedRun
) -> tuple[list[tuple[_Row, Item]], tuple[str, ...]]:
    """The rows on slides that the run scored, and notices about the others."""
    placed = []
    foreign: dict[str, int] = {}
    excluded: dict[str, int] = {}
    for row in rows:
        slide = run.slide_named(row.slide)
        if slide is None:
            foreign[row.slide] = foreign.get(row.slide, 0) + 1
            continue
        item = Item(slide, row.section, row.compartment)
        if run.is_left_out(item):
            excluded[slide] = excluded.get(slide, 0) + 1
        else:
            placed.append((row, item))
    if not placed:
        raise UsageError(
            f"{path}: none of its slides is scored in {run.folder.path}; the column slide must "
            f"be as in the study sheet, for example {next(iter(run.places))}"
        )
    texts = (
        _counted(path, foreign, "that the run does not have"),
        _counted(path, excluded, "that the study excludes"),
    )
    return placed, tuple(text for text in texts if text)


def _counted(path: Path, rows: Mapping[str, int], why: str) -> str:
    if not rows:
        return ""
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    names = ", ".join(list(rows)[:_SHOWN])
    return f"{path.name}: {sum(rows.values())} rows left out, on slides {why} ({names}{more})"


def _check_names(path: Path, scorers: Iterable[str]) -> None:
    for scorer in dict.fromkeys(scorers):
        if scorer in OWN_NAMES:
            raise ManifestError(
                f"{path}: no scorer can be called {scorer!r}, a name that the evaluation uses "
                "itself; rename the scorer"
            )


def _check_animals(path: Path, placed: Sequence[tuple[ScorerGrade, Item]], run: GradedRun) -> None:
    problems = [
        f"row {row.row}: {row.slide} is of the animal {row.animal}, in the run of "
        f"{run.places[item.slide].animal}"
        for row, item in placed
        if row.animal and row.animal != run.places[item.slide].animal
    ]
    if problems:
        raise ManifestError(
            f"{path}: contradicts the study sheet of the run\n  " + "\n  ".join(problems)
        )


def _read_order(row: ScorerGrade) -> tuple[bool, float, str]:
    """Reads by number where they are numbers, else by name; a blank one first."""
    read = row.read or ""
    number = float(read) if read.isascii() and read.isdigit() else 0.0
    return bool(read), number, read
