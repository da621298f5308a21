"""The workbook's first sheet: in a minute, what was done, what came out, and what lies where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from histoscore.export import wording
from histoscore.export.tables import reason_of
from histoscore.export.wording import Facts
from histoscore.records import StudyTables
from histoscore.vocabulary import Status

SHEETS = {
    "Animals": "a row a knee and region: grades, areas, thickness; what the statistics are made of",
    "Animals wide": "the same as one column a group, to be pasted into Prism",
    "Compartments": "a row a compartment of a section: grade, probabilities, measures",
    "Sections": "a row a section: where it lies, flags, stain and focus",
    "Slides": "a row a slide: what became of it, pixel size, hash",
    "Failed and excluded": "whatever has no grade, with the reason",
    "Statistics": "every comparison of groups: n, medians, p, effect sizes with intervals",
    "Power": "what a next study with so many animals a group could find, of the primary outcome",
    "Agreement": "model against people, people against each other, with intervals over animals",
    "Audit": "who did what when, from events.jsonl",
    "Methods": "a paragraph for the paper",
    "Dictionary": "every column: meaning, unit, allowed values",
    "ARRIVE": "the ARRIVE 2.0 essential ten, as far as the run knows",
}
"""What each sheet holds, in their order."""

_FIRST = (Facts.STUDY, Facts.BLINDING, Facts.GRADES, Facts.AGGREGATION, Facts.BANNER)
_SHOWN_REASONS = 4


def read_me(tables: StudyTables, sheets: Sequence[str]) -> list[tuple[str, str]]:
    """Rows (label, text); `sheets` are those that the workbook has."""
    return [
        *_study(tables),
        *((f"sheet {name}", SHEETS[name]) for name in sheets if name in SHEETS),
        *((k, v) for k, v in tables.reading.items() if k not in _FIRST),
    ]


def _study(tables: StudyTables) -> Iterator[tuple[str, str]]:
    counts = wording.flow(tables)
    slides = ", ".join(f"{n} {wording.STATUS_WORDS[s]}" for s, n in counts.by_status)
    if Facts.STUDY in tables.reading:
        yield "study", tables.reading[Facts.STUDY]
    yield "primary outcome", wording.primary_sentence(tables)
    yield "primary result", _result(tables)
    yield "animals", f"{counts.animals}, {counts.animals_compared} with grades"
    yield "slides", f"{counts.slides}: {slides}" if slides else "0"
    yield "sections", f"{counts.sections}, {counts.sections_graded} with grades"
    yield "without a grade", _ungraded(tables)
    yield "aggregation", wording.aggregation(tables)
    yield "statistics", wording.statistics_sentence(tables)
    if Facts.BLINDING in tables.reading:
        yield "blinding", tables.reading[Facts.BLINDING]
    if Facts.GRADES in tables.reading:
        yield Facts.GRADES, tables.reading[Facts.GRADES]


def _result(tables: StudyTables) -> str:
    return wording.primary_result(tables).removeprefix("Result: ") or "No groups were compared."


def _ungraded(tables: StudyTables) -> str:
    """The most frequent reasons with their numbers."""
    lost = [slide for slide in tables.slides if not slide.status.is_graded]
    if not lost:
        return "No slide."
    reasons = Counter(_short_reason(slide.status, reason_of(slide)) for slide in lost)
    told = [f"{n} × {reason}" for reason, n in reasons.most_common(_SHOWN_REASONS)]
    more = len(lost) - sum(n for _, n in reasons.most_common(_SHOWN_REASONS))
    rest = f"; {more} for other reasons" if more else ""
    return f"{'; '.join(told)}{rest}. Each stands with its reason in Failed and excluded."


def _short_reason(status: Status, reason: str) -> str:
    words = wording.STATUS_WORDS[status]
    return reason if reason.startswith(words) else f"{words} ({reason})"
