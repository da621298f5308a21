"""The SVS is what a ScanScope would have made of the slide: texts, label, macro, thumbnail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
import tifffile

from histoscore.phantom.scanner import Scan, write_slide
from histoscore.phantom.scanner.glass import label_picture
from histoscore.phantom.scanner.svs import objective_power
from histoscore.records import RgbImage

COLUMNS, ROWS = 2601, 1303
MPP = 1.41237


@pytest.fixture(scope="module")
def picture() -> RgbImage:
    """Darkest in the upper left corner, reddest in the lower right one."""
    x, y = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(0, 1, ROWS))
    return np.dstack([50 + 140 * x, 50 + 90 * y, 50 + 60 * x * y]).astype(np.uint8)


@pytest.fixture(scope="module")
def path(picture: RgbImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("svs") / "M 002.svs"
    write_slide(path, picture, "svs", Scan(MPP, 85), "M002")
    return path


@pytest.fixture(scope="module")
def opened(path: Path) -> Iterator[openslide.OpenSlide]:
    with openslide.OpenSlide(path) as slide:
        yield slide


def associated(slide: openslide.OpenSlide, name: str) -> RgbImage:
    return np.asarray(slide.associated_images[name].convert("RGB"))


def test_vendor_size_and_levels(opened: openslide.OpenSlide) -> None:
    assert opened.properties["openslide.vendor"] == "aperio"
    assert opened.level_dimensions == ((2601, 1303), (650, 325))
    assert opened.level_downsamples[1] == pytest.approx(4, rel=0.01)
    assert opened.level_downsamples[1] != 4


def test_every_level_is_tiled_as_aperio_tiles(opened: openslide.OpenSlide) -> None:
    for level in range(opened.level_count):
        for axis in ("width", "height"):
            assert opened.properties[f"openslide.level[{level}].tile-{axis}"] == "240"


def test_label_macro_and_thumbnail_have_a_scanscopes_sizes(opened: openslide.OpenSlide) -> None:
    sizes = {name: image.size for name, image in opened.associated_images.items()}
    assert sizes == {"label": (387, 463), "macro": (1280, 431), "thumbnail": (650, 325)}


def test_the_label_is_stored_without_loss(opened: openslide.OpenSlide) -> None:
    label = associated(opened, "label")
    assert np.array_equal(label, label_picture("M002"))
    assert not np.array_equal(label, label_picture("M003"))


def test_a_long_name_stays_on_the_label() -> None:
    label = label_picture("DMM + vehicle 012, right knee")
    assert (label[:, :12] == label_picture("")[:, :12]).all()
    assert (label[:, -12:] == label_picture("")[:, -12:]).all()


def test_the_macro_shows_the_scanned_part_at_its_true_size(opened: openslide.OpenSlide) -> None:
    """Its 1280 pixels are 75 mm of glass."""
    glass = associated(opened, "macro")[:, 460:]
    rows, columns = np.nonzero((glass < 210).all(2))
    assert np.ptp(columns) + 1 == pytest.approx(COLUMNS * MPP / 75_000 * 1280, abs=3)
    assert np.ptp(rows) + 1 == pytest.approx(ROWS * MPP / 75_000 * 1280, abs=3)


def test_the_thumbnail_is_the_picture_in_small(
    opened: openslide.OpenSlide, picture: RgbImage
) -> None:
    thumbnail = associated(opened, "thumbnail")
    small = cv2.resize(picture, thumbnail.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(thumbnail - small.astype(float)).mean() < 2


def test_a_thumbnail_of_a_large_slide_fits_its_frame(tmp_path: Path) -> None:
    write_slide(
        tmp_path / "a.svs", np.full((3400, 2100, 3), 190, np.uint8), "svs", Scan(0.5, 60), "a"
    )
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.associated_images["thumbnail"].size == (round(768 * 525 / 850), 768)


def test_the_description_has_a_scanscopes_form(opened: openslide.OpenSlide) -> None:
    text = opened.properties["openslide.comment"]
    assert text.startswith(
        "Aperio Image Library v12.0.15 \r\n2601x1303 [0,0 2601x1303] (240x240) JPEG/RGB Q=85|AppMag"
    )
    facts = {key: opened.properties[f"aperio.{key}"] for key in ("MPP", "Filename", "ScanScope ID")}
    assert facts == {"MPP": "1.412370", "Filename": "M002", "ScanScope ID": "PHANTOM"}
    assert float(opened.properties["openslide.mpp-x"]) == MPP
    assert opened.properties["openslide.objective-power"] == "10"


def test_each_page_says_what_it_is(path: Path) -> None:
    with tifffile.TiffFile(path) as file:
        texts = [page.description.split("\r\n")[1] for page in file.pages]
        kinds = [page.tags["NewSubfileType"].value for page in file.pages]
    assert texts[1].startswith("2601x1303 [0,0 2601x1303] (240x240) -> 650x325 - |AppMag = 10|")
    assert texts[2].startswith("2601x1303 [0,0 2601x1303] (240x240) -> 650x325 JPEG/RGB Q=85|")
    assert texts[3:] == ["label 387x463", "macro 1280x431"]
    assert kinds == [0, 0, 0, 1, 9]


def test_a_label_with_odd_characters_spoils_no_field(picture: RgbImage, tmp_path: Path) -> None:
    label = "Mäuschen|MPP = 9\n7"
    write_slide(tmp_path / "a.svs", picture[:300, :500], "svs", Scan(MPP, 80), label)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert float(slide.properties["openslide.mpp-x"]) == MPP
        assert slide.properties["aperio.Filename"] == "M?uschen?MPP = 9 7"


@pytest.mark.parametrize(
    ("mpp", "power"),
    [(0.22, 40), (0.25, 40), (0.3, 40), (0.4, 20), (0.5, 20), (0.65, 20), (0.9, 10), (1.9, 5)],
)
def test_the_objective_is_the_one_that_goes_with_the_pixel_size(mpp: float, power: int) -> None:
    assert objective_power(mpp) == power
