"""TIFF and OME-TIFF: tiles or strips, read one by one; pyramids in pages or SubIFDs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from histoscore.config import LimitSettings
from histoscore.errors import UnsupportedSlideError
from histoscore.records import RgbImage, SlideInfo
from histoscore.slides.base import LevelledSlide, check_level_size, level_scales, levels_of
from histoscore.slides.colour import eight_bits, grey_as_rgb, on_white, white_canvas
from histoscore.slides.mpp import resolve_pixel_size
from histoscore.slides.tiff_layout import MALFORMED, Page, TiffLayout, damaged, layout_of

CACHE_BYTES = 96_000_000
"""Decoded strips and tiles kept; a picture in one strip would else be decoded for every tile."""

_MIN_IS_WHITE = 0
_PREMULTIPLIED, _STRAIGHT = 1, 2
_FULL_RANGE = 1 << 15
_PROBES = 12


class TiffReader(LevelledSlide):
    """A TIFF whose strips or tiles are decoded as they are needed."""

    def __init__(self, path: Path, sheet_mpp: float | None, limits: LimitSettings) -> None:
        self._lock = Lock()
        self._cache = _SegmentCache(CACHE_BYTES)
        with ExitStack() as refused:
            self._file = refused.enter_context(_opened(path))
            layout = _layout(self._file)
            self._pages = layout.pages
            self._check(limits)
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
        self._cache.clear()
        self._file.close()

    def _check(self, limits: LimitSettings) -> None:
        base = self._pages[0]
        check_level_size(base.imagewidth, base.imagelength, limits)
        for page in self._pages:
            _check_segment_size(page, limits)
        if base.dtype == np.uint16:
            self._check_full_range(self._pages[-1])

    def _check_full_range(self, page: Page) -> None:
        """Refuse 12-bit samples in 16-bit words: their upper byte alone would be nearly black."""
        count = len(page.dataoffsets)
        probes = sorted({round(i * (count - 1) / (_PROBES - 1)) for i in range(_PROBES)})
        samples = (self._decoded(page, probe) for probe in probes)
        brightest = max((int(part.max()) for part in samples if part is not None), default=0)
        if brightest < _FULL_RANGE:
            raise UnsupportedSlideError(
                f"unsupported: 16-bit samples that do not fill their range (brightest {brightest} "
                "of 65535); save the slide as 8-bit RGB"
            )

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        page = self._pages[level]
        picture = white_canvas(height, width)
        for index, left, top in _segments_touching(page, x, y, width, height):
            pixels = self._segment(level, index)
            if pixels is not None:
                _paste(pixels, picture, left - x, top - y)
        return picture

    def _segment(self, level: int, index: int) -> RgbImage | None:
        """One strip or tile as RGB; None where the file stores none (sparse)."""
        cached = self._cache.get((level, index))
        if cached is not None:
            return cached
        page = self._pages[level]
        samples = self._decoded(page, index)
        if samples is None:
            return None
        pixels = _to_rgb(samples, page)
        self._cache.put((level, index), pixels)
        return pixels

    def _decoded(self, page: Page, index: int) -> NDArray[Any] | None:
        """Samples (rows, columns, samples) of a strip or tile."""
        try:
            count = page.databytecounts[index]
            if count == 0:
                return None
            data = self._bytes(page.dataoffsets[index], count)
            decoded = page.decode(
                data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
            )
        except MALFORMED as error:
            raise damaged(error) from None
        samples: NDArray[Any] = decoded[0][0]
        return samples

    def _bytes(self, offset: int, count: int) -> bytes:
        with self._lock:
            self._file.filehandle.seek(offset)
            data: bytes = self._file.filehandle.read(count)
        return data


class _SegmentCache:
    """Decoded segments, the least recently used forgotten first; safe between threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._segments: OrderedDict[tuple[int, int], RgbImage] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, int]) -> RgbImage | None:
        with self._lock:
            if key in self._segments:
                self._segments.move_to_end(key)
            return self._segments.get(key)

    def put(self, key: tuple[int, int], pixels: RgbImage) -> None:
        with self._lock:
            if key in self._segments:
                return
            self._segments[key] = pixels
            self._held += pixels.nbytes
            while self._held > self._most and len(self._segments) > 1:
                self._held -= self._segments.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        with self._lock:
            self._segments.clear()
            self._held = 0


def _opened(path: Path) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path)
    except MALFORMED as error:
        raise damaged(error) from None


def _layout(file: tifffile.TiffFile) -> TiffLayout:
    try:
        return layout_of(file)
    except MALFORMED as error:
        raise damaged(error) from None


def _segment_size(page: Page) -> tuple[int, int]:
    """(columns, rows) of a tile, or of a strip."""
    if page.is_tiled:
        return int(page.tilewidth), int(page.tilelength)
    return int(page.imagewidth), min(int(page.rowsperstrip), int(page.imagelength))


def _check_segment_size(page: Page, limits: LimitSettings) -> None:
    columns, rows = _segment_size(page)
    if columns <= 0 or rows <= 0:
        raise UnsupportedSlideError(f"unsupported: strips or tiles of {columns} × {rows} pixels")
    if columns * rows > limits.max_picture_pixels:
        raise UnsupportedSlideError(
            f"too large: strips or tiles of {columns} × {rows} pixels; save it as a TIFF with "
            "smaller tiles, or raise limits.max_picture_pixels"
        )


def _segments_touching(
    page: Page, x: int, y: int, width: int, height: int
) -> Iterator[tuple[int, int, int]]:
    """(index, left, top) of the strips or tiles under a rectangle of the page."""
    columns, rows = _segment_size(page)
    across = -(-page.imagewidth // columns)
    for row in range(y // rows, -(-(y + height) // rows)):
        for column in range(x // columns, -(-(x + width) // columns)):
            yield row * across + column, column * columns, row * rows


def _paste(pixels: RgbImage, picture: RgbImage, left: int, top: int) -> None:
    """Lay `pixels` on `picture` with its corner at (left, top), which may lie outside."""
    rows, columns = pixels.shape[:2]
    height, width = picture.shape[:2]
    bottom, right = min(height, top + rows), min(width, left + columns)
    first_row, first_column = max(0, top), max(0, left)
    if bottom > first_row and right > first_column:
        picture[first_row:bottom, first_column:right] = pixels[
            first_row - top : bottom - top, first_column - left : right - left
        ]


def _to_rgb(samples: NDArray[Any], page: Page) -> RgbImage:
    """Samples (rows, columns, samples) as RGB on white."""
    bytes_ = eight_bits(samples)
    colours = 3 if page.samplesperpixel >= 3 else 1
    rgb = bytes_[..., :3] if colours == 3 else grey_as_rgb(bytes_[..., 0])
    if page.photometric == _MIN_IS_WHITE:
        rgb = 255 - rgb
    kind = int(page.extrasamples[0]) if page.extrasamples else 0
    if kind not in (_PREMULTIPLIED, _STRAIGHT):
        return np.ascontiguousarray(rgb)
    return on_white(rgb, bytes_[..., colours], premultiplied=kind == _PREMULTIPLIED)
