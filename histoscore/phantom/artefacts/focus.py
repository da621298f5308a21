"""A region of the slide that the scanner did not focus."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from histoscore.geometry import Box
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import (
    Pixels,
    as_bytes,
    mix,
    outline_in,
    reach_of,
    softened,
    through,
)
from histoscore.phantom.artefacts.shapes import Texture, cloud, smoothstep
from histoscore.phantom.artefacts.sheets import Sheet

_COARSE_UM = 16.0
"""Pixel of the map of how far out of focus each place is."""
_BAND = 512
_FIRST = np.clip(np.arange(256) * 2, 0, 255).astype(np.uint8)
_THEN = np.clip(np.arange(256) * 2 - 255, 0, 255).astype(np.uint8)
"""Half out of focus first, then wholly: fading over from sharp to blurred would leave a glow."""


def add_blur(picture: Pixels, mpp: float, rng: np.random.Generator) -> Artefact | None:
    """One region goes softly out of focus, in place; most of all in its middle."""
    sigma_um = rng.uniform(1.8, 5.5)
    sheet = _region(picture.shape, mpp, rng)
    depth = as_bytes(_depth(sheet.shape, rng))
    outline = outline_in(sheet.outline(depth).buffer(sheet.px), picture.shape)
    box = _window(sheet, picture.shape)
    if outline is None or box is None:
        return None
    for band, block, inside in _bands(picture, box, reach_of(sigma_um / mpp)):
        local = sheet.laid(depth, band)
        half, full = (softened(block, share * sigma_um / mpp)[inside] for share in (0.45, 1))
        mix(picture[band.slices()], half, through(_FIRST, local))
        mix(picture[band.slices()], full, through(_THEN, local))
    return Artefact(ArtefactKind.BLUR, outline, {"sigma_um": sigma_um})


def _region(shape: tuple[int, ...], mpp: float, rng: np.random.Generator) -> Sheet:
    half = rng.uniform(300, 1300, 2) / mpp
    corner = rng.uniform(0, 1, 2) * (shape[1], shape[0]) - half
    px = max(1.0, _COARSE_UM / mpp)
    columns, rows = np.ceil(2 * half / px).astype(int)
    return Sheet((int(rows), int(columns)), corner, np.array([1.0, 0.0]), px)


def _depth(shape: tuple[int, int], rng: np.random.Generator) -> Texture:
    """How far out of focus, 0–1: a soft lopsided island, 0 along the border."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    island = (1 - y[:, None] ** 2) * (1 - x**2)
    grain = (max(shape[0] / 4, 2.0), max(shape[1] / 4, 2.0))
    return smoothstep((1.5 * island - 0.35) * (1 + 0.45 * cloud(shape, grain, rng)))


def _window(sheet: Sheet, shape: tuple[int, ...]) -> Box | None:
    left, top, right, bottom = sheet.frame().bounds
    x, y = int(np.floor(left)), int(np.floor(top))
    return Box(x, y, int(np.ceil(right)) - x, int(np.ceil(bottom)) - y).clipped(shape[1], shape[0])


def _bands(
    picture: Pixels, box: Box, halo: int
) -> Iterator[tuple[Box, Pixels, tuple[slice, slice]]]:
    """Bands of a window; of each a copy with up to `halo` pixels around, and where it lies there.

    The copies hold the picture as it was before the bands above were changed.
    """
    left, right = max(0, box.x - halo), min(picture.shape[1], box.right + halo)
    above = picture[max(0, box.y - halo) : box.y, left:right].copy()
    for top in range(box.y, box.bottom, _BAND):
        band = Box(box.x, top, box.width, min(_BAND, box.bottom - top))
        block = np.concatenate([above, picture[top : band.bottom + halo, left:right]])
        inside = Box(box.x - left, len(above), band.width, band.height)
        yield band, block, inside.slices()
        above = block[: len(above) + band.height][-halo:]
