"""The section that stands for its group: of the animal nearest the group's median."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, median

from histoscore.export import values
from histoscore.export.origins import slide_origins
from histoscore.export.values import GroupValues
from histoscore.records import CompartmentResult, SectionResult, SlideResult, StudyTables
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Knee

_SUMMED = ("hyaline_area_um2", "calcified_area_um2")


@dataclass(frozen=True, slots=True)
class Representative:
    """A section for its group at a timepoint: what it has, and what the group's median is."""

    group: str
    timepoint: str | None
    slide: SlideResult
    section: SectionResult
    value: float
    group_median: float
    n: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    slide: SlideResult
    section: SectionResult
    value: float
    hyaline: float


def representatives(tables: StudyTables) -> tuple[Representative, ...]:
    """One section a timepoint and group, none for a group without a graded section.

    Taken is the section whose primary outcome lies nearest the median of the group's animals; of
    equals the one whose animal does; of these the one with the most usual hyaline area; then the
    first in the sheet. A sum over sections is held against as many times the section's own grade.
    """
    return tuple(
        found
        for timepoint in values.timepoints(tables)
        for group in values.values_by_group(
            tables, tables.primary_outcome, tables.primary_region, timepoint
        )
        if group.present and (found := _representative(tables, group, timepoint)) is not None
    )


def _representative(
    tables: StudyTables, group: GroupValues, timepoint: str | None
) -> Representative | None:
    candidates = list(_candidates(tables, set(group.animals), timepoint))
    if not candidates:
        return None
    middle = float(median(group.present))
    usual = median(c.hyaline for c in candidates)
    known = dict(zip(group.animals, group.values, strict=True))

    def strangeness(candidate: _Candidate) -> tuple[float, float, float]:
        animal = known[candidate.slide.animal]
        return (
            abs(candidate.value - middle),
            inf if animal is None else abs(animal - middle),
            abs(candidate.hyaline - usual),
        )

    best = min(candidates, key=strangeness)
    return Representative(
        group.group, timepoint, best.slide, best.section, best.value, middle, len(group.present)
    )


def _candidates(
    tables: StudyTables, animals: set[str], timepoint: str | None
) -> Iterator[_Candidate]:
    """Sections of these animals' index knees that have a value of the primary outcome."""
    origins = slide_origins(tables)
    members = tables.primary_region.members
    counted = values.counted_grades(tables)
    times = {s.slide: s.timepoint for s in tables.scores}
    for slide in tables.slides:
        at = times.get(slide.slide, origins[slide.slide].timepoint)
        is_ours = slide.animal in animals and at == timepoint
        if not is_ours or origins[slide.slide].knee is not Knee.INDEX:
            continue
        n = sum(section.status.is_graded for section in slide.sections)
        for section in slide.sections:
            parts = [c for c in section.compartments if c.compartment in members]
            grades = [counted.get(Item(slide.slide, section.section, c.compartment)) for c in parts]
            value = _value(parts, grades, tables.primary_outcome, len(members), n)
            if value is not None:
                areas = [c.hyaline_area_um2 for c in parts if c.hyaline_area_um2 is not None]
                yield _Candidate(slide, section, value, sum(areas))


def _value(
    parts: Sequence[CompartmentResult],
    grades: Sequence[float | None],
    outcome: str,
    n_members: int,
    n_sections: int,
) -> float | None:
    """The primary outcome of one section, None where part of it is missing."""
    is_grade = outcome.startswith("grade_")
    found = grades if is_grade else [getattr(part, outcome) for part in parts]
    present: list[float] = [value for value in found if value is not None]
    if len(present) < n_members:
        return None
    if outcome == "grade_sum":
        return max(present) * n_sections
    if outcome == "grade_max":
        return max(present)
    return sum(present) if outcome in _SUMMED else fmean(present)
