"""A region out of focus, light that falls off, strips that do not quite match."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiled import COLUMNS, NONE, ROWS, covered, differing, only, picture

from histoscore.phantom.artefacts import Artefact, ArtefactKind, blur_and_light
from histoscore.phantom.artefacts.layers import reach_of, softened

OPTICS = (ArtefactKind.BLUR, ArtefactKind.LIGHT, ArtefactKind.SEAM)
MPP = 3.31

seeds = st.integers(0, 2**32 - 1)


def scanned(
    kind: ArtefactKind, seed: int, slide: np.ndarray | None = None, mpp: float = MPP
) -> tuple[np.ndarray, tuple[Artefact, ...]]:
    slide = picture() if slide is None else slide
    return slide, blur_and_light(slide, mpp, only(kind), np.random.default_rng(seed))


@settings(max_examples=6)
@given(seed=seeds, mpp=st.sampled_from([0.77, 3.31]))
def test_blur_changes_nothing_outside_its_outline(seed: int, mpp: float) -> None:
    slide, found = scanned(ArtefactKind.BLUR, seed, mpp=mpp)
    changed = differing(slide, picture())
    assert len(found) == 1
    assert found[0].outline.is_valid
    assert shapely.box(0, 0, COLUMNS, ROWS).covers(found[0].outline)
    assert covered(found, changed).all()


@settings(max_examples=6)
@given(seed=seeds)
def test_blur_takes_detail_and_keeps_brightness(seed: int) -> None:
    slide, (blur,) = scanned(ArtefactKind.BLUR, seed, mpp=2.0)
    assert 1.8 <= blur.facts["sigma_um"] <= 5.5
    step, sharp = (np.abs(np.diff(p[..., 0].astype(int), axis=1)) for p in (slide, picture()))
    changed = differing(slide, picture())[:, 1:]
    if changed.sum() > 2000:
        assert step[changed].mean() < 0.92 * sharp[changed].mean()
    assert slide.mean() == pytest.approx(picture().mean(), abs=0.5)


def test_blur_is_the_same_however_many_bands_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = scanned(ArtefactKind.BLUR, 4, mpp=2.0)
    monkeypatch.setattr("histoscore.phantom.artefacts.focus._BAND", 37)
    in_bands, _ = scanned(ArtefactKind.BLUR, 4, mpp=2.0)
    assert (whole == in_bands).all()


@pytest.mark.parametrize("sigma", [0.7, 2.0, 3.9, 4.1, 7.5, 23.0])
def test_a_softened_point_has_the_spread_asked_for(sigma: float) -> None:
    line = np.zeros((3, 401), np.uint8)
    line[:, 200 - 20 : 200 + 20] = 255  # a slit: bytes would lose a point
    soft = softened(line, sigma)[1].astype(float)
    x = np.arange(401) - 199.5
    spread = (soft * x**2).sum() / soft.sum() - (40**2 - 1) / 12
    assert np.sqrt(spread) == pytest.approx(sigma, rel=0.1, abs=0.08)
    reached = np.flatnonzero(soft)
    assert reached[0] >= 180 - reach_of(sigma)


@settings(max_examples=6)
@given(seed=seeds)
def test_uneven_light_only_takes_a_few_percent(seed: int) -> None:
    glass, (light,) = scanned(ArtefactKind.LIGHT, seed, np.full((ROWS, COLUMNS, 3), 240, np.uint8))
    assert light.outline is None
    assert glass.max() <= 240
    most = light.facts["fall"] + 1.5 * light.facts["vignette"] + 0.01
    assert glass.min() >= 240 * (1 - most)
    assert (glass[..., :1] == glass).all()  # without a colour of its own


def test_every_field_is_darker_in_its_corners() -> None:
    for seed in range(6):
        glass, (light,) = scanned(ArtefactKind.LIGHT, seed, np.full((700, 810, 3), 250, np.uint8))
        if light.facts["vignette"] > 0.02:
            assert np.ptp(glass) >= 3


@settings(max_examples=6)
@given(seed=seeds)
def test_seams_part_strips_of_one_brightness_each(seed: int) -> None:
    glass, (seam,) = scanned(ArtefactKind.SEAM, seed, np.full((ROWS, COLUMNS, 3), 200, np.uint8))
    assert seam.outline is None
    lines = glass[..., 1] if (glass[0, :, 1] == glass[-1, :, 1]).all() else glass[..., 1].T
    borders = np.flatnonzero(np.diff(lines[0].astype(int)))
    assert (np.diff(borders) >= 690 / MPP).all()
    assert np.abs(glass.astype(int) - 200).max() <= 200 * (seam.facts["step"] + 0.005)


def test_strips_are_moved_along_their_seams_by_a_pixel_or_so() -> None:
    """Rows of random brightness tell how far each strip was moved, along the rows or across."""
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, 2, (300, 1)) * 60, rng.integers(0, 2, (1, 2300)) * 90
    clean = np.repeat((60 + rows + columns)[..., None], 3, axis=2).astype(np.uint8)
    moves = set()
    for seed in range(6):
        slide, (seam,) = scanned(ArtefactKind.SEAM, seed, clean.copy(), mpp=0.8)
        assert seam.facts["shift_um"] <= 1.6
        for left in range(0, 2300, 100):
            moves |= {moved_by(slide, clean, left, axis=0)}
        moves |= {moved_by(slide, clean, 100, axis=1)}
    assert 0 < max(abs(by) for by in moves) <= 2


def moved_by(slide: np.ndarray, clean: np.ndarray, left: int, axis: int) -> int:
    """By how many px a hundred columns were moved along an axis."""
    part = (slice(10, -10), slice(left + 10, left + 90), 1)
    errors = [
        np.abs(slide[part].astype(int) - np.roll(clean, by, axis)[part]).mean()
        for by in range(-4, 5)
    ]
    return int(np.argmin(errors)) - 4


@pytest.mark.parametrize("kind", OPTICS)
def test_a_scan_is_the_same_for_the_same_random_numbers(kind: ArtefactKind) -> None:
    (one, first), (other, second) = (scanned(kind, 21) for _ in range(2))
    assert (one == other).all()
    assert first == second


def test_at_rate_zero_a_scan_is_perfect() -> None:
    slide = picture()
    assert blur_and_light(slide, MPP, NONE, np.random.default_rng(1)) == ()
    assert (slide == picture()).all()
