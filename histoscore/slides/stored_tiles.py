"""The stored tiles of a scanner's TIFF, decoded without OpenSlide, where they are the same pixels.

OpenSlide composes every reading on a canvas of its own, one thread at a time; the tiles below it
are plain JPEG. What is decoded here is held against OpenSlide at a level's first use, and a level
that differs anywhere is left to OpenSlide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import tifffile

from histoscore.errors import DamagedSlideError
from histoscore.records import RgbImage
from histoscore.slides.segments import Segments, fullest, segment_size
from histoscore.slides.tiff_layout import MALFORMED, Page

Read = Callable[[int, int, int, int, int], RgbImage]
"""Reads (level, x, y, width, height), in that level's pixels."""

VENDORS = ("aperio",)
"""OpenSlide's names of formats whose levels are tiled pages of one TIFF."""

_DECODED_ALIKE = (7, 33005)
"""TIFF's numbers of JPEG and of JPEG 2000 in RGB."""


class StoredTiles:
    """The levels of a slide that can be read from their stored tiles.

    Args:
        path: the slide. sizes: (width, height) of OpenSlide's levels.
        whole: whether a level's pixels cover whole level-0 pixels; between them OpenSlide
            interpolates.
    """

    def __init__(self, path: Path, sizes: Sequence[tuple[int, int]], whole: Sequence[bool]) -> None:
        self._lock = Lock()
        self._whole = whole
        self._tried: dict[int, bool] = {}
        self._pages: dict[int, Page] = {}
        self._segments: Segments | None = None
        try:
            self._find(path, sizes)
        except MALFORMED:
            self._pages = {}

    def reads(self, level: int, reference: Read) -> bool:
        """Whether a level's stored tiles give the pixels that `reference` gives; tried once."""
        if level not in self._tried:
            with self._lock:
                if level not in self._tried:
                    self._tried[level] = level in self._pages and self._agrees(level, reference)
        return self._tried[level]

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        """A rectangle of a level. Raises DamagedSlideError where a tile cannot be decoded."""
        assert self._segments  # a level was found
        return self._segments.read(level, x, y, width, height)

    def read_reduced(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage | None:
        """As `Segments.read_reduced`."""
        assert self._segments  # a level was found
        return self._segments.read_reduced(level, x, y, width, height, factor)

    def close(self) -> None:
        if self._segments:
            self._segments.close()

    def _find(self, path: Path, sizes: Sequence[tuple[int, int]]) -> None:
        with tifffile.TiffFile(path) as file:
            by_size = {(p.imagewidth, p.imagelength): p for p in file.pages if _is_plain(p)}
            self._pages = {
                level: by_size[size] for level, size in enumerate(sizes) if size in by_size
            }
            self._segments = Segments(path, self._pages)

    def _agrees(self, level: int, reference: Read) -> bool:
        try:
            return all(
                np.array_equal(self.read(level, *box), reference(level, *box))
                for box in _telling(self._pages[level], self._whole[level])
            )
        except DamagedSlideError:
            return False


def _is_plain(page: Page) -> bool:
    return bool(
        page.is_tiled
        and page.compression in _DECODED_ALIKE
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
        and min(segment_size(page)) > 0
    )


def _telling(page: Page, whole: bool) -> list[tuple[int, int, int, int]]:
    """Tiles to compare, as (x, y, width, height): those of most bytes, so of most structure.

    Between whole pixels OpenSlide interpolates everywhere but at the origin.
    """
    columns, rows = segment_size(page)
    across = -(-page.imagewidth // columns)
    boxes = []
    for index in fullest(page) if whole else (0,):
        x, y = index % across * columns, index // across * rows
        boxes.append((x, y, min(columns, page.imagewidth - x), min(rows, page.imagelength - y)))
    return boxes
