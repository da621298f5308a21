"""From compartments of sections to one score per knee and region; the animal is the unit.

Sums and means use `math.fsum`, so that the order of sections cannot change a score's last digit
and thereby make or break a tie.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from histoscore.records import AnimalScore, CompartmentScore
from histoscore.study import StudyRow
from histoscore.vocabulary import Compartment, Knee, Region, Side

MEASURES = (
    "grade_max",
    "grade_mean",
    "grade_sum",
    "grade_median",
    "hyaline_area_um2",
    "calcified_area_um2",
    "mean_thickness_um",
    "lesion_extent",
)
"""The numbers of an `AnimalScore`, which are the outcomes that groups are compared on."""

_AREAS = ("hyaline_area_um2", "calcified_area_um2")
_MEANS = ("mean_thickness_um", "lesion_extent")

SectionKey = tuple[str, int]
Members = Mapping[Compartment, CompartmentScore]


@dataclass(frozen=True, slots=True)
class KneeKey:
    """What makes two sections the same knee at the same time."""

    animal: str
    side: Side | None
    knee: Knee
    timepoint: str | None


def score_animals(
    scores: Sequence[CompartmentScore], expected: Sequence[StudyRow] = ()
) -> tuple[AnimalScore, ...]:
    """One score per animal × side × knee × timepoint and region, in order of first appearance.

    Over sections and the region's member compartments with a grade: `grade_max` is the maximum,
    `grade_mean` the mean, `grade_median` the median (half-way between two rungs where their number
    is even), `grade_sum` the sum over sections of each section's maximum. An area
    is the mean over sections of the sum over members; a section in which a member's area is
    missing has no sum, and leaves the mean (flag `areas_missing`) instead of making it smaller.
    `mean_thickness_um` and `lesion_extent` are means over sections × members with a value.
    `n_missing` counts section × member grades that are missing (flag `sections_missing`).

    Args:
        scores: the compartments of every section; absent ones count as missing.
        expected: rows of the study sheet; a knee whose slides all failed still gets its rows,
            with no sections, no numbers and the flag `no_section_scored`. Excluded rows do not.

    Raises:
        ValueError: a compartment of a section is given twice.
    """
    knees = _knees(scores)
    groups = {_key(score): score.group for score in reversed(scores)}
    for row in expected:
        if not row.exclude:
            knees.setdefault(_key(row), {})
            groups.setdefault(_key(row), row.group)
    return tuple(
        _score_region(key, groups[key], region, sections)
        for key, sections in knees.items()
        for region in Region
    )


def average_knees(
    scores: Iterable[AnimalScore], knee: Knee = Knee.INDEX
) -> tuple[AnimalScore, ...]:
    """Knees of one kind only, one score per animal, timepoint and region.

    The numbers of an animal with two such knees are averaged (over the knees that have one), so
    that n stays the number of animals; such a score has no side and the flag `knees_averaged`.
    """
    same: dict[tuple[str, str | None, Region], list[AnimalScore]] = defaultdict(list)
    for score in scores:
        if score.knee is knee:
            same[score.animal, score.timepoint, score.region].append(score)
    return tuple(knees[0] if len(knees) == 1 else _averaged(knees) for knees in same.values())


def _key(item: CompartmentScore | StudyRow) -> KneeKey:
    return KneeKey(item.animal, item.side, item.knee, item.timepoint)


def _knees(scores: Sequence[CompartmentScore]) -> dict[KneeKey, dict[SectionKey, Any]]:
    knees: dict[KneeKey, dict[SectionKey, dict[Compartment, CompartmentScore]]] = {}
    for score in scores:
        sections = knees.setdefault(_key(score), {})
        members = sections.setdefault((score.slide, score.section), {})
        if score.compartment in members:
            raise ValueError(f"{score.slide} section {score.section} has {score.compartment} twice")
        members[score.compartment] = score
    return knees


def _score_region(
    key: KneeKey, group: str | None, region: Region, sections: Mapping[SectionKey, Members]
) -> AnimalScore:
    wanted = region.members
    graded = [_present(section, wanted, "grade") for section in sections.values()]
    grades = [grade for section in graded for grade in section]
    n_missing = len(sections) * len(wanted) - len(grades)
    areas = {name: _area_sums(sections.values(), wanted, name) for name in _AREAS}
    means = {name: _all_present(sections.values(), wanted, name) for name in _MEANS}
    flags = {
        "no_section_scored": not sections,
        "sections_missing": n_missing > 0,
        "areas_missing": any(len(sums) < len(sections) for sums in areas.values()),
    }
    return AnimalScore(
        animal=key.animal,
        group=group,
        side=key.side,
        knee=key.knee,
        timepoint=key.timepoint,
        region=region,
        n_sections=len(sections),
        n_missing=n_missing,
        grade_max=max(grades, default=None),
        grade_mean=_mean(grades),
        grade_median=median(grades) if grades else None,
        grade_sum=math.fsum(max(section) for section in graded if section) if grades else None,
        **{name: _mean(values) for name, values in (areas | means).items()},
        flags=tuple(name for name, is_so in flags.items() if is_so),
        graded_sections=(sum(map(bool, graded)),),
    )


def _present(section: Members, wanted: Sequence[Compartment], name: str) -> list[float]:
    values = (getattr(section.get(compartment), name, None) for compartment in wanted)
    return [value for value in values if value is not None]


def _all_present(
    sections: Iterable[Members], wanted: Sequence[Compartment], name: str
) -> list[float]:
    return [value for section in sections for value in _present(section, wanted, name)]


def _area_sums(
    sections: Iterable[Members], wanted: Sequence[Compartment], name: str
) -> list[float]:
    """The sum over members of each section that has them all."""
    found = (_present(section, wanted, name) for section in sections)
    return [math.fsum(areas) for areas in found if len(areas) == len(wanted)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _averaged(knees: Sequence[AnimalScore]) -> AnimalScore:
    first = knees[0]
    numbers = {
        name: _mean([value for knee in knees if (value := getattr(knee, name)) is not None])
        for name in MEASURES
    }
    flags = dict.fromkeys(flag for knee in knees for flag in knee.flags)
    return AnimalScore(
        animal=first.animal,
        group=first.group,
        side=None,
        knee=first.knee,
        timepoint=first.timepoint,
        region=first.region,
        n_sections=sum(knee.n_sections for knee in knees),
        n_missing=sum(knee.n_missing for knee in knees),
        **numbers,
        flags=(*flags, "knees_averaged"),
        graded_sections=tuple(count for knee in knees for count in knee.graded_sections),
    )
