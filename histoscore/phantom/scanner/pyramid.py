"""The levels of a pyramid and the tiles of a level, one after the other.

A pixel of a level covers just `factor` × `factor` of the one before. Where the size is no
multiple, the odd last pixels are cut off, or repeated to fill one pixel more: never is a level
stretched, which would shift its far end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.records import RgbImage

_BAND_ROWS = 256
"""Rows of a level that are made at once: what has to be repeated is copied a band at a time."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """How a format steps down.

    Attributes:
        factor: between one level and the next.
        coarse_px: the first level whose longer side is no longer than this is the last.
        keeps_odd: odd last pixels become a pixel of their own; else they are cut off.
    """

    factor: int
    coarse_px: int
    keeps_odd: bool = False

    def sizes(self, rows: int, columns: int) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of every level, level 0 first."""
        sizes = [(rows, columns)]
        while max(sizes[-1]) > self.coarse_px:
            sizes.append((self._below(sizes[-1][0]), self._below(sizes[-1][1])))
        return tuple(sizes)

    def levels(self, picture: RgbImage) -> Iterator[RgbImage]:
        """The levels, level 0 first; no more than two of the reduced ones are held at a time."""
        level = picture
        yield level
        for size in self.sizes(*picture.shape[:2])[1:]:
            level = _reduced(level, self.factor, *size)
            yield level

    def _below(self, length: int) -> int:
        spare = self.factor - 1 if self.keeps_odd else 0
        return max(1, (length + spare) // self.factor)


def tiles(level: RgbImage, side: int) -> Iterator[RgbImage]:
    """Tiles (side, side, 3) in reading order.

    Those that reach outside repeat the last pixels: JPEG would bleed any other colour inside.
    """
    rows, columns = level.shape[:2]
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            yield _fitted(level[top : top + side, left : left + side], side, side)


def _reduced(level: RgbImage, factor: int, rows: int, columns: int) -> RgbImage:
    """The level as means of `factor` × `factor` pixels, (rows, columns, 3)."""
    reduced = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, _BAND_ROWS):
        band = reduced[top : top + _BAND_ROWS]
        height = len(band) * factor
        whole = _fitted(level[top * factor :][:height], height, columns * factor)
        band[:] = cv2.resize(whole, (columns, len(band)), interpolation=cv2.INTER_AREA)
    return reduced


def _fitted(part: RgbImage, rows: int, columns: int) -> RgbImage:
    """The part cut to this size, or grown to it by repeating its last row and column."""
    part = part[:rows, :columns]
    missing = rows - part.shape[0], columns - part.shape[1]
    if not any(missing):
        return part
    grown = cv2.copyMakeBorder(part, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.uint8)
