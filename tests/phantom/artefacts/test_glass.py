"""Dust, pen, bubbles and the coverslip's edge soil a slide where they say and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiled import COLUMNS, NONE, ROWS, covered, differing, only, picture

from histoscore.phantom.artefacts import Artefact, ArtefactKind, soil
from histoscore.phantom.artefacts.pen import _PENS

KINDS = (ArtefactKind.DUST, ArtefactKind.PEN, ArtefactKind.BUBBLE, ArtefactKind.COVERSLIP)
MPP = 3.31

seeds = st.integers(0, 2**32 - 1)


def soiled(
    kind: ArtefactKind, seed: int, mpp: float = MPP, rate: float = 1.0
) -> tuple[np.ndarray, tuple[Artefact, ...]]:
    slide = picture()
    return slide, soil(slide, mpp, only(kind, rate), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(seed=seeds, mpp=st.sampled_from([0.77, 3.31]))
def test_what_soils_a_slide_changes_nothing_outside_its_outline(
    kind: ArtefactKind, seed: int, mpp: float
) -> None:
    slide, found = soiled(kind, seed, mpp, rate=1.0)
    changed = differing(slide, picture())
    assert {a.kind for a in found} <= {kind}
    assert bool(found) or not changed.any()
    for artefact in found:
        assert artefact.outline.is_valid
        assert shapely.box(0, 0, COLUMNS, ROWS).covers(artefact.outline)
    if changed.any():
        assert covered(found, changed).all()


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not ArtefactKind.DUST])
@settings(max_examples=6)
@given(seed=seeds)
def test_what_comes_for_certain_shows(kind: ArtefactKind, seed: int) -> None:
    slide, found = soiled(kind, seed)
    assert found
    assert differing(slide, picture()).sum() > 20


def test_dust_comes_by_the_square_millimetre() -> None:
    area_mm2 = ROWS * COLUMNS * (MPP / 1000) ** 2
    per_mm2 = [
        sum(a.facts["specks"] for a in soiled(ArtefactKind.DUST, seed, rate=5.0)[1]) / area_mm2
        for seed in range(20)
    ]
    assert np.mean(per_mm2) == pytest.approx(5.0, rel=0.25)
    assert np.std(per_mm2) > 1  # some slides have more than others


@settings(max_examples=6)
@given(seed=seeds)
def test_dust_is_small_and_darkens(seed: int) -> None:
    slide, found = soiled(ArtefactKind.DUST, seed, rate=2.0)
    assert (slide <= picture()).all()
    for artefact in found:
        for speck in shapely.get_parts(artefact.outline):
            left, top, right, bottom = speck.bounds
            assert max(right - left, bottom - top) < 900 / MPP


@settings(max_examples=6)
@given(seed=seeds)
def test_a_pen_mark_runs_along_a_side_and_lets_light_through(seed: int) -> None:
    slide, (mark,) = soiled(ArtefactKind.PEN, seed)
    assert (slide <= picture()).all()
    left, top, right, bottom = mark.outline.bounds
    assert max(right - left, bottom - top) > 0.15 * ROWS
    near = 3.2 * mark.facts["width_um"] / MPP
    assert min(left, top, COLUMNS - right, ROWS - bottom) < near


def test_every_pen_leaves_ink_of_its_own_colour() -> None:
    hues = {tuple(np.argsort(pen.absorbance)) for pen in _PENS}
    assert len(hues) >= 3
    for pen in _PENS:
        assert np.argmax(pen.absorbance) == np.argmax(pen.loaded(1.1).absorbance)


@settings(max_examples=6)
@given(seed=seeds)
def test_a_bubble_has_a_dark_rim_and_a_bright_line(seed: int) -> None:
    glass = np.full((ROWS, COLUMNS, 3), 205, np.uint8)
    found = soil(glass, 2.3, only(ArtefactKind.BUBBLE), np.random.default_rng(seed))
    assert all(80 <= a.facts["diameter_um"] <= 900 for a in found)
    assert glass.min() < 140
    assert glass.max() > 205


@settings(max_examples=6)
@given(seed=seeds)
def test_bubbles_lie_beside_each_other(seed: int) -> None:
    _, found = soiled(ArtefactKind.BUBBLE, seed, 1.0)
    outlines = [a.outline.buffer(-4) for a in found]
    for index, one in enumerate(outlines):
        assert not any(one.intersects(other) for other in outlines[index + 1 :])


@settings(max_examples=6)
@given(seed=seeds)
def test_a_coverslip_ends_near_one_side_in_a_dark_line(seed: int) -> None:
    glass = np.full((ROWS, COLUMNS, 3), 230, np.uint8)
    (edge,) = soil(glass, MPP, only(ArtefactKind.COVERSLIP), np.random.default_rng(seed))
    left, top, right, bottom = edge.outline.bounds
    assert (right - left > COLUMNS - 10) or (bottom - top > ROWS - 10)
    assert glass.min() < 140
    assert differing(glass, np.full_like(glass, 230)).mean() < 0.4
    assert edge.facts["from_border_um"] <= 260


@pytest.mark.parametrize("kind", [ArtefactKind.BUBBLE, ArtefactKind.PEN])
def test_what_soils_a_slide_measures_micrometres_not_pixels(kind: ArtefactKind) -> None:
    areas = {}
    for mpp, size in ((4.0, (420, 610)), (2.0, (840, 1220))):
        outlines = []
        for seed in range(8):
            glass = np.full((*size, 3), 220, np.uint8)
            outlines += [
                a.outline for a in soil(glass, mpp, only(kind), np.random.default_rng(seed))
            ]
        areas[mpp] = sum(outline.area for outline in outlines)
    assert areas[2.0] / areas[4.0] == pytest.approx(4, rel=0.12)


@pytest.mark.parametrize("kind", KINDS)
def test_soil_is_the_same_for_the_same_random_numbers(kind: ArtefactKind) -> None:
    (one, first), (other, second) = (soiled(kind, 12) for _ in range(2))
    assert (one == other).all()
    assert first == second


def test_more_dust_moves_no_pen_mark() -> None:
    rates = only(ArtefactKind.PEN).model_copy(update={"dust": 5.0})
    found = soil(picture(), MPP, rates, np.random.default_rng(12))
    marks = [a for a in found if a.kind is ArtefactKind.PEN]
    assert marks == list(soiled(ArtefactKind.PEN, 12)[1])


def test_at_rate_zero_a_slide_stays_clean() -> None:
    slide = picture()
    assert soil(slide, MPP, NONE, np.random.default_rng(1)) == ()
    assert (slide == picture()).all()


def test_a_window_into_a_larger_picture_is_soiled_in_place() -> None:
    large = np.full((500, 700, 3), 240, np.uint8)
    window = large[60:430, 90:620]
    soil(window, MPP, only(ArtefactKind.PEN), np.random.default_rng(2))
    assert (window < 240).any()
    assert (large[:60] == 240).all()
    assert (large[:, :90] == 240).all()
