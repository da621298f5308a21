"""Read-outs of sharpness and density."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoscore.image.quality import (
    cartilage_readouts,
    focus,
    grey_of,
    section_readouts,
)


def texture(rows: int = 180, columns: int = 260, seed: int = 1) -> np.ndarray:
    """Grey cells on a pale ground, sharp at one pixel."""
    rng = np.random.default_rng(seed)
    picture = np.full((rows, columns), 200, np.uint8)
    for _ in range(400):
        x, y, radius = rng.integers(columns), rng.integers(rows), rng.integers(1, 6)
        cv2.circle(picture, (int(x), int(y)), int(radius), int(rng.integers(60, 150)), -1)
    return picture


def test_focus_falls_with_every_step_of_blur() -> None:
    sharp = texture()
    series = [focus(sharp)] + [
        focus(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (0.7, 1.5, 3.0)
    ]
    assert series == sorted(series, reverse=True)
    assert series[-1] < 0.6 * series[0]


def test_focus_does_not_depend_on_stain_strength_or_exposure() -> None:
    sharp = texture()
    pale = (128 + (sharp.astype(float) - 128) * 0.5).astype(np.uint8)
    assert focus(pale) == pytest.approx(focus(sharp), rel=0.05)


def test_focus_is_taken_inside_the_mask_only() -> None:
    picture = texture()
    half = np.zeros(picture.shape, bool)
    half[:, 140:] = True
    mixed = picture.copy()
    mixed[:, :130] = cv2.GaussianBlur(picture, (0, 0), 3)[:, :130]
    assert focus(mixed, half) == pytest.approx(focus(picture, half), rel=0.02)


def test_an_even_picture_has_no_focus() -> None:
    assert focus(np.full((40, 70), 200, np.uint8)) == 0


def test_readouts_count_dark_and_cut_off_pixels_of_tissue_only() -> None:
    rgb = np.full((60, 100, 3), 180, np.uint8)
    mask = np.zeros((60, 100), bool)
    mask[:, :50] = True
    rgb[:6, :50] = 5
    rgb[6:18, :50] = 255
    rgb[:, 50:] = 5
    readouts = section_readouts(rgb, mask, 2.5)
    assert readouts["dark_share"] == pytest.approx(0.1)
    assert readouts["saturated_share"] == pytest.approx(0.2)
    assert readouts["focus_mpp"] == 2.5
    assert readouts["mean_density"] > 0.2


def test_readouts_of_no_tissue_are_missing_and_not_0() -> None:
    rgb = np.full((20, 30, 3), 240, np.uint8)
    assert section_readouts(rgb, np.zeros((20, 30), bool), 1.0) == {}


def test_grey_is_one_channel() -> None:
    assert grey_of(np.zeros((5, 9, 3), np.uint8)).shape == (5, 9)


def test_of_cartilage_sharpness_and_the_nearly_black_share_are_told() -> None:
    rgb = np.repeat(texture()[..., None], 3, axis=2)
    cartilage = np.zeros(rgb.shape[:2], bool)
    cartilage[60:100] = True
    rgb[60:70] = 8
    found = cartilage_readouts(rgb, cartilage)
    assert found is not None
    assert found[1] == pytest.approx(0.25)
    assert found[0] == focus(grey_of(rgb), cartilage)
    assert cartilage_readouts(rgb, np.zeros_like(cartilage)) is None
