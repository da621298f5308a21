"""Dyes become colour by Beer–Lambert, and batches differ as they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.phantom.staining import DYES, Batch, render, sample_batch, transmitted

amounts = st.floats(0, 1.5)
PLAIN = Batch(
    dyes=DYES,
    strength=np.array([1.1, 0.8, 1.3], np.float32),
    background=np.array([244, 240, 236], np.float32),
    blur=0.5,
    grain=0.0,
    gamma=1.0,
)


@given(safranin=amounts, green=amounts, haem=amounts, thickness=st.floats(0.8, 1.2))
def test_light_through_dyes(safranin: float, green: float, haem: float, thickness: float) -> None:
    dyes = np.array([[[safranin, green, haem]]], np.float32)
    light = transmitted(dyes, PLAIN, thickness)[0, 0]
    for channel in range(3):
        density = thickness * (
            1.1 * safranin * float(DYES[0, channel])
            + 0.8 * green * float(DYES[1, channel])
            + 1.3 * haem * float(DYES[2, channel])
        )
        expected = float(PLAIN.background[channel]) * 10**-density
        assert light[channel] == pytest.approx(expected, rel=1e-4)


def test_dye_vectors_are_unit_and_have_the_dyes_colours() -> None:
    assert np.linalg.norm(DYES, axis=1) == pytest.approx(1.0, abs=0.01)
    safranin, green, _ = transmitted(np.eye(3, dtype=np.float32)[None] * 0.6, PLAIN)[0]
    assert safranin[0] > safranin[1] > safranin[2]
    assert green[0] < min(green[1], green[2])


def test_a_rendered_pixel_is_that_light_under_an_uneven_lamp() -> None:
    dyes = np.full((40, 70, 3), (0.5, 0.1, 0.05), np.float32)
    picture = render(dyes, 1.3, PLAIN, np.random.default_rng(0))
    assert picture.shape == (40, 70, 3)
    assert picture.dtype == np.uint8
    expected = transmitted(dyes, PLAIN)[0, 0]
    assert picture.mean((0, 1)) == pytest.approx(expected, rel=0.04)
    assert picture.std((0, 1)).max() < 3


def test_empty_glass_has_the_batchs_background() -> None:
    picture = render(np.zeros((40, 70, 3), np.float32), 0.9, PLAIN, np.random.default_rng(0))
    assert picture.mean((0, 1)) == pytest.approx(PLAIN.background, rel=0.04)


def test_camera_noise_is_grey_and_as_strong_as_asked() -> None:
    dyes = np.full((200, 301, 3), 0.2, np.float32)
    calm, noisy = (
        render(dyes, 1.0, replace(PLAIN, grain=grain), np.random.default_rng(1)).astype(float)
        for grain in (0.0, 4.0)
    )
    added = noisy - calm
    assert added.std() == pytest.approx(4, rel=0.05)
    assert np.abs(np.diff(added, axis=2)).max() <= 1


def test_optics_blur_in_micrometres_not_pixels() -> None:
    dyes = np.zeros((101, 151, 3), np.float32)
    dyes[:, 75:] = 1.0
    sharp, soft = (
        int(np.abs(np.diff(edge(render(dyes, mpp, replace(PLAIN, blur=2.0), rng())))).max())
        for mpp in (4.0, 0.5)
    )
    assert sharp > 2 * soft


def edge(picture: np.ndarray) -> np.ndarray:
    return picture[50, 50:100, 2].astype(int)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_shifted_batches_lie_outside_the_standard_ones() -> None:
    standard = [sample_batch(np.random.default_rng(seed)) for seed in range(100)]
    shifted = [sample_batch(np.random.default_rng(seed), "shifted") for seed in range(100)]
    usual = max(float(np.abs(np.log(batch.strength)).mean()) for batch in standard)
    assert np.median([np.abs(np.log(batch.strength)).mean() for batch in shifted]) > usual
    assert max(b.blur for b in standard) < min(b.blur for b in shifted)
    colour = [[float(np.ptp(b.background)) for b in batches] for batches in (standard, shifted)]
    assert np.median(colour[1]) > np.quantile(colour[0], 0.95)


def test_a_batchs_dyes_are_unit_vectors() -> None:
    for appearance in ("standard", "shifted"):
        batch = sample_batch(np.random.default_rng(9), appearance)
        assert np.linalg.norm(batch.dyes, axis=1) == pytest.approx(1.0, abs=1e-5)
