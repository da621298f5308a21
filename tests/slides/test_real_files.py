"""Real scanner and microscope files, and a folder of odd and damaged TIFFs."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.errors import PixelSizeError, SlideError
from histoscore.geometry import Box, Mpp
from histoscore.slides.open import open_slide, read_info

SNAPSHOT = "cartilage_tiles/engineered_cartilage_1360x1024.tif"


def test_an_aperio_slide(real_data: Path) -> None:
    with open_slide(real_data / "wsi" / "CMU-1-Small-Region.svs") as slide:
        assert (slide.info.width, slide.info.height) == (2220, 2967)
        assert (slide.info.mpp, slide.info.mpp_source) == (0.499, "scanner")
        assert slide.read_at(Box(-100, 50, 1000, 700), Mpp(2.0)).shape == (175, 250, 3)


def test_a_microscope_snapshot_needs_the_sheet(real_data: Path) -> None:
    with pytest.raises(PixelSizeError) as refused:
        open_slide(real_data / SNAPSHOT)
    assert str(refused.value) == (
        "no believable pixel size (the file says 352.8); give one in the study sheet's mpp column"
    )
    info = read_info(real_data / SNAPSHOT, sheet_mpp=1.0238)
    assert (info.width, info.height, info.mpp_source) == (1360, 1024, "sheet")


def test_every_odd_tiff_is_a_slide_or_a_reason(real_data: Path, subtests: pytest.Subtests) -> None:
    files = sorted((real_data / "bad_tiff").glob("*.tif*"))
    assert len(files) > 100
    for path in files:
        with subtests.test(path.name):
            assert _look(path)


def _look(path: Path) -> object:
    """An overview of a slide, or the reason why there is none."""
    try:
        with open_slide(path, sheet_mpp=0.5) as slide:
            info = slide.info
            mpp = Mpp(0.5 * max(1, info.width / 256, info.height / 256))
            return slide.read_at(info.whole, mpp).shape
    except SlideError as reason:
        return str(reason)
