"""From curves in micrometres to arrays: views, polygons, noise, cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

_SHIFT = 4  # cv2 draws at 1/16 px


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
        return (points - np.array(self.center)) @ self._matrix.T + self._middle

    def to_knee(self, pixels: Points) -> Points:
        """Picture (x, y) → knee-frame µm."""
        return (pixels - self._middle) @ np.linalg.inv(self._matrix).T + np.array(self.center)

    def coordinates(self) -> tuple[Field, Field]:
        """Knee-frame x and y of every pixel, µm, two arrays of `shape`."""
        inverse = np.linalg.inv(self._matrix)
        column = np.arange(self.shape[1]) - self._middle[0]
        row = (np.arange(self.shape[0]) - self._middle[1])[:, None]
        x = inverse[0, 0] * column + inverse[0, 1] * row + self.center[0]
        y = inverse[1, 0] * column + inverse[1, 1] * row + self.center[1]
        return x.astype(np.float32), y.astype(np.float32)

    def fill(self, ring: Points) -> Mask:
        """Pixels inside a closed ring of knee-frame points."""
        canvas = np.zeros(self.shape, np.uint8)
        # fillPoly also paints the pixels that its outline passes; four times the resolution,
        # then the pixel centre decides.
        scaled = self.to_pixels(ring)
        box = _bounds(scaled, self.shape)
        if box is None:
            return canvas.astype(bool)
        left, top, right, bottom = box
        fine = np.zeros(((bottom - top) * 4, (right - left) * 4), np.uint8)
        local = (scaled - (left, top) + 0.5) * 4 - 0.5
        cv2.fillPoly(fine, [_fixed(local)], 1, shift=_SHIFT)
        cover = cv2.resize(fine * 255, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        canvas[top:bottom, left:right] = cover >= 144
        return canvas.astype(bool)


def _bounds(points: Points, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    low = np.floor(points.min(0)).astype(int) - 2
    high = np.ceil(points.max(0)).astype(int) + 3
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(shape[1], int(high[0])), min(shape[0], int(high[1]))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


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
    """Points (x, y) about `spacing` pixels apart inside a mask, a share `keep` of them."""
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
    return points[mask[row, column]]


def draw_ellipses(canvas: NDArray[np.uint8], ellipses: Iterable[tuple[float, ...]]) -> None:
    """Anti-aliased filled ellipses (x, y, half axis, half axis, degrees, value 0–255)."""
    unit = 1 << _SHIFT
    for x, y, a, b, angle, value in ellipses:
        cv2.ellipse(
            canvas,
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
