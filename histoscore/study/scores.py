"""Any table of scores: which column is the group, which name the animal, which hold numbers.

Text stays text: "None", "NA", "001" and "1E5" are groups and animals like any other, and a cell
of an outcome is a number, missing, or told as a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.study.names import collisions, suggestion, tidy
from histoscore.study.rows import read_number
from histoscore.study.sheet import Sheet, SheetRow, raise_problems, read_sheet

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """What to take from a table.

    Attributes:
        outcomes: columns of numbers.
        animal: columns that name the experimental unit together.
        where: column → values; a row counts where each column has one of its values.
        missing: what stands in an outcome where there is no value, besides a blank.
    """

    outcomes: tuple[str, ...]
    group: str = "group"
    animal: tuple[str, ...] = ("animal",)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.outcomes, self.group, *self.animal, *self.where)))


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Values by outcome and animal, as many as the animal has rows with one.

    Attributes:
        groups: animal → group, in the order of the table.
        values: outcome → animal → values; an animal without any has an empty tuple.
        notices: how the table was read, and what was left out.
    """

    groups: Mapping[str, str]
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    notices: tuple[str, ...] = ()

    @property
    def group_order(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.groups.values()))


def read_scores(path: Path, asked: ScoreColumns) -> ScoreTable:
    """The asked columns of a .csv, .tsv, .txt or .xlsx table.

    Raises:
        ManifestError: lists every column that is not there, every cell of an outcome that is
            neither a number nor missing, rows without an animal, and animals in two groups.
    """
    names = tuple(name.casefold() for name in asked.names)
    ids = tuple(n.casefold() for n in asked.names if n not in asked.outcomes)
    sheet = read_sheet(path, names, ids)
    raise_problems(path, [*sheet.problems, *_missing_columns(sheet, asked)])
    rows = _chosen(sheet, asked)
    grouped = [row for row in rows if _cell(row, asked.group)]
    problems = list(_identity_problems(grouped, asked))
    groups: dict[str, str] = {}
    values: dict[str, dict[str, tuple[float, ...]]] = {name: {} for name in asked.outcomes}
    for row in grouped:
        groups.setdefault(_animal(row, asked), _cell(row, asked.group))
    for outcome, of_animals in values.items():
        numbers, unreadable = _numbers(grouped, outcome, asked.missing)
        problems += unreadable
        of_animals.update(dict.fromkeys(groups, ()))
        for row in grouped:
            found = numbers.get(row.number)
            if found is not None:
                of_animals[_animal(row, asked)] += (found,)
    raise_problems(path, problems)
    return ScoreTable(groups, values, _notices(sheet, rows, grouped, values, asked))


def _missing_columns(sheet: Sheet, asked: ScoreColumns) -> list[str]:
    return [
        f"row 1: the column {name} is missing{suggestion(name, sheet.columns)}"
        for name in asked.names
        if name.casefold() not in sheet.columns
    ]


def _cell(row: SheetRow, name: str) -> str:
    return tidy(row.cells[name.casefold()])


def _animal(row: SheetRow, asked: ScoreColumns) -> str:
    """The unit's name; of several columns, each with its own: `Treatment=1, Replicate=A`."""
    if len(asked.animal) == 1:
        return _cell(row, asked.animal[0])
    return ", ".join(f"{name}={_cell(row, name)}" for name in asked.animal)


def _chosen(sheet: Sheet, asked: ScoreColumns) -> tuple[SheetRow, ...]:
    """The rows that count. Raises ManifestError where a value is nowhere, or no row is left."""
    problems = []
    for name, wanted in asked.where.items():
        there = tuple(dict.fromkeys(_cell(row, name) for row in sheet.rows))
        for value in wanted:
            if tidy(value) not in there:
                near = suggestion(value, there) or f"; it has {_listed(there)}"
                problems.append(f"no row has {name} = {value!r}{near}")
    raise_problems(sheet.path, problems)
    rows = tuple(
        row
        for row in sheet.rows
        if all(_cell(row, name) in map(tidy, values) for name, values in asked.where.items())
    )
    if not rows:
        raise ManifestError(f"{sheet.path}: no row fits all that --where asks for")
    return rows


