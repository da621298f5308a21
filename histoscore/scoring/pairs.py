"""The knee under study against the other knee of the same animal, group by group.

One family a study's outcome, region and timepoint, apart from the comparisons between groups. As
in `families`, there is one entry an animal: sections cannot be paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from histoscore.config import StatisticsSettings
from histoscore.records import Answer
from histoscore.scoring.families import joined, median, tested
from histoscore.scoring.ranktests import RankTest, holm
from histoscore.scoring.signedranks import (
    paired_delta,
    paired_shift,
    signed_rank,
    smallest_paired_p,
)

OTHER_KNEE = "contralateral knee"
"""What stands in the column `reference` of a paired comparison."""

Knees = tuple[float, float]
"""(index knee, contralateral knee) of one animal."""


@dataclass(frozen=True, slots=True)
class PairedFamily:
    """Values of both knees by group and animal: group → animal → knees; both are known."""

    outcome: str
    samples: Mapping[str, Mapping[str, Knees]]
    name: str = ""
    remarks: tuple[str, ...] = ()


def answer_pairs(family: PairedFamily, settings: StatisticsSettings) -> tuple[Answer, ...]:
    """A row a group: the signed-rank test, p adjusted over the groups, the shift within animals.

    A group with fewer than `min_animals` animals with both knees is described and not tested.
    """
    tests = {
        group: signed_rank(_differences(sample))
        for group, sample in family.samples.items()
        if len(sample) >= settings.min_animals
    }
    adjusted = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    return tuple(
        _comparison(family, group, tests[group], adjusted[group], settings)
        if group in tests
        else _row(family, group, _too_few(settings))
        for group in family.samples
    )


def _differences(sample: Mapping[str, Knees]) -> list[float]:
    return [index - other for index, other in sample.values()]


def _too_few(settings: StatisticsSettings) -> str:
    return f"description only: fewer than {settings.min_animals} animals with both knees"


def _row(family: PairedFamily, group: str, note: str) -> Answer:
    """A row with n, which is pairs, and the medians of both knees, and nothing else."""
    knees = list(family.samples[group].values())
    return Answer(
        outcome=family.outcome,
        reference=OTHER_KNEE,
        group=group,
        n_reference=len(knees),
        n_group=len(knees),
        median_reference=median([other for _, other in knees]),
        median_group=median([index for index, _ in knees]),
        note=joined(note, *family.remarks),
    )


def _comparison(
    family: PairedFamily, group: str, test: RankTest, adjusted: float, settings: StatisticsSettings
) -> Answer:
    differences = _differences(family.samples[group])
    delta = paired_delta(differences, settings.confidence)
    shift = paired_shift(differences, settings.confidence)
    note = joined(test.method, "paired within animals", _limits_of(differences))
    return tested(_row(family, group, note), test, adjusted, family.name, delta, shift)


def _limits_of(differences: list[float]) -> str:
    """What these animals could not have shown, whatever the data; and how many do not differ."""
    n, equal = len(differences), sum(value == 0 for value in differences)
    least = smallest_paired_p(n)
    return joined(
        f"{n} animals cannot go below p = {least:.2g}" if least > 0.05 else "",
        f"no difference in {equal} of {n} animals" if equal else "",
    )
