"""The pixel size: its value, who said so, and when it is not believed.

It is the most dangerous input there is: every area follows from it, and readers hand on 352.8
(a 72 dpi default) without complaint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from histoscore.errors import PixelSizeError
from histoscore.geometry import BELIEVABLE_MPP, Mpp
from histoscore.records import PixelSize

LOWEST, HIGHEST = BELIEVABLE_MPP
COARSE = 1.0
"""Above this the fine measures (tidemark, thickness, fibrillation) suffer."""
TOLERANCE = 0.05
"""Largest relative difference between x and y, and between sheet and file without a note."""

SCANNER, TIFF_TAGS, SHEET = "scanner", "tiff tags", "sheet"
ASSUMED = "assumed"
"""Nobody knows it: the user said what to read the slide at."""

_WAY_OUT = "give one in the study sheet's mpp column"


@dataclass(frozen=True, slots=True)
class DeclaredSize:
    """µm per pixel along x and y as a file states them, believable or not."""

    x: float
    y: float
    source: str

    def __str__(self) -> str:
        return _plain(self.x) if self.is_square else f"{_plain(self.x)} × {_plain(self.y)}"

    @property
    def is_square(self) -> bool:
        return self.x == self.y or abs(self.x - self.y) <= TOLERANCE * max(abs(self.x), abs(self.y))

    @property
    def mean(self) -> float:
        return (self.x + self.y) / 2


def is_believable(mpp: float) -> bool:
    """Whether a light microscope or scanner makes pixels of this size."""
    return math.isfinite(mpp) and LOWEST <= mpp <= HIGHEST


def resolve_pixel_size(
    declared: DeclaredSize | None, sheet_mpp: float | None
) -> tuple[PixelSize, tuple[str, ...]]:
    """The pixel size that counts, with notes: the sheet's if it gives one, else the file's.

    Raises:
        PixelSizeError: neither is believable; the text names the way out.
    """
    if sheet_mpp is not None:
        size = _from_sheet(sheet_mpp)
        return size, _coarse_note(size) + _difference_note(size, declared)
    size = _from_file(declared)
    return size, _coarse_note(size)


def size_from_resolution(x: float, y: float, um_per_unit: float | None) -> DeclaredSize | None:
    """A size from TIFF's pixels per unit; None where the unit is not a length."""
    if um_per_unit is None:
        return None
    return DeclaredSize(_inverse(x, um_per_unit), _inverse(y, um_per_unit), TIFF_TAGS)


def _plain(mpp: float) -> str:
    return f"{mpp:.0f}" if 10_000 <= abs(mpp) < 1e12 else f"{mpp:.4g}"


def _inverse(pixels_per_unit: float, um_per_unit: float) -> float:
    return um_per_unit / pixels_per_unit if pixels_per_unit else math.inf


def _from_sheet(sheet_mpp: float) -> PixelSize:
    if not is_believable(sheet_mpp):
        raise PixelSizeError(
            f"no believable pixel size (the study sheet says {_plain(sheet_mpp)}); "
            f"its mpp column must lie between {LOWEST:g} and {HIGHEST:g} µm per pixel"
        )
    return PixelSize(Mpp(float(sheet_mpp)), SHEET)


def _from_file(declared: DeclaredSize | None) -> PixelSize:
    if declared is None:
        raise PixelSizeError(f"no believable pixel size (the file says nothing); {_WAY_OUT}")
    if not (declared.is_square and is_believable(declared.mean)):
        raise PixelSizeError(f"no believable pixel size (the file says {declared}); {_WAY_OUT}")
    return PixelSize(Mpp(declared.mean), declared.source)


def _coarse_note(size: PixelSize) -> tuple[str, ...]:
    if size.mpp <= COARSE:
        return ()
    return (f"pixels of {_plain(size.mpp)} µm are coarse: fine measures suffer above {COARSE:g}",)


def _difference_note(size: PixelSize, declared: DeclaredSize | None) -> tuple[str, ...]:
    if declared is None or abs(declared.mean - size.mpp) <= TOLERANCE * size.mpp:
        return ()
    return (f"the study sheet's pixel size {_plain(size.mpp)} replaces the file's {declared}",)