def _identity_problems(rows: Sequence[SheetRow], asked: ScoreColumns) -> Iterator[str]:
    """Blank parts of names, names that look alike, and animals in two groups."""
    for name in asked.animal:
        blank = [row.number for row in rows if not _cell(row, name)]
        if blank:
            yield f"{_rows(blank)}: {name} is blank; every value needs its animal"
    for name in dict.fromkeys((asked.group, *asked.animal)):
        yield from collisions((row.number, _cell(row, name)) for row in rows)
    first: dict[str, SheetRow] = {}
    told = set()
    for row in rows:
        animal, group = _animal(row, asked), _cell(row, asked.group)
        earlier = first.setdefault(animal, row)
        if group != _cell(earlier, asked.group) and animal not in told:
            told.add(animal)
            yield (
                f"rows {earlier.number} and {row.number}: {animal} is in the groups "
                f"{_cell(earlier, asked.group)} and {group}; if the name recurs in every group, "
                f"name the unit by both: --animal {asked.group},{','.join(asked.animal)}"
            )


def _numbers(
    rows: Sequence[SheetRow], outcome: str, missing: Sequence[str]
) -> tuple[dict[int, float], list[str]]:
    """Row number → value, and a sentence for each text that is neither a number nor missing."""
    codes = _Codes(missing)
    numbers: dict[int, float] = {}
    unreadable: dict[str, list[int]] = {}
    for row in rows:
        text = _cell(row, outcome)
        if not text or text in codes:
            continue
        try:
            numbers[row.number] = read_number(text)
        except ValueError:
            unreadable.setdefault(text, []).append(row.number)
    return numbers, [
        f"{_rows(places)}: {outcome} is {text!r}, which is not a number; if it stands for a "
        f"missing value, say so: --missing {text}"
        for text, places in unreadable.items()
    ]


class _Codes:
    """Texts that mean missing; a code that is a number means it however it is written."""

    def __init__(self, codes: Sequence[str]) -> None:
        self._texts = {tidy(code) for code in codes}
        self._numbers = {number for code in codes if (number := _number(code)) is not None}

    def __contains__(self, text: str) -> bool:
        return text in self._texts or (bool(self._numbers) and _number(text) in self._numbers)


def _number(text: str) -> float | None:
    try:
        return read_number(text)
    except ValueError:
        return None


def _notices(
    sheet: Sheet,
    rows: Sequence[SheetRow],
    grouped: Sequence[SheetRow],
    values: Mapping[str, Mapping[str, tuple[float, ...]]],
    asked: ScoreColumns,
) -> tuple[str, ...]:
    notices = [*sheet.notes]
    if asked.where:
        notices.append(f"{len(rows)} of {len(sheet.rows)} rows fit --where")
    if len(grouped) < len(rows):
        notices.append(f"{len(rows) - len(grouped)} rows without a {asked.group} left out")
    for outcome, of_animals in values.items():
        absent = len(grouped) - sum(map(len, of_animals.values()))
        without = sum(not found for found in of_animals.values())
        if absent:
            animals = f"; {without} animals have none" if without else ""
            notices.append(f"{outcome}: {absent} of {len(grouped)} rows have no value{animals}")
        notices += _like_codes(outcome, {v for found in of_animals.values() for v in found})
    return tuple(notices)


def _like_codes(outcome: str, values: set[float]) -> Iterator[str]:
    """A few whole numbers below 0 among scores are rather codes than scores."""
    below = sorted((value for value in values if value < 0), reverse=True)
    if below and len(below) <= _SHOWN and all(value.is_integer() for value in below):
        told = ", ".join(f"{value:g}" for value in below)
        yield (
            f"{outcome}: {told} count as values; if they stand for missing ones, say so: "
            f"--missing {below[0]:g}"
        )


def _rows(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"rows {', '.join(map(str, numbers[:_SHOWN]))}{more}"


def _listed(texts: Sequence[str]) -> str:
    shown = ", ".join(text or "(blank)" for text in texts[:_SHOWN])
    return f"{shown}, …" if len(texts) > _SHOWN else shown
