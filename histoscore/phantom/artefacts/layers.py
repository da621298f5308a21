"""Layers of bytes over a window of a picture, and what they do to it.

A layer says how much of something lies on each pixel, 0–255. Everything is bytes and whole
numbers in windows or bands: lean on large slides, and equal to the last bit on any processor.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Box, Points

Layer = NDArray[np.uint8]
"""(rows, columns) amounts."""
Pixels = NDArray[np.uint8]
"""(rows, columns, 3) colours or dyes; often a view into a larger array."""
Absorbance = NDArray[np.float64]
"""(3,) optical density in R, G, B."""

UNITY = 205
"""The gain that changes nothing. Odd, as 255 is: no product lies half-way between two levels."""

_SHIFT = 4  # cv2 draws at 1/16 px
_THINNED = 0.6
"""Outlines leave out points that lie this close to a straight line, px."""
_LEAST_SIGMA, _BOXES_FROM = 0.25, 4.0  # px


def box_around(points: Points, margin: float, shape: tuple[int, ...]) -> Box | None:
    """The window of a picture that holds points (x, y) and a margin; None where it lies outside."""
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int)
    width, height = np.maximum(high - low, 1)
    return Box(int(low[0]), int(low[1]), int(width), int(height)).clipped(shape[1], shape[0])


def filled(box: Box, *rings: Points) -> Layer:
    """A window with the insides of closed rings (x, y in picture px), anti-aliased."""
    layer = np.zeros((box.height, box.width), np.uint8)
    for ring in rings:
        cv2.fillPoly(layer, [_fixed(ring, box)], 255, cv2.LINE_AA, _SHIFT)
    return layer


def draw_nested(box: Box, ground: int, rings: Iterable[tuple[Points, int]]) -> Layer:
    """A window of one value with filled rings drawn over each other, each with its value."""
    layer = np.full((box.height, box.width), ground, np.uint8)
    for ring, value in rings:
        cv2.fillPoly(layer, [_fixed(ring, box)], value, cv2.LINE_AA, _SHIFT)
    return layer


def draw_line(layer: Layer, box: Box, line: Points, width: float, value: int = 255) -> None:
    """An anti-aliased line (x, y in picture px) in a window, `width` px wide, at least one."""
    thick = max(1, round(width))
    cv2.polylines(layer, [_fixed(line, box)], False, value, thick, cv2.LINE_AA, _SHIFT)


def _fixed(points: Points, box: Box) -> NDArray[np.int32]:
    local = points - (box.x + 0.5, box.y + 0.5)
    return np.rint(local * (1 << _SHIFT)).astype(np.int32)


def softened(layer: Layer, sigma: float) -> Layer:
    """Blurred as by a Gaussian of sigma px; beyond the window lies what is at its border.

    A wide one is three boxes, which cost the same however wide they are.
    """
    if sigma < _LEAST_SIGMA:
        return layer
    if sigma < _BOXES_FROM:
        side = 2 * int(np.ceil(2.6 * sigma)) + 1
        soft = cv2.GaussianBlur(layer, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(soft, np.uint8)
    for side in _boxes(sigma):
        layer = _box_mean(layer, side)
    return layer


def _box_mean(layer: Layer, side: int) -> Layer:
    """Mean over side × side pixels, divided in whole numbers."""
    border = cv2.BORDER_REPLICATE
    sums = cv2.boxFilter(layer, cv2.CV_32S, (side, side), normalize=False, borderType=border)
    return np.asarray((sums + side * side // 2) // (side * side), np.uint8)


def reach_of(sigma: float) -> int:
    """How far `softened` spreads a pixel, at most, px."""
    return int(np.ceil(3.2 * sigma)) + 3


def _boxes(sigma: float) -> list[int]:
    """Three odd widths whose boxes together have the variance of a Gaussian of sigma, nearly."""
    variance = 12 * sigma**2
    narrow = int((np.sqrt(variance / 3 + 1) - 1) // 2) * 2 + 1
    count = round((3 * narrow**2 + 12 * narrow + 9 - variance) / (4 * narrow + 4))
    return [narrow if index < count else narrow + 2 for index in range(3)]


def as_bytes(amounts: NDArray[np.float64]) -> Layer:
    """Amounts from 0 to 1 as a layer."""
    return np.clip(np.rint(amounts * 255), 0, 255).astype(np.uint8)


def both(layer: Layer, share: float, other: Layer) -> Layer:
    """Two layers in one, a share of the first and the rest of the second."""
    amounts = np.arange(256)
    parts = (np.rint(amounts * share), amounts - np.rint(amounts * share))
    tables = [part.astype(np.uint8) for part in parts]
    return np.asarray(cv2.add(cv2.LUT(layer, tables[0]), cv2.LUT(other, tables[1])), np.uint8)


def through(table: Layer, layer: Layer) -> Layer:
    """The layer with every amount replaced by the table's (256,)."""
    return np.asarray(cv2.LUT(layer, table), np.uint8)


