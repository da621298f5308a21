"""Calibration: bins, their error, and the sets."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.scoring.clusters import Bootstrap
from histoscore.scoring.comparison import Comparison, Frame, Item, Place
from histoscore.scoring.reliability import BINS, calibration_curve, calibration_rows
from histoscore.vocabulary import OARSI_MOUSE, Compartment

ITEMS = tuple(Item(f"{n}.svs", 1, c) for n in range(10) for c in Compartment)
FRAME = Frame(
    {f"{n}.svs": Place(f"m{n}") for n in range(10)}, OARSI_MOUSE, Bootstrap(seed=1, resamples=200)
)
RIGHT = {item: n % 4 != 0 for n, item in enumerate(ITEMS)}
COMPARISON = Comparison(
    "model vs reference",
    dict.fromkeys(ITEMS, 2.0),
    {item: 2.0 if right else 4.0 for item, right in RIGHT.items()},
    ITEMS,
)


def rows(confidence: dict[Item, float], sets: dict[Item, tuple[float, float]]) -> dict:
    found = calibration_rows(COMPARISON, confidence, sets, FRAME)
    return {row.statistic: row for row in found if row.stratum_kind == "all"}


def test_a_curve_has_every_prediction_once_and_the_share_that_was_right() -> None:
    confidence = {item: 0.35 + 0.65 * (n % 3) / 2 for n, item in enumerate(ITEMS)}
    curve = calibration_curve(COMPARISON, confidence, FRAME)
    assert [point.n for point in curve if point.n] == [14, 13, 13]
    assert [(p.bin_low, p.bin_high) for p in curve if p.n] == [(0.3, 0.4), (0.6, 0.7), (0.9, 1.0)]
    full = [point for point in curve if point.n]
    for number, point in enumerate(full):
        chosen = [RIGHT[item] for n, item in enumerate(ITEMS) if n % 3 == number]
        assert point.observed == pytest.approx(np.mean(chosen))
        assert point.mean_confidence == pytest.approx(0.35 + 0.65 * number / 2)
    assert len(curve) == BINS
    assert {point.observed for point in curve if not point.n} == {None}


def test_calibration_error_is_zero_where_confidence_is_what_is_seen() -> None:
    assert rows(dict.fromkeys(ITEMS, 0.75), {})["ece"].value == pytest.approx(0)
    assert rows(dict.fromkeys(ITEMS, 0.95), {})["ece"].value == pytest.approx(0.2)


def test_coverage_and_width_of_sets() -> None:
    sets = {item: (1.0, 4.0) if item.compartment is Compartment.MTP else (1.0, 2.0)
            for item in ITEMS}  # fmt: skip
    found = rows({}, sets)
    inside = [sets[i][0] <= COMPARISON.second[i] <= sets[i][1] for i in ITEMS]
    assert found["set_coverage"].value == pytest.approx(np.mean(inside))
    assert found["set_width"].value == pytest.approx((3 * 2 + 4) / 4)
    assert found["set_width"].low is None


def test_a_run_without_sets_or_probabilities_says_so() -> None:
    found = rows({}, {})
    assert {row.value for row in found.values()} == {None}
    assert {(row.n, row.n_missing) for row in found.values()} == {(0, 40)}
    assert all("the run has none" in row.note for row in found.values())
