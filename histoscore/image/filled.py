"""Outlines → pixels: which middles of an array's pixels lie in a polygon, exactly."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Points
from histoscore.records import Mask

Window = tuple[slice, slice]
"""Rows and columns of an array."""


def filled(geometry: BaseGeometry, shape: tuple[int, ...]) -> tuple[Window, Mask] | None:
    """The part of an array that a geometry may touch, and its pixels whose middle lies inside.

    None where the geometry lies outside the array. Exact, holes included, where drawing with whole
    or shifted coordinates paints the edge too.

    Args:
        geometry: Polygon or MultiPolygon in corners of the array's pixels.
        shape: (rows, columns) of the array.
    """
    window = _window(geometry, shape)
    return None if window is None else (window, _inside(geometry, window))


def _window(geometry: BaseGeometry, shape: tuple[int, ...]) -> Window | None:
    """(rows, columns) of the pixels that a geometry may touch; None outside the array."""
    left, top, right, bottom = geometry.bounds
    rows = slice(max(0, int(np.floor(top))), min(shape[0], int(np.ceil(bottom))))
    columns = slice(max(0, int(np.floor(left))), min(shape[1], int(np.ceil(right))))
    empty = rows.start >= rows.stop or columns.start >= columns.stop
    return None if empty else (rows, columns)


def _inside(geometry: BaseGeometry, window: Window) -> Mask:
    """Which pixel middles of a window lie inside, by counting the edges to their left."""
    rows, columns = window
    height, width = rows.stop - rows.start, columns.stop - columns.start
    crossings = np.zeros((height, width + 1), np.uint8)
    for ring in shapely.get_rings(shapely.get_parts(geometry)):
        points = shapely.get_coordinates(ring) - (columns.start + 0.5, rows.start + 0.5)
        row, x = _crossings(points, height)
        np.bitwise_xor.at(crossings, (row, np.clip(np.ceil(x), 0, width).astype(np.intp)), 1)
    inside = np.bitwise_xor.accumulate(crossings, axis=1)[:, :width]
    return np.asarray(inside, np.bool_)


def _crossings(ring: Points, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the x at which a closed ring (n, 2) crosses their middles (at whole numbers)."""
    start, end = ring[:-1], ring[1:]
    low, high = (
        np.clip(np.ceil(f(start[:, 1], end[:, 1])), 0, height) for f in (np.minimum, np.maximum)
    )
    count = (high - low).astype(np.intp)
    edge = np.repeat(np.arange(len(start)), count)
    row = (low[edge] + np.arange(count.sum()) - (np.cumsum(count) - count)[edge]).astype(np.intp)
    slope = (end - start)[edge]
    x = start[edge, 0] + (row - start[edge, 1]) / slope[:, 1] * slope[:, 0]
    return row, x
