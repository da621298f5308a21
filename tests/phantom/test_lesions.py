"""Each grade does to the cartilage what the ladder says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.phantom.curves import Profile
from histoscore.phantom.lesions import EROSION_EXTENT, Disease, Lesions, draw_lesions
from histoscore.vocabulary import OARSI_MOUSE

seeds = st.integers(0, 2**32 - 1)
SEEDS = (*range(100), 119)
"""With seed 119 thin rims would carry a 5 over to 6 (75.3 % bare) if they were not kept."""
POINTS = 700


def intact() -> Profile:
    """A compartment of 700 µm, 40 µm thick, that tapers at both ends."""
    u = np.linspace(0, 1, POINTS)
    return 40 * np.clip(np.minimum(u, 1 - u) * POINTS / 130, 0, 1) ** 0.6


def lesions(grade: float, seed: int) -> Lesions:
    return draw_lesions(Disease(grade), intact(), 1.0, np.random.default_rng(seed))


def moved_um(drawn: Lesions) -> Profile:
    """How far the surface lies from where it was, µm, away from the thin margins."""
    return np.abs(drawn.remaining - 1)[60:-60] * intact()[60:-60]


def safranin_left(drawn: Lesions) -> float:
    """Mean share of the Safranin that is left."""
    depth = np.clip(drawn.stain_depth, 0, 1)
    return float((1 - depth * (1 - drawn.stain_left)).mean())


@given(seed=seeds)
def test_0_is_smooth_and_stained(seed: int) -> None:
    drawn = lesions(0, seed)
    assert moved_um(drawn).max() < 3
    assert safranin_left(drawn) > 0.94
    assert drawn.extent == 0


@given(seed=seeds)
def test_half_loses_stain_and_no_structure(seed: int) -> None:
    drawn = lesions(0.5, seed)
    assert moved_um(drawn).max() < 3
    assert drawn.extent == 0
    assert safranin_left(drawn) < safranin_left(lesions(0, seed))


def test_half_loses_a_third_of_the_stain_on_average() -> None:
    assert np.mean([safranin_left(lesions(0.5, seed)) for seed in range(60)]) < 0.67


@given(seed=seeds)
def test_1_frays_the_surface_and_loses_no_cartilage(seed: int) -> None:
    drawn = lesions(1, seed)
    assert drawn.extent == 0
    assert (drawn.remaining_smooth == 1).all()
    assert (drawn.remaining * intact())[60:-60].mean() > 0.86 * intact()[60:-60].mean()


def test_1_is_rougher_than_half() -> None:
    rough = {
        grade: np.mean([moved_um(lesions(grade, seed)).mean() for seed in range(40)])
        for grade in (0.5, 1)
    }
    assert rough[1] > 3 * rough[0.5]


@given(seed=seeds)
def test_2_has_clefts_and_lost_lamina_but_no_bare_calcified_cartilage(seed: int) -> None:
    drawn = lesions(2, seed)
    assert drawn.extent == 0
    assert not drawn.gone.any()
    assert (drawn.remaining_smooth >= 0.72).all()
    assert drawn.remaining_smooth.min() < 0.97
    assert drawn.remaining[60:-60].min() < 0.66


@pytest.mark.parametrize("grade", [3, 4, 5, 6])
@given(seed=seeds)
def test_erosion_bares_as_much_as_its_rung_says(grade: int, seed: int) -> None:
    drawn = lesions(grade, seed)
    low, high = EROSION_EXTENT[grade]
    assert low - 0.01 <= drawn.extent <= high + 0.06
    assert drawn.gone[drawn.remaining_smooth == 0].all()


@pytest.mark.parametrize("grade", [3, 4, 5, 6])
def test_the_extent_implies_the_grade_that_was_drawn(grade: int) -> None:
    assert {OARSI_MOUSE.implied_by_extent(lesions(grade, seed).extent) for seed in SEEDS} == {grade}


def test_drawn_extents_keep_clear_of_the_rungs_boundaries() -> None:
    bounds = np.array([bound for bound, _ in OARSI_MOUSE.extent_rungs] + [1.0])
    for extents in EROSION_EXTENT.values():
        for extent in extents:
            assert np.abs(bounds - extent).min() >= 0.03


@given(seed=seeds, grade=st.sampled_from(OARSI_MOUSE.rungs))
def test_shares_are_shares(seed: int, grade: float) -> None:
    drawn = lesions(grade, seed)
    assert (drawn.remaining >= 0).all()
    assert ((drawn.stain_left >= 0) & (drawn.stain_left <= 1)).all()
    assert (drawn.stain_depth > -0.001).all()
    assert drawn.gone.shape == drawn.remaining.shape == (POINTS,)


def test_points_twice_as_far_apart_show_the_same_disease() -> None:
    coarse = [
        draw_lesions(Disease(5), intact()[::2], 2.0, np.random.default_rng(seed)).extent
        for seed in range(40)
    ]
    assert min(coarse) >= 0.53
    assert max(coarse) < 0.75
