"""The pixel size: who says it, who wins, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.errors import PixelSizeError
from histoscore.slides.mpp import (
    SCANNER,
    TIFF_TAGS,
    DeclaredSize,
    is_believable,
    resolve_pixel_size,
    size_from_resolution,
)

PER_INCH, PER_CM = 25_400.0, 10_000.0


def test_the_scanner_is_believed_within_range() -> None:
    size, notes = resolve_pixel_size(DeclaredSize(0.499, 0.4992, SCANNER), None)
    assert size.mpp == pytest.approx(0.4991)
    assert size.source == "scanner"
    assert notes == ()


def test_the_sheet_wins_and_a_difference_is_noted() -> None:
    size, notes = resolve_pixel_size(DeclaredSize(0.25, 0.25, SCANNER), 0.5)
    assert (size.mpp, size.source) == (0.5, "sheet")
    assert notes == ("the study sheet's pixel size 0.5 replaces the file's 0.25",)


def test_a_sheet_that_agrees_within_5_percent_needs_no_note() -> None:
    assert resolve_pixel_size(DeclaredSize(0.254, 0.254, SCANNER), 0.263)[1] == ()


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (352.8, 352.8, "352.8"),
        (25_400 / 72, 25_400 / 72, "352.8"),
        (25_400 / 300, 25_400 / 300, "84.67"),
        (10_000, 10_000, "10000"),
        (0, 0, "0"),
        (-0.5, -0.5, "-0.5"),
        (math.inf, math.inf, "inf"),
        (math.nan, math.nan, "nan × nan"),
        (0.5, 0.53, "0.5 × 0.53"),
        (0.0005, 0.0005, "0.0005"),
        (2.01, 2.01, "2.01"),
    ],
)
@pytest.mark.fault(9)
def test_an_absurd_size_is_refused_with_the_way_out(x: float, y: float, said: str) -> None:
    with pytest.raises(PixelSizeError) as refused:
        resolve_pixel_size(DeclaredSize(x, y, TIFF_TAGS), None)
    assert str(refused.value) == (
        f"no believable pixel size (the file says {said}); give one in the study sheet's mpp column"
    )


@pytest.mark.fault(8)
def test_a_missing_size_is_refused_with_the_way_out() -> None:
    with pytest.raises(PixelSizeError, match=r"\(the file says nothing\); give one in the study"):
        resolve_pixel_size(None, None)


@pytest.mark.parametrize("sheet_mpp", [0.05, 0.0, -1.0, 2.5, math.nan])
@pytest.mark.fault(9)
def test_an_absurd_sheet_is_refused_even_where_the_file_is_fine(sheet_mpp: float) -> None:
    with pytest.raises(PixelSizeError, match="the study sheet says"):
        resolve_pixel_size(DeclaredSize(0.5, 0.5, SCANNER), sheet_mpp)


def test_coarse_pixels_are_scored_with_a_note() -> None:
    size, notes = resolve_pixel_size(None, 1.0238)
    assert size.mpp == 1.0238
    assert notes == ("pixels of 1.024 µm are coarse: fine measures suffer above 1",)


def test_tags_are_read_in_their_unit() -> None:
    assert size_from_resolution(20_000, 20_000, PER_CM) == DeclaredSize(0.5, 0.5, TIFF_TAGS)
    assert size_from_resolution(50_800, 50_800, PER_INCH) == DeclaredSize(0.5, 0.5, TIFF_TAGS)
    assert size_from_resolution(20_000, 20_000, None) is None
    assert size_from_resolution(0, 0, PER_CM) == DeclaredSize(math.inf, math.inf, TIFF_TAGS)


@given(st.floats())
def test_what_is_believed_is_a_scanner_or_microscope_pixel(mpp: float) -> None:
    assert is_believable(mpp) == (0.1 <= mpp <= 2.0)
