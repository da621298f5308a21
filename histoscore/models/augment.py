"""Appearance and position, changed at random while training.

Colour is changed where it arises: dye vectors, dye strength, white point, light, tone, camera.
Strong changes cost nothing on matching slides and buy robustness (measured in the project's
phantom study); stain is never normalised per tile.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.phantom.staining import DYE_STEP, DYES

RgbImage = NDArray[np.uint8]
Light = NDArray[np.float32]

_LN10 = float(np.log(10))
_PINK_SAFRANIN = np.array([0.12, 0.75, 0.5])
_IDEAL_GREEN = np.array([0.95, 0.2, 0.15])


def random_colour(dyes: NDArray[np.uint8], rng: np.random.Generator) -> RgbImage:
    """Stored dye amounts (rows, columns, 3) as an sRGB picture of a stain batch drawn at random."""
    vectors = DYES + rng.normal(0, 0.08, (3, 3))
    if rng.random() < 0.25:  # Safranin that leans to pink
        vectors[0] = _PINK_SAFRANIN + rng.normal(0, 0.08, 3)
    if rng.random() < 0.12:  # Fast Green as idealised in the published vectors
        vectors[1] = _IDEAL_GREEN + rng.normal(0, 0.06, 3)
    vectors = np.clip(vectors, 0.01, None)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    amounts = np.exp(rng.normal(0, [0.5, 0.35, 0.35])) * np.exp(rng.normal(0, 0.12))
    vectors *= np.clip(amounts, 0.2, 2.4)[:, None]
    light = _shone_through(dyes.astype(np.float32), vectors * DYE_STEP, _random_glass(rng), rng)
    return _camera(light, rng)


def random_stain(picture: RgbImage, rng: np.random.Generator) -> RgbImage:
    """A slide's own picture as if stained and scanned in another batch.

    Optical density is parted into the three dyes, whose amounts and vectors are changed. More
    gently than drawn scenes: the picture has a colour already.
    """
    density = np.asarray(cv2.log((picture.astype(np.float32) + 1) / 256) / -_LN10, np.float32)
    strength = np.exp(rng.normal(0, [0.35, 0.25, 0.25]))
    vectors = (DYES + rng.normal(0, 0.05, (3, 3))) * strength[:, None]
    glass = 255 - np.abs(rng.normal(0, 8, 3))
    return _camera(_shone_through(density, np.linalg.inv(DYES) @ vectors, glass, rng), rng)


def _random_glass(rng: np.random.Generator) -> NDArray[np.float64]:
    """RGB of empty glass: near white, or tinted by mounting medium and lamp as far as to pink."""
    glass = 255 - np.abs(rng.normal(0, 12)) - np.abs(rng.normal(0, 8, 3))
    if rng.random() < 0.4:
        glass -= rng.uniform(0, 55) * rng.uniform(0, 1, 3)
    return np.asarray(glass)


def _shone_through(
    amounts: Light,
    vectors: NDArray[np.float64],
    glass: NDArray[np.float64],
    rng: np.random.Generator,
) -> Light:
    """Light 0–255 by Beer–Lambert, under a random tone curve.

    Args:
        amounts: (rows, columns, 3) of dyes.
        vectors: (3, 3) optical density in R, G, B of one unit of each.
        glass: RGB where there is no dye.
    """
    gamma = np.exp(rng.normal(0, 0.16))
    exponent = np.column_stack([-_LN10 * vectors.T, np.log(glass / 255)]) * gamma
    light = cv2.exp(np.minimum(cv2.transform(amounts, exponent), 0))
    return np.asarray(light, np.float32) * np.float32(255)


def _camera(light: Light, rng: np.random.Generator) -> RgbImage:
    """Uneven light, dust, contrast, saturation, gain, focus, noise, JPEG."""
    if rng.random() < 0.3:
        light = light * _uneven(light.shape, rng)
    if rng.random() < 0.15:
        _add_dust(light, rng)
    light = np.asarray(cv2.transform(light, _balance(rng)), np.float32)
    draw = rng.random()
    if draw < 0.55:
        light = _blurred(light, rng.uniform(0.4, 1.5))
    elif draw < 0.75:
        more = float(rng.uniform(0.2, 1.0))
        light = np.asarray(cv2.addWeighted(light, 1 + more, _blurred(light, 1.0), -more, 0))
    light += _grain(light.shape[:2], rng.uniform(0, 4), rng)
    picture = np.clip(light, 0, 255, out=light).astype(np.uint8)
    if rng.random() < 0.7:
        picture = _through_jpeg(picture, int(rng.integers(30, 95)))
    return np.ascontiguousarray(picture)


def _balance(rng: np.random.Generator) -> NDArray[np.float64]:
    """A 3 × 4 matrix: saturation, then contrast about a light grey, then a gain by channel."""
    saturation, contrast = rng.uniform(0.65, 1.4), rng.uniform(0.85, 1.12)
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    gain = rng.uniform(0.93, 1.07, 3) if rng.random() < 0.5 else np.ones(3)
    return np.column_stack([matrix, np.full(3, 240 * (1 - contrast))]) * gain[:, None]


def _uneven(shape: tuple[int, ...], rng: np.random.Generator) -> Light:
    """Light that falls off across the field by up to a seventh."""
    rows, columns = shape[:2]
    slope = rng.uniform(-0.07, 0.07, 2)
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :, None]
    return np.asarray(1 + np.float32(slope[0]) * y + np.float32(slope[1]) * x, np.float32)


def _add_dust(light: Light, rng: np.random.Generator) -> None:
    """A few crumbs or a hair, in place."""
    rows, columns = light.shape[:2]
    dark = np.zeros((rows, columns), np.uint8)
    for _ in range(rng.integers(1, 4)):
        center = (int(rng.integers(columns)), int(rng.integers(rows)))
        if rng.random() < 0.6:
            axes = (int(rng.integers(2, 14)), int(rng.integers(2, 9)))
            cv2.ellipse(dark, center, axes, rng.uniform(0, 180), 0, 360, 255, -1)
        else:
            reach = rng.normal(0, 60, (6, 2)).cumsum(0) * 0.5 + center
            cv2.polylines(dark, [reach.astype(np.int32)], False, 255, int(rng.integers(1, 4)))
    soft = _blurred(dark.astype(np.float32), rng.uniform(0.6, 2.5)) / 255
    light *= 1 - soft[..., None] * np.float32(rng.uniform(0.3, 0.9))


def _grain(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Light:
    """Grey noise (rows, columns, 1)."""
    return rng.standard_normal((*shape, 1), np.float32) * np.float32(sigma)


def _blurred(light: Light, sigma: float) -> Light:
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
    part = np.ascontiguousarray(layers[low[1] : max(high[1], 0), low[0] : max(high[0], 0)])
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


def random_crop(
    shape: tuple[int, ...], center: tuple[float, float], reach: float, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Rows and columns of a scene that a picture shows whose edge runs near `center`.

    People photograph half a joint, and scanners cut frames: what lies beyond is not seen.

    Args:
        shape: of the scene; center: (x, y) of the tile; reach: half its side, scene px.
    """
    rows, columns = [0, shape[0]], [0, shape[1]]
    side = int(rng.integers(4))
    low, high = ((columns, center[0]), (rows, center[1]))[side % 2], side // 2
    edge = low[1] + (-1 if high == 0 else 1) * rng.uniform(-0.4, 0.9) * reach
    bounds = low[0]
    bounds[high] = int(np.clip(edge, 0, bounds[1]))
    return slice(*rows), slice(*columns)
