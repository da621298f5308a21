"""Comparisons of groups of animals. n is animals: nothing smaller can be handed in.

For each outcome × region × timepoint, which is one Holm family: three groups or more are compared
by Kruskal–Wallis, then each with the reference by Dunn; two groups, and planned contrasts, by the
exact Mann–Whitney test. Beside every p stand n, medians, Cliff's delta and the Hodges–Lehmann
shift. A group of fewer animals than `min_animals` is described and not tested.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoscore.config import StatisticsSettings
from histoscore.errors import ConfigError
from histoscore.records import AnimalScore, GroupComparison
from histoscore.scoring.animals import MEASURES, average_knees
from histoscore.scoring.effects import cliffs_delta, hodges_lehmann
from histoscore.scoring.ranktests import (
    RankTest,
    Values,
    dunn,
    holm,
    kruskal_wallis,
    mann_whitney,
    smallest_p,
)
from histoscore.vocabulary import Knee, Region

ALL_GROUPS = "all"
"""What stands in the column `group` of the row that tests all groups at once."""

_GROWS_WITH_SECTIONS = ("grade_max", "grade_sum")

Pair = tuple[str, str]
"""(reference, group)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which groups are held against which; `is_planned` where the configuration named pairs."""

    groups: tuple[str, ...]
    pairs: tuple[Pair, ...]
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One family of comparisons, with the animals' values by group (missing ones left out)."""

    outcome: str
    region: Region
    timepoint: str | None
    primary: bool
    samples: Mapping[str, Values]
    remarks: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        return " ".join(filter(None, (self.outcome, self.region, self.timepoint)))


def compare(
    scores: Sequence[AnimalScore], settings: StatisticsSettings, group_order: Sequence[str]
) -> tuple[GroupComparison, ...]:
    """Compare the groups on every outcome, region and timepoint.

    Only index knees count, two of one animal averaged first; animals without a group do not.

    Args:
        scores: rows of animals.csv.
        settings: reference, contrasts, least n, confidence, primary outcome.
        group_order: the groups as the study sheet names them; the first is the default reference.

    Returns:
        Rows of groups.csv; none where no animal has a group (a blinded run).

    Raises:
        ConfigError: the reference or a contrast names a group that the study does not have.
    """
    animals = [score for score in average_knees(scores) if score.group is not None]
    groups = _groups(animals, scores, group_order)
    if not groups:
        return ()
    plan = _plan(groups, settings)
    timepoints = dict.fromkeys(score.timepoint for score in animals)
    rows: list[GroupComparison] = []
    for outcome in MEASURES:
        for region in Region:
            for timepoint in timepoints:
                question = _question(outcome, region, timepoint, animals, plan, settings)
                rows += _answer(question, plan, settings)
    return tuple(rows)


def _groups(
    animals: Sequence[AnimalScore], scores: Sequence[AnimalScore], group_order: Sequence[str]
) -> tuple[str, ...]:
    """Groups in order; one that has only contralateral knees is none, one without knees is."""
    index = dict.fromkeys(score.group for score in animals if score.group is not None)
    other = {score.group for score in scores if score.knee is Knee.CONTRALATERAL}
    named = [group for group in group_order if group in index or group not in other]
    return tuple(dict.fromkeys([*named, *index]))


def _plan(groups: tuple[str, ...], settings: StatisticsSettings) -> Plan:
    for name in (settings.reference, *(name for pair in settings.contrasts for name in pair)):
        if name is not None and name not in groups:
            raise ConfigError(f"statistics: the study has no group {name!r}{_hint(name, groups)}")
    if any(reference == group for reference, group in settings.contrasts):
        raise ConfigError("statistics.contrasts: a group cannot be compared with itself")
    reference = groups[0] if settings.reference is None else settings.reference
    default = tuple((reference, group) for group in groups if group != reference)
    pairs = tuple(dict.fromkeys(settings.contrasts)) or default
    return Plan(groups, pairs, bool(settings.contrasts))


def _hint(name: str, groups: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, groups, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(map(repr, groups))}"


def _question(
    outcome: str,
    region: Region,
    timepoint: str | None,
    animals: Sequence[AnimalScore],
    plan: Plan,
    settings: StatisticsSettings,
) -> Question:
    chosen = [
        score
        for score in animals
        if (score.region, score.timepoint) == (region, timepoint)
        and getattr(score, outcome) is not None
    ]
    samples = {
        group: np.array([getattr(score, outcome) for score in chosen if score.group == group])
        for group in plan.groups
    }
    primary = settings.primary
    is_primary = (outcome, region.value) == (primary.outcome, primary.region)
    return Question(outcome, region, timepoint, is_primary, samples, _remarks(outcome, chosen))


