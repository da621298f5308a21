"""A picture that was written as a slide is read as it was drawn: every format, every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
import tifffile

from histoscore.errors import ConfigError, EnvironmentStopError, PixelSizeError
from histoscore.geometry import Box, Mpp
from histoscore.phantom.scanner import FORMATS, Scan, write_slide
from histoscore.phantom.scanner.snapshot import LONGEST_PX
from histoscore.records import RgbImage
from histoscore.slides.base import Slide
from histoscore.slides.ome import ome_pixels
from histoscore.slides.open import open_slide, read_info

COLUMNS, ROWS = 4999, 1203
MPP = 0.61237
SCAN = Scan(MPP, quality=88)
NEAR = 4.0
"""The most that JPEG of this quality changes, in the mean over pixels (grey values)."""
FACTORS = {"svs": (1, 4, 16), "tiff": (1, 2, 4, 8, 16), "ome-tiff": (1, 2, 4, 8, 16), "jpeg": (1,)}
OPENSLIDE = ("svs", "tiff")
"""What OpenSlide reads with all its levels."""


@cache
def drawn() -> RgbImage:
    """Grey blobs of 6 to 96 pixels, so that every level shows some, on larger coloured ones.

    JPEG keeps colours at half the resolution: of fine ones it would keep little.
    """
    rng = np.random.default_rng(8)
    picture = np.full((ROWS, COLUMNS, 3), 30, np.uint8)
    for size, colours in ((6, 1), (24, 1), (96, 1), (400, 3)):
        shape = (-(-ROWS // size), -(-COLUMNS // size), colours)
        blobs = np.broadcast_to(rng.integers(0, 56, shape, np.uint8), (*shape[:2], 3))
        picture += cv2.resize(blobs, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)
    return picture


@cache
def shrunk(factor: int) -> np.ndarray:
    """Means of factor × factor drawn pixels; odd last ones are left out."""
    if factor == 1:
        return drawn()
    rows, columns = ROWS // factor, COLUMNS // factor
    blocks = drawn()[: rows * factor, : columns * factor]
    return blocks.reshape(rows, factor, columns, factor, 3).mean((1, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("slides")

    @cache
    def write(name: str) -> Path:
        path = folder / f"M 002{FORMATS[name].ending}"
        write_slide(path, drawn(), name, SCAN, "M002")
        return path

    return write


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def slide(name: str, written: Callable[[str], Path]) -> Iterator[Slide]:
    with opened(written(name), name) as slide:
        yield slide


def opened(path: Path, name: str) -> Slide:
    """With our own reader; told the pixel size only where the file does not carry it."""
    return open_slide(path, None if FORMATS[name].carries_mpp else MPP)


def native(slide: Slide, level: int, factor: int) -> RgbImage:
    """A level as our reader gives it at the level's own scale."""
    info = slide.info.levels[level]
    box = Box(0, 0, info.width * factor, info.height * factor)
    pixels = slide.read_at(box, Mpp(slide.info.mpp * info.downsample))
    assert pixels.shape == (info.height, info.width, 3)
    return pixels


def assert_as_drawn(pixels: RgbImage, factor: int) -> None:
    """Equal up to JPEG; at the far corner any shift by one pixel fits worse, and each as badly."""
    truth = shrunk(factor)
    rows, columns = truth.shape[:2]
    assert np.abs(np.subtract(pixels[:rows, :columns], truth, dtype=np.float32)).mean() < NEAR
    corner = pixels[rows - 61 : rows - 1, columns - 121 : columns - 1].astype(float)
    misfit = {
        (dx, dy): np.abs(
            corner - truth[rows - 61 + dy : rows - 1 + dy, columns - 121 + dx : columns - 1 + dx]
        ).mean()
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    }
    here = misfit.pop((0, 0))
    assert here < NEAR
    assert here < 0.6 * min(misfit.values())
    for dx, dy in ((1, 0), (0, 1)):
        assert misfit[dx, dy] == pytest.approx(misfit[-dx, -dy], rel=0.15)


