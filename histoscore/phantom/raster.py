"""From curves in micrometres to arrays: views, rings, reliefs, scattered points, drawn cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points
from histoscore.phantom.curves import Profile
from histoscore.records import LabelArray, Mask

Field = NDArray[np.float32]
"""(rows, columns) of numbers."""

Numbers = NDArray[np.floating[Any]]
"""(n,) numbers, one for each of some points."""

_SHIFT = 4  # cv2 draws at 1/16 px
_FINER = 4  # a ring is filled at this many times the resolution
_COVERED = 144  # of 255: cv2 paints its outline too, so half a pixel covered reads a little more


@dataclass(frozen=True, slots=True)
class View:
    """How a knee lies in a picture, or in a window of one.

    Attributes:
        shape: (rows, columns) of these pixels.
        mpp: µm per pixel.
        center: the knee-frame point (µm) in the middle of the frame.
        angle: rotation in degrees, clockwise as seen.
        mirrored: x is flipped (the other knee, or the section turned over).
        corner: (column, row) of the frame at which the window begins.
        frame: (rows, columns) of the whole picture; `shape` where the view is no window.
    """

    shape: tuple[int, int]
    mpp: float
    center: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    mirrored: bool = False
    corner: tuple[int, int] = (0, 0)
    frame: tuple[int, int] | None = None

    def window(self, rows: slice, columns: slice) -> View:
        """The part of this view in rows × columns (slices with both ends)."""
        corner = (self.corner[0] + columns.start, self.corner[1] + rows.start)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return replace(self, shape=shape, corner=corner, frame=self.frame or self.shape)

    def coarser(self, factor: int) -> View:
        """The same frame in pixels that each cover `factor` × `factor` of these."""
        shape = (-(-self.shape[0] // factor), -(-self.shape[1] // factor))
        middle = (np.array([[shape[1] - 1, shape[0] - 1]]) / 2 + 0.5) * factor - 0.5
        center = self.to_knee(middle)[0]
        return View(
            shape,
            self.mpp * factor,
            (float(center[0]), float(center[1])),
            self.angle,
            self.mirrored,
        )

    @property
    def _matrix(self) -> NDArray[np.float64]:
        """Knee-frame µm → pixels, without the shift."""
        a = np.deg2rad(self.angle)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        return turn @ np.diag([-1.0 if self.mirrored else 1.0, 1.0]) / self.mpp

    @property
    def to_knee_matrix(self) -> NDArray[np.float64]:
        """Pixels → knee-frame µm (2, 2), without the shift."""
        return np.asarray(np.linalg.inv(self._matrix))

    @property
    def _middle(self) -> NDArray[np.float64]:
        rows, columns = self.frame or self.shape
        return np.array([(columns - 1) / 2 - self.corner[0], (rows - 1) / 2 - self.corner[1]])

    def to_pixels(self, points: Points) -> Points:
        """Knee-frame (x, y) in µm → picture (x, y), pixel centres at whole numbers."""
        turned = (points - np.array(self.center)) @ self._matrix.T
        return np.asarray(turned + self._middle, np.float64)

    def to_knee(self, pixels: Points) -> Points:
        """Picture (x, y) → knee-frame µm."""
        turned = (pixels - self._middle) @ self.to_knee_matrix.T
        return np.asarray(turned + np.array(self.center), np.float64)

    def turned(self, angle: float) -> float:
        """Degrees in the picture of a direction given in degrees from the knee's x."""
        return self.angle + (180.0 - angle if self.mirrored else angle)

    def coordinates(self) -> tuple[Field, Field]:
        """Knee-frame x and y of every pixel, µm, two arrays of `shape`."""
        inverse = self.to_knee_matrix
        column = np.arange(self.shape[1]) - self._middle[0]
        row = (np.arange(self.shape[0]) - self._middle[1])[:, None]
        x = inverse[0, 0] * column + inverse[0, 1] * row + self.center[0]
        y = inverse[1, 0] * column + inverse[1, 1] * row + self.center[1]
        return x.astype(np.float32), y.astype(np.float32)

    def bounds(self, ring: Points, margin: int = 3) -> tuple[slice, slice] | None:
        """(rows, columns) of the window around points, cut to the view; None outside of it."""
        points = self.to_pixels(ring)
        low = np.floor(points.min(0)).astype(int) - margin
        high = np.ceil(points.max(0)).astype(int) + margin + 1
        left, top = max(0, int(low[0])), max(0, int(low[1]))
        right, bottom = min(self.shape[1], int(high[0])), min(self.shape[0], int(high[1]))
        if right <= left or bottom <= top:
            return None
        return slice(top, bottom), slice(left, right)

    def fill(self, ring: Points, finer: int = _FINER) -> Mask:
        """(rows, columns) pixels at least half inside a closed ring of knee-frame points."""
        filled = np.zeros(self.shape, bool)
        place = self.bounds(ring)
        if place is None:
            return filled
        rows, columns = place
        size = (columns.stop - columns.start, rows.stop - rows.start)
        fine = np.zeros((size[1] * finer, size[0] * finer), np.uint8)
        local = (self.to_pixels(ring) - (columns.start, rows.start) + 0.5) * finer - 0.5
        cv2.fillPoly(fine, [_fixed(local)], 255, shift=_SHIFT)
        cover = cv2.resize(fine, size, interpolation=cv2.INTER_AREA) if finer > 1 else fine
        filled[place] = cover >= _COVERED
        return filled


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def blocks(view: View, side: int) -> Iterator[tuple[slice, slice]]:
    """(rows, columns) of windows about `side` pixels wide that cover a view once."""
    rows, columns = view.shape
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            yield slice(top, min(rows, top + side)), slice(left, min(columns, left + side))


