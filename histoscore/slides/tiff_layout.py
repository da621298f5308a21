"""Which pictures of a TIFF form the slide: level 0, its pyramid, its pixel size."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from histoscore.errors import DamagedSlideError, SlideError, UnsupportedSlideError
from histoscore.files import is_dropped
from histoscore.slides.content import unreachable
from histoscore.slides.mpp import DeclaredSize, size_from_resolution
from histoscore.slides.ome import OmePixels, ome_pixels

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # damage is told by our errors

MALFORMED = (
    tifffile.TiffFileError, struct.error, OSError, EOFError, ValueError, TypeError, KeyError,
    IndexError, AttributeError, AssertionError, ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip
"""What tifffile and imagecodecs raise on damaged files (found by giving them a folder of them)."""

_RGB, _YCBCR, _GREYS = 2, 6, (0, 1)
_JPEG = 7
_UNSIGNED = 1
_REDUCED = 1
_CENTIMETRE, _INCH = 3, 2
_UM_PER_UNIT = {_INCH: 25_400.0, _CENTIMETRE: 10_000.0}
_UM_PER_IMAGEJ_UNIT = {
    "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "\\u00b5m": 1.0,
    "nm": 1e-3, "mm": 1e3, "cm": 1e4, "inch": 25_400.0,
}  # fmt: skip

Page = Any
"""A tifffile.TiffPage (the library is not typed)."""


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """The pages of a pyramid, sharpest first, and what the file says about itself."""

    pages: tuple[Page, ...]
    format: str
    declared: DeclaredSize | None
    notes: tuple[str, ...]

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        return tuple((page.imagewidth, page.imagelength) for page in self.pages)


def is_readable(path: Path) -> bool:
    """Whether strips or tiles of this TIFF can be read one by one here.

    The rest (palettes, colour planes apart, turned pictures) is decoded whole by Pillow, or
    refused there.
    """
    try:
        with tifffile.TiffFile(path) as file:
            return _is_direct(_base(file))
    except MALFORMED as error:
        raise damaged(error) from None


def layout_of(file: tifffile.TiffFile) -> TiffLayout:
    """The slide in an open TIFF.

    Raises:
        UnsupportedSlideError: colour channels are stored as separate pictures.
    """
    base = _base(file)
    ome = ome_pixels(file.ome_metadata) if file.is_ome else None
    _check_channels(file, base, ome)
    pages = _pyramid(base, [page for page in file.pages if page is not base])
    return TiffLayout(
        pages=pages,
        format="ome-tiff" if file.is_ome else "tiff",
        declared=_declared_size(file, base, ome),
        notes=_other_pictures_note(file, base),
    )


def damaged(error: BaseException) -> SlideError:
    """The error for what tifffile or a decoder raised, or the machine while they read."""
    if isinstance(error, OSError) and is_dropped(error):
        return unreachable(error)
    text = " ".join(str(error).split())[:160]
    return DamagedSlideError(f"damaged: the TIFF cannot be decoded ({text or 'no detail'})")


def _base(file: tifffile.TiffFile) -> Page:
    """The largest picture; the first of several as large."""
    return max(file.pages, key=lambda page: page.imagewidth * page.imagelength)


def _is_direct(page: Page) -> bool:
    return bool(
        page.bitspersample in (8, 16)
        and page.sampleformat == _UNSIGNED
        and page.imagedepth == 1
        and (page.planarconfig == 1 or page.samplesperpixel == 1)
        and page.tags.valueof(274, default=1) == 1
        and _has_known_colours(page)
    )


def _has_known_colours(page: Page) -> bool:
    colours = page.samplesperpixel - len(page.extrasamples or ())
    if page.photometric in _GREYS:
        return bool(colours == 1 and page.samplesperpixel <= 2)
    if page.photometric == _YCBCR and page.compression != _JPEG:
        return False
    return bool(page.photometric in (_RGB, _YCBCR) and page.samplesperpixel in (3, 4))


def _pyramid(base: Page, others: list[Page]) -> tuple[Page, ...]:
    """The base and every smaller picture of the same proportions, sharpest first, no size twice."""
    reduced = [*_sub_pages(base), *others]
    levels = {base.imagewidth: base}
    for page in sorted(reduced, key=lambda page: -page.imagewidth):
        if _is_level_of(base, page) and page.imagewidth not in levels:
            levels[page.imagewidth] = page
    return tuple(levels.values())


def _sub_pages(page: Page) -> Iterator[Page]:
    if page.subifds:
        yield from page.pages


def _is_level_of(base: Page, page: Page) -> bool:
    if not _is_direct(page) or page.samplesperpixel != base.samplesperpixel:
        return False
    if page.imagewidth >= base.imagewidth or page.dtype != base.dtype:
        return False
    expected = base.imagelength * page.imagewidth / base.imagewidth
    # One pixel of rounding in each direction.
    slack = 1 + base.imagelength / base.imagewidth
    return bool(abs(page.imagelength - expected) <= slack)


def _check_channels(file: tifffile.TiffFile, base: Page, ome: OmePixels | None) -> None:
    channels = ome.channels if ome else int((file.imagej_metadata or {}).get("channels", 1))
    if base.samplesperpixel == 1 and channels > 1:
        raise UnsupportedSlideError(
            f"unsupported: {channels} channels stored as separate grey pictures; "
            "export the slide as RGB"
        )


def _declared_size(
    file: tifffile.TiffFile, base: Page, ome: OmePixels | None
) -> DeclaredSize | None:
    if ome is not None and ome.size is not None:
        return ome.size
    unit = _UM_PER_UNIT.get(int(base.tags.valueof(296, default=1)))
    if file.is_imagej and unit is None:
        unit = _UM_PER_IMAGEJ_UNIT.get(str((file.imagej_metadata or {}).get("unit", "")))
    x, y = base.tags.valueof(282), base.tags.valueof(283)
    if x is None or y is None:
        return None
    return size_from_resolution(_ratio(x), _ratio(y), unit)


def _ratio(value: Any) -> float:
    """A TIFF rational (numerator, denominator), or a number where a writer stored one."""
    if not isinstance(value, tuple):
        return float(value)
    return value[0] / value[1] if value[1] else 0.0


def _other_pictures_note(file: tifffile.TiffFile, base: Page) -> tuple[str, ...]:
    same = sum(
        (page.imagewidth, page.imagelength) == (base.imagewidth, base.imagelength)
        for page in file.pages
    )
    return (f"{same} pictures of the same size in the file; the first is read",) if same > 1 else ()
