"""The SVS that is written is one that OpenSlide opens as an Aperio slide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest

from histoscore.geometry import Box, Mpp
from histoscore.phantom.mounting import DrawnSlide
from histoscore.phantom.scanner import write_svs
from histoscore.slides.open import open_slide

MPP = 0.61237


@pytest.fixture(scope="module")
def svs(drawn: DrawnSlide, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scanner") / "M 002.svs"
    write_svs(path, drawn.picture, MPP, quality=85, label="M002")
    return path


@pytest.fixture
def opened(svs: Path) -> Iterator[openslide.OpenSlide]:
    with openslide.OpenSlide(svs) as slide:
        yield slide


def test_size_and_vendor(opened: openslide.OpenSlide, drawn: DrawnSlide) -> None:
    rows, columns = drawn.picture.shape[:2]
    assert rows != columns
    assert opened.dimensions == (columns, rows)
    assert opened.properties["openslide.vendor"] == "aperio"


def test_pixel_size_and_magnification(opened: openslide.OpenSlide) -> None:
    for axis in "xy":
        assert float(opened.properties[f"openslide.mpp-{axis}"]) == pytest.approx(MPP, abs=1e-4)
    assert opened.properties["openslide.objective-power"] == "16"


def test_levels_are_quarters_until_one_is_small(opened: openslide.OpenSlide) -> None:
    columns, rows = opened.dimensions
    assert opened.level_dimensions == ((columns, rows), (columns // 4, rows // 4))
    assert opened.level_downsamples[1] == pytest.approx(4, rel=0.01)


def test_the_second_level_shows_the_same_picture_to_the_last_corner(tmp_path: Path) -> None:
    """A level is cropped to whole pixels; stretched, its last corner would lie 2 pixels off."""
    noise = np.random.default_rng(0).random((1003, 1411))
    blobs = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX)
    write_svs(tmp_path / "blobs.svs", np.dstack([blobs.astype(np.uint8)] * 3), 1.3, 97, "blobs")
    with openslide.OpenSlide(tmp_path / "blobs.svs") as slide:
        assert slide.level_dimensions[1] == (352, 250)
        level = np.asarray(slide.read_region((0, 0), 1, (352, 250)).convert("RGB"), float)
    shrunk = blobs[:1000, :1408].reshape(250, 4, 352, 4).mean((1, 3))
    assert np.abs(level - shrunk[..., None])[-60:, -60:].mean() < 1.5


def test_label_macro_and_thumbnail(opened: openslide.OpenSlide, drawn: DrawnSlide) -> None:
    assert set(opened.associated_images) == {"label", "macro", "thumbnail"}
    rows, columns = drawn.picture.shape[:2]
    width, height = opened.associated_images["thumbnail"].size
    assert width / height == pytest.approx(columns / rows, rel=0.01)


def test_pixels_are_where_they_were_drawn(opened: openslide.OpenSlide, drawn: DrawnSlide) -> None:
    """A rectangle that starts inside a tile; one pixel off in any direction fits worse."""
    x, y, width, height = 301, 517, 410, 263
    read = np.asarray(opened.read_region((x, y), 0, (width, height)).convert("RGB"), float)
    misfit = {
        (dx, dy): np.abs(
            read - drawn.picture[y + dy : y + dy + height, x + dx : x + dx + width]
        ).mean()
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    }
    assert min(misfit, key=misfit.__getitem__) == (0, 0)
    assert misfit[0, 0] < 8


def test_our_own_reader_sees_the_same(svs: Path, drawn: DrawnSlide) -> None:
    rows, columns = drawn.picture.shape[:2]
    with open_slide(svs) as slide:
        info = slide.info
        picture = slide.read_at(Box(0, 0, columns, rows), info.mpp)
        part = slide.read_at(Box(301, 517, 410, 263), info.mpp)
        coarse = slide.read_at(Box(0, 0, columns, rows), Mpp(info.mpp * 6))
    assert (info.width, info.height, info.mpp_source) == (columns, rows, "scanner")
    assert info.mpp == pytest.approx(MPP, abs=1e-4)
    assert np.abs(picture.astype(float) - drawn.picture).mean() < 6
    assert (part == picture[517 : 517 + 263, 301 : 301 + 410]).all()
    assert coarse.shape == (round(rows / 6), round(columns / 6), 3)


def test_better_quality_is_nearer_to_what_was_drawn(drawn: DrawnSlide, tmp_path: Path) -> None:
    part = drawn.picture[200:700, 100:1100]
    errors = []
    for quality in (40, 95):
        path = tmp_path / f"q{quality}.svs"
        write_svs(path, part, 1.2, quality, "q")
        with open_slide(path) as slide:
            read = slide.read_at(Box(0, 0, 1000, 500), slide.info.mpp)
        errors.append(np.abs(read.astype(float) - part).mean())
    assert errors[1] < 0.7 * errors[0]


def test_equal_pictures_are_equal_bytes(drawn: DrawnSlide, tmp_path: Path) -> None:
    part = drawn.picture[:300, :500]
    for name in ("a", "b"):
        write_svs(tmp_path / name, part, 0.9, 80, "same")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
