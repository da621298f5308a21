"""Masks → outlines on the slide."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Placement
from histoscore.image.placed import occupied
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
    here = occupied(mask)
    top, left = (part.start for part in here)
    padded = np.pad(mask[here].astype(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    rows = rows + top
    rectangles: NDArray[np.object_] = shapely.box(starts + left, rows, ends + left, rows + 1)
    return rectangles
