"""Where a network looks: a regular grid of square tiles, and how their borders are blended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Mpp, Placement
from histoscore.records import Mask, TileGrid

WHOLE_WITHIN = 0.03
"""Scales this near to a whole number of level-0 px become it: shrinking by 2 is exact and takes a
twentieth of the time of shrinking by 2.004, and networks were shown scales that differ by more.
Areas do not notice: they are reckoned with the grid's own mpp."""

_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, slots=True)
class _Axis:
    """Tile starts along one axis: level-0 px, first `start`, then every `step`."""

    start: int
    step: int
    count: int

    @property
    def positions(self) -> NDArray[np.int64]:
        return self.start + self.step * np.arange(self.count, dtype=np.int64)


def grid_over(
    mask: Mask,
    placement: Placement,
    tile_px: int,
    tile_mpp: Mpp,
    slide_mpp: Mpp,
    overlap: float,
    extent: Box,
) -> TileGrid:
    """Tiles that cover every True pixel of `mask`, row by row.

    Tiles lie on a grid that is anchored at the upper left corner of `extent`; those that touch no
    True pixel are left out. A tile's side is a whole number of level-0 px, and where the scale is
    near a whole number of level-0 px it is that number (`WHOLE_WITHIN`), so the grid's `mpp` may
    differ a little from `tile_mpp`; read at the grid's mpp, a tile has exactly `tile_px` pixels.

    Args:
        mask: (rows, columns), on the slide at `placement`.
        tile_px: side of the tile that the network sees.
        tile_mpp: scale that the network wants; `slide_mpp` is that of level 0.
        overlap: share of a tile that the next one shows again, 0 to below 1.
    """
    side = _side(tile_px, tile_mpp / slide_mpp)
    mpp = Mpp(side * slide_mpp / tile_px)
    # Where the scale is whole, tiles begin on whole pixels of the map.
    unit = side // tile_px if side % tile_px == 0 else 1
    step = unit * max(1, round(side / unit * (1 - overlap)))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return TileGrid(np.empty((0, 2), np.int64), side, tile_px, mpp)
    across = _axis(columns, placement.x, placement.downsample, extent.x, side, step)
    down = _axis(rows, placement.y, placement.downsample, extent.y, side, step)
    xs, ys = across.positions, down.positions
    touched = _touches(mask, placement, xs, ys, side)
    row, column = np.nonzero(touched)
    return TileGrid(np.stack([xs[column], ys[row]], axis=1), side, tile_px, mpp)


def _side(tile_px: int, scale: float) -> int:
    """Level-0 px of a tile's side at about `scale` level-0 px to a pixel."""
    whole = max(1, round(scale))
    if abs(whole / scale - 1) <= WHOLE_WITHIN:
        return tile_px * whole
    return max(1, round(tile_px * scale))


def blend_window(tile_px: int) -> NDArray[np.float32]:
    """(tile_px, tile_px) weights: 1 in the middle, falling to the borders as a raised cosine.

    Symmetric and nowhere 0, so that the edge of a grid, which one tile alone covers, keeps a
    weight.
    """
    profile = np.sin(np.pi * (np.arange(tile_px) + 0.5) / tile_px) ** 2
    weights = _LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * np.outer(profile, profile)
    return weights.astype(np.float32)


def _axis(
    indices: NDArray[np.intp], corner: float, downsample: float, anchor: int, side: int, step: int
) -> _Axis:
    """The fewest grid positions that cover the mask's pixels from the first to the last."""
    first = math.floor(corner + indices[0] * downsample)
    last = math.ceil(corner + (indices[-1] + 1) * downsample)
    start = anchor + step * ((first - anchor) // step)
    count = 1 + max(0, -(-(last - start - side) // step))
    return _Axis(start, step, count)


def _touches(
    mask: Mask, placement: Placement, xs: NDArray[np.int64], ys: NDArray[np.int64], side: int
) -> NDArray[np.bool_]:
    """(len(ys), len(xs)): whether the tile there shows any True pixel."""
    sums = cv2.integral(mask.astype(np.uint8))
    top, bottom = _pixels_under(ys, side, placement.y, placement.downsample, mask.shape[0])
    left, right = _pixels_under(xs, side, placement.x, placement.downsample, mask.shape[1])
    inside = (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(top, right)]
        - sums[np.ix_(bottom, left)]
        + sums[np.ix_(top, left)]
    )
    touched: NDArray[np.bool_] = inside > 0
    return touched


def _pixels_under(
    positions: NDArray[np.int64], side: int, corner: float, downsample: float, count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and one past the last mask pixel that each tile shows at least a part of."""
    first = np.floor((positions - corner) / downsample).astype(np.intp)
    last = np.ceil((positions + side - corner) / downsample).astype(np.intp)
    return np.clip(first, 0, count), np.clip(last, 0, count)
