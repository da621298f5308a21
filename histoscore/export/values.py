"""Animals' values by group: what the wide sheet, the figures and the Prism files show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from histoscore.records import AnimalScore, GroupComparison, StudyTables
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Knee, Region

OUTCOMES = {
    "grade_max": ("highest grade", "grade"),
    "grade_sum": ("summed grade", "grade"),
    "grade_mean": ("mean grade", "grade"),
    "grade_median": ("median grade", "grade"),
    "hyaline_area_um2": ("hyaline cartilage area", "µm²"),
    "calcified_area_um2": ("calcified cartilage area", "µm²"),
    "mean_thickness_um": ("mean hyaline thickness", "µm"),
    "lesion_extent": ("lesion extent", "fraction of the surface"),
}
"""Column of the animals table → (what people call it, unit)."""

REGIONS = (
    Region.MEDIAL,
    Region.LATERAL,
    Region.JOINT,
    Region.MFC,
    Region.MTP,
    Region.LFC,
    Region.LTP,
)
"""Regions in the order of figures, sheets and Prism tables."""

BLINDED = "blinded"
"""Stands for the group of animals whose group is not known; `(blinded)` beside a group of that
name."""


@dataclass(frozen=True, slots=True)
class GroupValues:
    """One group's animals in the order of the study, one value each (None: missing)."""

    group: str
    animals: tuple[str, ...]
    values: tuple[float | None, ...]

    @property
    def present(self) -> tuple[float, ...]:
        return tuple(v for v in self.values if v is not None)


def values_by_group(
    tables: StudyTables, outcome: str, region: Region, timepoint: str | None
) -> tuple[GroupValues, ...]:
    """The index knees' values of one outcome; two index knees of an animal are averaged."""
    chosen = [
        s
        for s in tables.animals
        if s.knee is Knee.INDEX and s.region is region and s.timepoint == timepoint
    ]
    found = []
    for name, group in group_names(tables).items():
        if mine := [s for s in chosen if s.group == group]:
            found.append(_group_values(name, mine, outcome))
    return tuple(found)


def group_names(tables: StudyTables) -> dict[str, str | None]:
    """What each group is called → the group, in the study's order; unknown ones (None) last."""
    seen = dict.fromkeys(s.group for s in tables.animals if s.group is not None)
    known = [g for g in tables.group_order if g in seen]
    known += [g for g in seen if g not in known]
    names: dict[str, str | None] = {group: group for group in known}
    if any(s.group is None for s in tables.animals):
        names[_unlike(BLINDED, known)] = None
    return names


def counted_grades(tables: StudyTables) -> dict[Item, float | None]:
    """The grades that the animals' scores are made of: a person's where those count."""
    return {Item(s.slide, s.section, s.compartment): s.grade for s in tables.scores}


def p_words(p: float) -> str:
    """A p-value as papers print it: exact, and `p < 0.0001` below that."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.3g}" if p < 0.1 else f"p = {p:.2f}"


def is_of_all_groups(comparison: GroupComparison) -> bool:
    """Whether all groups are tested at once; a group that is called `all` is told apart so."""
    return comparison.reference is None and bool(comparison.test)


def timepoints(tables: StudyTables) -> tuple[str | None, ...]:
    """Timepoints in order of appearance; (None,) where the sheet gives none."""
    return tuple(dict.fromkeys(s.timepoint for s in tables.animals)) or (None,)


def outcome_order(tables: StudyTables) -> tuple[str, ...]:
    """All outcomes, the primary one first."""
    rest = [name for name in OUTCOMES if name != tables.primary_outcome]
    return (tables.primary_outcome, *rest)


def region_order(tables: StudyTables) -> tuple[Region, ...]:
    """All regions, the primary one first."""
    return (tables.primary_region, *(r for r in REGIONS if r is not tables.primary_region))


def outcome_title(outcome: str) -> str:
    """What people call an outcome, with its unit: `hyaline cartilage area (µm²)`."""
    words, unit = OUTCOMES[outcome]
    return words if unit == "grade" else f"{words} ({unit})"


def _unlike(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"({name})"
    return name


def _group_values(group: str, scores: Sequence[AnimalScore], outcome: str) -> GroupValues:
    knees: dict[str, list[float | None]] = {}
    for score in scores:
        knees.setdefault(score.animal, []).append(getattr(score, outcome))
    return GroupValues(group, tuple(knees), tuple(_mean_of(values) for values in knees.values()))


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
