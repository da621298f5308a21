"""Sheets: textures drawn along a line and laid over the picture at its angle and scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Box, Points
from histoscore.phantom.artefacts.layers import Layer, traced
from histoscore.phantom.raster import laid_under

_BAND = 256
"""Rows of the picture worked on at a time."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where a texture of (rows, columns) lies in a picture.

    Attributes:
        shape: (rows, columns) of the texture.
        corner: its upper left corner in picture px (x, y), pixel corners at whole numbers.
        along: unit vector (x, y) in which its columns follow each other; rows follow 90°
            clockwise of that as seen.
        px: picture px per px of the texture.
    """

    shape: tuple[int, int]
    corner: Points
    along: Points
    px: float

    @classmethod
    def about(cls, middle: Points, along: Points, shape: tuple[int, int], px: float) -> Sheet:
        """A sheet of (rows, columns) with its middle at a point of the picture."""
        half = np.array([shape[1], shape[0]]) * px / 2
        across = np.array([-along[1], along[0]])
        return cls(shape, middle - half[0] * along - half[1] * across, along, px)

    @property
    def across(self) -> Points:
        return np.array([-self.along[1], self.along[0]])

    def to_picture(self, points: Points) -> Points:
        """Texture (x, y), pixel corners at whole numbers, → picture px."""
        turn = np.array([self.along, self.across]) * self.px
        return np.asarray(self.corner + points @ turn)

    def frame(self) -> Polygon:
        """Its border in the picture."""
        rows, columns = self.shape
        corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float64)
        return Polygon(self.to_picture(corners))

    def outline(self, layer: Layer) -> BaseGeometry:
        """Outline in the picture of what is not 0 in a layer of this sheet's shape."""
        local = traced(layer, Box(0, 0, self.shape[1], self.shape[0]))
        return shapely.transform(local, self.to_picture)

    def bands(self, shape: tuple[int, ...]) -> Iterator[Box]:
        """Windows that hold all of the picture of this shape that the sheet lies on."""
        frame = self.frame()
        for top in range(0, shape[0], _BAND):
            part = frame.intersection(shapely.box(0, top, shape[1], min(top + _BAND, shape[0])))
            if part.area > 0:
                left, _, right, _ = part.bounds
                x, end = int(np.floor(left)), int(np.ceil(right))
                yield Box(x, top, end - x, min(_BAND, shape[0] - top))

    def laid(self, layer: Layer, box: Box, border: int = cv2.BORDER_CONSTANT) -> Layer:
        """The layer as it lies in a window of the picture; beyond it 0, or its border's value."""
        turn = np.array([self.along, self.across]) / self.px
        shift = turn @ (np.array([box.x, box.y]) + 0.5 - self.corner) - 0.5
        matrix = np.column_stack([turn, shift])
        return laid_under(layer, matrix, (box.height, box.width), border)
