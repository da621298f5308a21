"""A pixel belongs to an outline that holds its middle, holes and borders of the array included."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from histoscore.image.filled import filled

SHAPE = (17, 29)
# Off the pixels' middles; an edge may still run through some.
coordinates = st.integers(-60, 360).map(lambda tenths: tenths / 10 + 0.031)
triangles = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=3).map(
    lambda corners: shapely.Polygon(corners)
)


def whole(outline: BaseGeometry) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    found = filled(outline, SHAPE)
    if found:
        window, inside = found
        mask[window] = inside
    return mask


def middles_inside(outline: BaseGeometry) -> np.ndarray:
    rows, columns = np.indices(SHAPE) + 0.5
    return np.asarray(shapely.contains_xy(outline, columns, rows))


@given(st.lists(triangles.filter(lambda t: t.area > 0.5), min_size=1, max_size=4))
def test_unions_of_triangles_are_filled_by_their_pixels_middles(parts: list[BaseGeometry]) -> None:
    """On an edge either side would do."""
    outline = shapely.union_all(parts)
    rows, columns = np.indices(SHAPE) + 0.5
    off = shapely.distance(outline.boundary, shapely.points(columns, rows)) > 1e-9
    assert np.array_equal(whole(outline)[off], middles_inside(outline)[off])


def test_an_edge_through_middles_takes_no_pixel_beside_it() -> None:
    outline = shapely.Polygon([(0.031, 0.031), (0.031, -0.269), (3.431, 3.431)])
    assert not whole(outline)[~np.eye(*SHAPE, dtype=bool)].any()


def test_a_hole_stays_empty() -> None:
    outline = shapely.box(2, 3, 20, 14).difference(shapely.box(5, 6, 9, 11))
    assert whole(outline).sum() == outline.area
    assert not whole(outline)[6:11, 5:9].any()


def test_what_lies_outside_the_array_is_none() -> None:
    assert filled(shapely.box(40, 3, 50, 9), SHAPE) is None
    assert filled(shapely.box(3, -9, 5, -1), SHAPE) is None
