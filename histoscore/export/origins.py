"""Which group a slide belongs to, and what became of animals and sections on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from histoscore.export.values import group_names
from histoscore.records import SlideOrigin, SlideResult, StudyTables
from histoscore.vocabulary import Knee, Status

NO_GROUP = "no group given"
"""What slides are listed under whose group is not known, where no score says how to call it."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in and what became of it, in one group or in all (`group` then is empty).

    `animals_scored` have a grade in an index knee; `withheld` counts slides that need review.
    """

    group: str
    animals: int
    animals_scored: int
    slides: int
    slides_graded: int
    excluded: int
    withheld: int
    no_tissue: int
    failed: int
    sections: int
    sections_graded: int


def slide_origins(tables: StudyTables) -> dict[str, SlideOrigin]:
    """Whose each slide is; where the study does not say, the group is its animal's."""
    groups = {s.animal: s.group for s in reversed(tables.animals) if s.knee is Knee.INDEX}
    stated = dict(tables.origins)
    return {
        slide.slide: stated.get(slide.slide) or SlideOrigin(group=groups.get(slide.animal))
        for slide in tables.slides
    }


def slides_by_group(tables: StudyTables) -> dict[str, tuple[SlideResult, ...]]:
    """Slides under the name of their group, groups in the study's order; only groups with slides.

    A group that lost all its animals has a place too, behind those that have scores.
    """
    names = {group: name for name, group in group_names(tables).items()}
    origins = slide_origins(tables)
    lists: dict[str, list[SlideResult]] = {name: [] for name in names.values()}
    for slide in tables.slides:
        group = origins[slide.slide].group
        name = names.get(group, NO_GROUP if group is None else group)
        lists.setdefault(name, []).append(slide)
    return {name: tuple(slides) for name, slides in lists.items() if slides}


def flow_by_group(tables: StudyTables) -> tuple[Flow, ...]:
    """A row a group, and one of all behind them where there are several."""
    scored = {s.animal for s in tables.animals if s.knee is Knee.INDEX and s.grade_max is not None}
    rows = [_flow(name, slides, scored) for name, slides in slides_by_group(tables).items()]
    return (*rows, _flow("", tables.slides, scored)) if len(rows) > 1 else tuple(rows)


def animals_by_sex(tables: StudyTables) -> dict[str, dict[str, int]]:
    """Animals of each group by sex, as the study sheet says; empty where it says nothing."""
    origins = slide_origins(tables)
    counts: dict[str, dict[str, int]] = {}
    for name, slides in slides_by_group(tables).items():
        sexes = {s.animal: origins[s.slide].sex for s in slides if origins[s.slide].sex}
        for sex in sexes.values():
            told = counts.setdefault(name, {})
            told[sex or ""] = told.get(sex or "", 0) + 1
    return counts


def _flow(name: str, slides: Sequence[SlideResult], scored: Iterable[str]) -> Flow:
    animals = {slide.animal for slide in slides}
    sections = [section for slide in slides for section in slide.sections]

    def became(*statuses: Status) -> int:
        return sum(slide.status in statuses for slide in slides)

    return Flow(
        group=name,
        animals=len(animals),
        animals_scored=len(animals & set(scored)),
        slides=len(slides),
        slides_graded=became(Status.SCORED, Status.WARNED),
        excluded=became(Status.SKIPPED),
        withheld=became(Status.REVIEW),
        no_tissue=became(Status.NO_TISSUE),
        failed=became(Status.FAILED),
        sections=len(sections),
        sections_graded=sum(section.status.is_graded for section in sections),
    )