def enlarged(layer: LabelArray, factor: int) -> LabelArray:
    """Each pixel of a layer as factor × factor pixels."""
    if factor == 1:
        return layer
    size = (layer.shape[1] * factor, layer.shape[0] * factor)
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_NEAREST), np.uint8)


@dataclass(frozen=True, slots=True)
class Relief:
    """Numbers that change slowly over a frame, known at every `step`-th pixel.

    Attributes:
        values: (k, m) at rows and columns `corner + step · index` of the frame.
        step: pixels.
        corner: (column, row) of the first value.
    """

    values: NDArray[np.float64]
    step: int
    corner: tuple[int, int] = (0, 0)

    def at(self, view: View) -> Field:
        """The numbers at every pixel of a window, between the known ones by proportion."""
        rows, part = self._places(view.corner[1] - self.corner[1], view.shape[0], 0)
        lines = self.values[rows] + part[:, None] * (self.values[rows + 1] - self.values[rows])
        columns, part = self._places(view.corner[0] - self.corner[0], view.shape[1], 1)
        left = lines[:, columns].astype(np.float32)
        rise = np.diff(lines, axis=1)[:, columns].astype(np.float32)
        return np.asarray(left + rise * part.astype(np.float32))

    def reaches(self, view: View, bound: float) -> bool:
        """Whether any number under a window is below a bound."""
        rows, _ = self._places(view.corner[1] - self.corner[1], view.shape[0], 0)
        columns, _ = self._places(view.corner[0] - self.corner[0], view.shape[1], 1)
        under = self.values[rows[0] : rows[-1] + 2, columns[0] : columns[-1] + 2]
        return bool((under < bound).any())

    def _places(self, first: int, count: int, axis: int) -> tuple[NDArray[np.intp], Profile]:
        place = np.arange(first, first + count) / self.step
        index = np.clip(place.astype(int), 0, self.values.shape[axis] - 2)
        return index, np.clip(place - index, 0, 1)


