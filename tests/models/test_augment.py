"""Colours, placements and edges drawn at random."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.models.augment import (
    cut,
    random_colour,
    random_crop,
    random_placement,
    random_stain,
)


class TestColour:
    """Stain batches drawn at random."""

    dyes = np.zeros((40, 60, 3), np.uint8)
    dyes[8:30, 10:50] = (90, 20, 10)

    def test_the_same_numbers_give_the_same_colour(self) -> None:
        one, again, other = (
            random_colour(self.dyes, np.random.default_rng(seed)) for seed in (3, 3, 4)
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

    def test_stained_is_darker_than_clear(self) -> None:
        for seed in range(20):
            picture = random_colour(self.dyes, np.random.default_rng(seed)).astype(int)
            assert picture.shape == (40, 60, 3)
            assert picture[12:26, 14:46].mean() < picture[:5].mean()

    def test_safranin_leans_to_orange_or_pink_and_never_to_blue(self) -> None:
        pure = np.zeros((24, 30, 3), np.uint8)
        pure[..., 0] = 100
        looks = [random_colour(pure, np.random.default_rng(seed)) for seed in range(30)]
        red, green, blue = np.array([look.mean((0, 1)) for look in looks]).T
        assert (red > green).mean() > 0.9
        assert (red > blue).mean() > 0.9

    def test_empty_glass_is_light_and_tinted_now_and_then(self) -> None:
        clear = np.zeros((24, 30, 3), np.uint8)
        looks = np.array(
            [random_colour(clear, np.random.default_rng(s)).mean((0, 1)) for s in range(60)]
        )
        assert looks.min() > 120
        tint = np.ptp(looks, axis=1)
        assert (tint > 15).mean() > 0.1
        assert (tint < 12).mean() > 0.3


class TestStain:
    """A slide's own picture as if stained and scanned in another batch."""

    picture = np.full((40, 60, 3), 240, np.uint8)
    picture[8:30, 10:35] = (226, 112, 52)
    picture[8:30, 35:50] = (96, 168, 150)

    def looks(self, count: int = 40) -> np.ndarray:
        return np.array(
            [random_stain(self.picture, np.random.default_rng(s)) for s in range(count)]
        )

    def test_the_same_numbers_give_the_same_colour(self) -> None:
        one, again, other = (
            random_stain(self.picture, np.random.default_rng(seed)) for seed in (3, 3, 4)
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)
        assert one.shape == self.picture.shape
        assert one.dtype == np.uint8

    def test_the_picture_that_was_given_is_left_as_it_is(self) -> None:
        before = self.picture.copy()
        self.picture.setflags(write=False)
        random_stain(self.picture, np.random.default_rng(1))
        assert np.array_equal(self.picture, before)

    def test_glass_stays_light_and_tissue_darker_than_it(self) -> None:
        for look in self.looks().astype(int):
            assert look[-6:].mean() > 170
            assert look[12:26, 14:46].mean() < look[-6:].mean()

    def test_orange_stays_redder_and_green_greener_than_the_other(self) -> None:
        orange = self.looks()[:, 12:26, 14:31].mean((1, 2))
        green = self.looks()[:, 12:26, 39:46].mean((1, 2))
        assert (orange[:, 0] - orange[:, 2] > green[:, 0] - green[:, 2]).all()

    def test_batches_differ(self) -> None:
        orange = self.looks()[:, 12:26, 14:31].mean((1, 2))
        assert (orange.std(0) > 5).all()

    @pytest.mark.parametrize("value", [0, 255])
    def test_black_and_white_are_no_trouble(self, value: int) -> None:
        picture = np.full((20, 30, 3), value, np.uint8)
        look = random_stain(picture, np.random.default_rng(5)).mean()
        assert (look > 150) == (value == 255)


class TestPlacement:
    """Where a tile lies in its scene."""

    @given(
        seed=st.integers(0, 10_000),
        x=st.floats(-50, 500),
        y=st.floats(-50, 500),
        zoom=st.floats(0.2, 5),
    )
    def test_its_middle_is_the_centre_and_its_scale_the_zoom(
        self, seed: int, x: float, y: float, zoom: float
    ) -> None:
        matrix = random_placement((x, y), 64, zoom, np.random.default_rng(seed))
        assert matrix @ (31.5, 31.5, 1) == pytest.approx((x, y))
        assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(zoom**2)
        assert matrix[:, 0] @ matrix[:, 1] == pytest.approx(0, abs=1e-9)

    def test_a_tile_is_cut_where_the_matrix_says(self) -> None:
        scene = np.arange(50 * 70, dtype=np.uint32).reshape(50, 70)
        scene = np.dstack([scene % 251, scene // 251]).astype(np.uint8)
        matrix = np.array([[1.0, 0, 12], [0, 1.0, 7]])
        tile = cut(scene, matrix, 16, cv2.INTER_NEAREST)
        assert np.array_equal(tile, scene[7:23, 12:28])

    def test_beyond_the_scene_is_the_border(self) -> None:
        scene = np.full((20, 30, 2), 9, np.uint8)
        for x, y in ((300, 0), (-300, -300), (0, 90)):
            tile = cut(scene, np.array([[1.0, 0, x], [0, 1.0, y]]), 16, cv2.INTER_NEAREST, 77)
            assert tile.shape == (16, 16, 2)
            assert (tile == 77).all()
        half = cut(scene, np.array([[1.0, 0, 22], [0, 1.0, 2]]), 16, cv2.INTER_NEAREST, 77)
        assert (half[:, :8] == 9).all()
        assert (half[:, 8:] == 77).all()

    def test_an_empty_scene_is_all_border(self) -> None:
        tile = cut(np.zeros((0, 30, 3), np.uint8), np.eye(2, 3), 16, cv2.INTER_LINEAR, 255)
        assert (tile == 255).all()


class TestCrop:
    """A picture of which one edge runs near a place."""

    @given(
        seed=st.integers(0, 10_000),
        x=st.floats(0, 610),
        y=st.floats(0, 420),
        reach=st.floats(1, 200),
    )
    def test_one_edge_moves_and_stays_within_the_scene(
        self, seed: int, x: float, y: float, reach: float
    ) -> None:
        rows, columns = random_crop((420, 610, 5), (x, y), reach, np.random.default_rng(seed))
        bounds = [(rows.start, 0), (rows.stop, 420), (columns.start, 0), (columns.stop, 610)]
        assert sum(is_now != was for is_now, was in bounds) <= 1
        assert 0 <= rows.start <= rows.stop <= 420
        assert 0 <= columns.start <= columns.stop <= 610

    def test_any_of_the_four_edges_is_cut_not_far_from_the_place(self) -> None:
        seen = set()
        for seed in range(60):
            rows, columns = random_crop((420, 610), (300, 200), 50, np.random.default_rng(seed))
            edges = {
                "top": 200 - rows.start if rows.start else None,
                "bottom": rows.stop - 200 if rows.stop < 420 else None,
                "left": 300 - columns.start if columns.start else None,
                "right": columns.stop - 300 if columns.stop < 610 else None,
            }
            ((edge, away),) = [(e, a) for e, a in edges.items() if a is not None]
            assert -21 <= away <= 46, "the place may just lie beyond"
            seen.add(edge)
        assert seen == {"top", "bottom", "left", "right"}
