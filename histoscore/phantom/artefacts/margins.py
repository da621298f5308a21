"""How much clear glass a slide has along its sides, so that marks can keep off the tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points
from histoscore.phantom.artefacts.layers import Pixels

_STEP_UM = 20.0
_DARKER = 16
"""Grey levels below the glass from which something lies on it."""
_SPECKS = 0.01
"""Share of a line along a side that dust may take up."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a picture.

    Attributes:
        corner: where it begins, picture px (x, y).
        along: unit vector along it; the outside is 90° clockwise of that as seen.
        length: px.
        clear_um: how far inwards there is nothing but glass, µm.
    """

    corner: Points
    along: Points
    length: float
    clear_um: float

    @property
    def outward(self) -> Points:
        return np.array([-self.along[1], self.along[0]])

    def at(self, place: float, inside: float) -> Points:
        """The point so far along the side and so far inside the picture, px."""
        return np.asarray(self.corner + place * self.along - inside * self.outward)


def sides_of(picture: Pixels, mpp: float) -> tuple[Side, Side, Side, Side]:
    """Bottom, top, left and right of a slide."""
    rows, columns = (float(n) for n in picture.shape[:2])
    bottom, top, left, right = _clear_um(picture, mpp)
    return (
        Side(np.array([0.0, rows]), np.array([1.0, 0.0]), columns, bottom),
        Side(np.array([columns, 0.0]), np.array([-1.0, 0.0]), columns, top),
        Side(np.array([0.0, 0.0]), np.array([0.0, 1.0]), rows, left),
        Side(np.array([columns, rows]), np.array([0.0, -1.0]), rows, right),
    )


def _clear_um(picture: Pixels, mpp: float) -> tuple[float, float, float, float]:
    step = max(1, round(_STEP_UM / mpp))
    darkest = picture[::step, ::step].min(axis=2).astype(int)
    glass = int(np.quantile(darkest, 0.95, method="nearest"))
    occupied = darkest < glass - _DARKER
    by_row, by_column = occupied.mean(axis=1) > _SPECKS, occupied.mean(axis=0) > _SPECKS
    lines = (by_row[::-1], by_row, by_column, by_column[::-1])
    bottom, top, left, right = (_before(line) * step * mpp for line in lines)
    return bottom, top, left, right


def _before(line: NDArray[np.bool_]) -> int:
    """How many places come before the first that is occupied."""
    return int(np.argmax(line)) if line.any() else len(line)