def thinned(view: View, step: int) -> View:
    """The view at every `step`-th pixel, for reliefs: pixel (x, y) lies at (x, y) · step."""
    rows, columns = (n // step + 2 for n in view.shape)
    middle = view.to_knee(np.array([[(columns - 1) / 2, (rows - 1) / 2]]) * step)[0]
    center = (float(middle[0]), float(middle[1]))
    return View((rows, columns), view.mpp * step, center, view.angle, view.mirrored)


def step_up(x: NDArray[np.floating[Any]], steepness: float) -> Field:
    """0 below, 1 above, a smooth rise around 0; a polynomial, equal on every processor."""
    t = np.clip(x * (steepness / 4) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def at_pixels(x: Field, columns: Profile, values: Profile) -> Field:
    """values(x) of every pixel; `columns` are evenly spaced x, and beyond them the ends hold."""
    step = columns[1] - columns[0]
    place = (x - np.float32(columns[0])) * np.float32(1 / step)
    place = np.clip(place, 0, np.float32(len(columns) - 1.001))
    low = place.astype(np.int32)
    part = place - low
    v = values.astype(np.float32)
    return np.asarray(np.take(v, low) + part * np.take(np.diff(v), low), np.float32)


def laid_under(
    source: LabelArray,
    matrix: NDArray[np.float64],
    shape: tuple[int, int],
    border: int,
    first: tuple[int, int] = (0, 0),
) -> LabelArray:
    """Bytes of a source under an affine map, bilinear, the same on any processor.

    cv2.warpAffine is not: its newer kernels reckon in single precision. Here places are whole
    numbers of 1/32 pixel.

    Args:
        source: (rows, columns[, channels]), below 32768 pixels each way.
        matrix: (2, 3) from target (x, y) to source (x, y).
        shape: (rows, columns) of the target.
        border: what lies beyond the source, as cv2 names it.
        first: target (x, y) of the first pixel: windows of one target join without a seam.
    """
    across, down = (_thirty_seconds(shape, line, first) for line in matrix)
    places = np.empty((*shape, 2), np.int16)
    for axis, coordinate in enumerate((across, down)):
        places[..., axis] = np.clip(coordinate >> 5, -32768, 32767)
    parts = ((down & 31) << 5 | across & 31).astype(np.uint16)
    return np.asarray(
        cv2.remap(source, places, parts, cv2.INTER_LINEAR, borderMode=border), np.uint8
    )


def _thirty_seconds(
    shape: tuple[int, int], line: NDArray[np.float64], first: tuple[int, int]
) -> NDArray[np.int32]:
    """One source coordinate of every target pixel, in 1/32 pixel."""
    x, y = first[0] + np.arange(shape[1]), first[1] + np.arange(shape[0])
    columns = np.rint(line[0] * 32 * x).astype(np.int32)
    rows = np.rint((line[1] * y + line[2]) * 32).astype(np.int32)
    return np.asarray(columns[None] + rows[:, None], np.int32)


@dataclass(frozen=True, slots=True)
class Scattered:
    """Places strewn over a window: picture (x, y) (n, 2), and the luck of each.

    `luck` (n, 12): eight numbers even between 0 and 1, then four of mean 0 and deviation 1.
    """

    points: Points
    luck: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)

    def where(self, chosen: Mask) -> Scattered:
        return Scattered(self.points[chosen], self.luck[chosen])


_TABLE = 65_521


@lru_cache(maxsize=1)
def _luck() -> Field:
    """What may befall a place, many times over."""
    rng = np.random.default_rng(7)
    luck = np.column_stack([rng.random((_TABLE, 8)), rng.normal(size=(_TABLE, 4))])
    return luck.astype(np.float32)


def scatter(
    view: View,
    mask: Mask,
    spacing_um: float | tuple[float, float],
    salt: int,
    keep: float = 1.0,
    jitter: float = 0.9,
    angle: float = 0.0,
) -> Scattered:
    """Places about `spacing_um` apart inside a mask of a window, a share `keep` of them.

    They lie on a staggered lattice in the knee, turned by `angle` degrees, and are moved by up
    to half of `jitter` times the spacing each way. The same salt gives the same places in every
    window, so that a cell on a border is whole.

    Args:
        spacing_um: along and across the lattice's rows, or one number for both.
    """
    along, across = (spacing_um, spacing_um) if isinstance(spacing_um, float) else spacing_um
    lattice, chance = _lattice(view, (along, across), angle, salt, jitter)
    kept = chance[:, 7] < keep
    points, chance = view.to_pixels(lattice[kept]), chance[kept]
    nearest = np.rint(points).astype(int)
    held = np.flatnonzero(((nearest >= 0) & (nearest < view.shape[::-1])).all(axis=1))
    held = held[mask[nearest[held, 1], nearest[held, 0]]]
    return Scattered(points[held], chance[held])


def _lattice(
    view: View,
    spacing: tuple[float, float],
    angle: float,
    salt: int,
    jitter: float,
) -> tuple[Points, Field]:
    """Knee-frame places (n, 2) of a jittered lattice under a view, and the luck of each."""
    shift = np.array([salt % 997, salt % 1013], float)
    a = np.deg2rad(angle)
    axes = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]) * 0.5 + 0.5
    reach = view.to_knee(corners * view.shape[::-1]) @ axes.T + shift
    low = np.floor(reach.min(0) / spacing).astype(int) - 1
    high = np.ceil(reach.max(0) / spacing).astype(int) + 2
    grid = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    i, j = (axis.ravel() for axis in grid)
    chance = _luck()[((i * 73_856_093 ^ j * 19_349_663) + salt % (1 << 40)) % _TABLE]
    place = np.column_stack([i + 0.5 * (j % 2), j]).astype(float)
    place += (chance[:, :2] - 0.5) * jitter
    return np.asarray((place * spacing - shift) @ axes), chance


_EDGE = 0.63
"""cv2 draws an anti-aliased edge about this many pixels outside of where it is."""
_CIRCLE = 1.024 * np.column_stack(
    [np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)]
)


def draw_ellipses(
    layer: LabelArray, points: Points, a: Numbers, b: Numbers, angle: Numbers, tone: Numbers
) -> None:
    """Anti-aliased filled ellipses on a layer of bytes.

    Args:
        points: (n, 2) picture (x, y) of their middles.
        a, b: (n,) half axes, pixels. angle: (n,) of the first axis, degrees. tone: (n,) 0–255.
    """
    if not len(points):
        return
    # In double precision: single-precision sines differ from processor to processor.
    t, a, b = (np.asarray(numbers, float)[:, None] for numbers in (np.deg2rad(angle), a, b))
    x, y = _CIRCLE[:, 0] * np.maximum(a - _EDGE, 0.3), _CIRCLE[:, 1] * np.maximum(b - _EDGE, 0.3)
    outline = np.stack([x * np.cos(t) - y * np.sin(t), x * np.sin(t) + y * np.cos(t)], -1)
    rings = np.rint((outline + points[:, None]) * (1 << _SHIFT)).astype(np.int32)
    for ring, value in zip(rings, np.asarray(tone).astype(int).tolist(), strict=True):
        cv2.fillConvexPoly(layer, ring, value, cv2.LINE_AA, _SHIFT)


def draw_line(layer: LabelArray, points: Points, width: int) -> None:
    """An anti-aliased line (255) through points (x, y), `width` pixels wide."""
    cv2.polylines(layer, [_fixed(points)], False, 255, width, cv2.LINE_AA, _SHIFT)
