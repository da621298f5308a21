"""Lines, their normals, and noise along them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.phantom.curves import (
    facing_edge,
    normals,
    ripple,
    smoothed,
    soft_step,
    through,
    wander,
)


def test_a_curve_through_knots_meets_them_and_never_overshoots() -> None:
    knots = np.array([(0.0, 0.0), (100.0, 0.0), (180.0, 60.0), (300.0, 60.0)])
    line = through(knots)
    for knot in knots:
        assert np.hypot(*(line - knot).T).min() < 1.0
    assert line[:, 1].min() >= 0
    assert line[:, 1].max() <= 60


def test_a_curves_points_are_about_one_apart() -> None:
    line = through(np.array([(0.0, 0.0), (30.0, 40.0), (90.0, 120.0), (100.0, 90.0)]))
    steps = np.hypot(*np.diff(line, axis=0).T)
    assert steps.mean() == pytest.approx(1, abs=0.05)
    assert steps.max() < 2


def test_normals_of_a_line_to_the_right_point_down_the_picture() -> None:
    line = np.column_stack([np.arange(80.0), np.full(80, 7.0)])
    assert normals(line, 3) == pytest.approx(np.tile([0.0, 1.0], (80, 1)))


@given(tilt=st.floats(-np.pi, np.pi))
def test_normals_are_unit_vectors_across_the_line(tilt: float) -> None:
    along = np.array([np.cos(tilt), np.sin(tilt)])
    outward = normals(np.arange(60.0)[:, None] * along, 4)
    assert np.linalg.norm(outward, axis=1) == pytest.approx(1.0)
    assert outward @ along == pytest.approx(0.0, abs=1e-6)


def test_smoothing_keeps_a_straight_line_straight() -> None:
    line = np.column_stack([np.arange(200.0), 0.5 * np.arange(200.0)])
    assert smoothed(line, 5)[40:-40] == pytest.approx(line[40:-40])


def test_the_joint_side_of_a_bone_that_leans_under_itself() -> None:
    hook = np.array([(0, 0), (8, 5), (16, 10), (8, 30), (20, 12), (28, 4)], float)
    columns = np.arange(0.0, 32.0, 4.0)
    assert facing_edge(hook, columns, lowest=True)[2] == 30
    assert facing_edge(hook, columns, lowest=False)[2] == 5


def test_columns_that_a_bone_does_not_reach_are_filled_from_their_neighbours() -> None:
    line = np.array([(8, 10), (16, 20), (32, 40)], float)
    edge = facing_edge(line, np.arange(0.0, 48.0, 8.0), lowest=True)
    assert edge == pytest.approx([10, 10, 20, 30, 40, 40])


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1, 40))
def test_ripples_have_their_own_mean_and_deviation(seed: int, scale: float) -> None:
    noise = ripple(500, scale, np.random.default_rng(seed))
    assert noise.shape == (500,)
    assert noise.mean() == pytest.approx(0, abs=1e-9)
    assert noise.std() == pytest.approx(1)


def test_wandering_noise_has_the_grain_that_was_asked_for() -> None:
    rng = np.random.default_rng(8)
    fine, coarse = wander(20_000, 5, rng), wander(20_000, 50, rng)
    assert fine.shape == coarse.shape == (20_000,)
    assert fine.std() == pytest.approx(1, abs=0.05)
    steps = [np.abs(np.diff(noise)).mean() for noise in (fine, coarse)]
    assert steps[0] / steps[1] == pytest.approx(10, rel=0.15)


def test_noise_finer_than_its_points_is_noise_still() -> None:
    noise = ripple(400, 0.0, np.random.default_rng(1))
    assert np.isfinite(noise).all()
    assert noise.std() == pytest.approx(1)


@given(n=st.integers(1, 300), scale=st.floats(0.5, 60))
def test_noise_is_as_long_as_it_was_to_be(n: int, scale: float) -> None:
    assert wander(n, scale, np.random.default_rng(2)).shape == (n,)
    assert ripple(n, scale, np.random.default_rng(2)).shape == (n,)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_soft_step_keeps_its_precision(kind: type) -> None:
    assert soft_step(np.zeros(3, kind), 4).dtype == kind


def test_a_soft_step_rises_through_one_half() -> None:
    assert soft_step(np.array([-9.0, 0.0, 9.0]), 4) == pytest.approx([0, 0.5, 1])
