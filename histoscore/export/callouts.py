"""Where text boxes go on a picture: beside what they name, never on the cartilage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.records import Mask

_ANGLES_DEG = (0, 15, -15, 30, -30, 50, -50, 75, -75)
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Callout:
    """A text box to be placed: `anchor` is what it names, `direction` where it should lie from
    there (unit vector), `size` its width and height; all in picture pixels, (x, y)."""

    anchor: tuple[float, float]
    direction: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A placed box in picture pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def place_callouts(callouts: Sequence[Callout], occupied: Mask) -> tuple[Rectangle, ...]:
    """A rectangle a callout, inside the picture, clear of `occupied` and of each other.

    Looked for first along the callout's direction, near before far, then anywhere; only where no
    room is left at all does a box stay at its anchor, pushed inside the picture.
    """
    taken = occupied.copy()
    placed = []
    for callout in callouts:
        rectangle = _place(callout, taken)
        taken[
            rectangle.y : rectangle.y + rectangle.height,
            rectangle.x : rectangle.x + rectangle.width,
        ] = True
        placed.append(rectangle)
    return tuple(placed)


def _place(callout: Callout, taken: Mask) -> Rectangle:
    counts = cv2.integral(taken.astype(np.uint8)).astype(np.int32)
    for candidate in _candidates(callout, taken.shape):
        if _is_free(candidate, counts):
            return candidate
    return _pushed_inside(callout, callout.anchor, taken.shape)


def _candidates(callout: Callout, shape: tuple[int, ...]) -> Iterator[Rectangle]:
    reach = max(shape[:2]) * 0.6
    start = max(callout.size) * 0.6
    for distance in np.linspace(start, reach, _STEPS):
        for angle in np.radians(_ANGLES_DEG):
            cos, sin = np.cos(angle), np.sin(angle)
            x, y = callout.direction
            turned = (cos * x - sin * y, sin * x + cos * y)
            center = (
                callout.anchor[0] + distance * turned[0],
                callout.anchor[1] + distance * turned[1],
            )
            if _fits(callout, center, shape):
                yield _pushed_inside(callout, center, shape)
    yield from _anywhere(callout, shape)


def _anywhere(callout: Callout, shape: tuple[int, ...]) -> Iterator[Rectangle]:
    """Places on a grid over the picture, the nearest to the anchor first."""
    width, height = callout.size
    xs = np.arange(width / 2, shape[1], 16.0)
    ys = np.arange(height / 2, shape[0], 16.0)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    order = np.argsort(np.hypot(*(grid - callout.anchor).T), kind="stable")
    for center in grid[order]:
        if _fits(callout, (float(center[0]), float(center[1])), shape):
            yield _pushed_inside(callout, (float(center[0]), float(center[1])), shape)


def _fits(callout: Callout, center: tuple[float, float], shape: tuple[int, ...]) -> bool:
    width, height = callout.size
    return (
        width / 2 <= center[0] <= shape[1] - width / 2
        and height / 2 <= center[1] <= shape[0] - height / 2
    )


def _pushed_inside(
    callout: Callout, center: tuple[float, float], shape: tuple[int, ...]
) -> Rectangle:
    width, height = callout.size
    x = min(max(0, round(center[0] - width / 2)), max(0, shape[1] - width))
    y = min(max(0, round(center[1] - height / 2)), max(0, shape[0] - height))
    return Rectangle(x, y, width, height)


def _is_free(rectangle: Rectangle, counts: NDArray[np.int32]) -> bool:
    top, left = rectangle.y, rectangle.x
    bottom, right = top + rectangle.height, left + rectangle.width
    inside = counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left]
    return bool(inside == 0)
