"""JPEG tiles decoded to fewer pixels: what shrinking by area shows, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from helpers.slide_files import HEIGHT, MPP, WIDTH, field, picture, write_svs, write_tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histoscore.errors import DamagedSlideError
from histoscore.geometry import Box, Mpp
from histoscore.records import RgbImage
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide
from histoscore.slides.reduced import FACTORS, ReducedJpeg, is_alike
from histoscore.slides.segments import Segments


@contextmanager
def opened(path: Path) -> Iterator[Segments]:
    with tifffile.TiffFile(path) as file:
        held = Segments(path, {0: file.pages[0]})
    yield held
    held.close()


def write_jpeg_tiff(path: Path, pixels: RgbImage, stored: str = "YCBCR") -> Path:
    """A generic TIFF of JPEG tiles, neither square nor as wide as the picture."""
    tifffile.imwrite(
        path, pixels, tile=(96, 160), photometric="rgb", compression="jpeg",
        compressionargs={"level": 95, "outcolorspace": stored}, metadata=None,
    )  # fmt: skip
    return path


def jpeg(**options: object) -> bytes:
    """A tile of the field as a JPEG of its own."""
    stream = BytesIO()
    Image.fromarray(picture()[:240, :240]).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def svs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_svs(tmp_path_factory.mktemp("reduced") / "a.svs")


@pytest.fixture(scope="module")
def segments(svs: Path) -> Iterator[Segments]:
    with opened(svs) as held:
        yield held


@pytest.fixture(scope="module")
def reduce(svs: Path) -> ReducedJpeg:
    with tifffile.TiffFile(svs) as file:
        return ReducedJpeg(file.pages[0])


class TestARectangle:
    @given(
        factor=st.sampled_from(FACTORS), x=st.integers(0, 120), y=st.integers(0, 60),
        columns=st.integers(1, 60), rows=st.integers(1, 45),
    )  # fmt: skip
    @settings(deadline=None, max_examples=40)
    def test_is_the_shrunk_one(
        self, segments: Segments, factor: int, x: int, y: int, columns: int, rows: int
    ) -> None:
        box = x * factor, y * factor, columns * factor, rows * factor
        reduced = segments.read_reduced(0, *box, factor)
        shrunk = cv2.resize(
            segments.read(0, *box), (columns, rows), interpolation=cv2.INTER_AREA
        ).reshape(rows, columns, 3)
        assert reduced is not None
        assert reduced.shape == (rows, columns, 3)
        assert np.abs(reduced.astype(int) - shrunk).max() <= 4

    @pytest.mark.parametrize("box", [(1, 0, 40, 20), (0, 3, 40, 20), (0, 0, 41, 20), (0, 0, 40, 7)])
    def test_off_whole_pixels_is_not_had(
        self, segments: Segments, box: tuple[int, int, int, int]
    ) -> None:
        assert segments.read_reduced(0, *box, 2) is None

    def test_by_a_factor_that_libjpeg_lacks_is_not_had(self, segments: Segments) -> None:
        assert segments.read_reduced(0, 0, 0, 60, 30, 3) is None

    def test_of_another_compression_is_not_had(self, tmp_path: Path) -> None:
        with opened(write_tiff(tmp_path / "deflate.tif")) as held:
            assert held.read_reduced(0, 0, 0, 60, 40, 2) is None


@pytest.mark.parametrize("stored", ["RGB", "YCBCR"])
def test_colours_are_right_however_they_are_stored(tmp_path: Path, stored: str) -> None:
    """Red, green and blue fields: a decoder that guesses the colour space shows others."""
    colours = np.zeros((200, 330, 3), np.uint8)
    for channel in range(3):
        colours[:, 110 * channel : 110 * (channel + 1), channel] = 230
    with opened(write_jpeg_tiff(tmp_path / "a.tif", colours, stored)) as held:
        reduced = held.read_reduced(0, 0, 0, 330, 200, 2)
    assert reduced is not None
    for channel in range(3):
        middle = reduced[50, 55 * channel + 27].astype(int)
        assert np.abs(middle - 230 * np.eye(3, dtype=int)[channel]).max() <= 4


def test_a_real_slide_shows_what_shrinking_shows(real_data: Path) -> None:
    """Grain and sharp edges: the two ways differ by less than the slide's own compression did."""
    box = 480, 720, 960, 1440
    with opened(real_data / "wsi" / "CMU-1-Small-Region.svs") as held:
        reduced = held.read_reduced(0, *box, 2)
        shrunk = cv2.resize(held.read(0, *box), (480, 720), interpolation=cv2.INTER_AREA)
    assert reduced is not None
    apart = reduced.astype(int) - shrunk
    assert np.abs(apart).mean() < 1.5
    assert np.abs(apart.mean(axis=(0, 1))).max() < 0.2


def position(slide: Slide, box: Box, mpp: Mpp) -> tuple[float, float]:
    """How far a picture lies from where it should, in level-0 px along x and y."""
    shown = slide.read_at(box, mpp)
    rows, columns = shown.shape[:2]
    x = box.x + (np.arange(columns) + 0.5) * box.width / columns
    y = box.y + (np.arange(rows) + 0.5) * box.height / rows
    wrong = (shown - field(x[None, :], y[:, None])).mean(axis=(0, 1))
    return float(wrong[0]) * WIDTH / 200, float(wrong[1]) * HEIGHT / 200


