"""One family of comparisons: animals by group, all groups at once, then pairs with Holm's p.

A family holds one value an animal, so nothing smaller than an animal can be tested. Three groups
or more are compared by Kruskal–Wallis, then each with the reference by Dunn; two groups, and
planned contrasts, by the exact Mann–Whitney test; ordered groups, on request, for a trend by
Jonckheere–Terpstra. Beside every pairwise p stand n, medians, Cliff's delta
and the Hodges–Lehmann shift. A group of fewer animals than `min_animals` is described, not tested.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoscore.config import StatisticsSettings
from histoscore.errors import ConfigError
from histoscore.records import Answer
from histoscore.scoring.effects import Effect, cliffs_delta, hodges_lehmann
from histoscore.scoring.ranktests import (
    RankTest,
    dunn,
    holm,
    kruskal_wallis,
    mann_whitney,
    smallest_p,
)
from histoscore.scoring.trends import NAME, expected_j, jonckheere_terpstra

ALL_GROUPS = "all"
"""What stands in the column `group` of a row that tests all groups at once."""

_LEAST_TREND = 3
_WAYS = {-1: "values fall", 0: "neither rising nor falling", 1: "values rise"}

Pair = tuple[str, str]
"""(reference, group)."""


@dataclass(frozen=True, slots=True)
class Family:
    """Values of one outcome by group and animal: group → animal → value, missing ones left out.

    `name` is what its comparisons are adjusted under; `remarks` go into the note of every row.

    Raises:
        ValueError: an animal stands in two groups, or a value is not finite.
    """

    outcome: str
    samples: Mapping[str, Mapping[str, float]]
    name: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        places = Counter(animal for sample in self.samples.values() for animal in sample)
        twice = [animal for animal, count in places.items() if count > 1]
        if twice:
            raise ValueError(f"{self.outcome}: in two groups at once: {', '.join(twice)}")
        if not all(math.isfinite(v) for sample in self.samples.values() for v in sample.values()):
            raise ValueError(f"{self.outcome}: a missing value is left out, and none is infinite")

    def values(self, group: str) -> list[float]:
        return list(self.samples[group].values())


@dataclass(frozen=True, slots=True)
class Plan:
    """Which groups are held against which.

    `is_planned` where the configuration named pairs; `ordered` are the groups of a trend, if any.
    """

    groups: tuple[str, ...]
    pairs: tuple[Pair, ...]
    is_planned: bool
    ordered: tuple[str, ...] = ()


def plan_of(groups: Sequence[str], settings: StatisticsSettings) -> Plan:
    """The pairs to compare: the planned ones, else every group with the reference.

    Raises:
        ConfigError: the reference, a contrast or the trend names a group that there is not.
    """
    pairs = (name for pair in settings.contrasts for name in pair)
    for name in (settings.reference, *pairs, *settings.ordered_groups):
        if name is not None and name not in groups:
            raise ConfigError(f"statistics: the study has no group {name!r}{_hint(name, groups)}")
    if any(reference == group for reference, group in settings.contrasts):
        raise ConfigError("statistics.contrasts: a group cannot be compared with itself")
    ordered = settings.ordered_groups
    if ordered and (len(ordered) < _LEAST_TREND or len(set(ordered)) < len(ordered)):
        raise ConfigError(
            f"statistics.ordered_groups: name {_LEAST_TREND} groups or more, each once, in order"
        )
    reference = groups[0] if settings.reference is None else settings.reference
    default = tuple((reference, group) for group in groups if group != reference)
    chosen = tuple(dict.fromkeys(settings.contrasts)) or default
    return Plan(tuple(groups), chosen, bool(settings.contrasts), ordered)


def answer(family: Family, plan: Plan, settings: StatisticsSettings) -> tuple[Answer, ...]:
    """The rows of one family: all groups at once, then the pairs in the plan's order.

    `family` must have a sample, if an empty one, for every group of the plan.
    """
    if len(plan.groups) == 1:
        (group,) = plan.groups
        return (pair_row(family, None, group, "description only: the study has one group"),)
    enough = {
        group: family.values(group)
        for group in plan.groups
        if len(family.samples[group]) >= settings.min_animals
    }
    tested = [pair for pair in plan.pairs if pair[0] in enough and pair[1] in enough]
    tests = dict(zip(tested, _test_pairs(tested, enough, plan, settings), strict=True))
    adjusted = dict(zip(tested, holm([test.p for test in tests.values()]), strict=True))
    rows = [_omnibus(family, enough)] if len(enough) > 2 else []
    rows += [_trend(family, enough, plan, settings)] if plan.ordered else []
    for pair in plan.pairs:
        if pair in tests:
            rows.append(_comparison(family, pair, tests[pair], adjusted[pair], settings))
        else:
            rows.append(_description(family, pair, settings))
    return tuple(rows)


def joined(*parts: str) -> str:
    """Parts of a note behind one another, empty ones left out."""
    return "; ".join(filter(None, parts))


def median(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return float(np.median(values)) if len(values) else None


def sameness(values: Sequence[float]) -> str:
    """What to note where all values are equal."""
    return "all values equal" if min(values) == max(values) else ""


def _hint(name: str, groups: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, groups, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(map(repr, groups))}"


def _test_pairs(
    pairs: Sequence[Pair],
    enough: Mapping[str, Sequence[float]],
    plan: Plan,
    settings: StatisticsSettings,
) -> tuple[RankTest, ...]:
    if len(enough) > 2 and not plan.is_planned:
        return dunn(enough, pairs)
    return tuple(
        mann_whitney(enough[reference], enough[group], settings.permutations, settings.seed)
        for reference, group in pairs
    )


def pair_row(family: Family, reference: str | None, group: str, note: str) -> Answer:
    """A row with the ns and medians of its groups and nothing else."""
    held = family.values(reference) if reference is not None else None
    sample = family.values(group)
    return Answer(
        outcome=family.outcome,
        reference=reference,
        group=group,
        n_reference=None if held is None else len(held),
        n_group=len(sample),
        median_reference=None if held is None else median(held),
        median_group=median(sample),
        note=joined(note, *family.remarks),
    )


def _description(family: Family, pair: Pair, settings: StatisticsSettings) -> Answer:
    n, m = (len(family.samples[group]) for group in pair)
    note = f"description only: fewer than {settings.min_animals} animals in a group"
    if min(n, m) and smallest_p(n, m) > 0.05:
        note += f" ({n} v {m} cannot go below p = {smallest_p(n, m):.2f})"
    return pair_row(family, *pair, note)


def _comparison(
    family: Family, pair: Pair, test: RankTest, adjusted: float, settings: StatisticsSettings
) -> Answer:
    held, sample = (family.values(group) for group in pair)
    delta = cliffs_delta(held, sample, settings.confidence)
    shift = hodges_lehmann(held, sample, settings.confidence)
    row = pair_row(family, *pair, joined(test.method, sameness(held + sample)))
    return tested(row, test, adjusted, family.name, delta, shift)


def tested(
    row: Answer, test: RankTest, adjusted: float, family: str, delta: Effect, shift: Effect
) -> Answer:
    """A description with a test's result and the effect sizes beside it."""
    return replace(
        row,
        test=test.name,
        statistic=test.statistic,
        p=test.p,
        p_adjusted=adjusted,
        family=family,
        cliffs_delta=delta.estimate,
        cliffs_delta_low=delta.low,
        cliffs_delta_high=delta.high,
        shift=shift.estimate,
        shift_low=shift.low,
        shift_high=shift.high,
    )


