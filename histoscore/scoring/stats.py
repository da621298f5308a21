"""Comparisons of groups of animals: every outcome × region × timepoint is one Holm family.

n is animals: nothing smaller can be handed in. How a family is tested stands in `families`; where
there are contralateral knees, each group's are compared with its index knees in `pairs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from histoscore.config import StatisticsSettings
from histoscore.records import AnimalScore, Answer, GroupComparison
from histoscore.scoring.animals import MEASURES, average_knees
from histoscore.scoring.families import ALL_GROUPS, Family, Plan, answer, plan_of
from histoscore.scoring.pairs import PairedFamily, answer_pairs
from histoscore.scoring.parametric import answer_parametric
from histoscore.scoring.power import Power, power_table
from histoscore.vocabulary import Knee, Region

__all__ = ["ALL_GROUPS", "compare"]

SIMULATIONS = 200
"""Studies a number of a run's power table: a report is not to take minutes. The error is told."""

_GROWS_WITH_SECTIONS = ("grade_max", "grade_sum")


def compare(
    scores: Sequence[AnimalScore], settings: StatisticsSettings, group_order: Sequence[str]
) -> tuple[GroupComparison, ...]:
    """Compare the groups on every outcome, region and timepoint.

    Only index knees count, two of one animal averaged first; animals without a group do not.
    Contralateral knees are held against the index knees of the same animals.

    Args:
        scores: rows of animals.csv.
        settings: reference, contrasts, least n, confidence, primary outcome.
        group_order: the groups as the study sheet names them; the first is the default reference.

    Returns:
        Rows of groups.csv; none where no animal has a group (a blinded run).

    Raises:
        ConfigError: the reference or a contrast names a group that the study does not have.
    """
    animals, plan = _planned(scores, settings, group_order)
    if plan is None:
        return ()
    others = {_place(other): other for other in average_knees(scores, Knee.CONTRALATERAL)}
    timepoints = dict.fromkeys(score.timepoint for score in animals)
    rows: list[GroupComparison] = []
    for outcome in MEASURES:
        for region in Region:
            for timepoint in timepoints:
                here = _at(animals, region, timepoint)
                name = " ".join(filter(None, (outcome, region, timepoint)))
                family = _family(outcome, name, here, plan)
                found = answer(family, plan, settings)
                rows += [_placed(row, region, timepoint, settings) for row in found]
                found = answer_parametric(family, plan, settings)
                found += answer_pairs(_paired(outcome, name, here, others, plan), settings)
                rows += [_placed(row, region, timepoint, None) for row in found]
    return tuple(rows)


def primary_power(
    scores: Sequence[AnimalScore], settings: StatisticsSettings, group_order: Sequence[str]
) -> tuple[Power, ...]:
    """What a next study could find on the primary outcome, at each timepoint.

    Of the pairs of `compare`, from the same animals. None where no animal has a group, and in a
    study of one group. Raises ConfigError as `compare` does.
    """
    animals, plan = _planned(scores, settings, group_order)
    if plan is None:
        return ()
    outcome, region = settings.primary.outcome, Region(settings.primary.region)
    rows: list[Power] = []
    for timepoint in dict.fromkeys(score.timepoint for score in animals):
        family = _family(outcome, "", _at(animals, region, timepoint), plan)
        found = power_table(family, plan, settings, SIMULATIONS)
        rows += [replace(row, timepoint=timepoint) for row in found]
    return tuple(rows)


def _planned(
    scores: Sequence[AnimalScore], settings: StatisticsSettings, group_order: Sequence[str]
) -> tuple[list[AnimalScore], Plan | None]:
    """The animals that are compared and how; no plan where none has a group."""
    animals = [score for score in average_knees(scores) if score.group is not None]
    groups = _groups(animals, scores, group_order)
    return animals, plan_of(groups, settings) if groups else None


def _at(animals: Sequence[AnimalScore], region: Region, timepoint: str | None) -> list[AnimalScore]:
    return [s for s in animals if (s.region, s.timepoint) == (region, timepoint)]


def _groups(
    animals: Sequence[AnimalScore], scores: Sequence[AnimalScore], group_order: Sequence[str]
) -> tuple[str, ...]:
    """Groups in order; one that has only contralateral knees is none, one without knees is."""
    index = dict.fromkeys(score.group for score in animals if score.group is not None)
    other = {score.group for score in scores if score.knee is Knee.CONTRALATERAL}
    named = [group for group in group_order if group in index or group not in other]
    return tuple(dict.fromkeys([*named, *index]))


def _family(outcome: str, name: str, animals: Sequence[AnimalScore], plan: Plan) -> Family:
    chosen = [score for score in animals if getattr(score, outcome) is not None]
    samples = {
        group: {score.animal: getattr(score, outcome) for score in chosen if score.group == group}
        for group in plan.groups
    }
    return Family(outcome, samples, name, _remarks(outcome, chosen))


def _place(score: AnimalScore) -> tuple[str, str | None, Region]:
    return score.animal, score.timepoint, score.region


def _paired(
    outcome: str,
    name: str,
    animals: Sequence[AnimalScore],
    others: Mapping[tuple[str, str | None, Region], AnimalScore],
    plan: Plan,
) -> PairedFamily:
    """Animals with both knees; a group in which none has two has no place in it."""
    samples: dict[str, dict[str, tuple[float, float]]] = {}
    knees: list[AnimalScore] = []
    for group in plan.groups:
        both = [(a, others[_place(a)]) for a in animals if a.group == group and _place(a) in others]
        known = [pair for pair in both if None not in (getattr(knee, outcome) for knee in pair)]
        knees += [knee for pair in known for knee in pair]
        if both:
            samples[group] = {
                a.animal: (getattr(a, outcome), getattr(b, outcome)) for a, b in known
            }
    remarks = _uneven(outcome, knees, "knees") if outcome in _GROWS_WITH_SECTIONS else []
    return PairedFamily(outcome, samples, f"{name} paired", tuple(remarks))


def _placed(
    row: Answer, region: Region, timepoint: str | None, settings: StatisticsSettings | None
) -> GroupComparison:
    """A row of groups.csv; without settings none that can be primary."""
    cells = {field.name: getattr(row, field.name) for field in fields(Answer)}
    primary = settings and (settings.primary.outcome, settings.primary.region)
    is_primary = (row.outcome, region.value) == primary
    return GroupComparison(region=region, timepoint=timepoint, primary=is_primary, **cells)


def _remarks(outcome: str, chosen: Sequence[AnimalScore]) -> tuple[str, ...]:
    remarks = _uneven(outcome, chosen) if outcome in _GROWS_WITH_SECTIONS else []
    averaged = sum("knees_averaged" in score.flags for score in chosen)
    if averaged:
        remarks.append(f"two knees averaged in {averaged} animals")
    return tuple(remarks)


def _uneven(outcome: str, chosen: Sequence[AnimalScore], of: str = "animals") -> list[str]:
    """Where animals were not looked at equally often; a section without a grade adds nothing.

    A knee without any graded section has no score and takes no part in an average.
    """
    counts = {count for score in chosen for count in score.graded_sections if count}
    incomplete = sum(score.n_missing > 0 for score in chosen)
    remarks = []
    if len(counts) > 1:
        span = f"{min(counts)} to {max(counts)} graded sections"
        remarks.append(f"animals have {span} a knee, and {outcome} grows with them")
    if incomplete:
        remarks.append(f"grades are missing in {incomplete} of {len(chosen)} {of}")
    return remarks
