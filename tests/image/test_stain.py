"""Optical density, unmixing, white point, and telling Safranin O / Fast Green from the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import overview as draw
from hypothesis import given
from hypothesis import strategies as st

from histoscore.geometry import Box, Mpp
from histoscore.image.stain import (
    PAPER_WHITE,
    PUBLISHED,
    REALISTIC,
    DyeVectors,
    is_safranin,
    optical_density,
    safranin_of,
    stain_readouts,
    unmix,
    white_point,
)
from histoscore.image.tissue import tissue_mask
from histoscore.slides.open import open_slide

WHITE = (243.0, 231.0, 236.0)


def stained(amounts: np.ndarray, vectors: DyeVectors = REALISTIC) -> np.ndarray:
    """RGB of dye amounts (…, 3) in front of WHITE."""
    density = amounts @ vectors.matrix
    return np.clip(np.rint(np.array(WHITE) * 10 ** (-density)), 0, 255).astype(np.uint8)


def test_density_is_0_at_the_white_point_and_1_at_a_tenth_of_it() -> None:
    rgb = np.array([[[243, 231, 236], [24, 23, 24], [255, 255, 255]]], np.uint8)
    density = optical_density(rgb, WHITE)
    assert density.shape == (1, 3, 3)
    assert density.dtype == np.float32
    assert density[0] == pytest.approx(np.array([[0] * 3, [1] * 3, [0] * 3]), abs=0.01)


def test_black_has_a_finite_density() -> None:
    assert np.isfinite(optical_density(np.zeros((2, 3, 3), np.uint8))).all()


@pytest.mark.parametrize("vectors", [PUBLISHED, REALISTIC])
def test_vectors_have_unit_length(vectors: DyeVectors) -> None:
    assert np.linalg.norm(vectors.matrix, axis=1) == pytest.approx(np.ones(3))


@given(st.tuples(*[st.floats(0, 0.6)] * 3))
def test_what_was_mixed_is_found_again(amounts: tuple[float, float, float]) -> None:
    found = unmix(stained(np.array([[amounts]])), REALISTIC, WHITE)
    assert found.shape == (1, 1, 3)
    assert found[0, 0] == pytest.approx(amounts, abs=0.05)


def test_amounts_are_never_negative() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (17, 31, 3), np.uint8)
    assert (unmix(rgb) >= 0).all()


def test_safranin_is_positive_where_it_prevails() -> None:
    amounts = np.array([[[0.4, 0.05, 0], [0.05, 0.4, 0], [0, 0, 0.4], [0.08, 0, 0], [0, 0, 0]]])
    positive = is_safranin(unmix(stained(amounts), REALISTIC, WHITE))
    assert positive.tolist() == [[True, False, False, False, False]]


def test_of_some_pixels_share_and_mean_amount_of_safranin_are_told() -> None:
    amounts = np.array([[0.4, 0.05, 0], [0.5, 0.1, 0], [0.05, 0.4, 0]])
    found = safranin_of(stained(amounts[None])[0], WHITE)
    assert found is not None
    assert found.fraction == pytest.approx(2 / 3)
    assert found.density == pytest.approx(0.95 / 3, abs=0.02)
    assert safranin_of(np.zeros((0, 3), np.uint8), WHITE) is None


def test_the_white_point_is_that_of_the_glass() -> None:
    density = draw.empty()
    section = draw.add_knee(density, 600, 420)
    picture = draw.photographed(density, WHITE)
    assert white_point(picture, section) == pytest.approx(WHITE, abs=2)


def test_without_any_glass_the_white_point_is_paper_white() -> None:
    picture = np.full((60, 90, 3), 120, np.uint8)
    assert white_point(picture, np.ones((60, 90), bool)) == pytest.approx(PAPER_WHITE)


def test_gaps_in_tissue_serve_where_the_mask_leaves_no_glass() -> None:
    density = draw.empty()
    draw.add_knee(density, 600, 420)
    picture = draw.photographed(density, WHITE)
    assert white_point(picture, np.ones(picture.shape[:2], bool)) == pytest.approx(WHITE, abs=2)


def test_readouts_of_pure_dyes_name_them() -> None:
    for index, name in enumerate(["orange_share", "blue_green_share", "pink_purple_share"]):
        amounts = np.zeros((50, 3))
        amounts[:, index] = np.linspace(0.2, 0.8, 50)
        readouts = stain_readouts(stained(amounts), WHITE)
        assert readouts[name] == 1
        assert readouts["coloured_share"] == 1
        assert readouts["hue_spread"] < 0.02


def test_readouts_of_no_pixels_are_missing_and_not_0() -> None:
    assert stain_readouts(np.empty((0, 3), np.uint8)) == {}


def readouts_of(path: Path, sheet_mpp: float | None = None) -> dict[str, float]:
    with open_slide(path, sheet_mpp=sheet_mpp) as slide:
        box = slide.info.whole
        picture = slide.read_at(box, Mpp(4.0))
    tissue = tissue_mask(picture, 4.0)
    return stain_readouts(picture[tissue], white_point(picture, tissue))


def test_real_haematoxylin_eosin_and_real_safranin_lie_far_apart(real_data: Path) -> None:
    skin = readouts_of(real_data / "wsi" / "CMU-1-Small-Region.svs")
    cartilage = readouts_of(
        real_data / "cartilage_tiles" / "engineered_cartilage_1360x1024.tif", 1.0238
    )
    assert skin["orange_share"] + skin["blue_green_share"] < 0.05
    assert cartilage["orange_share"] + cartilage["blue_green_share"] > 0.7
    assert cartilage["orange_share"] > 0.15
    assert skin["hue_spread"] < 0.15 < 0.5 < cartilage["hue_spread"]


def test_dim_real_tiles_show_fast_green_that_eosin_never_does(real_data: Path) -> None:
    tiles = []
    for path in sorted((real_data / "cartilage_tiles").glob("MBS*/*.tif")):
        with open_slide(path, sheet_mpp=0.5) as slide:
            tiles.append(slide.read_at(Box(0, 0, 224, 224), Mpp(0.5)))
    assert len(tiles) == 23
    assert stain_readouts(np.concatenate(tiles))["blue_green_share"] > 0.3
