"""Lengths with their units, and the one place where (x, y) meets (row, column).

Points are (x, y), y down; arrays are (row, column). Boxes are whole level-0 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

import numpy as np
from numpy.typing import NDArray

Um = NewType("Um", float)
"""Micrometres."""
Um2 = NewType("Um2", float)
"""Square micrometres."""
Mpp = NewType("Mpp", float)
"""Micrometres per pixel."""
Px0 = NewType("Px0", int)
"""Pixels of the full-resolution level of a slide."""

BELIEVABLE_MPP = (0.1, 2.0)
"""µm per pixel that a slide can have; outside it a number is a mistake, whoever gives it."""

Points = NDArray[np.float64]
"""(n, 2) points as (x, y)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in level-0 pixels: left, top, width, height. May reach outside the slide."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"a box needs a positive size, not {self.width} × {self.height}")

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def shape_at(self, downsample: float) -> tuple[int, int]:
        """(rows, columns) of this box when one array pixel covers `downsample` level-0 pixels."""
        return max(1, round(self.height / downsample)), max(1, round(self.width / downsample))

    def slices(self, downsample: float = 1.0) -> tuple[slice, slice]:
        """Index of this box in an array that starts at level-0 (0, 0): `mask[box.slices(d)]`."""
        top, left = round(self.y / downsample), round(self.x / downsample)
        rows, columns = self.shape_at(downsample)
        return slice(max(0, top), max(0, top + rows)), slice(max(0, left), max(0, left + columns))

    def grown(self, margin: int) -> Box:
        """The box with `margin` pixels more on every side."""
        return Box(
            self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin
        )

    def snapped(self, step: int) -> Box:
        """The smallest box around this one whose edges are multiples of `step`."""
        left, top = self.x // step * step, self.y // step * step
        right, bottom = -(-self.right // step) * step, -(-self.bottom // step) * step
        return Box(left, top, right - left, bottom - top)

    def holds_any(self, points: Points) -> bool:
        """Whether one of the points (n, 2) lies in the box."""
        x, y = points.T
        across = (self.x <= x) & (x <= self.right)
        return bool((across & (self.y <= y) & (y <= self.bottom)).any())

    def clipped(self, width: int, height: int) -> Box | None:
        """The part inside a slide of this size, or None."""
        left, top = max(0, self.x), max(0, self.y)
        right, bottom = min(width, self.right), min(height, self.bottom)
        if right <= left or bottom <= top:
            return None
        return Box(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an array lies on a slide.

    Array pixel (row 0, column 0) has its upper left corner at level-0 (x, y); one array pixel
    covers `downsample` level-0 pixels each way and `mpp` micrometres.
    """

    x: float
    y: float
    downsample: float
    mpp: Mpp

    def to_slide(self, points: Points) -> Points:
        """Array (x, y), pixel centres at whole numbers, → level-0 (x, y), same convention."""
        return (points + 0.5) * self.downsample + (self.x, self.y) - 0.5

    def from_slide(self, points: Points) -> Points:
        """Level-0 (x, y) → array (x, y); the inverse of `to_slide`."""
        return (points + 0.5 - (self.x, self.y)) / self.downsample - 0.5

    def index(self, points: Points) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(rows, columns) of the array pixels that hold these level-0 points."""
        local = np.rint(self.from_slide(points)).astype(np.intp)
        return local[:, 1], local[:, 0]


def polyline_length(points: Points) -> float:
    """Length along an open line of points (n, 2)."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def sampled_along(line: Points, values: Points, step: float) -> Points:
    """`values` (n, k), given at the points of a line (n, 2), read off every `step` along it."""
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    places = np.arange(0, length[-1], step)
    return np.column_stack([np.interp(places, length, column) for column in values.T])


def resampled(line: Points, step: float) -> Points:
    """The same open line from its first point on, with points `step` apart along it (m, 2)."""
    return sampled_along(line, line, step)


def polygon_area(points: Points) -> float:
    """Area of a simple closed ring (n, 2), by the shoelace formula; never negative."""
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
