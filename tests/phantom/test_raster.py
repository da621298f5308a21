"""Views and rings: counting pixels agrees with geometry at any scale, turned or mirrored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.geometry import Points
from histoscore.phantom.raster import View, at_pixels, draw_line, noise, scatter

CENTER = (130.0, -70.0)

views = st.builds(
    View,
    shape=st.just((700, 1010)),
    mpp=st.floats(0.55, 1.7),
    center=st.just(CENTER),
    angle=st.floats(-180, 180),
    mirrored=st.booleans(),
)


def circle(radius: float) -> Points:
    t = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    return np.array(CENTER) + radius * np.column_stack([np.cos(t), np.sin(t)])


def rectangle(width: float, height: float) -> Points:
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    return np.array(CENTER) + np.array(corners) * (width, height)


@settings(max_examples=40)
@given(view=views)
def test_a_filled_circle_has_its_area(view: View) -> None:
    counted = view.fill(circle(150)).sum() * view.mpp**2
    assert counted == pytest.approx(np.pi * 150**2, rel=0.005)


@settings(max_examples=40)
@given(view=views)
def test_a_filled_ellipse_has_its_area(view: View) -> None:
    ring = np.array(CENTER) + (circle(1) - CENTER) * (170, 60)
    assert view.fill(ring).sum() * view.mpp**2 == pytest.approx(np.pi * 170 * 60, rel=0.005)


@settings(max_examples=40)
@given(view=views)
def test_each_side_of_a_filled_rectangle_is_right_to_half_a_pixel(view: View) -> None:
    counted = view.fill(rectangle(301, 143)).sum() * view.mpp**2
    assert (301 - view.mpp) * (143 - view.mpp) <= counted
    assert counted <= (301 + view.mpp) * (143 + view.mpp)


@pytest.mark.parametrize("angle", [17.0, -63.0, 211.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_filled_rectangle_has_its_area(angle: float, mirrored: bool) -> None:
    view = View((700, 1010), 0.8317, CENTER, angle, mirrored)
    counted = view.fill(rectangle(301, 143)).sum() * view.mpp**2
    assert counted == pytest.approx(301 * 143, rel=0.005)


@given(view=views)
def test_pixels_lead_to_the_knee_and_back(view: View) -> None:
    points = np.array([(0.0, 0.0), (-412.5, 77.0), (900.0, -33.3)])
    assert view.to_knee(view.to_pixels(points)) == pytest.approx(points, abs=1e-6)


@given(view=views)
def test_every_pixel_knows_where_it_lies(view: View) -> None:
    x, y = view.coordinates()
    assert x.shape == y.shape == view.shape
    row, column = 600, 35
    expected = view.to_knee(np.array([(column, row)], float))[0]
    assert (x[row, column], y[row, column]) == pytest.approx(tuple(expected), abs=1e-2)


def test_the_center_lies_in_the_middle_of_the_picture() -> None:
    view = View((301, 501), 0.8, CENTER, angle=33, mirrored=True)
    assert view.to_pixels(np.array([CENTER]))[0] == pytest.approx((250, 150))


def test_a_view_turns_clockwise_and_mirrors_left_and_right() -> None:
    right = np.array([(100.0, 0.0)])
    turned = View((401, 601), 2.0, angle=90).to_pixels(right)[0]
    mirrored = View((401, 601), 2.0, mirrored=True).to_pixels(right)[0]
    assert turned == pytest.approx((300, 250))
    assert mirrored == pytest.approx((250, 200))


def test_a_ring_is_cut_at_the_pictures_edge_and_missing_outside() -> None:
    view = View((100, 200), 1.0)
    assert view.fill(np.array([(0, -900), (900, -900), (900, 900), (0, 900)])).sum() == 100 * 100
    assert not view.fill(np.array([(500.0, 0.0), (600.0, 0.0), (600.0, 50.0)])).any()


def test_values_over_x_are_spread_over_the_picture() -> None:
    columns = np.arange(-10.0, 11.0, 4.0)
    x = np.array([[-99.0, -10.0, 0.0], [3.0, 9.0, 99.0]], np.float32)
    spread = at_pixels(x, columns, columns**2)
    assert spread[0, 1] == 100
    assert spread[1, 0] == pytest.approx(0.75 * 4 + 0.25 * 36, rel=0.2)
    assert spread[0, 0] == spread[0, 1]


def test_noise_has_unit_deviation_and_its_grain() -> None:
    rng = np.random.default_rng(2)
    fine, coarse = noise((500, 701), 4, rng), noise((500, 701), 24, rng)
    assert fine.shape == coarse.shape == (500, 701)
    assert fine.std() == pytest.approx(1, abs=0.25)
    assert coarse.std() == pytest.approx(1, abs=0.25)
    assert np.abs(np.diff(fine)).mean() > 4 * np.abs(np.diff(coarse)).mean()


def test_stretched_noise_runs_down_the_rows() -> None:
    field = noise((500, 701), 4, np.random.default_rng(2), stretch=(8, 1))
    assert np.abs(np.diff(field, axis=0)).mean() < 0.3 * np.abs(np.diff(field, axis=1)).mean()


def test_scattered_points_lie_in_the_mask_about_as_dense_as_asked() -> None:
    mask = np.zeros((300, 500), bool)
    mask[40:240, 100:450] = True
    points = scatter(mask, 10, np.random.default_rng(3), keep=0.5)
    assert mask[np.rint(points[:, 1]).astype(int), np.rint(points[:, 0]).astype(int)].all()
    assert len(points) == pytest.approx(0.5 * 200 * 350 / 100, rel=0.15)
    assert scatter(np.zeros((30, 50), bool), 10, np.random.default_rng(3)).shape == (0, 2)


def test_a_line_is_drawn_at_x_and_y_not_row_and_column() -> None:
    layer = np.zeros((40, 90), np.uint8)
    draw_line(layer, np.array([(10.0, 5.0), (80.0, 5.0)]), 1)
    assert layer[5, 12:78].min() > 200
    assert not layer[20:].any()
