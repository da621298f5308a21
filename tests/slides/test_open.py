"""Opening: content decides, and what cannot be scored is refused with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.slide_files import (
    HEIGHT,
    MPP,
    WIDTH,
    cut,
    picture,
    write_ome_tiff,
    write_picture,
    write_svs,
    write_tiff,
)
from PIL import Image

from histoscore.config import LimitSettings
from histoscore.errors import (
    DamagedSlideError,
    NotASlideError,
    PixelSizeError,
    SlideError,
    UnsupportedSlideError,
)
from histoscore.geometry import Box, Mpp
from histoscore.slides.open import open_slide, read_info, reader_for
from histoscore.slides.openslide_reader import refused_opening


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.svs", b"", "empty file"),
        ("a.svs", b"slide one\nslide two\n", "not a slide; content looks like plain text"),
        ("a.tif", b"%PDF-1.7 ...", "not a slide; content looks like PDF"),
        ("a.ndpi", b"PK\x03\x04....", "not a slide; content looks like a ZIP archive"),
        ("a.svs", b"<html><body>", "not a slide; content looks like a web page"),
        (
            "a.svs",
            bytes(range(7, 256)),
            "not a slide; content looks like none of the known image formats",
        ),
    ],
)
@pytest.mark.fault(1)
@pytest.mark.fault(5)
def test_what_is_no_slide_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(NotASlideError) as refused:
        open_slide(written(tmp_path / name, content))
    assert str(refused.value) == reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.fault(5)
def test_a_picture_under_a_scanner_ending_is_no_slide(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotASlideError, match=f"^not a slide; content looks like {kind}$"):
        open_slide(write_picture(tmp_path / "a.svs", kind), sheet_mpp=0.5)


@pytest.mark.fault(5)
def test_a_folder_is_no_slide(tmp_path: Path) -> None:
    (tmp_path / "a.svs").mkdir()
    with pytest.raises(NotASlideError, match=r"^not a slide; content looks like a folder$"):
        open_slide(tmp_path / "a.svs")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotASlideError, match=r"^file not found$"):
        open_slide(tmp_path / "a.svs")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.vsi", b"II*\0" + bytes(100), "Olympus VSI"),
        ("a.zvi", b"\xd0\xcf\x11\xe0" + bytes(100), "Zeiss ZVI"),
        ("a.bmp", b"BM" + bytes(100), "BMP"),
    ],
)
@pytest.mark.fault(6)
def test_formats_that_are_not_read_come_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(UnsupportedSlideError, match=f"^unsupported: .*{words}.*; export it"):
        open_slide(written(tmp_path / name, content))


@pytest.mark.fault(7)
def test_mrxs_without_its_folder_names_what_is_missing(tmp_path: Path) -> None:
    slide = write_picture(tmp_path / "knee.mrxs", "JPEG")
    with pytest.raises(DamagedSlideError, match=r"companion files missing: knee/Slidedat\.ini"):
        open_slide(slide)


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (
            "Couldn't open /data/knee/Data0001.dat: No such file or directory",
            DamagedSlideError,
            "companion files missing: Data0001.dat",
        ),
        ("At offset 0: Short read of file a.czi", DamagedSlideError, "truncated (short read)"),
        ("JPEG XR compression is not supported", UnsupportedSlideError, "unsupported: "),
        ("Bad DICOM", DamagedSlideError, "damaged: OpenSlide cannot open it (Bad DICOM)"),
    ],
)
@pytest.mark.fault(6)
@pytest.mark.fault(7)
def test_what_openslide_says_becomes_a_reason(
    said: str, kind: type[SlideError], reason: str
) -> None:
    refused = refused_opening(said)
    assert type(refused) is kind
    assert str(refused).startswith(reason)


WRITERS = {
    "a.svs": write_svs,
    "a.tif": write_tiff,
    "a.ome.tif": write_ome_tiff,
    "a.png": write_picture,
    "a.jpg": lambda path: write_picture(path, "JPEG"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.fault(2)
def test_a_file_cut_short_is_refused_at_opening(tmp_path: Path, name: str, share: float) -> None:
    path = cut(WRITERS[name](tmp_path / name), share)
    with pytest.raises(DamagedSlideError, match=r"^truncated \(short read\)$"):
        open_slide(path, sheet_mpp=0.5)


@pytest.mark.parametrize(
    ("name", "reader", "source"),
    [
        ("a.svs", "openslide", "scanner"),
        ("a.tif", "tiff", "tiff tags"),
        ("a.ome.tif", "tiff", "scanner"),
    ],
)
def test_a_slide_says_its_size_scale_and_reader(
    tmp_path: Path, name: str, reader: str, source: str
) -> None:
    info = read_info(WRITERS[name](tmp_path / name))
    assert (info.reader, info.width, info.height) == (reader, WIDTH, HEIGHT)
    assert (info.mpp, info.mpp_source) == (pytest.approx(MPP), source)


def test_the_ending_does_not_matter_for_a_picture(tmp_path: Path) -> None:
    assert reader_for(write_picture(tmp_path / "a.tif", "PNG")) == "picture"


@pytest.mark.fault(8)
def test_an_svs_without_pixel_size_is_refused_and_the_sheet_helps(tmp_path: Path) -> None:
    path = write_svs(tmp_path / "a.svs", mpp="")
    with pytest.raises(PixelSizeError, match="the file says nothing"):
        open_slide(path)
    assert read_info(path, sheet_mpp=0.5).mpp_source == "sheet"


def test_what_the_user_assumes_counts_only_where_nobody_says_a_pixel_size(tmp_path: Path) -> None:
    unknown, known = write_svs(tmp_path / "a.svs", mpp=""), write_svs(tmp_path / "b.svs")
    info = read_info(unknown, assume_mpp=0.8)
    assert (info.mpp, info.mpp_source) == (0.8, "assumed")
    assert "as if at 0.8 µm per pixel" in info.notes[-1]
    assert read_info(known, assume_mpp=0.8).mpp_source == "scanner"
    assert read_info(unknown, sheet_mpp=0.5, assume_mpp=0.8).mpp_source == "sheet"
    with pytest.raises(PixelSizeError, match="the study sheet says 352"):
        open_slide(unknown, sheet_mpp=352.8, assume_mpp=0.8)


@pytest.mark.fault(9)
def test_72_dpi_is_never_taken_for_a_pixel_size(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", dpi=(72, 72))
    with pytest.raises(PixelSizeError, match=r"the file says 352\.[78]"):
        open_slide(path)


@pytest.mark.fault(11)
def test_a_slide_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif")
    with pytest.raises(UnsupportedSlideError, match=r"^too large: 1501 × 907 pixels"):
        open_slide(path, limits=LimitSettings(max_pixels=1_000_000))


@pytest.mark.fault(12)
def test_a_picture_larger_than_its_limit_is_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png")
    with pytest.raises(UnsupportedSlideError, match="save it as a tiled TIFF"):
        open_slide(path, 0.5, LimitSettings(max_picture_pixels=1_000_000))


@pytest.mark.fault(11)
def test_huge_declared_dimensions_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", levels=1)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[256].overwrite(2**30)
        tiff.pages[0].tags[257].overwrite(2**30)
    with pytest.raises(SlideError, match=r"too large|damaged"):
        open_slide(path)


def test_an_unreadable_file_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write_picture(tmp_path / "a.png")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(SlideError, match=r"^cannot be read \(Permission denied\)$"):
        open_slide(path)


@pytest.mark.fault(17)
def test_label_and_macro_are_at_hand_and_missing_ones_are_none(tmp_path: Path) -> None:
    with open_slide(write_svs(tmp_path / "a.svs")) as slide:
        assert set(slide.info.associated) >= {"label", "macro"}
        label = slide.associated("label")
        assert label is not None
        assert label.shape == (40, 60, 3)
        assert slide.associated("nothing") is None


def blank_first_tile(path: Path) -> None:
    """Overwrite the first tile of level 0 with zeros."""
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = bytes(count)
    path.write_bytes(data)


@pytest.mark.fault(4)
def test_a_damaged_tile_is_an_error_and_the_next_read_works(tmp_path: Path) -> None:
    path = write_svs(tmp_path / "a.svs")
    blank_first_tile(path)
    with open_slide(path) as slide:
        with pytest.raises(DamagedSlideError, match="unreadable pixels"):
            slide.read_at(Box(10, 10, 50, 40), Mpp(MPP))
        assert slide.read_at(Box(700, 500, 50, 40), Mpp(MPP)).shape == (40, 50, 3)


@pytest.mark.fault(4)
def test_a_damaged_tile_of_a_plain_tiff_costs_that_tile_only(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif")
    blank_first_tile(path)
    with open_slide(path) as slide:
        with pytest.raises(DamagedSlideError, match="cannot be decoded"):
            slide.read_at(Box(10, 10, 50, 40), Mpp(MPP))
        assert slide.read_at(Box(700, 500, 50, 40), Mpp(MPP)).shape == (40, 50, 3)


@pytest.mark.fault(45)
def test_a_tag_that_holds_two_numbers_for_one_is_damage(tmp_path: Path) -> None:
    """Found by `benchmarks.fuzz`: it took the worker down."""
    path = write_tiff(tmp_path / "a.tif")
    tile_length, twice = b"\x43\x01\x04\0\1\0\0\0", b"\x43\x01\x04\0\2\0\0\0"
    path.write_bytes(path.read_bytes().replace(tile_length, twice))
    with pytest.raises(DamagedSlideError, match="the TIFF cannot be decoded"):
        open_slide(path)


@pytest.mark.fault(45)
def test_a_property_whose_name_was_damaged_is_passed_over(tmp_path: Path) -> None:
    """Found by `benchmarks.fuzz`: OpenSlide lists it and knows no value, which ended the worker."""
    path = write_svs(tmp_path / "a.svs")
    right = path.read_bytes()
    assert b"|AppMag" in right
    path.write_bytes(right.replace(b"|AppMag", b"|App\xffag"))
    assert read_info(path).mpp == pytest.approx(MPP)


def read_all(path: Path) -> np.ndarray:
    with open_slide(path, sheet_mpp=MPP) as slide:
        return slide.read_at(slide.info.whole, slide.info.mpp)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "jpeg"])
@pytest.mark.parametrize("rows", [64, HEIGHT])
def test_striped_snapshots_are_read(tmp_path: Path, compression: str | None, rows: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", compression=compression, rowsperstrip=rows)
    assert np.abs(read_all(path).astype(int) - picture()).max() <= (
        4 if compression == "jpeg" else 0
    )


@pytest.mark.fault(15)
def test_16_bit_samples_that_fill_their_range_lose_their_lower_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture().astype(np.uint16) * 257, photometric="rgb")
    assert np.array_equal(read_all(path), picture())


@pytest.mark.fault(15)
def test_12_bits_in_16_are_refused_instead_of_read_as_black(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture().astype(np.uint16) * 16, photometric="rgb")
    with pytest.raises(UnsupportedSlideError, match="do not fill their range"):
        open_slide(path, sheet_mpp=0.5)


@pytest.mark.fault(15)
def test_grey_becomes_rgb_and_inverted_grey_is_turned_over(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", grey, photometric="miniswhite")
    assert np.array_equal(read_all(tmp_path / "a.tif"), np.stack([grey] * 3, axis=-1))
    assert np.array_equal(read_all(tmp_path / "b.tif"), np.stack([255 - grey] * 3, axis=-1))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.fault(15)
def test_transparency_is_laid_on_white(tmp_path: Path, name: str) -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, : WIDTH // 2] = 255
    layers = np.dstack([picture(), alpha])
    if name.endswith("png"):
        Image.fromarray(layers).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, layers, photometric="rgb", extrasamples=["unassalpha"])
    read = read_all(tmp_path / name)
    assert (read[:, WIDTH // 2 :] == 255).all()
    assert np.array_equal(read[:, : WIDTH // 2], picture()[:, : WIDTH // 2])


@pytest.mark.fault(15)
def test_cmyk_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(picture()).convert("CMYK").save(path)
    with pytest.raises(UnsupportedSlideError, match="colour mode CMYK; save it as 8-bit RGB"):
        open_slide(path, sheet_mpp=0.5)


def test_channels_stored_apart_are_refused_and_not_read_as_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    planes = np.moveaxis(picture(), -1, 0)
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "CYX"}, ome=True)
    with pytest.raises(UnsupportedSlideError, match="3 channels stored as separate grey pictures"):
        open_slide(path, sheet_mpp=0.5)


def test_colour_planes_apart_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.moveaxis(picture(), -1, 0), photometric="rgb", planarconfig=2)
    assert reader_for(path) == "picture"
    assert np.array_equal(read_all(path), picture())


def test_a_turned_photograph_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: show the picture a quarter clockwise
    write_picture(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_all(tmp_path / "a.png"), np.rot90(picture(), -1))


def test_imagej_microns_are_a_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, picture()[..., 0], imagej=True, resolution=(1 / 0.65, 1 / 0.65),
        metadata={"unit": "micron"},
    )  # fmt: skip
    info = read_info(path)
    assert (info.mpp, info.mpp_source) == (pytest.approx(0.65, rel=1e-4), "tiff tags")


@pytest.mark.parametrize("unit", [("nm", 1e3), ("mm", 1e-3)])
def test_ome_units_are_understood(tmp_path: Path, unit: tuple[str, float]) -> None:
    path = write_ome_tiff(tmp_path / "a.ome.tif", MPP * unit[1], unit[0])
    assert read_info(path).mpp == pytest.approx(MPP)


def test_headers_are_read_without_decoding_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histoscore.slides.segments import Segments

    def refuse(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Segments, "samples", refuse)
    assert read_info(write_tiff(tmp_path / "a.tif")).width == WIDTH


def test_opening_slides_does_not_import_torch() -> None:
    source = "import histoscore.slides.open, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