def ink(pixels: Pixels, cover: Layer, absorbance: Absorbance) -> None:
    """Lets light through a coloured layer, in place: Beer–Lambert, `absorbance` where it is 255."""
    amounts = np.arange(256)[:, None] / 255
    table = np.rint(255 * np.power(10.0, -amounts * absorbance)).astype(np.uint8)
    passed = cv2.LUT(cv2.merge([cover] * 3), table[None])
    cv2.multiply(pixels, passed, pixels, scale=1 / 255)


def gain(pixels: Pixels, gains: Layer) -> None:
    """Multiplies pixels in place by a layer of gains, `UNITY` being 1."""
    cv2.multiply(pixels, cv2.merge([gains] * 3), pixels, scale=1 / UNITY)


def brighten(pixels: Pixels, cover: Layer) -> None:
    """Takes pixels towards white in place, all the way where the layer is 255."""
    dark = cv2.bitwise_not(pixels)
    cv2.multiply(dark, cv2.merge([cv2.bitwise_not(cover)] * 3), dark, scale=1 / 255)
    cv2.bitwise_not(dark, pixels)


def mix(pixels: Pixels, other: Pixels, cover: Layer) -> None:
    """Replaces pixels in place by others as far as the layer covers them."""
    share = cv2.merge([cover] * 3)
    part = cv2.multiply(other, share, scale=1 / 255)
    cv2.multiply(pixels, cv2.bitwise_not(share), pixels, scale=1 / 255)
    cv2.add(pixels, part, pixels)


def traced(mask: NDArray[np.bool_] | Layer, box: Box, scale: float = 1.0) -> BaseGeometry:
    """Outline of what is not 0 in a window, in picture px with corners at whole numbers.

    A little wide (up to a pixel of the window), holes filled; empty for an empty window.

    Args:
        mask: (rows, columns).
        box: where the window lies in the picture.
        scale: picture px per px of the window.
    """
    whole = (np.asarray(mask) != 0).astype(np.uint8)
    contours, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    few = [cv2.approxPolyDP(contour, _THINNED, closed=True)[:, 0] for contour in contours]
    wide = shapely.union_all([_around(points.astype(np.float64) + 0.5) for points in few])
    return shapely.transform(wide, lambda p: np.asarray(p * scale + (box.x, box.y)))


def _around(contour: Points) -> BaseGeometry:
    """The pixels whose centres lie on or inside a thinned contour."""
    line = np.vstack([contour, contour[:1]])
    parts: list[BaseGeometry] = [LineString(line)]
    if len(contour) > 2:
        parts.append(shapely.make_valid(Polygon(contour), method="structure"))
    return GeometryCollection(parts).buffer(0.72 + _THINNED, 2)


def outline_in(
    shapes: BaseGeometry | Iterable[BaseGeometry], shape: tuple[int, ...]
) -> Polygon | MultiPolygon | None:
    """What shapes cover of a picture of that shape (rows, columns); None where that is nothing."""
    whole = shapes if isinstance(shapes, BaseGeometry) else shapely.union_all(list(shapes))
    inside = shapely.make_valid(whole).intersection(shapely.box(0, 0, shape[1], shape[0]))
    parts = [p for p in shapely.get_parts(inside) if p.geom_type == "Polygon" and p.area > 0]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
