"""Bland–Altman, the rule for small areas, and Dice."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.scoring.areas import (
    AreaPairs,
    OutlineOverlap,
    area_rows,
    dice,
    dice_rows,
    mask_overlap,
    mean_and_spread,
)
from histoscore.scoring.clusters import Bootstrap
from histoscore.scoring.comparison import EvaluationRow, Frame, Item, Place
from histoscore.vocabulary import OARSI_MOUSE, Compartment

ITEMS = tuple(Item(f"{n}.svs", 1, c) for n in range(8) for c in Compartment)
FRAME = Frame(
    {f"{n}.svs": Place(f"m{n}") for n in range(8)}, OARSI_MOUSE, Bootstrap(seed=1, resamples=300)
)
RNG = np.random.default_rng(8)
TRUTH = dict(zip(ITEMS, RNG.uniform(0, 30_000, len(ITEMS)), strict=True))
MEASURED = {item: area + RNG.normal(150, 800) for item, area in TRUTH.items()}


def rows(measured: dict[Item, float] = MEASURED) -> dict[str, EvaluationRow]:
    pairs = AreaPairs("model vs truth", "hyaline_area_um2", measured, TRUTH, ITEMS)
    return {r.statistic: r for r in area_rows(pairs, FRAME) if r.stratum_kind == "all"}


def test_bland_altman_is_that_of_the_published_example() -> None:
    """Peak expiratory flow by two meters, 17 people (Bland & Altman 1986): −2.1, SD 38.8 l/min."""
    wright = "494 395 516 434 476 557 413 442 650 433 417 656 267 478 178 423 427"
    mini = "512 430 520 428 500 600 364 380 658 445 432 626 260 477 259 350 451"
    apart = np.array(wright.split(), float) - np.array(mini.split(), float)
    sums = np.column_stack([np.ones(17), apart, apart**2]).sum(0)
    low, mean, high = (float(mean_and_spread(sums, away)) for away in (-2, 0, 2))
    assert mean == pytest.approx(-2.1, abs=0.05)
    assert (high - low) / 4 == pytest.approx(38.8, abs=0.05)
    assert (low, high) == pytest.approx((-79.7, 75.5), abs=0.1)


def test_bland_altman_is_mean_and_196_standard_deviations() -> None:
    apart = np.array([MEASURED[item] - TRUTH[item] for item in ITEMS])
    found = rows()
    spread = 1.96 * apart.std(ddof=1)
    assert found["bias_um2"].value == pytest.approx(apart.mean())
    assert found["limit_low_um2"].value == pytest.approx(apart.mean() - spread)
    assert found["limit_high_um2"].value == pytest.approx(apart.mean() + spread)
    for name in ("bias_um2", "limit_low_um2", "limit_high_um2"):
        row = found[name]
        assert row.low is not None
        assert row.high is not None
        assert row.value is not None
        assert row.low < row.value < row.high


def test_relative_errors_are_of_truths_from_3000_up_absolute_ones_of_the_rest() -> None:
    large = [item for item in ITEMS if TRUTH[item] >= 3000]
    small = [item for item in ITEMS if TRUTH[item] < 3000]
    relative = np.array([abs(MEASURED[item] / TRUTH[item] - 1) for item in large])
    absolute = np.array([abs(MEASURED[item] - TRUTH[item]) for item in small])
    found = rows()
    assert small
    assert found["median_relative_error"].value == pytest.approx(np.median(relative))
    assert found["p95_relative_error"].value == pytest.approx(np.quantile(relative, 0.95))
    assert found["within_10_percent"].value == pytest.approx((relative <= 0.1).mean())
    assert found["median_small_error_um2"].value == pytest.approx(np.median(absolute))
    assert found["p95_small_error_um2"].value == pytest.approx(np.quantile(absolute, 0.95))
    assert found["bias_percent"].n == len(large)
    assert found["p95_small_error_um2"].n == len(small)


def test_compartments_without_a_measurement_are_counted() -> None:
    found = rows({item: area for item, area in MEASURED.items() if item.slide != "5.svs"})
    assert {(row.n_missing) for row in found.values()} == {4}
    assert (found["bias_um2"].n, found["bias_um2"].n_animals) == (28, 7)
    assert rows({})["bias_um2"].value is None


def test_dice_of_masks() -> None:
    model, person = np.zeros((6, 9), bool), np.zeros((6, 9), bool)
    model[1:4, 2:7] = True
    person[2:5, 2:8] = True
    assert mask_overlap(model, person) == (15, 18, 10)
    assert dice(*mask_overlap(model, person)) == pytest.approx(20 / 33)
    assert dice(*mask_overlap(model, model)) == 1
    assert dice(*mask_overlap(model, ~model)) == 0
    assert dice(0, 0, 0) is None


def test_mean_dice_over_sections_by_tissue() -> None:
    overlaps = [
        OutlineOverlap(f"{n}.svs", 1, tissue, 10, 10, both)
        for n, both in enumerate((4, 5, 6, 7, 8, 9))
        for tissue in ("hyaline cartilage", "calcified cartilage")
        if tissue == "hyaline cartilage" or n < 3
    ]
    found = {row.measure: row for row in dice_rows(overlaps, 2, "", FRAME)}
    hyaline, calcified = found["hyaline cartilage"], found["calcified cartilage"]
    assert (hyaline.value, hyaline.n, hyaline.n_missing) == (pytest.approx(0.65), 6, 2)
    assert (calcified.value, calcified.low) == (pytest.approx(0.5), None)
