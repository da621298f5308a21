"""Views, rings, reliefs and scattered places: geometry in micrometres at any scale, turned or
mirrored, and a window shows what the whole shows there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.geometry import Points
from histoscore.phantom.raster import (
    Relief,
    View,
    at_pixels,
    blocks,
    draw_ellipses,
    draw_line,
    scatter,
    step_up,
    thinned,
)

CENTER = (130.0, -70.0)
TURNED = View((311, 503), 0.8317, CENTER, angle=-13.0, mirrored=True)

few = settings(max_examples=40)

views = st.builds(
    View,
    shape=st.just((700, 1010)),
    mpp=st.floats(0.55, 1.7),
    center=st.just(CENTER),
    angle=st.floats(-180, 180),
    mirrored=st.booleans(),
)
"""Large enough for all that is filled below."""

small_views = st.builds(
    View,
    shape=st.tuples(st.integers(30, 90), st.integers(91, 160)),
    mpp=st.floats(0.3, 3.7),
    center=st.just(CENTER),
    angle=st.floats(-180, 180),
    mirrored=st.booleans(),
)


@st.composite
def windows(draw: st.DrawFn, view: View) -> tuple[slice, slice]:
    rows, columns = (
        sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)))
        for n in view.shape
    )
    return slice(*rows), slice(*columns)


def circle(radius: float) -> Points:
    t = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    return np.array(CENTER) + radius * np.column_stack([np.cos(t), np.sin(t)])


def rectangle(width: float, height: float) -> Points:
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    return np.array(CENTER) + np.array(corners) * (width, height)


class TestFilledRings:
    """Counting pixels agrees with geometry."""

    @few
    @given(view=views)
    def test_a_circle_has_its_area(self, view: View) -> None:
        counted = view.fill(circle(150)).sum() * view.mpp**2
        assert counted == pytest.approx(np.pi * 150**2, rel=0.005)

    @few
    @given(view=views)
    def test_an_ellipse_has_its_area(self, view: View) -> None:
        ring = np.array(CENTER) + (circle(1) - CENTER) * (170, 60)
        assert view.fill(ring).sum() * view.mpp**2 == pytest.approx(np.pi * 170 * 60, rel=0.005)

    @few
    @given(view=views)
    def test_each_side_of_a_rectangle_is_right_to_half_a_pixel(self, view: View) -> None:
        counted = view.fill(rectangle(301, 143)).sum() * view.mpp**2
        assert (301 - view.mpp) * (143 - view.mpp) <= counted
        assert counted <= (301 + view.mpp) * (143 + view.mpp)

    @pytest.mark.parametrize("angle", [17.0, -63.0, 211.0])
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_a_rectangle_has_its_area(self, angle: float, mirrored: bool) -> None:
        view = View((700, 1010), 0.8317, CENTER, angle, mirrored)
        counted = view.fill(rectangle(301, 143)).sum() * view.mpp**2
        assert counted == pytest.approx(301 * 143, rel=0.005)

    @pytest.mark.parametrize("finer", [1, 2, 4])
    def test_even_coarsely_no_edge_is_off_by_more_than_a_pixel(self, finer: int) -> None:
        counted = TURNED.fill(circle(90), finer).sum() * TURNED.mpp**2
        one_pixel = 2 * np.pi * 90 * TURNED.mpp
        assert counted == pytest.approx(np.pi * 90**2, abs=0.6 * one_pixel / finer)

    def test_a_ring_is_cut_at_the_pictures_edge_and_missing_outside(self) -> None:
        view = View((100, 200), 1.0)
        half = np.array([(0, -900), (900, -900), (900, 900), (0, 900)])
        assert view.fill(half).sum() == 100 * 100
        assert not view.fill(np.array([(500.0, 0.0), (600.0, 0.0), (600.0, 50.0)])).any()

    @few
    @given(view=small_views, data=st.data())
    def test_a_window_shows_what_the_whole_shows_there(
        self, view: View, data: st.DataObject
    ) -> None:
        """But for a pixel whose half lies on the line."""
        rows, columns = data.draw(windows(view))
        ring = circle(30 * view.mpp)
        part = view.window(rows, columns).fill(ring)
        assert (part != view.fill(ring)[rows, columns]).sum() <= 3


class TestPlaces:
    """Micrometres in the knee ↔ pixels in the picture."""

    @given(view=views)
    def test_pixels_lead_to_the_knee_and_back(self, view: View) -> None:
        points = np.array([(0.0, 0.0), (-412.5, 77.0), (900.0, -33.3)])
        assert view.to_knee(view.to_pixels(points)) == pytest.approx(points, abs=1e-6)

    @few
    @given(view=views)
    def test_every_pixel_knows_where_it_lies(self, view: View) -> None:
        x, y = view.coordinates()
        assert x.shape == y.shape == view.shape
        row, column = 600, 35
        expected = view.to_knee(np.array([(column, row)], float))[0]
        assert (x[row, column], y[row, column]) == pytest.approx(tuple(expected), abs=1e-2)

    @given(view=small_views)
    def test_the_center_lies_in_the_middle_of_the_picture(self, view: View) -> None:
        middle = (view.shape[1] - 1) / 2, (view.shape[0] - 1) / 2
        assert view.to_pixels(np.array([CENTER]))[0] == pytest.approx(middle)

    def test_a_view_turns_clockwise_and_mirrors_left_and_right(self) -> None:
        right = np.array([(100.0, 0.0)])
        turned = View((401, 601), 2.0, angle=90).to_pixels(right)[0]
        mirrored = View((401, 601), 2.0, mirrored=True).to_pixels(right)[0]
        assert turned == pytest.approx((300, 250))
        assert mirrored == pytest.approx((250, 200))

    @given(view=small_views, direction=st.floats(-180, 180))
    def test_directions_turn_as_points_do(self, view: View, direction: float) -> None:
        a, b = (np.deg2rad(d) for d in (direction, view.turned(direction)))
        step = np.diff(view.to_pixels(np.array([(0, 0), (np.cos(a), np.sin(a))])), axis=0)[0]
        assert step * view.mpp == pytest.approx((np.cos(b), np.sin(b)), abs=1e-6)

    @few
    @given(view=small_views, data=st.data())
    def test_a_window_lies_where_it_was_cut(self, view: View, data: st.DataObject) -> None:
        rows, columns = data.draw(windows(view))
        window = view.window(rows, columns)
        for part, whole in zip(window.coordinates(), view.coordinates(), strict=True):
            np.testing.assert_allclose(part, whole[rows, columns], atol=1e-2)
        points = np.array([CENTER, (17.0, 3.0)])
        corner = (columns.start, rows.start)
        assert window.to_pixels(points) + corner == pytest.approx(view.to_pixels(points), abs=1e-6)
        assert window.to_knee(window.to_pixels(points)) == pytest.approx(points, abs=1e-6)

    def test_a_window_of_a_window_is_a_window(self) -> None:
        once = TURNED.window(slice(31, 290), slice(47, 401))
        twice = once.window(slice(11, 103), slice(5, 70))
        assert twice == TURNED.window(slice(42, 134), slice(52, 117))

    @few
    @given(view=small_views, factor=st.integers(1, 4))
    def test_a_coarser_pixel_lies_in_the_middle_of_those_it_covers(
        self, view: View, factor: int
    ) -> None:
        coarse = view.coarser(factor)
        assert coarse.mpp == pytest.approx(view.mpp * factor)
        assert coarse.shape == tuple(-(-n // factor) for n in view.shape)
        rows, columns = (n // factor for n in view.shape)
        for fine, large in zip(view.coordinates(), coarse.coordinates(), strict=True):
            covered = fine[: rows * factor, : columns * factor].astype(float)
            means = covered.reshape(rows, factor, columns, factor).mean((1, 3))
            np.testing.assert_allclose(large[:rows, :columns], means, atol=1e-2)

    def test_a_coarser_window_covers_the_window(self) -> None:
        window = TURNED.window(slice(42, 134), slice(52, 117))
        for fine, large in zip(window.coordinates(), window.coarser(3).coordinates(), strict=True):
            assert large[4, 5] == pytest.approx(fine[12:15, 15:18].mean(), abs=1e-2)

    def test_bounds_hold_the_points_and_no_more_than_a_margin(self) -> None:
        rows, columns = TURNED.bounds(circle(30), margin=2) or (slice(0), slice(0))
        filled = np.argwhere(TURNED.fill(circle(30)))
        low, high = filled.min(0), filled.max(0)
        assert low - (rows.start, columns.start) == pytest.approx((3, 3), abs=2)
        assert (rows.stop, columns.stop) - high == pytest.approx((4, 4), abs=2)
        assert TURNED.bounds(circle(30) + 9000) is None


class TestBlocks:
    @few
    @given(view=small_views, side=st.integers(7, 200))
    def test_every_pixel_lies_in_one(self, view: View, side: int) -> None:
        seen = np.zeros(view.shape, int)
        for rows, columns in blocks(view, side):
            assert 0 < rows.stop - rows.start <= side
            assert 0 < columns.stop - columns.start <= side
            seen[rows, columns] += 1
        assert (seen == 1).all()


class TestReliefs:
    """Slow numbers, known here and there."""

    @few
    @given(view=small_views, step=st.integers(1, 9))
    def test_what_is_linear_is_given_back_exactly(self, view: View, step: int) -> None:
        reliefs = (Relief(c.astype(float), step) for c in thinned(view, step).coordinates())
        for relief, expected in zip(reliefs, view.coordinates(), strict=True):
            np.testing.assert_allclose(relief.at(view), expected, atol=2e-2)

    @few
    @given(data=st.data(), step=st.integers(1, 9))
    def test_a_window_has_the_numbers_of_the_whole(self, data: st.DataObject, step: int) -> None:
        rows, columns = data.draw(windows(TURNED))
        values = np.random.default_rng(step).normal(size=thinned(TURNED, step).shape)
        relief = Relief(values, step)
        part = relief.at(TURNED.window(rows, columns))
        np.testing.assert_allclose(part, relief.at(TURNED)[rows, columns], atol=1e-5)

    def test_known_numbers_stand_at_their_pixels_and_ends_hold_beyond(self) -> None:
        values = np.random.default_rng(4).normal(size=(9, 14))
        field = Relief(values, 7, corner=(30, 50)).at(TURNED)
        assert field[50 : 50 + 9 * 7 : 7, 30 : 30 + 14 * 7 : 7] == pytest.approx(values, abs=1e-6)
        assert field[0, 0] == pytest.approx(values[0, 0], abs=1e-6)
        assert field[-1, -1] == pytest.approx(values[-1, -1], abs=1e-6)

    @few
    @given(data=st.data())
    def test_it_tells_whether_a_bound_is_reached_without_all_pixels(
        self, data: st.DataObject
    ) -> None:
        rows, columns = data.draw(windows(TURNED))
        relief = Relief(np.random.default_rng(1).uniform(5, 90, (70, 110)), 5)
        window = TURNED.window(rows, columns)
        lowest = float(relief.at(window).min())
        assert relief.reaches(window, lowest + 1e-3)
        assert not relief.reaches(window, 5.0)


def test_values_over_x_are_spread_over_the_picture() -> None:
    columns = np.arange(-10.0, 11.0, 4.0)
    x = np.array([[-99.0, -10.0, 0.0], [3.0, 9.0, 99.0]], np.float32)
    spread = at_pixels(x, columns, columns**2)
    assert spread[0, 1] == 100
    assert spread[1, 0] == pytest.approx(0.75 * 4 + 0.25 * 36, rel=1e-5)
    assert spread[0, 0] == spread[0, 1]
    assert spread[1, 2] == pytest.approx(100, rel=0.01)


def test_a_step_rises_from_0_to_1_and_is_steepest_at_its_middle() -> None:
    x = np.linspace(-3, 3, 601)
    rise = step_up(x, 2.0)
    assert (rise[0], rise[300], rise[-1]) == pytest.approx((0, 0.5, 1))
    assert (np.diff(rise) >= 0).all()
    assert np.argmax(np.diff(rise)) == pytest.approx(300, abs=1)
    assert step_up(x, 4.0)[320] > rise[320]


class TestScatteredPlaces:
    """A lattice in the knee, moved about, the same in every window."""

    MASK = np.zeros(TURNED.shape, bool)
    MASK[40:290, 100:470] = True
    """Of 64 000 µm²."""

    def test_they_lie_in_the_mask(self) -> None:
        places = scatter(TURNED, self.MASK, 9.0, salt=77)
        columns, rows = np.rint(places.points).astype(int).T
        assert len(places) > 500
        assert self.MASK[rows, columns].all()

    @pytest.mark.parametrize("spacing", [9.0, (21.0, 8.0)])
    @pytest.mark.parametrize("keep", [1.0, 0.45])
    def test_they_are_about_as_dense_as_asked(
        self, spacing: float | tuple[float, float], keep: float
    ) -> None:
        places = scatter(TURNED, self.MASK, spacing, salt=78, keep=keep, angle=33)
        cell = spacing**2 if isinstance(spacing, float) else spacing[0] * spacing[1]
        expected = keep * self.MASK.sum() * TURNED.mpp**2 / cell
        by_chance = 3 * (expected * (1 - keep)) ** 0.5
        assert len(places) == pytest.approx(expected, abs=by_chance + 0.04 * expected)

    def test_no_mask_no_places(self) -> None:
        places = scatter(TURNED, np.zeros(TURNED.shape, bool), 9.0, salt=77)
        assert places.points.shape == (0, 2)
        assert places.luck.shape == (0, 12)

    @few
    @given(data=st.data(), angle=st.floats(-180, 180))
    def test_windows_share_them(self, data: st.DataObject, angle: float) -> None:
        rows, columns = data.draw(windows(TURNED))
        whole = scatter(TURNED, self.MASK, 9.0, salt=77, keep=0.8, angle=angle)
        window = TURNED.window(rows, columns)
        part = scatter(window, self.MASK[rows, columns], 9.0, salt=77, keep=0.8, angle=angle)
        low = np.array([columns.start, rows.start])
        nearest = np.rint(whole.points)
        inside = ((nearest >= low) & (nearest < (columns.stop, rows.stop))).all(1)
        here = whole.where(inside)
        assert len(part) == len(here)
        mine, theirs = (np.lexsort(p.T) for p in (part.points + low, here.points))
        assert (part.points + low)[mine] == pytest.approx(here.points[theirs], abs=1e-6)
        assert (part.luck[mine] == here.luck[theirs]).all()

    def test_they_belong_to_the_knee_and_not_to_the_picture(self) -> None:
        """Turned, mirrored and enlarged, the same cell lies at the same place of the knee."""
        other = View((700, 900), 0.4871, CENTER, angle=71.0)
        found = [
            view.to_knee(scatter(view, np.ones(view.shape, bool), 11.0, salt=5).points)
            for view in (TURNED, other)
        ]
        near = [p[np.hypot(*(p - CENTER).T) < 90] for p in found]
        assert len(near[0]) > 100
        one, two = (p[np.lexsort(np.rint(p.T))] for p in near)
        assert one == pytest.approx(two, abs=1e-6)

    def test_another_salt_gives_other_places(self) -> None:
        one, other = (scatter(TURNED, self.MASK, 9.0, salt=salt).points for salt in (1, 2))
        shared = {tuple(np.rint(p)) for p in one} & {tuple(np.rint(p)) for p in other}
        assert len(shared) < 0.1 * len(one)

    def test_without_jitter_they_are_a_staggered_lattice_along_their_angle(self) -> None:
        places = scatter(TURNED, self.MASK, (20.0, 8.0), salt=9, jitter=0.0, angle=33.0)
        a = np.deg2rad(33.0)
        axes = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        along, across = (TURNED.to_knee(places.points) @ axes.T).T
        row = np.rint((across - across.min()) / 8.0)
        assert across - across.min() == pytest.approx(row * 8.0, abs=1e-6)
        shifted = (along - along[np.argmin(across)]) / 20.0 - 0.5 * (row % 2)
        assert shifted == pytest.approx(np.rint(shifted), abs=1e-6)

    def test_jitter_moves_them_by_less_than_half_a_spacing(self) -> None:
        """No two come nearer than what the jitter leaves of the spacing."""
        points = TURNED.to_knee(scatter(TURNED, self.MASK, 20.0, salt=9, jitter=0.5).points)
        apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
        assert apart[~np.eye(len(points), dtype=bool)].min() > 0.5 * 20.0

    def test_luck_is_even_in_eight_columns_and_normal_in_four(self) -> None:
        view = replace(TURNED, shape=(1400, 1900))
        luck = scatter(view, np.ones(view.shape, bool), 9.0, salt=3).luck
        assert luck.shape[1] == 12
        even, normal = luck[:, :8], luck[:, 8:]
        assert even.min() >= 0
        assert even.max() < 1
        assert even.mean(0) == pytest.approx(np.full(8, 1 / 2), abs=0.01)
        assert even.std(0) == pytest.approx(np.full(8, 12**-0.5), abs=0.01)
        assert normal.mean(0) == pytest.approx(np.zeros(4), abs=0.04)
        assert normal.std(0) == pytest.approx(np.ones(4), abs=0.03)
        alike = np.corrcoef(luck.T) - np.eye(12)
        assert np.abs(alike).max() < 0.04

    def test_neighbours_have_luck_of_their_own(self) -> None:
        places = scatter(TURNED, np.ones(TURNED.shape, bool), (9.0, 9.0), salt=3, jitter=0.0)
        order = np.lexsort(np.rint(TURNED.to_knee(places.points)).T)
        luck = places.luck[order, 0]
        assert abs(np.corrcoef(luck[1:], luck[:-1])[0, 1]) < 0.05
        assert len(np.unique(luck)) > 0.95 * len(luck)


class TestDrawnEllipses:
    @pytest.mark.parametrize(("a", "b"), [(4, 3), (5, 4), (6, 6), (12, 8)])
    def test_they_have_their_area(self, a: float, b: float) -> None:
        rng = np.random.default_rng(8)
        anyhow = [(rng.uniform(0, 180), rng.uniform(40, 60, 2)) for _ in range(40)]
        areas = [drawn_ellipse(a, b, angle, middle).sum() / 255 for angle, middle in anyhow]
        assert np.mean(areas) == pytest.approx(np.pi * a * b, rel=0.08)

    def test_they_lie_at_x_and_y_along_their_angle(self) -> None:
        layer = drawn_ellipse(20, 6, 30.0, (61.3, 38.8)).astype(float)
        rows, columns = np.nonzero(layer)
        weights = layer[rows, columns]
        center = np.average(np.column_stack([columns, rows]), axis=0, weights=weights)
        assert center == pytest.approx((61.3, 38.8), abs=0.15)
        long_axis = np.linalg.eigh(np.cov(columns, rows, aweights=weights))[1][:, 1]
        assert abs(long_axis @ (np.cos(np.pi / 6), np.sin(np.pi / 6))) > 0.999

    def test_each_has_its_own_tone_and_none_is_no_fault(self) -> None:
        layer = np.zeros((80, 110), np.uint8)
        points = np.array([(20.0, 30.0), (70.0, 40.0)])
        ones = np.full(2, 6.0)
        draw_ellipses(layer, points, ones, ones, 0 * ones, np.array([90.0, 201.0]))
        assert (layer[30, 20], layer[40, 70]) == (90, 201)
        before = layer.copy()
        draw_ellipses(layer, points[:0], ones[:0], ones[:0], ones[:0], ones[:0])
        assert (layer == before).all()


def drawn_ellipse(a: float, b: float, angle: float, middle: Sequence[float]) -> np.ndarray:
    layer = np.zeros((80, 110), np.uint8)
    one = [np.array([value]) for value in (a, b, angle, 255.0)]
    draw_ellipses(layer, np.array([middle]), *one)
    return layer


def test_a_line_is_drawn_at_x_and_y_not_row_and_column() -> None:
    layer = np.zeros((40, 90), np.uint8)
    draw_line(layer, np.array([(10.0, 5.0), (80.0, 5.0)]), 1)
    assert layer[5, 12:78].min() > 200
    assert not layer[20:].any()
