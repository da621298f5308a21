"""Rings, lines and boxes against closed formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.geometry import (
    Box,
    Mpp,
    Placement,
    Points,
    polygon_area,
    polyline_length,
    resampled,
    sampled_along,
)

lengths = st.floats(1, 3000)


def ellipse(a: float, b: float, tilt: float = 0.0, points: int = 400) -> Points:
    """A ring with half axes a and b."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return np.column_stack([a * np.cos(t), b * np.sin(t)]) @ turn.T


@given(a=lengths, b=lengths, tilt=st.floats(-7, 7), shift=st.floats(-1e4, 1e4))
def test_area_of_an_ellipse(a: float, b: float, tilt: float, shift: float) -> None:
    ring = ellipse(a, b, tilt) + np.array([shift, -2 * shift])
    assert polygon_area(ring) == pytest.approx(np.pi * a * b, rel=0.005)


@given(width=lengths, height=lengths)
def test_area_of_a_rectangle_whichever_way_round(width: float, height: float) -> None:
    ring = np.array([(0, 0), (width, 0), (width, height), (0, height)]) + np.array([-300, 70])
    assert polygon_area(ring) == pytest.approx(width * height)
    assert polygon_area(ring[::-1]) == pytest.approx(width * height)


@given(radius=lengths)
def test_length_of_an_arc(radius: float) -> None:
    half_circle = ellipse(radius, radius)[:201]
    assert polyline_length(half_circle) == pytest.approx(np.pi * radius, rel=0.005)


def test_resampling_puts_points_evenly_on_the_same_line() -> None:
    corner = np.array([(0.0, 0.0), (30.0, 0.0), (30.0, 40.5)])
    line = resampled(corner, 2.0)
    assert len(line) == 36
    assert line[15].tolist() == [30.0, 0.0]
    assert line[-1].tolist() == [30.0, 40.0]
    assert np.hypot(*np.diff(line, axis=0).T) == pytest.approx(2.0)


@given(step=st.floats(0.3, 25))
def test_resampling_loses_less_than_a_step_of_length(step: float) -> None:
    line = np.column_stack([np.linspace(0, 500, 1001), np.zeros(1001)])
    assert 499.999 - step <= polyline_length(resampled(line, step)) <= 500.001


def test_values_are_read_off_along_the_line_not_along_x() -> None:
    line = np.array([(0.0, 0.0), (0.0, 10.0), (30.0, 10.0)])
    values = np.array([(0.0, 5.0), (10.0, 5.0), (40.0, 5.0)])
    assert sampled_along(line, values, 8.0).tolist() == [[8.0 * i, 5.0] for i in range(5)]


def test_a_box_indexes_rows_by_y_and_columns_by_x() -> None:
    array = np.zeros((40, 90), bool)
    array[Box(100, 20, 50, 30).slices(2.5)] = True
    rows, columns = np.nonzero(array)
    assert (rows.min(), rows.max()) == (8, 19)
    assert (columns.min(), columns.max()) == (40, 59)


def test_a_box_over_the_edge_is_clipped_and_one_outside_is_none() -> None:
    assert Box(-10, 5, 30, 40).clipped(100, 30) == Box(0, 5, 20, 25)
    assert Box(-10, 5, 10, 40).clipped(100, 30) is None


@given(
    x=st.integers(-99, 99), y=st.integers(-99, 99),
    width=st.integers(1, 50), height=st.integers(1, 50), step=st.integers(1, 16),
)  # fmt: skip
def test_a_snapped_box_is_the_least_one_on_multiples(
    x: int, y: int, width: int, height: int, step: int
) -> None:
    box = Box(x, y, width, height)
    snapped = box.snapped(step)
    assert all(edge % step == 0 for edge in (snapped.x, snapped.y, snapped.right, snapped.bottom))
    assert 0 <= x - snapped.x < step
    assert 0 <= y - snapped.y < step
    assert 0 <= snapped.right - box.right < step
    assert 0 <= snapped.bottom - box.bottom < step


@given(
    x=st.floats(-1e5, 1e5),
    y=st.floats(-1e5, 1e5),
    downsample=st.floats(0.1, 64),
)
def test_a_placement_leads_to_the_slide_and_back(x: float, y: float, downsample: float) -> None:
    place = Placement(x, y, downsample, Mpp(0.37))
    points = np.array([(0.0, 0.0), (17.25, -3.0), (250.0, 901.5)])
    assert place.from_slide(place.to_slide(points)) == pytest.approx(points, abs=1e-4)
    first = place.to_slide(points[:1])[0]
    assert first == pytest.approx((x + (downsample - 1) / 2, y + (downsample - 1) / 2), abs=1e-6)