def test_size_and_pixel_size_are_those_of_the_scan(slide: Slide, name: str) -> None:
    info = slide.info
    assert (info.width, info.height) == (COLUMNS, ROWS)
    assert info.mpp == pytest.approx(MPP, abs=1e-6)
    assert not info.notes
    sources = {"svs": "scanner", "tiff": "tiff tags", "ome-tiff": "scanner", "jpeg": "sheet"}
    assert info.mpp_source == sources[name]


def test_levels_are_cut_or_filled_to_whole_pixels(slide: Slide, name: str) -> None:
    """So that size by size no downsample is the whole number that it is meant to be."""
    up = name == "ome-tiff"
    for level, factor in zip(slide.info.levels, FACTORS[name], strict=True):
        assert level.width == (-(-COLUMNS // factor) if up else COLUMNS // factor)
        assert level.height == (-(-ROWS // factor) if up else ROWS // factor)
        assert factor == 1 or COLUMNS / level.width != factor


def test_every_level_shows_what_was_drawn_where_it_was_drawn(slide: Slide, name: str) -> None:
    for level, factor in enumerate(FACTORS[name]):
        assert_as_drawn(native(slide, level, factor), factor)


@pytest.mark.parametrize("name", OPENSLIDE)
def test_openslide_sees_the_same_levels(name: str, written: Callable[[str], Path]) -> None:
    with openslide.OpenSlide(written(name)) as slide:
        assert slide.dimensions == (COLUMNS, ROWS)
        sizes = tuple((COLUMNS // factor, ROWS // factor) for factor in FACTORS[name])
        assert slide.level_dimensions == sizes
        for level, factor in enumerate(FACTORS[name]):
            picture = slide.read_region((0, 0), level, sizes[level])
            assert_as_drawn(np.asarray(picture)[..., :3], factor)


@pytest.mark.parametrize(("name", "vendor"), [("svs", "aperio"), ("tiff", "generic-tiff")])
def test_openslide_sees_the_same_pixel_size(
    name: str, vendor: str, written: Callable[[str], Path]
) -> None:
    with openslide.OpenSlide(written(name)) as slide:
        assert slide.properties["openslide.vendor"] == vendor
        for axis in "xy":
            assert float(slide.properties[f"openslide.mpp-{axis}"]) == pytest.approx(MPP, abs=1e-6)


def test_a_piece_that_begins_inside_a_tile_is_cut_from_the_same_pixels(slide: Slide) -> None:
    piece = slide.read_at(Box(301, 517, 410, 263), slide.info.mpp)
    assert np.abs(piece - drawn()[517 : 517 + 263, 301 : 301 + 410].astype(float)).mean() < NEAR


def test_the_last_pixels_are_as_good_as_those_inside(slide: Slide) -> None:
    """Tiles that reach outside are filled with what stands at the edge, not with black."""
    read = native(slide, 0, 1)
    inside, *edges = (
        np.abs(read[part] - drawn()[part].astype(float)).mean()
        for part in (np.s_[600:700, 600:700], np.s_[-1], np.s_[:, -1])
    )
    assert max(edges) < 1.5 * inside


def test_a_file_without_a_pixel_size_needs_the_study_sheet(
    name: str, written: Callable[[str], Path]
) -> None:
    if FORMATS[name].carries_mpp:
        assert read_info(written(name)).mpp == pytest.approx(MPP)
    else:
        with pytest.raises(PixelSizeError, match="the file says nothing"):
            read_info(written(name))


def test_better_quality_is_nearer_to_what_was_drawn(name: str, tmp_path: Path) -> None:
    part = drawn()[200:700, 100:1101]
    errors = []
    for quality in (30, 98):
        path = tmp_path / f"q{quality}{FORMATS[name].ending}"
        write_slide(path, part, name, Scan(1.2, quality), "q")
        with open_slide(path, sheet_mpp=1.2) as slide:
            read = slide.read_at(Box(0, 0, 1001, 500), Mpp(1.2))
        errors.append(np.abs(read.astype(float) - part).mean())
    assert errors[1] < 0.5 * errors[0]


def test_equal_pictures_are_equal_bytes(name: str, tmp_path: Path) -> None:
    for copy in ("a", "b"):
        write_slide(tmp_path / copy, drawn()[:700, :1301].copy(), name, SCAN, "same")
    write_slide(tmp_path / "c", drawn()[1:701, :1301], name, SCAN, "same")
    a, b, c = ((tmp_path / copy).read_bytes() for copy in "abc")
    assert a == b != c


@pytest.mark.parametrize("name", ["svs", "tiff", "ome-tiff"])
def test_no_page_is_dated_or_signed(name: str, written: Callable[[str], Path]) -> None:
    with tifffile.TiffFile(written(name)) as file:
        for page in file.pages:
            assert not {"DateTime", "Software"} & {tag.name for tag in page.tags}


@pytest.mark.parametrize(("columns", "rows"), [(91, 60), (1300, 2), (17, 700)])
def test_small_and_narrow_pictures_are_written_too(
    name: str, columns: int, rows: int, tmp_path: Path
) -> None:
    path = tmp_path / f"small{FORMATS[name].ending}"
    write_slide(path, drawn()[:rows, :columns], name, SCAN, "small")
    with opened(path, name) as slide:
        assert (slide.info.width, slide.info.height) == (columns, rows)
        read = slide.read_at(Box(0, 0, columns, rows), slide.info.mpp)
    assert np.abs(read - drawn()[:rows, :columns].astype(float)).mean() < NEAR


def test_tiles_of_another_size_are_written_on_request(tmp_path: Path) -> None:
    for name in ("svs", "tiff", "ome-tiff"):
        write_slide(tmp_path / name, drawn()[:300, :701], name, Scan(MPP, 80, tile_px=128), "t")
        with tifffile.TiffFile(tmp_path / name) as file:
            assert (file.pages[0].tilewidth, file.pages[0].tilelength) == (128, 128)


def test_a_picture_longer_than_a_jpeg_can_be_is_refused(tmp_path: Path) -> None:
    picture = np.full((3, LONGEST_PX + 1, 3), 200, np.uint8)
    with pytest.raises(ConfigError, match="take another slide format"):
        write_slide(tmp_path / "a.jpg", picture, "jpeg", SCAN, "M002")
    assert not list(tmp_path.iterdir())
    write_slide(tmp_path / "a.jpg", picture[:, 1:], "jpeg", SCAN, "M002")


def test_a_missing_folder_stops_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentStopError, match="nowhere"):
        write_slide(tmp_path / "nowhere" / "a.svs", drawn()[:90, :130], "svs", SCAN, "M002")


def test_every_page_of_the_tiff_states_its_own_pixel_size(written: Callable[[str], Path]) -> None:
    with tifffile.TiffFile(written("tiff")) as file:
        for page, factor in zip(file.pages, FACTORS["tiff"], strict=True):
            per_cm, one = page.tags["XResolution"].value
            assert 1e4 * one / per_cm == pytest.approx(MPP * factor, rel=1e-6)
            assert page.tags["NewSubfileType"].value == (factor > 1)


def test_the_ome_tiff_has_its_levels_in_subifds(written: Callable[[str], Path]) -> None:
    with tifffile.TiffFile(written("ome-tiff")) as file:
        assert len(file.pages) == 1
        assert len(file.pages[0].pages) == len(FACTORS["ome-tiff"]) - 1
        pixels = ome_pixels(file.ome_metadata)
        assert 'Name="M002"' in file.ome_metadata
    assert pixels.size is not None
    assert (pixels.size.x, pixels.size.y, pixels.channels) == (MPP, MPP, 1)