def _remarks(outcome: str, chosen: Sequence[AnimalScore]) -> tuple[str, ...]:
    remarks = _uneven(outcome, chosen) if outcome in _GROWS_WITH_SECTIONS else []
    averaged = sum("knees_averaged" in score.flags for score in chosen)
    if averaged:
        remarks.append(f"two knees averaged in {averaged} animals")
    return tuple(remarks)


def _uneven(outcome: str, chosen: Sequence[AnimalScore]) -> list[str]:
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
        remarks.append(f"grades are missing in {incomplete} of {len(chosen)} animals")
    return remarks


def _answer(question: Question, plan: Plan, settings: StatisticsSettings) -> list[GroupComparison]:
    """The rows of one family: all groups at once, then the pairs in the plan's order."""
    if len(plan.groups) == 1:
        return [_lone_group(question, plan.groups[0])]
    enough = {
        group: sample
        for group, sample in question.samples.items()
        if len(sample) >= settings.min_animals
    }
    tested = [pair for pair in plan.pairs if pair[0] in enough and pair[1] in enough]
    tests = dict(zip(tested, _test_pairs(tested, enough, plan, settings), strict=True))
    adjusted = dict(zip(tested, holm([test.p for test in tests.values()]), strict=True))
    rows = [_omnibus(question, enough)] if len(enough) > 2 else []
    for pair in plan.pairs:
        if pair in tests:
            rows.append(_comparison(question, pair, tests[pair], adjusted[pair], settings))
        else:
            rows.append(_description(question, pair, settings))
    return rows


def _test_pairs(
    pairs: Sequence[Pair], enough: Mapping[str, Values], plan: Plan, settings: StatisticsSettings
) -> tuple[RankTest, ...]:
    if len(enough) > 2 and not plan.is_planned:
        return dunn({group: list(sample) for group, sample in enough.items()}, pairs)
    return tuple(
        mann_whitney(
            list(enough[reference]), list(enough[group]), settings.permutations, settings.seed
        )
        for reference, group in pairs
    )


def _row(question: Question, reference: str | None, group: str, note: str) -> GroupComparison:
    """A row with the ns and medians of its groups and nothing else."""
    held = question.samples[reference] if reference is not None else None
    sample = question.samples[group]
    return GroupComparison(
        outcome=question.outcome,
        region=question.region,
        timepoint=question.timepoint,
        primary=question.primary,
        reference=reference,
        group=group,
        n_reference=None if held is None else len(held),
        n_group=len(sample),
        median_reference=None if held is None else _median(held),
        median_group=_median(sample),
        note=_note(note, *question.remarks),
    )


def _lone_group(question: Question, group: str) -> GroupComparison:
    return _row(question, None, group, "description only: the study has one group")


def _description(question: Question, pair: Pair, settings: StatisticsSettings) -> GroupComparison:
    n, m = (len(question.samples[group]) for group in pair)
    note = f"description only: fewer than {settings.min_animals} animals in a group"
    if min(n, m) and smallest_p(n, m) > 0.05:
        note += f" ({n} v {m} cannot go below p = {smallest_p(n, m):.2f})"
    return _row(question, *pair, note)


def _comparison(
    question: Question, pair: Pair, test: RankTest, adjusted: float, settings: StatisticsSettings
) -> GroupComparison:
    held, sample = (list(question.samples[group]) for group in pair)
    delta = cliffs_delta(held, sample, settings.confidence)
    shift = hodges_lehmann(held, sample, settings.confidence)
    return replace(
        _row(question, *pair, _note(test.method, _sameness(held + sample))),
        test=test.name,
        statistic=test.statistic,
        p=test.p,
        p_adjusted=adjusted,
        family=question.family,
        cliffs_delta=delta.estimate,
        cliffs_delta_low=delta.low,
        cliffs_delta_high=delta.high,
        shift=shift.estimate,
        shift_low=shift.low,
        shift_high=shift.high,
    )


def _omnibus(question: Question, enough: Mapping[str, Values]) -> GroupComparison:
    samples = [list(sample) for sample in enough.values()]
    pooled = [value for sample in samples for value in sample]
    test = kruskal_wallis(samples)
    note = _note(test.method, f"{len(enough)} groups", _sameness(pooled), *question.remarks)
    return GroupComparison(
        outcome=question.outcome,
        region=question.region,
        timepoint=question.timepoint,
        primary=question.primary,
        reference=None,
        group=ALL_GROUPS,
        n_reference=None,
        n_group=len(pooled),
        median_reference=None,
        median_group=_median(np.array(pooled)),
        test=test.name,
        statistic=test.statistic,
        p=test.p,
        family=question.family,
        note=note,
    )


def _sameness(values: Sequence[float]) -> str:
    return "all values equal" if min(values) == max(values) else ""


def _median(sample: Values) -> float | None:
    return float(np.median(sample)) if len(sample) else None


def _note(*parts: str) -> str:
    return "; ".join(filter(None, parts))
