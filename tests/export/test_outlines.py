"""Outlines lose no pixel, and lie where the pixels lie."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoscore.export.outlines import mask_outline
from histoscore.geometry import Mpp, Placement

HERE = Placement(x=1000, y=40, downsample=2.6, mpp=Mpp(1.3))


def test_one_pixel_becomes_its_own_square() -> None:
    mask = np.zeros((3, 7), dtype=bool)
    mask[2, 5] = True
    outline = mask_outline(mask, HERE)
    assert outline.equals(shapely.box(1000 + 5 * 2.6, 40 + 2 * 2.6, 1000 + 6 * 2.6, 40 + 3 * 2.6))


def test_a_hole_stays_a_hole() -> None:
    mask = np.ones((5, 8), dtype=bool)
    mask[2, 3:5] = False
    outline = mask_outline(mask, Placement(0, 0, 1, Mpp(1)))
    assert outline.geom_type == "Polygon"
    assert outline.area == 38
    assert [ring.length for ring in outline.interiors] == [6]


def test_straight_edges_have_no_points_between_their_ends() -> None:
    outline = mask_outline(np.ones((30, 50), dtype=bool), HERE)
    assert len(outline.exterior.coords) == 5


def test_an_empty_mask_has_an_empty_outline() -> None:
    assert mask_outline(np.zeros((4, 6), dtype=bool), HERE).is_empty


@given(arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 9))))
def test_area_is_that_of_the_pixels_and_the_outline_is_valid(mask: np.ndarray) -> None:
    outline = mask_outline(mask, HERE)
    assert outline.is_valid
    assert np.isclose(outline.area, mask.sum() * 2.6**2)
    for row, column in np.argwhere(mask):
        x, y = HERE.x + (column + 0.5) * 2.6, HERE.y + (row + 0.5) * 2.6
        assert outline.contains(shapely.Point(x, y))
