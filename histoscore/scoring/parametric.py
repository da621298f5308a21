"""t tests and analysis of variance of a family: on request only, beside the rank tests."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from histoscore.config import StatisticsSettings
from histoscore.records import Answer
from histoscore.scoring.families import Family, Plan, all_groups, joined, pair_row
from histoscore.scoring.means import welch_anova, welch_t
from histoscore.scoring.ranktests import holm

FAMILY = "parametric"
"""What a family's name ends with here: these p are adjusted among themselves."""

NOTICE = "on request; takes the values for measurements with normal scatter"


def answer_parametric(
    family: Family, plan: Plan, settings: StatisticsSettings
) -> tuple[Answer, ...]:
    """Welch's ANOVA over three groups or more, and Welch's t for each pair of the plan.

    None unless `settings.parametric`. Groups that are too small for the rank tests, and pairs
    without scatter, have no row here; the rank tests' rows say what there is of them.
    """
    if not settings.parametric:
        return ()
    enough = {
        group: family.values(group)
        for group in plan.groups
        if len(family.samples[group]) >= settings.min_animals
    }
    named = replace(family, name=f"{family.name} {FAMILY}")
    rows = []
    if len(enough) > 2 and (test := welch_anova(list(enough.values()))):
        pooled = [value for sample in enough.values() for value in sample]
        note = joined(NOTICE, test.method, f"{len(enough)} groups", *family.remarks)
        rows.append(all_groups(named, test, pooled, note))
    found = {
        pair: test
        for pair in plan.pairs
        if set(pair) <= enough.keys() and (test := welch_t(*(enough[group] for group in pair)))
    }
    adjusted = holm([test.p for test in found.values()])
    for (pair, test), p in zip(found.items(), adjusted, strict=True):
        means = " v ".join(f"{fmean(enough[group]):.4g}" for group in pair)
        row = pair_row(named, *pair, joined(NOTICE, test.method, f"means {means}"))
        rows.append(
            replace(row, test=test.name, statistic=test.statistic, p=test.p, p_adjusted=p,
                    family=named.name)
        )  # fmt: skip
    return tuple(rows)
