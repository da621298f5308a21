"""Opening a slide: look at the content, choose the reader, refuse early."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from histoscore.config import LimitSettings
from histoscore.errors import PixelSizeError
from histoscore.records import SlideInfo
from histoscore.slides.base import LevelledSlide, Slide
from histoscore.slides.content import Content, content_of, refusal, unreachable
from histoscore.slides.mpp import ASSUMED

Reader = Callable[[Path, float | None, LimitSettings], LevelledSlide]

READERS = {
    "openslide": "histoscore.slides.openslide_reader:OpenSlideReader",
    "tiff": "histoscore.slides.tiff:TiffReader",
    "picture": "histoscore.slides.picture:PictureReader",
}
"""Name → class, imported when asked."""


def open_slide(
    path: Path,
    sheet_mpp: float | None = None,
    limits: LimitSettings | None = None,
    assume_mpp: float | None = None,
) -> Slide:
    """The slide in a file, ready to be read at any scale.

    Args:
        path: the slide's file; its content decides, not its ending.
        sheet_mpp: µm per pixel from the study sheet; it wins over the file's.
        limits: what one slide may cost.
        assume_mpp: µm per pixel to read it at where neither says a believable one; its `info` then
            says `assumed`, and nothing of it may be told in µm.

    Raises:
        SlideError: one of its kinds; `str(error)` is the reason that the tables show.
    """
    try:
        return _opened(path, sheet_mpp, limits or LimitSettings(), assume_mpp)
    except OSError as error:
        raise unreachable(error) from None


def _opened(
    path: Path, sheet_mpp: float | None, limits: LimitSettings, assume_mpp: float | None
) -> LevelledSlide:
    reader = _reader(reader_for(path))
    try:
        return reader(path, sheet_mpp, limits)
    except PixelSizeError as error:
        if assume_mpp is None or sheet_mpp is not None:
            raise
        slide = reader(path, assume_mpp, limits)
        notes = (*slide.info.notes, f"{error}; read as if at {assume_mpp:g} µm per pixel")
        slide.info = replace(slide.info, mpp_source=ASSUMED, notes=notes)
        return slide


def reopened(info: SlideInfo) -> Slide:
    """The slide once more, in another process: reader, scale and limits are what its first opening
    settled."""
    unlimited = LimitSettings.model_construct(
        max_pixels=sys.maxsize, max_picture_pixels=sys.maxsize
    )
    return _reader(info.reader)(Path(info.path), info.mpp, unlimited)


def read_info(
    path: Path,
    sheet_mpp: float | None = None,
    limits: LimitSettings | None = None,
    assume_mpp: float | None = None,
) -> SlideInfo:
    """What a slide's header says, refused like `open_slide` does; decodes no tiled pixels."""
    with open_slide(path, sheet_mpp, limits, assume_mpp) as slide:
        return slide.info


def reader_for(path: Path) -> str:
    """Name of the reader in `READERS` that takes this file.

    Raises:
        SlideError: no reader takes it.
    """
    content = content_of(path)
    if content is Content.TIFF:
        return _tiff_reader(path)
    if content is not Content.OTHER:
        return "picture"
    if _scanner_format(path) is None:
        raise refusal(path)
    return "openslide"


def _tiff_reader(path: Path) -> str:
    from histoscore.slides.tiff_structure import check_whole

    check_whole(path)
    if _scanner_format(path) not in (None, "generic-tiff"):
        return "openslide"
    from histoscore.slides.tiff_layout import is_readable

    return "tiff" if is_readable(path) else "picture"


def _scanner_format(path: Path) -> str | None:
    from histoscore.slides.openslide_reader import scanner_format

    return scanner_format(path)


def _reader(name: str) -> Reader:
    module, _, attribute = READERS[name].partition(":")
    reader: Reader = getattr(import_module(module), attribute)
    return reader
