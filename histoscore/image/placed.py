"""Arrays that lie on a slide: seen through another placement, grown, boxed."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Placement
from histoscore.records import Mask


def seen_through(
    layer: NDArray[Any],
    source: Placement,
    target: Placement,
    shape: tuple[int, ...],
    interpolation: int = cv2.INTER_LINEAR,
) -> NDArray[Any]:
    """An array (rows, columns[, channels]) resampled onto another placement; 0 outside.

    Args:
        layer: float32 or uint8, lying at `source`.
        shape: rows and columns of the result, which lies at `target`.
    """
    scale = target.downsample / source.downsample
    corner = source.from_slide(target.to_slide(np.zeros((1, 2))))[0]
    # Only what is seen: a small array is warped more quickly, and no large one is copied.
    left, right = _seen(corner[0], scale, shape[1], layer.shape[1])
    top, bottom = _seen(corner[1], scale, shape[0], layer.shape[0])
    matrix = np.array([[scale, 0, corner[0] - left], [0, scale, corner[1] - top]])
    return np.asarray(
        cv2.warpAffine(
            np.ascontiguousarray(layer[top:bottom, left:right]),
            matrix,
            (shape[1], shape[0]),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
        )
    )


def _seen(first: float, scale: float, count: int, size: int) -> tuple[int, int]:
    """First and one past the last of `size` pixels that `count` pixels from `first` on show; at
    least one, so that there is something to warp."""
    start = min(max(0, math.floor(first) - 1), size - 1)
    return start, max(start + 1, min(size, math.ceil(first + scale * (count - 1)) + 2))


def mask_through(mask: Mask, source: Placement, target: Placement, shape: tuple[int, ...]) -> Mask:
    """A mask on another placement, its border between the two scales' pixels smoothed."""
    return seen_through(mask.astype(np.float32), source, target, shape) > 0.5


def nearest_through(
    codes: NDArray[np.uint8], source: Placement, target: Placement, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """A map of codes on another placement: each pixel takes the nearest code."""
    return np.asarray(seen_through(codes, source, target, shape, cv2.INTER_NEAREST))


def grown(mask: Mask, radius: float) -> Mask:
    """The mask with a disc of `radius` pixels (at least one) around each of its pixels."""
    size = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)


def occupied(array: NDArray[Any], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns from the first to the last with anything but 0 or False, `margin` pixels
    more where there are any; empty slices where there is nothing."""
    rows, columns = (np.flatnonzero(array.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    first, last = (
        slice(max(0, int(found[0]) - margin), min(size, int(found[-1]) + margin + 1))
        for found, size in zip((rows, columns), array.shape, strict=True)
    )
    return first, last


def box_around(mask: Mask, place: Placement) -> Box:
    """The smallest level-0 box that holds every true pixel of a mask with at least one."""
    rows, columns = occupied(mask)
    d = place.downsample
    left, top = math.floor(place.x + columns.start * d), math.floor(place.y + rows.start * d)
    right = math.ceil(place.x + columns.stop * d)
    bottom = math.ceil(place.y + rows.stop * d)
    return Box(left, top, right - left, bottom - top)
