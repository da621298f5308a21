"""TIFF and OME-TIFF: tiles or strips, read one by one; pyramids in pages or SubIFDs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tifffile

from histoscore.config import LimitSettings
from histoscore.errors import DamagedSlideError, UnsupportedSlideError
from histoscore.records import RgbImage, SlideInfo
from histoscore.slides.base import LevelledSlide, check_level_size, level_scales, levels_of
from histoscore.slides.mpp import resolve_pixel_size
from histoscore.slides.segments import Segments, segment_size
from histoscore.slides.tiff_layout import MALFORMED, TiffLayout, damaged, layout_of

_FULL_RANGE = 1 << 15
_PROBES = 12


class TiffReader(LevelledSlide):
    """A TIFF whose strips or tiles are decoded as they are needed."""

    def __init__(self, path: Path, sheet_mpp: float | None, limits: LimitSettings) -> None:
        with _opened(path) as file, ExitStack() as refused:
            layout = _layout(file, limits)
            self._segments = _segments(path, layout)
            refused.callback(self._segments.close)
            if layout.pages[-1].dtype == np.uint16:
                self._check_full_range(len(layout.pages) - 1, len(layout.pages[-1].dataoffsets))
            size, notes = resolve_pixel_size(layout.declared, sheet_mpp)
            refused.pop_all()
        self.scales = level_scales(layout.sizes)
        self.info = SlideInfo(
            path=str(path),
            reader="tiff",
            format=layout.format,
            width=layout.sizes[0][0],
            height=layout.sizes[0][1],
            mpp=size.mpp,
            mpp_source=size.source,
            levels=levels_of(layout.sizes),
            notes=layout.notes + notes,
        )

    def close(self) -> None:
        self._segments.close()

    def _check_full_range(self, level: int, count: int) -> None:
        """Refuse 12-bit samples in 16-bit words: their upper byte alone would be nearly black."""
        probes = sorted({round(i * (count - 1) / (_PROBES - 1)) for i in range(_PROBES)})
        samples = (self._segments.samples(level, probe) for probe in probes)
        brightest = max((int(part.max()) for part in samples if part is not None), default=0)
        if brightest < _FULL_RANGE:
            raise UnsupportedSlideError(
                f"unsupported: 16-bit samples that do not fill their range (brightest {brightest} "
                "of 65535); save the slide as 8-bit RGB"
            )

    def _piece_size(self, level: int) -> tuple[int, int]:
        return self._segments.size(level)

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        return self._segments.read(level, x, y, width, height)

    def _read_reduced(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage | None:
        try:
            return self._segments.read_reduced(level, x, y, width, height, factor)
        except DamagedSlideError:
            return None  # the whole tiles say what is wrong


def _opened(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except MALFORMED as error:
        raise damaged(error) from None


def _layout(file: tifffile.TiffFile, limits: LimitSettings) -> TiffLayout:
    try:
        layout = layout_of(file)
        _check_sizes(layout, limits)
        return layout
    except MALFORMED as error:
        raise damaged(error) from None


def _segments(path: Path, layout: TiffLayout) -> Segments:
    try:
        return Segments(path, dict(enumerate(layout.pages)))
    except MALFORMED as error:
        raise damaged(error) from None


def _check_sizes(layout: TiffLayout, limits: LimitSettings) -> None:
    base = layout.pages[0]
    check_level_size(base.imagewidth, base.imagelength, limits)
    for page in layout.pages:
        columns, rows = segment_size(page)
        if columns <= 0 or rows <= 0:
            raise UnsupportedSlideError(
                f"unsupported: strips or tiles of {columns} × {rows} pixels"
            )
        if columns * rows > limits.max_picture_pixels:
            raise UnsupportedSlideError(
                f"too large: strips or tiles of {columns} × {rows} pixels; save it as a TIFF with "
                "smaller tiles, or raise limits.max_picture_pixels"
            )
