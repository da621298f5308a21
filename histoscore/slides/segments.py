"""Strips and tiles of a TIFF: read by position, decoded in any thread, kept for a while."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoscore.errors import DamagedSlideError
from histoscore.files import patiently
from histoscore.records import RgbImage
from histoscore.slides.colour import eight_bits, grey_as_rgb, on_white, white_canvas
from histoscore.slides.reduced import FACTORS, ReducedJpeg, is_alike
from histoscore.slides.tiff_layout import MALFORMED, Page, damaged

CACHE_BYTES = 96_000_000
"""Decoded strips and tiles kept; a picture in one strip would else be decoded for every tile."""

_MIN_IS_WHITE = 0
_PREMULTIPLIED, _STRAIGHT = 1, 2

_TRIED = 3

_Key = tuple[int, int, int]
"""Level, segment, and how many times smaller it was decoded."""


class Segments:
    """The strips or tiles of some pages of a TIFF, and rectangles put together from them.

    Several threads may read at once: positions go with each reading, a segment that one thread is
    decoding is waited for by the others, and decoding itself lets go of the interpreter.
    """

    def __init__(
        self, path: Path, pages: Mapping[int, Page], cache_bytes: int = CACHE_BYTES
    ) -> None:
        """`pages`: of an open file, by level; the file is opened once more, for these readings."""
        self._pages = {level: _Stored(page) for level, page in pages.items()}
        self._file = PositionedFile(path)
        self._cache = _Cache(cache_bytes)
        self._reducible: dict[tuple[int, int], bool] = {}

    def close(self) -> None:
        self._cache.clear()
        self._file.close()

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        """A rectangle of a level, in that level's pixels and inside it.

        Raises:
            DamagedSlideError: a segment cannot be decoded.
        """
        return self._put_together(level, x, y, width, height, 1)

    def read_reduced(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage | None:
        """The same, `factor` times smaller and without decoding every pixel; None where that
        cannot be had, or shows something else than the whole tiles do (tried on a few, once).

        Raises:
            DamagedSlideError: a segment cannot be decoded, or not this way.
        """
        whole = all(length % factor == 0 for length in (x, y, width, height))
        if not (whole and self._reduces(level, factor)):
            return None
        return self._put_together(level, x, y, width, height, factor)

    def size(self, level: int) -> tuple[int, int]:
        """(columns, rows) of a level's tiles or strips."""
        return self._pages[level].size

    def samples(self, level: int, index: int) -> NDArray[Any] | None:
        """Samples (rows, columns, samples) of a segment; None where none is stored (sparse).

        Raises:
            DamagedSlideError: it cannot be decoded.
        """
        stored = self._pages[level]
        try:
            if not stored.counts[index]:
                return None
            return stored.decoded(self._data(stored, index), index)
        except MALFORMED as error:
            raise damaged(error) from None

    def _put_together(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage:
        picture = white_canvas(height // factor, width // factor)
        for index, left, top in self._pages[level].touching(x, y, width, height):
            make = (
                partial(self._reduced, level, index, factor)
                if factor > 1
                else partial(self._rgb, level, index)
            )
            pixels = self._cache.get((level, index, factor), make)
            if pixels is not None:
                _paste(pixels, picture, (left - x) // factor, (top - y) // factor)
        return picture

    def _reduces(self, level: int, factor: int) -> bool:
        """Whether a level's tiles decoded smaller are alike the whole ones; threads that ask at
        the same time find the same."""
        key = level, factor
        if key not in self._reducible:
            stored = self._pages[level]
            try:
                self._reducible[key] = stored.may_reduce(factor) and all(
                    self._is_alike(level, index, factor) for index in fullest(stored.page)
                )
            except DamagedSlideError:
                self._reducible[key] = False
        return self._reducible[key]

    def _is_alike(self, level: int, index: int, factor: int) -> bool:
        reduced, whole = self._reduced(level, index, factor), self._rgb(level, index)
        return reduced is None or whole is None or is_alike(reduced, whole, factor)

    def _reduced(self, level: int, index: int, factor: int) -> RgbImage | None:
        stored = self._pages[level]
        try:
            if not stored.counts[index]:
                return None
            return stored.reduced(self._data(stored, index), factor)
        except MALFORMED as error:
            raise damaged(error) from None

    def _data(self, stored: _Stored, index: int) -> bytes:
        return self._file.read(stored.offsets[index], stored.counts[index])

    def _rgb(self, level: int, index: int) -> RgbImage | None:
        samples = self.samples(level, index)
        return None if samples is None else _to_rgb(samples, self._pages[level].page)


class PositionedFile:
    """A file that several threads read at positions of their own."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._lock = Lock()

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer where the file ends."""
        return patiently(lambda: self._read(offset, count))

    def _read(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, offset)
        with self._lock:  # Windows
            self._file.seek(offset)
            return self._file.read(count) or b""

    def close(self) -> None:
        self._file.close()


def segment_size(page: Page) -> tuple[int, int]:
    """(columns, rows) of a tile, or of a strip."""
    if page.is_tiled:
        return int(page.tilewidth), int(page.tilelength)
    return int(page.imagewidth), min(int(page.rowsperstrip), int(page.imagelength))


def fullest(page: Page) -> list[int]:
    """The segments of most bytes, so of most structure: a few, to try things on."""
    return list(map(int, np.argsort(page.databytecounts)[::-1][:_TRIED]))


class _Stored:
    """A page's table of segments, read once: asking the library again for each one takes longer
    than decoding it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.size = segment_size(page)
        self.across = -(-int(page.imagewidth) // self.size[0])
        self.offsets, self.counts = tuple(page.dataoffsets), tuple(page.databytecounts)
        self._decode = page.decode
        self._options = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        self._reduce = ReducedJpeg(page) if ReducedJpeg.fits(page) else None

    def decoded(self, data: bytes, index: int) -> NDArray[Any]:
        samples: NDArray[Any] = self._decode(data, index, **self._options)[0][0]
        return samples

    def may_reduce(self, factor: int) -> bool:
        """Whether its tiles can be decoded smaller, and then still lie on whole pixels."""
        fits = self._reduce is not None and factor in FACTORS
        return fits and all(length % factor == 0 for length in self.size)

    def reduced(self, data: bytes, factor: int) -> RgbImage:
        assert self._reduce  # may_reduce was asked
        return self._reduce(data, factor)

    def touching(self, x: int, y: int, width: int, height: int) -> Iterator[tuple[int, int, int]]:
        """(index, left, top) of the segments under a rectangle of the page, in file order."""
        columns, rows = self.size
        for row in range(y // rows, -(-(y + height) // rows)):
            for column in range(x // columns, -(-(x + width) // columns)):
                yield row * self.across + column, column * columns, row * rows


class _Cache:
    """Decoded segments, the least recently used forgotten first; none is decoded twice at once."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._kept: OrderedDict[_Key, Future[RgbImage | None]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _Key, make: Callable[[], RgbImage | None]) -> RgbImage | None:
        """The segment; made by whoever asks first. What `make` raises all that wait for it see."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                mine = self._kept[key] = Future()
            else:
                self._kept.move_to_end(key)
        if kept is not None:
            return kept.result()
        try:
            pixels = make()
        except BaseException as error:  # an interrupt too: who waits would wait for ever
            with self._lock:
                self._kept.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(pixels)
        self._make_room(0 if pixels is None else pixels.nbytes)
        return pixels

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._held = 0

    def _make_room(self, added: int) -> None:
        """Forgets the oldest; what is still being decoded has no size yet and is passed over."""
        with self._lock:
            self._held += added
            for key in list(self._kept)[:-1] if self._held > self._most else ():
                kept = self._kept[key]
                if kept.done():
                    del self._kept[key]
                    pixels = kept.result()
                    self._held -= 0 if pixels is None else pixels.nbytes
                if self._held <= self._most:
                    return


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
