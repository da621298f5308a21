"""Power tables: animals drawn again, against listing and against what must hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from histoscore.config import StatisticsSettings
from histoscore.scoring import power
from histoscore.scoring.families import Family, plan_of
from histoscore.scoring.power import ALPHA, RESPONDING, Power, power_table
from histoscore.scoring.ranktests import mann_whitney

SETTINGS = StatisticsSettings()


def rows_of(
    sham: list[float], dmm: list[float], simulations: int = 300
) -> dict[tuple[float, int], Power]:
    samples = {
        group: {f"{group}{n}": value for n, value in enumerate(values)}
        for group, values in {"sham": sham, "DMM": dmm}.items()
    }
    family = Family("score", samples)
    rows = power_table(family, plan_of(list(samples), SETTINGS), SETTINGS, simulations)
    return {(row.responding, row.n): row for row in rows}


@pytest.fixture(autouse=True)
def few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "SIZES", (4, 5, 8))


def test_there_is_a_row_for_each_share_and_size() -> None:
    rows = rows_of([0, 0, 0.5, 1], [3, 4, 4, 6], simulations=20)
    assert list(rows) == [(share, n) for share in RESPONDING for n in (4, 5, 8)]
    assert {(row.outcome, row.reference, row.group) for row in rows.values()} == {
        ("score", "sham", "DMM")
    }


def test_groups_apart_are_always_found_and_equal_ones_hardly_ever() -> None:
    assert rows_of([0, 0, 0.5, 1], [3, 4, 4, 6], 100)[1.0, 5].power == 1
    equal = [0.0, 0.0, 0.5, 1.0, 3.0]
    found = rows_of(equal, equal, 300)[1.0, 8].power
    assert found is not None
    assert found <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_more_animals_and_more_responders_find_more() -> None:
    rows = rows_of([0, 0.5, 1, 2, 2, 3], [1, 2, 2, 3, 4, 5], simulations=400)
    powers = {key: row.power or 0 for key, row in rows.items()}
    assert powers[1.0, 4] < powers[1.0, 8]
    assert powers[0.5, 8] < powers[1.0, 8]


def test_it_is_the_power_of_listing_every_study() -> None:
    """Two values a group: how often each occurs among four has a binomial chance."""
    held, sample = [0.0, 0.0, 0.0, 2.0], [1.0, 3.0, 3.0, 3.0]
    chances = 0.0
    for twos, threes in product(range(5), repeat=2):
        low = [0.0] * (4 - twos) + [2.0] * twos
        high = [1.0] * (4 - threes) + [3.0] * threes
        if mann_whitney(low, high).p <= ALPHA:
            chances += float(stats.binom.pmf(twos, 4, 0.25) * stats.binom.pmf(threes, 4, 0.75))
    row = rows_of(held, sample, simulations=2_000)[1.0, 4]
    assert row.error is not None
    assert row.power == pytest.approx(chances, abs=2.2 * row.error)


def test_the_same_animals_give_the_same_table_and_few_give_none() -> None:
    assert rows_of([0, 1, 2, 3], [2, 3, 4, 5], 30) == rows_of([0, 1, 2, 3], [2, 3, 4, 5], 30)
    rows = rows_of([0, 1, 2], [2, 3, 4, 5], 30)
    assert {row.power for row in rows.values()} == {None}
    assert "fewer than 4 animals" in rows[1.0, 8].note
