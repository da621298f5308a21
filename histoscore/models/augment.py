"""Appearance and position, changed at random while training.

Colour is changed where it arises: dye vectors, dye strength, white point, tone, camera. Strong
changes cost nothing on matching slides and buy robustness (measured in the project's phantom
study); stain is never normalised per tile.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.phantom.scenes import DYE_STEP
from histoscore.phantom.staining import DYES

RgbImage = NDArray[np.uint8]


def random_colour(dyes: NDArray[np.uint8], rng: np.random.Generator) -> RgbImage:
    """Stored dye amounts (rows, columns, 3) as an sRGB picture of a stain batch drawn at random."""
    vectors = DYES + rng.normal(0, 0.08, (3, 3))
    if rng.random() < 0.25:  # Safranin that leans to pink
        vectors[0] = np.array([0.12, 0.75, 0.5]) + rng.normal(0, 0.08, 3)
    if rng.random() < 0.12:  # Fast Green as idealised in the published vectors
        vectors[1] = np.array([0.95, 0.2, 0.15]) + rng.normal(0, 0.06, 3)
    vectors = np.clip(vectors, 0.01, None)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    strength = np.exp(rng.normal(0, [0.5, 0.35, 0.35])) * np.exp(rng.normal(0, 0.12))
    background = 255 - np.abs(rng.normal(0, 14)) - np.abs(rng.normal(0, 9, 3))
    light = np.ones((*dyes.shape[:2], 3), np.float32)
    levels = np.arange(256, dtype=np.float32)[:, None] * DYE_STEP
    for dye in range(3):
        passed = np.power(10.0, -levels * strength[dye] * vectors[dye]).astype(np.float32)
        light *= passed[dyes[..., dye]]
    return _camera(light * background.astype(np.float32), rng)


def _camera(light: NDArray[np.floating[Any]], rng: np.random.Generator) -> RgbImage:
    """Tone curve, contrast, saturation, channel gain, focus, noise, JPEG."""
    light = 255 * np.clip(light / 255, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.16)))
    grey = light.mean(-1, keepdims=True)
    light = grey + (light - grey) * np.float32(rng.uniform(0.65, 1.4))
    light = (light - 240) * np.float32(rng.uniform(0.85, 1.12)) + 240
    if rng.random() < 0.5:
        light = light * rng.uniform(0.93, 1.07, 3).astype(np.float32)
    draw = rng.random()
    if draw < 0.55:
        light = _blurred(light, rng.uniform(0.4, 1.3))
    elif draw < 0.75:
        light = light + (light - _blurred(light, 1.0)) * rng.uniform(0.2, 1.0)
    light = light + rng.normal(0, rng.uniform(0, 4), (*light.shape[:2], 1)).astype(np.float32)
    picture = np.clip(light + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        quality = int(rng.integers(35, 95))
        picture = _through_jpeg(picture, quality)
    return np.ascontiguousarray(picture)


def _blurred(light: NDArray[np.floating[Any]], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma), np.float32)


def _through_jpeg(picture: RgbImage, quality: int) -> RgbImage:
    _, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just before
    return np.asarray(decoded[..., ::-1], np.uint8)


def random_placement(
    center: tuple[float, float], side_px: int, zoom: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A 2 × 3 matrix from tile (x, y) to scene (x, y): any rotation, either handedness."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.array([(side_px - 1) / 2, (side_px - 1) / 2])
    return np.column_stack([turn, np.array(center) - turn @ middle])


def cut(
    layers: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    side_px: int,
    interpolation: int,
    border: int = 0,
) -> NDArray[np.uint8]:
    """A square tile of (rows, columns[, channels]) under a tile → scene matrix.

    Only the part of a memory-mapped scene under the tile is read.
    """
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (side_px - 1)
    reach = corners @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(reach.min(0)).astype(int) - 2, 0, None)
    high = np.ceil(reach.max(0)).astype(int) + 3
    part = np.ascontiguousarray(layers[low[1] : high[1], low[0] : high[0]])
    if not part.size:
        return np.full((side_px, side_px, *layers.shape[2:]), border, np.uint8)
    local = matrix.copy()
    local[:, 2] -= low
    tile = cv2.warpAffine(
        part,
        local,
        (side_px, side_px),
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(float(border),) * 4,
    )
    return np.asarray(tile, np.uint8)
