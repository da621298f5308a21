"""The grid covers all tissue with tiles of one size, and no more tiles than touch it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.tiles import blend_window, grid_over
from histoscore.records import TileGrid


def covered(grid: TileGrid, placement: Placement, shape: tuple[int, int]) -> np.ndarray:
    """How many tiles show the whole of each mask pixel, counted on a 4-fold finer raster."""
    fine = 4
    step = placement.downsample / fine
    x = placement.x + (np.arange(shape[1] * fine) + 0.5) * step
    y = placement.y + (np.arange(shape[0] * fine) + 0.5) * step
    counts = np.zeros((len(y), len(x)), int)
    for box in grid.boxes():
        inside_x, inside_y = (x > box.x) & (x < box.right), (y > box.y) & (y < box.bottom)
        counts += inside_y[:, None] & inside_x[None, :]
    return counts.reshape(shape[0], fine, shape[1], fine).min(axis=(1, 3))


@given(
    rows=st.integers(3, 40),
    columns=st.integers(3, 40),
    downsample=st.floats(1, 20),
    corner=st.tuples(st.floats(0, 300), st.floats(0, 300)),
    tile_px=st.integers(16, 96),
    tile_mpp=st.floats(0.3, 4),
    overlap=st.floats(0, 0.5),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=80)
def test_every_true_pixel_is_covered_and_every_tile_touches_one(
    rows: int,
    columns: int,
    downsample: float,
    corner: tuple[float, float],
    tile_px: int,
    tile_mpp: float,
    overlap: float,
    seed: int,
) -> None:
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.08
    placement = Placement(*corner, downsample, Mpp(0.47 * downsample))
    extent = Box(int(corner[0]), int(corner[1]), 400, 300)
    grid = grid_over(mask, placement, tile_px, Mpp(tile_mpp), Mpp(0.47), overlap, extent)
    assert (covered(grid, placement, mask.shape)[mask] > 0).all()
    assert len({tuple(corner) for corner in grid.xy.tolist()}) == len(grid)
    for box in grid.boxes():
        rows_, columns_ = np.nonzero(mask)
        x, y = corner[0] + columns_ * downsample, corner[1] + rows_ * downsample
        touches = (
            (x < box.right) & (x + downsample > box.x) & (y < box.bottom) & (y + downsample > box.y)
        )
        assert touches.any()


def whole(shape: tuple[int, int], overlap: float = 0.25) -> TileGrid:
    placement = Placement(100, 40, 10, Mpp(4.7))
    extent = Box(100, 40, shape[1] * 10, shape[0] * 10)
    return grid_over(np.ones(shape, bool), placement, 64, Mpp(0.94), Mpp(0.47), overlap, extent)


def test_tiles_lie_on_a_regular_grid_from_the_corner_row_by_row() -> None:
    grid = whole((30, 50))
    assert grid.side_px0 == 128
    assert grid.xy[0].tolist() == [100, 40]
    assert np.unique(np.diff(np.unique(grid.xy[:, 0]))).tolist() == [96]
    assert grid.xy.tolist() == sorted(grid.xy.tolist(), key=lambda corner: corner[::-1])


def test_a_tile_read_at_the_grids_scale_has_the_networks_side() -> None:
    for tile_mpp in (0.2, 0.33, 0.47, 0.9, 2.6):
        grid = grid_over(
            np.ones((4, 6), bool), Placement(0, 0, 30, Mpp(14.1)), 250, Mpp(tile_mpp), Mpp(0.47),
            0.25, Box(0, 0, 180, 120),
        )  # fmt: skip
        assert grid.boxes()[0].shape_at(grid.mpp / 0.47) == (250, 250)
        assert grid.mpp == pytest.approx(tile_mpp, rel=0.01)


@pytest.mark.parametrize(
    ("slide_mpp", "scale"),
    [(0.5, 2), (0.499, 2), (0.512, 2), (0.2528, 4), (0.2441, 4), (0.98, 1), (0.46, None),
     (0.2278, None), (1.5, None)],
)  # fmt: skip
def test_a_scale_near_a_whole_number_becomes_it(slide_mpp: float, scale: int | None) -> None:
    """A shrinking by 2.004 takes twenty times as long as one by 2."""
    grid = grid_over(
        np.ones((9, 14), bool), Placement(7, 3, 40, Mpp(40 * slide_mpp)), 96, Mpp(1),
        Mpp(slide_mpp), 0.13, Box(7, 3, 560, 360),
    )  # fmt: skip
    found = grid.mpp / slide_mpp
    assert found == pytest.approx(1 / slide_mpp, rel=0.031)
    if scale is None:
        assert found == pytest.approx(1 / slide_mpp, rel=0.006)
    else:
        assert found == pytest.approx(scale, rel=1e-12)
        assert grid.side_px0 == 96 * scale
        steps = np.diff(np.unique(grid.xy[:, 0]))
        assert (steps % scale == 0).all(), "tiles begin on whole pixels of the map"


def test_no_tissue_no_tiles() -> None:
    grid = grid_over(
        np.zeros((7, 5), bool), Placement(0, 0, 8, Mpp(4)), 64, Mpp(1), Mpp(0.5), 0.25,
        Box(0, 0, 40, 56),
    )  # fmt: skip
    assert len(grid) == 0
    assert grid.xy.shape == (0, 2)


def test_glass_between_two_pieces_is_not_read() -> None:
    mask = np.zeros((20, 200), bool)
    mask[5:15, 2:12] = mask[5:15, 180:195] = True
    grid = grid_over(
        mask, Placement(0, 0, 8, Mpp(4)), 64, Mpp(0.5), Mpp(0.5), 0.25, Box(0, 0, 1600, 160)
    )
    assert not ((grid.xy[:, 0] > 100) & (grid.xy[:, 0] + 64 < 1440)).any()


@pytest.mark.parametrize("side", [7, 64, 255])
def test_the_blend_window_is_positive_symmetric_and_falls_to_the_border(side: int) -> None:
    window = blend_window(side)
    assert window.shape == (side, side)
    assert window.dtype == np.float32
    assert (window > 0).all()
    assert np.allclose(window, window.T)
    assert np.allclose(window, window[::-1, ::-1], atol=1e-6)
    middle = window[side // 2]
    assert (np.diff(middle[: side // 2]) > 0).all()
    assert window.max() == pytest.approx(1, abs=0.02 if side > 10 else 0.1)
