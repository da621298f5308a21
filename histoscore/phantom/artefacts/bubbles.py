"""Air bubbles under the coverslip: a dark refracting rim, a bright line, another focus inside."""

from __future__ import annotations

import cv2
import numpy as np

from histoscore.geometry import Box, Points
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import (
    UNITY,
    Layer,
    Pixels,
    box_around,
    brighten,
    draw_nested,
    filled,
    gain,
    mix,
    outline_in,
    softened,
    traced,
)
from histoscore.phantom.artefacts.shapes import Profile, ring, ripple
from histoscore.phantom.raster import laid_under

_FRINGE_UM, _SHADE_UM = 3.0, 40.0
"""A bright fringe lies outside the edge, and a shade reaches this far inside the rim."""


def add_bubbles(picture: Pixels, mpp: float, rng: np.random.Generator) -> tuple[Artefact, ...]:
    """One bubble of 110–900 µm and up to four smaller ones beside it, in place."""
    rows, columns = picture.shape[:2]
    place = rng.uniform(0.05, 0.95, 2) * (columns, rows)
    largest = 80 * (900 / 80) ** rng.uniform(0.15, 1)
    bubbles = [(place, largest)]
    for _ in range(int(rng.integers(0, 5))):
        size = rng.uniform(80, 80 + 0.3 * largest)
        angle, away = rng.uniform(0, 2 * np.pi), largest * rng.uniform(0.6, 1.6) + size
        beside = place + away / mpp * np.array([np.cos(angle), np.sin(angle)])
        if all(_apart(beside, size, other, mpp) for other in bubbles):
            bubbles.append((beside, size))
    drawn = (_bubble(picture, where, size, mpp, rng) for where, size in bubbles)
    return tuple(bubble for bubble in drawn if bubble is not None)


def _apart(place: Points, size: float, other: tuple[Points, float], mpp: float) -> bool:
    """Bubbles that touched would be one."""
    gap = float(np.hypot(*(place - other[0]))) * mpp
    return gap > 0.75 * (size + other[1])


def _bubble(
    picture: Pixels, place: Points, diameter: float, mpp: float, rng: np.random.Generator
) -> Artefact | None:
    edge = ring(place, diameter / 2 / mpp, rng, lobes=3, depth=0.015 + 0.07 * diameter / 900)
    box = box_around(edge, 2 * _FRINGE_UM / mpp + 4, picture.shape)
    if box is None:
        return None
    window = picture[box.slices()]
    soft = 0.8 / mpp
    _draw_inside(window, edge, box, mpp, rng)
    rim = softened(_rim(box, edge, place, diameter, mpp, rng), soft)
    gain(window, rim)
    changed = (rim != UNITY) | (softened(filled(box, edge), soft) > 0)
    outline = outline_in(traced(changed, box), picture.shape)
    return outline and Artefact(ArtefactKind.BUBBLE, outline, {"diameter_um": diameter})


def _draw_inside(
    window: Pixels, edge: Points, box: Box, mpp: float, rng: np.random.Generator
) -> None:
    """Air has no focus in common with the mounted tissue, is a weak lens, and scatters less."""
    middle = edge.mean(axis=0) - (box.x + 0.5, box.y + 0.5)
    power = rng.uniform(0.97, 1.04)
    lens = np.column_stack([np.eye(2) / power, middle * (1 - 1 / power)])
    seen = laid_under(window, lens, (box.height, box.width), cv2.BORDER_REPLICATE)
    seen = softened(seen, rng.uniform(1.0, 3.5) / mpp)
    brighten(seen, np.full(seen.shape[:2], int(rng.uniform(5, 36)), np.uint8))
    mix(window, seen, softened(filled(box, edge), 0.8 / mpp))


def _rim(
    box: Box, edge: Points, place: Points, diameter: float, mpp: float, rng: np.random.Generator
) -> Layer:
    """Gains of the rim: rings of one tone each, drawn from the outside in."""
    width = min(rng.uniform(5, 11), 0.1 * diameter)
    lit = rng.uniform(0, 2 * np.pi)
    side = np.cos(np.arange(len(edge)) * (2 * np.pi / len(edge)) - lit)
    uneven = 1 + rng.uniform(0.1, 0.45) * side + 0.12 * ripple(len(edge), 9, rng)
    spokes = edge - place
    lengths = np.sqrt((spokes**2).sum(axis=1)) * mpp
    depth = np.arange(-_FRINGE_UM, width * 2.6 + _SHADE_UM, min(max(0.6 * mpp, 0.4), 1.2))
    tones = _tones(depth, width, rng)

    def ring_at(inset: float) -> Points:
        inward = inset * np.clip(uneven, 0.35, 1.8) / lengths
        return np.asarray(place + spokes * np.maximum(1 - inward, 0.02)[:, None])

    inner = 0.9 * float(lengths.min()) / 1.8  # rings must not cross in the middle
    steps = [(ring_at(d), tone) for d, tone in zip(depth, tones, strict=True) if d < inner]
    return draw_nested(box, UNITY, [*steps, (ring_at(inner), UNITY)])


def _tones(depth: Profile, width: float, rng: np.random.Generator) -> list[int]:
    """Gain at each depth inside the edge, µm: fringe, rim, bright line, faint line, shade."""
    dark, bright = rng.uniform(0.1, 0.35), rng.uniform(1.05, 1.2)
    faint, shade = rng.uniform(0.72, 0.92), rng.uniform(0.88, 0.98)
    knots = np.array([-_FRINGE_UM, -1, 0, 0.6, 0.55 * width, width, 1.2 * width, 1.5 * width])
    gains = [1, 1.05, 0.8, dark, dark * 1.1, 0.6, bright, 0.98]
    knots = np.append(knots, [1.8 * width, 2.3 * width, 2.6 * width, 2.6 * width + _SHADE_UM])
    gains += [faint, 0.96, shade, 1]
    return [int(tone) for tone in np.rint(UNITY * np.interp(depth, knots, gains))]
