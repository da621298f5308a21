"""Dust: sharp specks in the mounting medium, hazy ones on top of the coverslip, fibres."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Box, Points
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import (
    Absorbance,
    Layer,
    Pixels,
    both,
    box_around,
    draw_line,
    filled,
    ink,
    outline_in,
    softened,
    traced,
)
from histoscore.phantom.artefacts.shapes import (
    curl,
    normals,
    ring,
    rough,
    smoothstep,
    splinter,
    wander,
)

_DIRT = ((0.9, 0.95, 1.0), (0.75, 0.9, 1.15), (1.0, 0.9, 0.8), (0.5, 1.2, 1.0))
"""Black and brown dirt, blue-grey lint, grains of precipitated Safranin O: density per channel."""

Speck = Callable[[Pixels, Points, float, np.random.Generator], BaseGeometry | None]


def add_dust(
    picture: Pixels, mpp: float, per_mm2: float, rng: np.random.Generator
) -> Artefact | None:
    """Specks all over a slide, in place; some slides have more than others."""
    rows, columns = picture.shape[:2]
    area_mm2 = rows * columns * (mpp / 1000) ** 2
    count = int(rng.poisson(per_mm2 * rng.uniform(0.4, 1.6) * area_mm2))
    places = rng.uniform(0, 1, (count, 2)) * (columns, rows)
    outlines = [_one(picture, place, mpp, rng) for place in places]
    outline = outline_in([o for o in outlines if o is not None], picture.shape)
    if outline is None:
        return None
    facts = {"specks": float(count), "specks_per_mm2": count / area_mm2}
    return Artefact(ArtefactKind.DUST, outline, facts)


def _one(
    picture: Pixels, place: Points, mpp: float, rng: np.random.Generator
) -> BaseGeometry | None:
    kinds: tuple[Speck, ...] = (sharp_speck, hazy_speck, fibre)
    return kinds[int(rng.choice(3, p=(0.48, 0.40, 0.12)))](picture, place, mpp, rng)


def sharp_speck(
    picture: Pixels, place: Points, mpp: float, rng: np.random.Generator
) -> BaseGeometry | None:
    """A dark crumb of 2–40 µm nearly in focus, most of them small, its chips more or less dense."""
    chips = splinter(place, 1.2 * 16 ** rng.uniform(0, 1) ** 1.5 / mpp, rng)
    soft = rng.uniform(0.5, 1.6) / mpp
    density = _DIRT[int(rng.choice(len(_DIRT), p=(0.45, 0.25, 0.15, 0.15)))]
    shares = rng.uniform(0.2, 1.0, len(chips))
    box = box_around(np.vstack(chips), 3 * soft + 2, picture.shape)
    if box is None:
        return None
    cover = np.zeros((box.height, box.width), np.uint8)
    for chip, share in zip(chips, shares, strict=True):
        np.maximum(cover, cv2.convertScaleAbs(filled(box, chip), alpha=share), out=cover)
    cover = softened(cover, soft)
    ink(picture[box.slices()], cover, np.array(density) * rng.uniform(0.6, 1.5))
    return traced(cover, box)


def hazy_speck(
    picture: Pixels, place: Points, mpp: float, rng: np.random.Generator
) -> BaseGeometry | None:
    """The faint disc of 40–120 µm that a speck far out of focus leaves, darker in the middle."""
    radius = rng.uniform(20, 60) / mpp
    soft = rng.uniform(0.10, 0.28) * radius
    disc = ring(place, radius, rng, lobes=3, depth=0.05, n=60)
    core = ring(place, radius * rng.uniform(0.3, 0.8), rng, lobes=4, depth=0.15, n=60)
    box = box_around(np.vstack([disc, core]), 3 * soft + 2, picture.shape)
    if box is None:
        return None
    share = rng.uniform(0.45, 0.85)
    cover = softened(both(filled(box, disc), share, filled(box, core)), soft)
    ink(picture[box.slices()], cover, _haze(rng) * 0.03 * 8 ** rng.uniform(0, 1))
    return traced(cover, box)


def fibre(
    picture: Pixels, place: Points, mpp: float, rng: np.random.Generator
) -> BaseGeometry | None:
    """Lint 60–600 µm long: a thread in the medium, or its broad faint shadow from above."""
    hazy = rng.random() < 0.6
    length = 60 * 10 ** rng.uniform(0, 1)
    line = curl(place, length / mpp, rng.uniform(0.2, 1.1), rng, 64)
    width, soft = (rng.uniform(12, 36), 8.0) if hazy else (rng.uniform(2, 8), 0.9)
    box = box_around(line, (width + 3.5 * soft) / mpp + 2, picture.shape)
    if box is None:
        return None
    strands = [filled(box), filled(box)]
    _draw_thread(strands[0], box, line, width / mpp, rng)
    beside = line + normals(line) * wander(len(line), 14, rng)[:, None] * 0.4 * width / mpp
    _draw_thread(strands[1], box, beside, 0.5 * width / mpp, rng)
    cover = softened(both(strands[0], 0.6, strands[1]), soft / mpp)
    density = rng.uniform(0.03, 0.12) if hazy else rng.uniform(0.25, 0.9)
    ink(picture[box.slices()], cover, _haze(rng) * density)
    return traced(cover, box)


def _draw_thread(
    layer: Layer, box: Box, line: Points, width: float, rng: np.random.Generator
) -> None:
    """A thread that is twisted, so thicker and thinner, and ends in tips."""
    n = len(line) - 1
    ends = smoothstep(np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1) / 8)
    tones = 255 * ends * np.clip(0.65 + 0.35 * rough(n, 12, rng), 0.15, 1)
    widths = width * np.clip(0.8 + 0.3 * wander(n, 7, rng), 0.3, 1.3)
    for i in range(n):
        draw_line(layer, box, line[i : i + 2], widths[i], round(tones[i]))


def _haze(rng: np.random.Generator) -> Absorbance:
    """Grey, a little bluish or brownish."""
    return np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.12, 0.12) * np.array([1.0, 0.0, -1.0])
