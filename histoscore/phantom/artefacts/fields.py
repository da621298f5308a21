"""The scanner's fields of view: seams where strips were stitched, light that falls off."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from histoscore.geometry import Box
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import Layer, Pixels
from histoscore.phantom.artefacts.shapes import Profile, Texture

_MOST_PX = 2048
"""A camera has no more pixels a side, however fine they are."""
_BAND = 1024
_COARSE = 33
"""Points each way at which the light in a field is worked out."""


def field_px(mpp: float, rng: np.random.Generator) -> int:
    """Side of a field of view of 700–1600 µm, px."""
    return max(16, min(_MOST_PX, round(rng.uniform(700, 1600) / mpp)))


def add_seams(
    picture: Pixels, mpp: float, side: int, offset: int, rng: np.random.Generator
) -> Artefact:
    """Strips `side` px wide that differ in brightness by up to 3 % and lie up to 1.6 µm apart.

    In place. What lies on the slide moves with its strip; its truth does not.

    Args:
        picture: (rows, columns, 3).
        mpp: µm per pixel.
        side: width of a strip, px.
        offset: how much of the first strip lies before the picture, px.
        rng: random numbers.
    """
    upright = bool(rng.random() < 0.7)
    step, apart = rng.uniform(0.005, 0.03), rng.uniform(0.5, 1.6)
    most = max(1, round(apart / mpp))
    rows, columns = picture.shape[:2]
    for start, end in _strips(columns if upright else rows, side, offset):
        strip = picture[:, start:end] if upright else picture[start:end]
        _shift(strip, int(rng.integers(-most, most + 1)), upright)
        light = 1 + step * rng.uniform(-0.5, 0.5) + 0.08 * step * rng.standard_normal(3)
        _scale(strip, light)
    facts = {"field_um": side * mpp, "step": step, "shift_um": most * mpp}
    return Artefact(ArtefactKind.SEAM, None, facts)


def _strips(length: int, side: int, offset: int) -> Iterator[tuple[int, int]]:
    for start in range(-offset, length, side):
        if start + side > 0:
            yield max(0, start), min(length, start + side)


def _shift(strip: Pixels, by: int, upright: bool) -> None:
    """Moves a strip along itself; its last pixels stay where nothing comes after them."""
    along = strip if upright else strip.transpose(1, 0, 2)
    if by > 0:
        along[by:] = along[:-by]
    elif by < 0:
        along[:by] = along[-by:]


def _scale(strip: Pixels, light: Profile) -> None:
    table = np.clip(np.rint(np.arange(256)[:, None] * light), 0, 255).astype(np.uint8)
    for top in range(0, len(strip), _BAND):
        band = strip[top : top + _BAND]
        band[...] = cv2.LUT(band, table[None])


def add_uneven_light(
    picture: Pixels, mpp: float, side: int, offset: int, rng: np.random.Generator
) -> Artefact:
    """Light that falls off over the slide and, a little, towards the corners of every field.

    In place; arguments as for `add_seams`.
    """
    fall, vignette = rng.uniform(0.005, 0.05), rng.uniform(0.002, 0.03)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.array([np.cos(angle), np.sin(angle)])
    middle = rng.uniform(-0.25, 0.25, 2)
    corners = _corner_light(vignette, middle)
    for x, end in _strips(picture.shape[1], side, offset):
        for y, bottom in _strips(picture.shape[0], side, offset):
            field = Box(x, y, end - x, bottom - y)
            slide = _slide_light(field, picture.shape, fall, slope)
            _dim(picture[field.slices()], slide * corners)
    return Artefact(ArtefactKind.LIGHT, None, {"fall": fall, "vignette": vignette})


def _corner_light(vignette: float, middle: Profile) -> Texture:
    """Light over one field: 1 in its middle, less towards the corners."""
    x, y = (np.linspace(-1, 1, _COARSE) - m for m in middle)
    return np.asarray(1 - vignette * np.clip((y[:, None] ** 2 + x**2) / 2, 0, 1.5))


def _slide_light(field: Box, shape: tuple[int, ...], fall: float, slope: Profile) -> Texture:
    """Light over a field as the lamp gives it over the slide, 1 at the brightest."""
    part = np.linspace(0, 1, _COARSE)
    x = 2 * (field.x + part * field.width) / shape[1] - 1
    y = 2 * (field.y + part * field.height) / shape[0] - 1
    along = (x * slope[0] + y[:, None] * slope[1]) / 1.5
    return np.asarray(1 - fall * np.clip(0.5 + 0.5 * along, 0, 1) ** 2)


def _dim(window: Pixels, light: Texture) -> None:
    coarse = np.rint(255 * light).astype(np.uint8)
    size = (window.shape[1], window.shape[0])
    fine: Layer = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR_EXACT))
    cv2.multiply(window, cv2.merge([fine] * 3), window, scale=1 / 255)
