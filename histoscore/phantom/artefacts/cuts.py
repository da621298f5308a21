"""Where a section has no tissue any more: tears and pieces that are missing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Points
from histoscore.phantom.artefacts.layers import (
    UNITY,
    Layer,
    Pixels,
    as_bytes,
    box_around,
    draw_line,
    filled,
    gain,
    softened,
    through,
)
from histoscore.phantom.artefacts.shapes import (
    cloud,
    crack,
    normals,
    ring,
    rough,
    turned,
)
from histoscore.records import Mask
from histoscore.vocabulary import Tissue

_CURL_UM = 4.0
"""Along a cut the tissue curls up: so far from it, it is a little denser."""
_CURL = 0.35
_EDGE_UM = 0.6
_MARGIN_UM = 20.0
_HALF = 128
_CHECK_UM = 3.0
_LEAST_PIECE_UM2, _SHRED_UM2 = 1_000.0, 6_000.0
"""Whether tissue falls apart into pieces so large is seen on this grid; smaller ones get lost."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Tissue to be taken away.

    Attributes:
        box: the window of the section that it lies in.
        gone: (rows, columns) of the window, 255 where nothing is left.
        width_um: of the crack, or across the piece, at its widest.
        length_um: along it.
    """

    box: Box
    gone: Layer
    width_um: float
    length_um: float


def tear(place: Points, mpp: float, shape: tuple[int, ...], rng: np.random.Generator) -> Cut | None:
    """A jagged crack of 120–1500 µm from a point (px) on, 2–40 µm wide, often with branches."""
    length = 120 * (1500 / 120) ** rng.uniform(0, 1)
    width = 4 * 10 ** rng.uniform(0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    way = turned(np.array([length, 0.0]), angle) / mpp
    trunk = crack(place - 0.35 * way, place + 0.65 * way, 0.07, rng, 7)
    cracks = [(trunk, width)]
    for _ in range(int(rng.choice(4, p=(0.45, 0.25, 0.2, 0.1)))):
        fork = trunk[int(rng.integers(20, len(trunk) - 20))]
        side = turned(way * rng.uniform(0.12, 0.4), rng.choice([-1, 1]) * rng.uniform(0.35, 1.1))
        cracks.append((crack(fork, fork + side, 0.09, rng, 5), width * rng.uniform(0.3, 0.7)))
    box = box_around(np.vstack([line for line, _ in cracks]), _MARGIN_UM / mpp + 3, shape)
    if box is None:
        return None
    gone = filled(box)
    for line, wide in cracks:
        np.maximum(gone, _crack(box, line, wide / mpp, mpp, rng), out=gone)
    return Cut(box, softened(gone, _EDGE_UM / mpp), width, length)


def _crack(box: Box, line: Points, width: float, mpp: float, rng: np.random.Generator) -> Layer:
    """One crack that tapers, its two sides torn each in its own way; threads may span it."""
    n = len(line)
    t = np.linspace(0, 1, n)
    opened = 4 * t * (1 - t) * np.clip(0.6 + 0.4 * rough(n, 24, rng), 0.12, 1)
    fray = min(1.5 / mpp, 0.2 * width)
    across = normals(line)
    left, right = (
        line + side * across * (width / 2 * opened + fray * rough(n, 4, rng))[:, None]
        for side in (-1, 1)
    )
    gone = filled(box, np.vstack([left, right[::-1]]))
    if width * mpp > 9:
        _span(gone, box, left, right, rng)
    return gone


def _span(gone: Layer, box: Box, left: Points, right: Points, rng: np.random.Generator) -> None:
    """Threads of tissue from one side to the other, one pixel or 1.5 µm wide."""
    n = len(left)
    for _ in range(int(rng.integers(0, 6))):
        i = int(rng.integers(4, n - 4))
        j = int(np.clip(i + rng.integers(-4, 5), 0, n - 1))
        middle = (left[i] + right[j]) / 2 + rng.normal(0, 0.1, 2) * np.abs(left[i] - right[j])
        draw_line(gone, box, np.array([left[i], middle, right[j]]), 1, int(rng.uniform(0, 120)))


def piece(
    place: Points, across_um: float, mpp: float, shape: tuple[int, ...], rng: np.random.Generator
) -> Cut | None:
    """A ragged piece about `across_um` wide round a point (px)."""
    edge = _torn_ring(place, across_um / 2 / mpp, rng)
    ragged = rng.uniform(4, 9)
    box = box_around(edge, (4 * ragged + _MARGIN_UM) / mpp, shape)
    if box is None:
        return None
    shade = softened(filled(box, edge), ragged / mpp)
    gone = softened(_torn_edge(shade, ragged / mpp, mpp, rng), _EDGE_UM / mpp)
    return Cut(box, gone, across_um, across_um)


def _torn_ring(place: Points, radius: float, rng: np.random.Generator) -> Points:
    """A closed jagged line through seven to twelve corners round a point."""
    corners = ring(place, radius, rng, lobes=4, depth=0.24, n=int(rng.integers(7, 13)))
    sides = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    return np.vstack([crack(a, b, rng.uniform(0.03, 0.13), rng, 5)[:-1] for a, b in sides])


def _torn_edge(shade: Layer, ragged: float, mpp: float, rng: np.random.Generator) -> Layer:
    """A soft edge, decided by noise pixel by pixel: bays, tongues and shreds."""
    coarse = max(mpp, 1.0) / mpp  # texture finer than 1 µm would not show
    size = (int(shade.shape[0] / coarse) + 2, int(shade.shape[1] / coarse) + 2)
    grains = (2.4 * ragged / coarse, ragged / coarse, 0.35 * ragged / coarse)
    waves = [cloud(size, (g, g), rng) for g in grains]
    noise = as_bytes(0.5 + 0.14 * (waves[0] + 0.8 * waves[1] + 0.6 * waves[2]))
    full = np.asarray(cv2.resize(noise, shade.shape[::-1], interpolation=cv2.INTER_LINEAR_EXACT))
    torn = (shade > full) & (shade > 8) | (shade > 247)
    return np.where(torn, np.uint8(255), np.uint8(0))


def without_shreds(cut: Cut, tissue: Layer, mpp: float) -> Cut:
    """The cut together with the shreds that it would set loose within its window."""
    before = tissue[cut.box.slices()] != Tissue.BACKGROUND
    after = before & (cut.gone < _HALF)
    loose = _shreds(before, after, _goes_on(cut.box, tissue.shape), _SHRED_UM2 / mpp**2)
    if not loose.any():
        return cut
    near = cv2.dilate(loose.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    gone = cut.gone.copy()
    gone[loose | (near & (cut.gone > 0) & ~after)] = 255
    return Cut(cut.box, gone, cut.width_um, cut.length_um)


def _goes_on(box: Box, shape: tuple[int, ...]) -> Mask:
    """The border of a window where the section goes on beyond it."""
    border = np.zeros((box.height, box.width), bool)
    border[0], border[-1] = box.y > 0, box.bottom < shape[0]
    border[:, 0] |= box.x > 0
    border[:, -1] |= box.right < shape[1]
    return border


def _shreds(before: Mask, after: Mask, goes_on: Mask, most: float) -> Mask:
    """Small parts that hang together with nothing any more.

    Of each piece the parts that go on beyond the window stay, or else its largest part.
    """
    _, pieces = cv2.connectedComponents(before.astype(np.uint8), connectivity=4)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        after.astype(np.uint8), connectivity=4
    )
    piece_of = np.zeros(count, np.int32)
    piece_of[parts] = pieces
    held = np.zeros(count, bool)
    held[parts[goes_on & after]] = True
    loose = np.zeros(count, bool)
    for part in np.flatnonzero(~held & (stats[:, cv2.CC_STAT_AREA] <= most)):
        others = (piece_of == piece_of[part]) & (np.arange(count) > 0)
        largest = stats[others, cv2.CC_STAT_AREA].max(initial=0)
        loose[part] = held[others].any() or stats[part, cv2.CC_STAT_AREA] < largest
    loose[0] = False
    return np.asarray(loose[parts])


def parts_tissue(cut: Cut, tissue: Layer, mpp: float) -> bool:
    """Would the cut part one piece of tissue in two, or leave next to nothing of one?"""
    step = max(1, round(_CHECK_UM / mpp))
    before = tissue[::step, ::step] != Tissue.BACKGROUND
    wide = cv2.dilate(cut.gone, np.ones((2 * step - 1, 2 * step - 1), np.uint8))
    top, left = -cut.box.y % step, -cut.box.x % step
    gone = wide[top::step, left::step] > 0
    row, column = (cut.box.y + top) // step, (cut.box.x + left) // step
    after = before.copy()
    after[row : row + gone.shape[0], column : column + gone.shape[1]] &= ~gone
    least = _LEAST_PIECE_UM2 / (step * mpp) ** 2
    _, owners = cv2.connectedComponents(before.astype(np.uint8), connectivity=4)
    return _owners(before, owners, least) != _owners(after, owners, least)


def _owners(mask: Mask, owners: NDArray[np.int32], least: float) -> list[int]:
    """Of each piece with at least so many pixels, the number of the whole that it belongs to."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    owner = np.zeros(count, np.int32)
    owner[labels] = owners
    large = stats[1:, cv2.CC_STAT_AREA] >= least
    return sorted(owner[1:][large].tolist())


def changed_by(cut: Cut, mpp: float) -> Layer:
    """Its window: not 0 where `take_away` changes dyes."""
    return softened(cut.gone, _CURL_UM / mpp)


def take_away(cut: Cut, dyes: Pixels, tissue: Layer, mpp: float) -> None:
    """Clears dyes and labels in place; along the cut the tissue curls up."""
    window, labels = dyes[cut.box.slices()], tissue[cut.box.slices()]
    table = UNITY * (1 + _CURL * np.clip(np.arange(256) / 115, 0, 1))
    gain(window, through(np.rint(table).astype(np.uint8), changed_by(cut, mpp)))
    cv2.multiply(window, cv2.merge([cv2.bitwise_not(cut.gone)] * 3), window, scale=1 / 255)
    labels[cut.gone >= _HALF] = Tissue.BACKGROUND