@pytest.mark.parametrize("box", [Box(202, 98, 512, 300), Box(-40, -8, 200, 100)])
def test_a_slide_lies_where_it_did(svs: Path, box: Box) -> None:
    with open_slide(svs) as slide:
        assert np.abs(position(slide, box.clipped(WIDTH, HEIGHT) or box, Mpp(2 * MPP))).max() < 0.6


def test_a_slide_is_read_so_only_on_whole_pixels(
    svs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read_reduced = Segments.read_reduced

    def watched(self: Segments, level: int, *box: int) -> RgbImage | None:
        asked.append(box[-1])
        return read_reduced(self, level, *box)

    monkeypatch.setattr(Segments, "read_reduced", watched)
    with open_slide(svs) as slide:
        slide.read_at(Box(200, 100, 512, 300), Mpp(2 * MPP))
        assert asked == [2]
        slide.read_at(Box(201, 100, 512, 300), Mpp(2 * MPP))  # half a pixel off
        slide.read_at(Box(200, 100, 512, 300), Mpp(1.7 * MPP))  # no whole factor
        slide.read_at(Box(200, 100, 512, 300), Mpp(MPP))  # nothing to shrink
        slide.read_at(Box(-200, 100, 512, 300), Mpp(2 * MPP))  # partly beside the slide
        assert asked == [2]


class TestWhatShowsSomethingElse:
    def test_is_left_to_the_whole_tiles(self, svs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        box, mpp = Box(200, 100, 512, 300), Mpp(2 * MPP)
        decode = ReducedJpeg.__call__
        monkeypatch.setattr(
            ReducedJpeg,
            "__call__",
            lambda self, data, factor: decode(self, data, factor)[..., ::-1],
        )
        with open_slide(svs) as slide:
            whole = slide._read_level(0, box.x, box.y, box.width, box.height)  # type: ignore[attr-defined]
            shrunk = cv2.resize(whole, (256, 150), interpolation=cv2.INTER_AREA)
            assert np.array_equal(slide.read_at(box, mpp), shrunk)

    def test_is_told_by_a_shift_by_swapped_colours_and_by_another_size(self) -> None:
        whole = picture()[:240, :240]
        reduced = np.ascontiguousarray(cv2.resize(whole, (60, 60), interpolation=cv2.INTER_AREA))
        assert is_alike(reduced, whole, 4)
        assert not is_alike(np.ascontiguousarray(reduced[..., ::-1]), whole, 4)
        assert not is_alike(picture()[8:248:4, 8:248:4], whole, 4)
        assert not is_alike(reduced, whole, 2)


class TestATileThatIsDamaged:
    def test_is_refused(self, reduce: ReducedJpeg) -> None:
        whole = jpeg()
        middle = len(whole) // 2
        foreign = whole[:middle] + b"\xff\x3f" + whole[middle:]
        for broken in (
            whole[:-2],
            whole[:middle],
            foreign,
            b"\0" * 500,
            b"",
            whole[2:],
            b"\xff" * 9,
        ):
            with pytest.raises(ValueError, match="JPEG"):
                reduce(broken, 2)

    @pytest.mark.parametrize("sides", [(160, 240), (256, 256), (60_000, 60_000)])
    def test_of_another_size_is_refused(self, reduce: ReducedJpeg, sides: tuple[int, int]) -> None:
        """Also one whose header claims gigabytes."""
        data = jpeg()
        at = data.index(b"\xff\xc0") + 5
        rows, columns = (side.to_bytes(2, "big") for side in sides)
        with pytest.raises(ValueError, match="JPEG"):
            reduce(data[:at] + rows + columns + data[at + 4 :], 2)

    def test_is_the_whole_tiles_to_judge(self, tmp_path: Path) -> None:
        """One tile cut short in the middle of the file: reading says what it said before."""
        path = write_jpeg_tiff(tmp_path / "a.tif", picture())
        with tifffile.TiffFile(path) as file:
            offset, count = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
        data = bytearray(path.read_bytes())
        data[offset : offset + count] = b"\0" * count
        path.write_bytes(data)
        with open_slide(path, sheet_mpp=MPP) as slide:
            with pytest.raises(DamagedSlideError, match="cannot be decoded"):
                slide.read_at(Box(0, 0, 480, 96), Mpp(2 * MPP))
            assert slide.read_at(Box(0, 96, 480, 96), Mpp(2 * MPP)).shape == (48, 240, 3)


def test_restarts_are_no_damage(reduce: ReducedJpeg) -> None:
    plain, restarted = reduce(jpeg(), 4), reduce(jpeg(restart_marker_blocks=3), 4)
    assert np.array_equal(plain, restarted)


def test_a_progressive_tile_is_left_to_the_whole_decoder(reduce: ReducedJpeg) -> None:
    with pytest.raises(ValueError, match="one scan"):
        reduce(jpeg(progressive=True), 2)
