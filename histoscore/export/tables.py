"""Results → tables, and tables → CSV: the one place where rows are made.

The workbook shows the same tables, so a number stands the same in both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.export import dictionary
from histoscore.export.additions import Decisions, ReviewRow
from histoscore.export.dictionary import Cell, Column
from histoscore.files import write_atomic
from histoscore.records import (
    AnimalScore,
    CompartmentResult,
    GroupComparison,
    SectionResult,
    SlideResult,
    StudyTables,
)
from histoscore.scoring.comparison import Item
from histoscore.study.names import harmless
from histoscore.vocabulary import Compartment

Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A named table; every row has one cell a column."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The rows as text, missing cells empty."""
        return self._texts(lambda text: text)

    def harmless_texts(self) -> Iterator[tuple[str, ...]]:
        """The same, text that a spreadsheet could take for a formula quoted."""
        return self._texts(harmless)

    def _texts(self, treat: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
        """Column by column, for a table may have a million cells."""
        cells = zip(*self.rows, strict=True) if self.rows else ()
        columns = (
            _treated(column, some, treat) if column.is_text else column.style.texts(some)
            for column, some in zip(self.columns, cells, strict=False)
        )
        return zip(*columns, strict=True)


def study_tables(tables: StudyTables, decisions: Decisions | None = None) -> tuple[Table, ...]:
    """The five tables in the order slides, sections, compartments, animals, groups."""
    return (
        _slides(tables),
        _sections(tables),
        _compartments(tables, decisions or {}),
        _animals(tables),
        Table("groups", dictionary.GROUPS, _rows(dictionary.GROUPS, map(_group, tables.groups))),
    )


def write_tables(
    tables: StudyTables, folder: Path, decisions: Decisions | None = None
) -> tuple[Path, ...]:
    """Writes slides.csv, sections.csv, compartments.csv, animals.csv and groups.csv."""
    paths = []
    for table in study_tables(tables, decisions):
        paths.append(folder / f"{table.name}.csv")
        write_atomic(paths[-1], csv_text(table).encode())
    return tuple(paths)


def csv_text(table: Table) -> str:
    """The table as CSV: UTF-8, `\\n`, text that a spreadsheet could take for a formula quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(c.name for c in table.columns)
    writer.writerows(table.harmless_texts())
    return buffer.getvalue()


def _treated(column: Column, cells: Sequence[Cell], treat: Callable[[str], str]) -> list[str]:
    known = {cell: treat(column.style.text(cell)) for cell in dict.fromkeys(cells)}
    return [known[cell] for cell in cells]


def ungraded(slides: Iterable[SlideResult]) -> Table:
    """Every slide, section and compartment that has no grade, with status and reason."""
    values = (value for slide in slides for value in _ungraded_of(slide))
    return Table("ungraded", dictionary.UNGRADED, _rows(dictionary.UNGRADED, values))


def audit(tables: StudyTables) -> Table:
    """The audit trail, an event a row."""
    names = _names(dictionary.AUDIT)
    values = (_picked(event, names) for event in tables.events)
    return Table("audit", dictionary.AUDIT, _rows(dictionary.AUDIT, values))


def reason_of(slide: SlideResult) -> str:
    """Why a slide has no grade, in words: its own reason, else those of its sections."""
    parts = [slide.reason, *(s.reason for s in slide.sections if not s.status.is_graded)]
    return "; ".join(dict.fromkeys(p for p in parts if p)) or slide.status.value.replace("_", " ")


def _ungraded_of(slide: SlideResult) -> Iterator[dict[str, Cell]]:
    if not slide.status.is_graded:
        yield _stand_in(slide) | {"reason": reason_of(slide)}
        return
    for section in slide.sections:
        if not section.status.is_graded:
            yield _stand_in(slide) | _section_status(slide, section)
            continue
        for result in section.compartments:
            if result.grade is None:
                yield {
                    "slide": slide.slide,
                    "animal": slide.animal,
                    "section": section.section,
                    **_picked(result, ("compartment", "status", "reason")),
                }


def _rows(columns: Sequence[Column], values: Iterable[Mapping[str, Cell]]) -> tuple[Row, ...]:
    """Rows in the order of the columns; a value without a column is an error (KeyError)."""
    names = [c.name for c in columns]
    rows = []
    for value in values:
        if unknown := value.keys() - set(names):
            raise KeyError(f"no column for {sorted(unknown)}")
        rows.append(tuple(value.get(name) for name in names))
    return tuple(rows)


def _slides(tables: StudyTables) -> Table:
    columns = dictionary.SLIDES
    return Table("slides", columns, _rows(columns, map(_slide, tables.slides)))


def _slide(slide: SlideResult) -> dict[str, Cell]:
    opened = slide.width_px is not None
    return _picked(slide, _names(dictionary.SLIDES)) | {
        "sections": len(slide.sections) if opened or slide.sections else None,
        "warnings": _joined(slide.warnings),
    }


def _sections(tables: StudyTables) -> Table:
    names = sorted({name for s in tables.slides for part in s.sections for name in part.readouts})
    columns = (*dictionary.SECTIONS, *map(dictionary.readout_column, names))
    values = (value for slide in tables.slides for value in _sections_of(slide))
    return Table("sections", columns, _rows(columns, values))


def _sections_of(slide: SlideResult) -> Iterator[dict[str, Cell]]:
    if not slide.sections:
        yield _stand_in(slide)
    for section in slide.sections:
        yield {
            **_picked(section, _names(dictionary.SECTIONS)),
            "slide": slide.slide,
            "animal": slide.animal,
            "x_px": section.x,
            "y_px": section.y,
            "width_px": section.width,
            "height_px": section.height,
            "flags": _joined(section.flags),
        } | {f"readout_{name}": value for name, value in section.readouts.items()}


def _stand_in(slide: SlideResult) -> dict[str, Cell]:
    """The row of a slide that has nothing to show but its reason."""
    return {
        "slide": slide.slide,
        "animal": slide.animal,
        "status": slide.status.value,
        "reason": slide.reason,
    }


def _compartments(tables: StudyTables, decisions: Decisions) -> Table:
    columns = dictionary.compartment_columns(tables.ladder)
    sides = {s.slide: s.side for s in tables.scores} | dict(tables.sides)
    values = (
        value | {"side": sides.get(slide.slide)}
        for slide in tables.slides
        for value in _compartments_of(slide, _names(columns), decisions)
    )
    return Table("compartments", columns, _rows(columns, values))


def _compartments_of(
    slide: SlideResult, names: Sequence[str], decisions: Decisions
) -> Iterator[dict[str, Cell]]:
    if not slide.sections:
        yield _stand_in(slide)
    for section in slide.sections:
        if not section.compartments:
            stand_in = {
                **_stand_in(slide),
                **_section_status(slide, section),
                "flags": _joined(section.flags),
            }
            yield from _people_alone(stand_in, slide.slide, section.section, decisions)
        for result in section.compartments:
            item = Item(slide.slide, section.section, result.compartment)
            yield {
                "slide": slide.slide,
                "animal": slide.animal,
                "section": section.section,
                **_compartment(result, names),
                **_final(result, item, decisions),
            }


def _people_alone(
    stand_in: dict[str, Cell], slide: str, section: int, decisions: Decisions
) -> Iterator[dict[str, Cell]]:
    """A section that the model did not grade: its row, or a row for each grade of a person."""
    places = {c: Item(slide, section, c) for c in Compartment}
    given = {c: decisions[item] for c, item in places.items() if item in decisions}
    for compartment, grade in given.items():
        yield stand_in | {
            "compartment": compartment.value, "final_grade": grade, "final_source": "person"
        }  # fmt: skip
    if not given:
        yield stand_in


def review_table(rows: Sequence[ReviewRow]) -> Table:
    """What scorers decided on the review page: a scorers' sheet that training and `agree` take."""
    columns = dictionary.REVIEW
    return Table("scorers", columns, _rows(columns, (_picked(r, _names(columns)) for r in rows)))


def _section_status(slide: SlideResult, section: SectionResult) -> dict[str, Cell]:
    return {
        "section": section.section,
        "status": section.status.value,
        "reason": section.reason or slide.reason,
    }


def _compartment(result: CompartmentResult, names: Sequence[str]) -> dict[str, Cell]:
    rungs = [name for name in names if name.startswith("p_")]
    probabilities = dict(zip(rungs, result.probabilities or (None,) * len(rungs), strict=True))
    return _picked(result, names) | probabilities | {"flags": _joined(result.flags)}


def _final(result: CompartmentResult, item: Item, decisions: Decisions) -> dict[str, Cell]:
    if item in decisions:
        return {"final_grade": decisions[item], "final_source": "person"}
    source = "model" if result.grade is not None else None
    return {"final_grade": result.grade, "final_source": source}


def _animals(tables: StudyTables) -> Table:
    reasons: dict[str, list[str]] = {}
    for slide in tables.slides:
        if not slide.status.is_graded:
            reasons.setdefault(slide.animal, []).append(f"{slide.slide}: {reason_of(slide)}")
    told = {animal: "; ".join(parts) for animal, parts in reasons.items()}
    rows = [_animal(s) | {"reason": told.get(s.animal)} for s in tables.animals]
    scored = {s.animal for s in tables.animals}
    rows += [{"animal": a, "n_sections": 0, "reason": told[a]} for a in told if a not in scored]
    return Table("animals", dictionary.ANIMALS, _rows(dictionary.ANIMALS, rows))


def _animal(score: AnimalScore) -> dict[str, Cell]:
    return _picked(score, _names(dictionary.ANIMALS)) | {"flags": _joined(score.flags)}


def _group(comparison: GroupComparison) -> dict[str, Cell]:
    return _picked(comparison, _names(dictionary.GROUPS))


def _picked(record: object, names: Iterable[str]) -> dict[str, Cell]:
    """The fields of a record that are columns; words of the vocabulary as plain text."""
    values = {name: getattr(record, name) for name in names if hasattr(record, name)}
    return {name: str(v) if isinstance(v, str) else v for name, v in values.items()}


def _names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(c.name for c in columns)


def _joined(words: Sequence[str]) -> str:
    return ";".join(words)
