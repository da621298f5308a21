"""A scanner's tiles, decoded here: the very pixels that OpenSlide gives, or OpenSlide's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.slide_files import HEIGHT, WIDTH, write_svs

from histoscore.errors import DamagedSlideError
from histoscore.geometry import Box
from histoscore.records import RgbImage
from histoscore.slides.open import open_slide
from histoscore.slides.openslide_reader import OpenSlideReader
from histoscore.slides.segments import Segments

DEMO = Path(__file__).parents[2] / "slides_demo" / "slides"


def opened(path: Path) -> OpenSlideReader:
    slide = open_slide(path)
    assert isinstance(slide, OpenSlideReader)
    return slide


def whole_levels(slide: OpenSlideReader) -> list[int]:
    """Levels that OpenSlide reads without interpolating."""
    return [n for n, d in enumerate(slide._handle.level_downsamples) if float(d).is_integer()]


def is_quick(slide: OpenSlideReader, level: int) -> bool:
    return slide._tiles is not None and slide._tiles.reads(level, slide._composed)


def check_equal(slide: OpenSlideReader) -> None:
    for level in whole_levels(slide):
        size = slide.info.levels[level]
        assert is_quick(slide, level)
        for x, y in ((0, 0), (size.width // 3, size.height // 2), (201, 97)):
            box = x, y, min(700, size.width - x), min(500, size.height - y)
            assert np.array_equal(slide._read_level(level, *box), slide._composed(level, *box))


def test_pixels_of_a_phantom_are_equal_to_openslides() -> None:
    with opened(sorted(DEMO.glob("*.svs"))[-1]) as slide:
        check_equal(slide)


def test_pixels_of_a_real_slide_are_equal_to_openslides(real_data: Path) -> None:
    with opened(real_data / "wsi" / "CMU-1-Small-Region.svs") as slide:
        check_equal(slide)


def test_every_pixel_of_a_slide_is_equal(tmp_path: Path) -> None:
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        assert is_quick(slide, 0)
        assert np.array_equal(
            slide._read_level(0, 0, 0, WIDTH, HEIGHT), slide._composed(0, 0, 0, WIDTH, HEIGHT)
        )


def test_between_whole_pixels_the_stored_ones_are_read(tmp_path: Path) -> None:
    """1501 → 375 columns is no whole factor for OpenSlide, and it blurs a little there."""
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        assert whole_levels(slide) == [0]
        assert is_quick(slide, 1)
        quick, composed = (read(1, 301, 100, 60, 80) for read in (
            slide._read_level, slide._composed
        ))  # fmt: skip
        assert np.abs(quick.astype(int) - composed).max() <= 3


def test_a_level_that_differs_anywhere_is_left_to_openslide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Segments.read

    def off_by_one(self: Segments, level: int, *box: int) -> RgbImage:
        pixels = read(self, level, *box)
        pixels[-1, -1, 2] ^= 1
        return pixels

    monkeypatch.setattr(Segments, "read", off_by_one)
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        box = Box(100, 100, 300, 200)
        found = slide.read_at(box, slide.info.mpp)
        assert not is_quick(slide, 0)
        assert np.array_equal(found, slide._composed(0, 100, 100, 300, 200))


def test_the_comparison_is_made_once_a_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    composed = OpenSlideReader._composed

    def watched(self: OpenSlideReader, level: int, *box: int) -> RgbImage:
        asked.append(level)
        return composed(self, level, *box)

    monkeypatch.setattr(OpenSlideReader, "_composed", watched)
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        for _ in range(3):
            slide.read_at(Box(10, 10, 300, 200), slide.info.mpp)
        assert asked == [0, 0, 0]  # three tiles of level 0, and never again


def test_a_tile_that_cannot_be_decoded_is_openslides_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        assert is_quick(slide, 0)

        def broken(*_: object) -> RgbImage:
            raise DamagedSlideError("damaged: here")

        monkeypatch.setattr(Segments, "read", broken)
        found = slide._read_level(0, 0, 0, 50, 40)
        assert np.array_equal(found, slide._composed(0, 0, 0, 50, 40))


def test_a_file_that_only_openslide_can_parse_is_read_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not a TIFF file")

    monkeypatch.setattr("tifffile.TiffFile.__init__", refuse)
    with opened(write_svs(tmp_path / "a.svs")) as slide:
        assert not is_quick(slide, 0)
        assert slide.read_at(Box(0, 0, 50, 40), slide.info.mpp).shape == (40, 50, 3)