def _omnibus(family: Family, enough: Mapping[str, Sequence[float]]) -> Answer:
    pooled = [value for sample in enough.values() for value in sample]
    test = kruskal_wallis(list(enough.values()))
    note = joined(test.method, f"{len(enough)} groups", sameness(pooled), *family.remarks)
    return all_groups(family, test, pooled, note)


def _trend(
    family: Family, enough: Mapping[str, Sequence[float]], plan: Plan, settings: StatisticsSettings
) -> Answer:
    """The row of a trend over the ordered groups; those with too few animals are left out."""
    ordered = {group: enough[group] for group in plan.ordered if group in enough}
    pooled = [value for sample in ordered.values() for value in sample]
    small = [group for group in plan.ordered if group not in enough]
    left = f"left out for fewer than {settings.min_animals} animals: {', '.join(small)}"
    told = joined(f"trend over {' < '.join(ordered)}", left if small else "")
    if len(ordered) < _LEAST_TREND:
        few = (
            f"no test for trend: fewer than {_LEAST_TREND} groups of {settings.min_animals} animals"
        )
        return replace(all_groups(family, None, pooled, joined(few, *family.remarks)), test=NAME)
    samples = list(ordered.values())
    test = jonckheere_terpstra(samples, settings.permutations, settings.seed)
    way = _WAYS[int(np.sign(test.statistic - expected_j(list(map(len, samples)))))]
    note = joined(test.method, told, way, sameness(pooled), *family.remarks)
    return all_groups(family, test, pooled, note)


def all_groups(family: Family, test: RankTest | None, pooled: Sequence[float], note: str) -> Answer:
    """The row of a test on several groups at once, with their number of animals together."""
    return Answer(
        outcome=family.outcome,
        reference=None,
        group=ALL_GROUPS,
        n_reference=None,
        n_group=len(pooled),
        median_reference=None,
        median_group=median(pooled),
        test="" if test is None else test.name,
        statistic=None if test is None else test.statistic,
        p=None if test is None else test.p,
        family="" if test is None else family.name,
        note=note,
    )
