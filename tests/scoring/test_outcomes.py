"""Tables of scores: rows of an animal become one value, and then the families' rules hold."""

from __future__ import annotations

import pytest

from histoscore.config import StatisticsSettings
from histoscore.records import Answer
from histoscore.scoring.families import answer, plan_of
from histoscore.scoring.outcomes import family_of
from histoscore.scoring.ranktests import mann_whitney

SETTINGS = StatisticsSettings()
GROUPS = {f"{group}{n}": group for group in ("sham", "DMM") for n in range(4)}


def compare_values(
    outcome: str,
    values: dict[str, tuple[float, ...]],
    groups: dict[str, str],
    settings: StatisticsSettings,
    aggregate: str = "mean",
) -> tuple[Answer, ...]:
    plan = plan_of(list(dict.fromkeys(groups.values())), settings)
    return answer(family_of(outcome, values, groups, aggregate), plan, settings)


def values(rows: int) -> dict[str, tuple[float, ...]]:
    return {animal: tuple(range(n, n + rows)) for n, animal in enumerate(GROUPS)}


@pytest.mark.parametrize(
    ("aggregate", "medians"), [("mean", (2.5, 6.5)), ("max", (3.5, 7.5)), ("sum", (7.5, 19.5))]
)
def test_rows_of_an_animal_are_put_together_first(
    aggregate: str, medians: tuple[float, float]
) -> None:
    (row,) = compare_values("score", values(3), GROUPS, SETTINGS, aggregate)
    assert (row.n_reference, row.n_group) == (4, 4)
    assert (row.median_reference, row.median_group) == medians
    assert row.p == mann_whitney(range(4), range(4, 8)).p
    assert row.note == f"exact; {aggregate} of 3 rows an animal"


def test_a_median_stays_with_the_middle_of_the_animal() -> None:
    odd = dict.fromkeys(GROUPS, (0.0, 1.0, 90.0))
    (row,) = compare_values("score", odd, GROUPS, SETTINGS, "median")
    assert (row.median_group, row.p) == (1, 1)


def test_unequal_rows_are_noted_where_the_value_grows_with_them() -> None:
    uneven = values(2) | {"sham0": (0.0,)}
    notes = {
        how: compare_values("score", uneven, GROUPS, SETTINGS, how)[0].note
        for how in ("mean", "sum")
    }
    assert notes["sum"].endswith("sum of 1 to 2 rows an animal, which grows with them")
    assert notes["mean"].endswith("mean of 1 to 2 rows an animal")


def test_one_row_an_animal_needs_no_word_and_an_animal_without_any_no_place() -> None:
    single = values(1) | {"DMM3": ()}
    (row,) = compare_values("score", single, GROUPS, StatisticsSettings(min_animals=3))
    assert (row.n_group, row.note, row.family) == (3, "exact", "score")
