"""Every reader gives the same continuous pyramid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.slide_files import (
    HEIGHT,
    MPP,
    WIDTH,
    field,
    write_ome_tiff,
    write_picture,
    write_svs,
    write_tiff,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.geometry import Box, Mpp
from histoscore.records import RgbImage
from histoscore.slides import base
from histoscore.slides.base import Slide, level_scales
from histoscore.slides.open import open_slide

WRITERS: dict[str, Callable[[Path], Path]] = {
    "slide.svs": write_svs,
    "pyramid.tif": write_tiff,
    "pyramid.ome.tif": write_ome_tiff,
    "picture.png": write_picture,
    "picture.jpg": lambda path: write_picture(path, "JPEG", quality=95),
}


@pytest.fixture(scope="module", params=WRITERS)
def slide(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slide]:
    path = WRITERS[request.param](tmp_path_factory.mktemp("slides") / request.param)
    with open_slide(path, sheet_mpp=MPP) as opened:
        yield opened


def expected(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = shape[:2]
    x = box.x + (np.arange(columns) + 0.5) * box.width / columns
    y = box.y + (np.arange(rows) + 0.5) * box.height / rows
    return field(x[None, :], y[:, None])


def shift(picture: RgbImage, box: Box) -> tuple[float, float]:
    """How far the picture lies from where it should, in level-0 px along x and y."""
    wrong = (picture - expected(box, picture.shape)).mean(axis=(0, 1))
    return float(wrong[0]) * WIDTH / 200, float(wrong[1]) * HEIGHT / 200


@pytest.mark.parametrize("mpp", [0.3, MPP, 0.9, 1.1, 2.5, 8.0])
def test_content_lies_where_it_should_at_any_scale(slide: Slide, mpp: float) -> None:
    box = Box(203, 101, 701, 455)
    picture = slide.read_at(box, Mpp(mpp))
    level = max(lv.downsample for lv in slide.info.levels if lv.downsample <= mpp / MPP * 1.001 or
                lv.downsample == 1)  # fmt: skip
    assert picture.shape == (*box.shape_at(mpp / MPP), 3)
    assert picture.dtype == np.uint8
    assert np.abs(shift(picture, box)).max() <= 0.5 * level + 0.1
    assert np.abs(picture - expected(box, picture.shape)).max() < 6


def test_level_0_is_read_pixel_for_pixel(tmp_path: Path) -> None:
    with open_slide(write_tiff(tmp_path / "a.tif")) as slide:
        box = Box(130, 77, 301, 203)
        picture = slide.read_at(box, slide.info.mpp)
    assert np.array_equal(picture, np.rint(expected(box, picture.shape)).astype(np.uint8))


@pytest.mark.fault(16)
def test_outside_the_slide_is_white(slide: Slide) -> None:
    picture = slide.read_at(Box(-80, -40, 120, 100), Mpp(MPP))
    assert (picture[:40] == 255).all()
    assert (picture[:, :80] == 255).all()
    assert (picture[45:, 85:].min(axis=2) < 60).all()


@pytest.mark.fault(16)
def test_past_the_lower_right_corner_is_white(slide: Slide) -> None:
    picture = slide.read_at(Box(WIDTH - 30, HEIGHT - 20, 90, 50), Mpp(MPP))
    assert (picture[20:] == 255).all()
    assert (picture[:, 30:] == 255).all()
    assert (picture[:18, :28, :2] < 240).all()


def test_far_outside_nothing_but_white_is_there(slide: Slide) -> None:
    assert (slide.read_at(Box(10_000, -9_000, 64, 32), Mpp(1.0)) == 255).all()


def test_a_box_larger_than_the_slide_is_read_in_bands(
    slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(-100, -60, WIDTH + 250, HEIGHT + 130)
    whole = slide.read_at(box, Mpp(3.1))
    monkeypatch.setattr(base, "BAND_PIXELS", 40_000)
    banded = slide.read_at(box, Mpp(3.1))
    assert banded.shape == whole.shape
    # Bands begin on whole level pixels, so a row may move by half of one: a slope of the field.
    inside = np.s_[20:-20, 30:-30]
    assert np.abs(banded[inside].astype(int) - whole[inside]).max() <= 3


@pytest.mark.parametrize(
    ("full", "part", "factor"),
    [(1501, 375, 4.0), (1501, 376, 4.0), (1500, 750, 2.0), (1501, 653, 1501 / 653)],
)
def test_a_cropped_or_padded_level_keeps_its_whole_factor(
    full: int, part: int, factor: float
) -> None:
    assert level_scales(((full, full), (part, part)))[1] == (factor, factor)


@given(
    x=st.integers(-500, 2000),
    y=st.integers(-500, 1500),
    width=st.integers(1, 400),
    height=st.integers(1, 300),
    mpp=st.floats(0.2, 20),
)
@settings(max_examples=60, deadline=None)
def test_any_box_at_any_scale_has_the_shape_that_was_asked_for(
    pyramid: Slide, x: int, y: int, width: int, height: int, mpp: float
) -> None:
    box = Box(x, y, width, height)
    picture = pyramid.read_at(box, Mpp(mpp))
    assert picture.shape == (*box.shape_at(mpp / pyramid.info.mpp), 3)
    if box.clipped(WIDTH, HEIGHT) is None:
        assert (picture == 255).all()


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slide]:
    with open_slide(write_ome_tiff(tmp_path_factory.mktemp("slides") / "a.ome.tif")) as opened:
        yield opened
