"""How even the light is, told from the glass between the sections."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoscore.image.glass import light_spread


def slide(seed: int = 3) -> np.ndarray:
    """Grainy tissue on glass that is not quite white, (300, 400, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((300, 400, 3), 236, np.float32)
    grain = cv2.GaussianBlur(rng.normal(size=(90, 120)).astype(np.float32), (0, 0), 3)
    picture[100:190, 140:260] = (150, 90, 110) + 60 * (grain / grain.std())[..., None]
    return np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)


def shaded(rgb: np.ndarray, depth: float) -> np.ndarray:
    fall = 1 - depth * np.linspace(0, 1, rgb.shape[1])[None, :, None]
    return np.rint(rgb * fall).astype(np.uint8)


def test_even_light_has_no_spread() -> None:
    assert light_spread(slide()) == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("depth", [0.05, 0.1, 0.2, 0.3])
def test_light_that_falls_off_has_its_depth(depth: float) -> None:
    assert light_spread(shaded(slide(), depth)) == pytest.approx(depth, abs=0.02)


def test_it_falls_off_toward_the_corners_as_well() -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, 300), np.linspace(-1, 1, 400), indexing="ij")
    vignette = 1 - 0.1 * (x * x + y * y)[..., None]
    assert light_spread(np.rint(slide() * vignette).astype(np.uint8)) == pytest.approx(
        0.18, abs=0.03
    )


def test_pale_tissue_is_no_darker_glass() -> None:
    rgb = slide()
    grain = np.random.default_rng(5).normal(0, 6, (120, 200, 1))
    rgb[150:270, 20:220] = np.clip(205 + cv2.GaussianBlur(grain, (0, 0), 2)[..., None] * 4, 0, 255)
    assert light_spread(rgb) < 0.03


def test_where_there_is_no_glass_nothing_is_told() -> None:
    assert light_spread(np.full((90, 120, 3), (120, 70, 90), np.uint8)) == 0
