"""Sentences about a study: what was done, what became of the slides, what ARRIVE asks for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from histoscore.export.values import OUTCOMES, is_of_all_groups, p_words
from histoscore.records import StudyTables
from histoscore.vocabulary import Knee, Status


class Facts:
    """Labels in `StudyTables.reading` that the exports look for; all others are only shown."""

    STUDY = "study"
    BANNER = "banner"
    CREATED = "created"
    VERSION = "histoscore"
    MODEL = "model"
    BLINDING = "blinding"
    GRADES = "grades that count"
    AGGREGATION = "aggregation"
    SHEET = "study sheet sha256"
    CONFIG = "configuration sha256"


AGGREGATION = (
    "Each section and compartment has one grade. Over the sections of a knee and the compartments "
    "of a region, grade_max is the highest grade, grade_sum the sum over sections of the highest "
    "grade, grade_mean and grade_median those over sections and compartments; areas are summed "
    "over the compartments of a section and averaged over sections."
)

STATUS_WORDS = {
    Status.SCORED: "scored",
    Status.WARNED: "scored with warnings",
    Status.REVIEW: "grade withheld, needs review",
    Status.NO_TISSUE: "no tissue",
    Status.FAILED: "failed",
    Status.SKIPPED: "excluded or skipped",
}

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Flow:
    """How many slides, sections and animals came in, and what became of them."""

    slides: int
    by_status: tuple[tuple[Status, int], ...]
    sections: int
    sections_graded: int
    animals: int
    animals_compared: int

    @property
    def slides_graded(self) -> int:
        return sum(n for status, n in self.by_status if status.is_graded)


def flow(tables: StudyTables) -> Flow:
    """Counts over the study; `animals_compared` have a grade in an index knee."""
    counts = Counter(slide.status for slide in tables.slides)
    sections = [section for slide in tables.slides for section in slide.sections]
    graded = {s.animal for s in tables.animals if s.knee is Knee.INDEX and s.grade_max is not None}
    return Flow(
        slides=len(tables.slides),
        by_status=tuple((status, counts[status]) for status in Status if counts[status]),
        sections=len(sections),
        sections_graded=sum(s.status.is_graded for s in sections),
        animals=len({slide.animal for slide in tables.slides}),
        animals_compared=len(graded),
    )


def banner(tables: StudyTables) -> str:
    """The warning that must stand wherever the numbers stand; empty where there is none."""
    return tables.reading.get(Facts.BANNER, "")


def provenance(tables: StudyTables) -> str:
    """A line for every export: program, model, configuration and study sheet with their hashes."""
    known = tables.reading
    parts = (
        f"histoscore {known[Facts.VERSION]}" if Facts.VERSION in known else "histoscore",
        f"model {known[Facts.MODEL]}" if Facts.MODEL in known else "",
        *(
            f"{label} {known[label][:12]}"
            for label in (Facts.CONFIG, Facts.SHEET)
            if label in known
        ),
    )
    return " · ".join(filter(None, parts))


def printable(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return _NOT_XML.sub("", text)


def created(tables: StudyTables) -> datetime:
    """When the run was made, in UTC; 2000-01-01 where the run does not say."""
    text = tables.reading.get(Facts.CREATED, "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _UNDATED
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def aggregation(tables: StudyTables) -> str:
    """How section grades become an animal's score, in a sentence."""
    return tables.reading.get(Facts.AGGREGATION, AGGREGATION)


def primary_sentence(tables: StudyTables) -> str:
    words, _ = OUTCOMES[tables.primary_outcome]
    return (
        f"The primary outcome is the {words} of the {_region_words(tables)} "
        f"({tables.primary_outcome}, {tables.primary_region.value}); all others are exploratory."
    )


def primary_result(tables: StudyTables) -> str:
    """What the primary comparisons gave, in a sentence; empty where there was none."""
    told = []
    for row in tables.groups:
        if not row.primary or row.p is None:
            continue
        p = p_words(row.p if row.p_adjusted is None else row.p_adjusted)
        at = "" if row.timepoint is None else f"{row.timepoint}, "
        if is_of_all_groups(row):
            told.append(f"{at}all groups ({row.test}, n = {row.n_group}): {p}")
        else:
            medians = f"median {_short(row.median_group)} against {_short(row.median_reference)}"
            holm = " after Holm" if row.p_adjusted is not None else ""
            told.append(
                f"{at}{row.group} against {row.reference} (n = {row.n_group} and "
                f"{row.n_reference}): {medians}, {p}{holm}"
            )
    return f"Result: {'; '.join(told)}." if told else ""


def methods_paragraph(tables: StudyTables) -> str:
    """A paragraph for the paper, from what the run knows."""
    counts = flow(tables)
    version = tables.reading.get(Facts.VERSION, "")
    sentences = [
        f"Safranin O / Fast Green sections of mouse knees were analysed with histoscore {version}"
        f" (model: {tables.reading.get(Facts.MODEL, 'not stated')}).".replace("  ", " "),
        "Medial and lateral femoral condyle and tibial plateau (MFC, MTP, LFC, LTP) were graded "
        f"apart on the ladder {tables.ladder.name}; hyaline and calcified cartilage areas were "
        "measured in µm² at the stated pixel size.",
        aggregation(tables),
        tables.reading.get(Facts.GRADES, ""),
        primary_sentence(tables),
        statistics_sentence(tables),
        f"Of {counted(counts.slides, 'slide')} of {counted(counts.animals, 'animal')}, "
        f"{counts.slides_graded} could be graded; every other slide is listed with its reason.",
        banner(tables),
    ]
    return " ".join(s for s in sentences if s)


def statistics_sentence(tables: StudyTables) -> str:
    """Which tests were made, on what; says so where there was none."""
    tests = list(dict.fromkeys(c.test for c in tables.groups if c.test and c.p is not None))
    if not tests:
        return "No groups were compared; the animals are described only."
    return (
        f"The animal was the experimental unit. Groups were compared by {listed(tests)}; "
        "p-values were adjusted after Holm within the comparisons of one outcome, region and "
        "timepoint. Effect sizes are Cliff's delta and the Hodges–Lehmann shift with "
        f"{level(tables)} intervals."
    )


def level(tables: StudyTables) -> str:
    """Confidence of the intervals in words: `95 %`."""
    return f"{100 * tables.confidence:.6g} %"


def _region_words(tables: StudyTables) -> str:
    region = tables.primary_region
    return {"medial": "medial side", "lateral": "lateral side", "joint": "whole joint"}.get(
        region.value, region.value
    )


def counted(number: int, noun: str) -> str:
    """`1 slide`, `2 slides`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def _short(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
