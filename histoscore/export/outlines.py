"""Masks → outlines on the slide."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Placement
from histoscore.records import Mask


def mask_outline(mask: Mask, placement: Placement) -> BaseGeometry:
    """The exact outline of the True pixels, in level-0 pixel corners; empty for an empty mask.

    A Polygon or MultiPolygon with holes whose area is the number of True pixels ×
    `placement.downsample` squared: no half pixel is lost at the rim.
    """
    grid = shapely.simplify(shapely.union_all(_row_runs(mask)), 0)  # 0: collinear points only
    scale = placement.downsample
    return affine_transform(grid, [scale, 0, 0, scale, placement.x, placement.y])


def _row_runs(mask: Mask) -> NDArray[np.object_]:
    """One rectangle for each run of True pixels in a row, in array pixel corners."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    rectangles: NDArray[np.object_] = shapely.box(starts, rows, ends, rows + 1)
    return rectangles
