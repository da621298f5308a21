"""Arrays that lie on a slide: resampled onto other placements, grown, boxed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from histoscore.geometry import Mpp, Placement
from histoscore.image.placed import (
    box_around,
    grown,
    mask_through,
    nearest_through,
    occupied,
    seen_through,
)
from histoscore.records import Mask

SLIDE_MPP = 0.437


def at(x: float, y: float, mpp: float) -> Placement:
    return Placement(x, y, mpp / SLIDE_MPP, Mpp(mpp))


def field(place: Placement, shape: tuple[int, int]) -> np.ndarray:
    """A plane over level-0 (x, y), sampled at the pixels' middles: a resampling keeps it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = place.to_slide(np.stack([columns, rows], -1).reshape(-1, 2).astype(float)).T
    return (0.31 * x - 0.17 * y + 40).reshape(shape).astype(np.float32)


placements = st.builds(
    at,
    *(
        st.floats(low, high).map(lambda v: round(v, 3))
        for low, high in ((-50, 50), (-50, 50), (0.6, 3.4))
    ),
)


@given(source=placements, target=placements)
@settings(max_examples=40)
def test_a_position_stays_where_it_is(source: Placement, target: Placement) -> None:
    shape = (90, 130)
    seen = seen_through(field(source, shape), source, target, (70, 55))
    rows, columns = np.mgrid[:70, :55]
    places = np.stack([columns, rows], -1).reshape(-1, 2).astype(float)
    there = source.from_slide(target.to_slide(places)).reshape(70, 55, 2)
    inside = ((there > 0.1) & (there < np.array([128.8, 88.8]))).all(-1)
    expected = field(target, (70, 55))
    # OpenCV places samples on a raster of 1/32 pixel.
    tolerance = (0.31 + 0.17) * source.downsample / 32
    assert np.abs(seen - expected)[inside].max(initial=0) < tolerance + 1e-3


def test_outside_the_source_is_nothing() -> None:
    source, target = at(100, 60, 1.3), at(0, 0, 1.3)
    seen = seen_through(np.ones((20, 30), np.float32), source, target, (70, 90))
    assert (seen[:18] == 0).all()
    assert (seen[:, :31] == 0).all()
    assert seen.max() == 1


@given(source=placements, x=st.floats(-900, 900), y=st.floats(-900, 900), mpp=st.floats(0.2, 9))
@settings(max_examples=60)
def test_a_part_is_seen_as_in_the_whole(source: Placement, x: float, y: float, mpp: float) -> None:
    """However small the part, and wherever it begins: only what is seen is warped."""
    codes = np.random.default_rng(3).integers(1, 255, (83, 117)).astype(np.uint8)
    target = at(x, y, mpp)
    columns, rows = source.from_slide(
        target.to_slide(np.stack(np.meshgrid(np.arange(60), np.arange(40)), -1).reshape(-1, 2))
    ).T.reshape(2, 40, 60)
    seen = nearest_through(codes, source, target, (40, 60))
    inside = (rows > -0.4) & (rows < 82.4) & (columns > -0.4) & (columns < 116.4)
    # Near the middle between two codes OpenCV's raster of 1/32 pixel decides.
    clear = inside & (abs(rows % 1 - 0.5) > 0.05) & (abs(columns % 1 - 0.5) > 0.05)
    assert np.array_equal(
        seen[clear], codes[np.rint(rows[clear]).astype(int), np.rint(columns[clear]).astype(int)]
    )
    outside = (rows < -1) | (rows > 83) | (columns < -1) | (columns > 117)
    assert not seen[outside].any()


def test_there_and_back_again() -> None:
    rng = np.random.default_rng(5)
    coarse, fine = at(37.3, -11.9, 2.6), at(37.3, -11.9, 0.83)
    blocks = np.kron(rng.random((6, 9)) > 0.5, np.ones((7, 7))) > 0
    shape = (round(42 * 2.6 / 0.83), round(63 * 2.6 / 0.83))
    back = mask_through(mask_through(blocks, coarse, fine, shape), fine, coarse, blocks.shape)
    assert (back == blocks).mean() > 0.99


def test_several_channels_move_together() -> None:
    source, target = at(3, 8, 1.9), at(-4, 2, 0.7)
    one = field(source, (33, 47))
    both = seen_through(np.dstack([one, 2 * one, -one]), source, target, (60, 80))
    alone = seen_through(one, source, target, (60, 80))
    assert np.allclose(both[..., 0], alone, atol=1e-3)
    assert np.allclose(both[..., 2], -alone, atol=1e-3)


def test_a_masks_border_falls_between_the_pixels_it_parts() -> None:
    mask = np.zeros((8, 12), bool)
    mask[3:, 5:] = True
    seen = mask_through(mask, at(0, 0, 4.0), at(0, 0, 1.0), (32, 48))
    rows, columns = np.nonzero(seen)
    assert (rows.min(), columns.min()) == (12, 20)


def test_codes_are_never_mixed() -> None:
    codes = np.zeros((9, 14), np.uint8)
    codes[:, :6], codes[:, 6:] = 1, 4
    seen = nearest_through(codes, at(0, 0, 2.6), at(0, 0, 0.83), (24, 40))
    assert set(np.unique(seen)) == {1, 4}
    assert (seen[:, :18] == 1).all()
    assert (seen[:, 20:] == 4).all()


@pytest.mark.parametrize("radius", [1, 4.4, 9])
def test_a_grown_point_is_a_disc(radius: float) -> None:
    mask = np.zeros((41, 31), bool)
    mask[20, 12] = True
    rows, columns = np.nonzero(grown(mask, radius))
    reach = np.hypot(rows - 20, columns - 12)
    assert reach.max() <= round(radius) + 0.5
    assert (rows.max() - rows.min(), columns.max() - columns.min()) == (2 * round(radius),) * 2


def test_even_a_tiny_radius_grows_by_a_pixel() -> None:
    mask = np.zeros((5, 7), bool)
    mask[2, 3] = True
    assert grown(mask, 0.1).sum() == 5


@given(
    place=placements,
    corner=st.tuples(st.integers(0, 20), st.integers(0, 30)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_box_holds_every_true_pixel_and_hardly_more(
    place: Placement, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    mask = np.zeros((40, 50), bool)
    mask[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = True
    box = box_around(mask, place)
    d = place.downsample
    left, top = place.x + corner[1] * d, place.y + corner[0] * d
    right, bottom = left + size[1] * d, top + size[0] * d
    assert left - 1 < box.x <= left
    assert top - 1 < box.y <= top
    assert right <= box.right < right + 1 + 1e-6
    assert bottom <= box.bottom < bottom + 1 + 1e-6


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(0, 3))
def test_what_is_occupied_holds_everything_and_no_more(mask: Mask, margin: int) -> None:
    rows, columns = occupied(mask, margin)
    assert mask[rows, columns].sum() == mask.sum()
    for kept, size, there in zip(
        (rows, columns), mask.shape, (mask.any(1), mask.any(0)), strict=True
    ):
        found = np.flatnonzero(there)
        if len(found):
            assert kept.start == max(0, found[0] - margin)
            assert kept.stop == min(size, found[-1] + margin + 1)
        else:
            assert (kept.start, kept.stop) == (0, 0)
