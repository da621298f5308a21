"""From curves in micrometres to arrays: views, rings, lines, noise, scattered points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points
from histoscore.phantom.curves import Profile
from histoscore.records import LabelArray, Mask

Field = NDArray[np.float32]
"""(rows, columns) of numbers."""

_SHIFT = 4  # cv2 draws at 1/16 px
_FINER = 4  # a ring is filled at this many times the resolution
_COVERED = 144  # of 255: cv2 paints its outline too, so half a pixel covered reads a little more


@dataclass(frozen=True, slots=True)
class View:
    """How a knee lies in a picture.

    Attributes:
        shape: (rows, columns) of the picture.
        mpp: µm per pixel.
        center: the knee-frame point (µm) in the middle of the picture.
        angle: rotation in degrees, clockwise as seen.
        mirrored: x is flipped (the other knee, or the section turned over).
    """

    shape: tuple[int, int]
    mpp: float
    center: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    mirrored: bool = False

    @property
    def _matrix(self) -> NDArray[np.float64]:
        """Knee-frame µm → pixels, without the shift."""
        a = np.deg2rad(self.angle)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        return turn @ np.diag([-1.0 if self.mirrored else 1.0, 1.0]) / self.mpp

    @property
    def _middle(self) -> NDArray[np.float64]:
        return np.array([(self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2])

    def to_pixels(self, points: Points) -> Points:
        """Knee-frame (x, y) in µm → picture (x, y), pixel centres at whole numbers."""
        turned = (points - np.array(self.center)) @ self._matrix.T
        return np.asarray(turned + self._middle, np.float64)

    def to_knee(self, pixels: Points) -> Points:
        """Picture (x, y) → knee-frame µm."""
        turned = (pixels - self._middle) @ np.linalg.inv(self._matrix).T
        return np.asarray(turned + np.array(self.center), np.float64)

    def coordinates(self) -> tuple[Field, Field]:
        """Knee-frame x and y of every pixel, µm, two arrays of `shape`."""
        inverse = np.linalg.inv(self._matrix)
        column = np.arange(self.shape[1]) - self._middle[0]
        row = (np.arange(self.shape[0]) - self._middle[1])[:, None]
        x = inverse[0, 0] * column + inverse[0, 1] * row + self.center[0]
        y = inverse[1, 0] * column + inverse[1, 1] * row + self.center[1]
        return x.astype(np.float32), y.astype(np.float32)

    def fill(self, ring: Points) -> Mask:
        """(rows, columns) pixels at least half inside a closed ring of knee-frame points."""
        filled = np.zeros(self.shape, bool)
        outline = self.to_pixels(ring)
        bounds = _bounds(outline, self.shape)
        if bounds is None:
            return filled
        left, top, right, bottom = bounds
        size = (right - left, bottom - top)
        fine = np.zeros((size[1] * _FINER, size[0] * _FINER), np.uint8)
        local = (outline - (left, top) + 0.5) * _FINER - 0.5
        cv2.fillPoly(fine, [_fixed(local)], 255, shift=_SHIFT)
        cover = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        filled[top:bottom, left:right] = cover >= _COVERED
        return filled


def _bounds(points: Points, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of the points within the picture; None where all lie outside."""
    low = np.floor(points.min(0)).astype(int) - 2
    high = np.ceil(points.max(0)).astype(int) + 3
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(shape[1], int(high[0])), min(shape[0], int(high[1]))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def at_pixels(x: Field, columns: Profile, values: Profile) -> Field:
    """values(x) of every pixel; `columns` are evenly spaced x, and beyond them the ends hold."""
    step = columns[1] - columns[0]
    index = np.clip((x - columns[0]) / step, 0, len(columns) - 1.001)
    low = index.astype(np.int32)
    part = (index - low).astype(np.float32)
    v = values.astype(np.float32)
    return np.asarray(v[low] * (1 - part) + v[low + 1] * part, np.float32)


def noise(
    shape: tuple[int, int],
    scale: float,
    rng: np.random.Generator,
    stretch: tuple[float, float] = (1, 1),
) -> Field:
    """Smooth random field with standard deviation about 1 and a grain of `scale` pixels.

    `stretch` (rows, columns) lengthens the grain, for fibres.
    """
    grain = (max(scale * stretch[0], 1.0), max(scale * stretch[1], 1.0))
    rows, columns = (int(np.ceil(n / g)) + 4 for n, g in zip(shape, grain, strict=True))
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    size = (round(columns * grain[1]), round(rows * grain[0]))
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    top, left = int(2 * grain[0]), int(2 * grain[1])
    return np.asarray(fine[top : top + shape[0], left : left + shape[1]] * 1.35, np.float32)


def warped(field: Field, rng: np.random.Generator, reach: float, grain: float) -> Field:
    """The field with its points displaced by smooth noise of `reach` pixels."""
    shape = (field.shape[0], field.shape[1])
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    dx, dy = noise(shape, grain, rng) * reach, noise(shape, grain, rng) * reach
    return np.asarray(
        cv2.remap(field, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    )


def scatter(
    mask: Mask, spacing: float, rng: np.random.Generator, keep: float = 1.0, jitter: float = 0.9
) -> Points:
    """(n, 2) points (x, y) about `spacing` pixels apart inside a mask, a share `keep` of them.

    They lie on a staggered grid, moved by up to half of `jitter` times the spacing each way.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.empty((0, 2))
    top, left = rows.min(), columns.min()
    y, x = np.mgrid[top : rows.max() + 1 : spacing, left : columns.max() + 1 : spacing]
    points = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    points[::2, 1] += spacing / 2
    points += rng.uniform(-0.5, 0.5, points.shape) * jitter * spacing
    points = points[rng.random(len(points)) < keep]
    column = np.clip(np.rint(points[:, 0]), 0, mask.shape[1] - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, mask.shape[0] - 1).astype(int)
    return np.asarray(points[mask[row, column]])


def draw_ellipses(layer: LabelArray, ellipses: Iterable[tuple[float, ...]]) -> None:
    """Anti-aliased filled ellipses (x, y, half axis, half axis, degrees, value 0–255)."""
    unit = 1 << _SHIFT
    for x, y, a, b, angle, value in ellipses:
        cv2.ellipse(
            layer,
            (round(x * unit), round(y * unit)),
            (max(1, round(a * unit)), max(1, round(b * unit))),
            angle,
            0,
            360,
            float(value),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )


def draw_line(layer: LabelArray, points: Points, width: int) -> None:
    """An anti-aliased line (255) through points (x, y), `width` pixels wide."""
    cv2.polylines(layer, [_fixed(points)], False, 255, width, cv2.LINE_AA, _SHIFT)
