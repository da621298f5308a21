"""Tiles as they are sent: the slide as JPEG, the tissue label map as transparent PNG."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.errors import DamagedSlideError, SlideError
from histoscore.export.zarr_labels import read_label_store
from histoscore.geometry import Box, Mpp, Placement
from histoscore.records import LabelArray
from histoscore.review.shelf import Shelf
from histoscore.review.subjects import Subject
from histoscore.runs.folder import RunFolder
from histoscore.vocabulary import Tissue

QUALITY = 90
KEPT_BYTES = 64_000_000
"""Encoded tiles that are kept."""

_LEFT_CLEAR = (Tissue.BACKGROUND, Tissue.SOFT)


class Tiles:
    """Tiles of the sections of a run, by code name, level, column and row."""

    def __init__(self, shelf: Shelf, run: RunFolder) -> None:
        self._shelf = shelf
        self._kept = _Kept(KEPT_BYTES)
        self._tissue = lru_cache(maxsize=3)(lambda slide, section: _tissue(run, slide, section))

    def picture(self, subject: Subject, level: int, column: int, row: int) -> bytes:
        """JPEG without any metadata.

        Raises:
            LookupError: there is no such tile.
            SlideError: the slide cannot be read, or is not the one that was scored.
        """
        box, step = subject.pyramid.tile(level, column, row)

        def encoded() -> bytes:
            with self._shelf.reading(subject.slide.slide) as slide:
                try:
                    picture = slide.read_at(box, Mpp(slide.info.mpp * step))
                except SlideError as error:  # its text may name the file
                    raise DamagedSlideError("this part of the slide cannot be read") from error
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

        return self._kept.get((subject.code, level, column, row), encoded)

    def labels(self, subject: Subject, level: int, column: int, row: int) -> bytes:
        """PNG in the tissues' colours, clear where there is none.

        Raises:
            LookupError: there is no such tile.
            StoredResultError: the label map is not there, or not whole.
        """
        box, step = subject.pyramid.tile(level, column, row)
        tissue, placement = self._tissue(*subject.place)
        colored = _COLORS[_sampled(tissue, placement, box, step)]
        return cv2.imencode(".png", colored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def label_classes() -> list[dict[str, object]]:
    """The legend: tissues that a label tile shows."""
    return [
        {"value": int(tissue), "name": tissue.title, "color": list(tissue.color)}
        for tissue in Tissue
        if tissue not in _LEFT_CLEAR
    ]


class _Kept:
    """The newest encoded tiles, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._tiles: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, int, int, int], make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        made = make()
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = made
                self._size += len(made)
            while self._size > self._most:
                self._size -= len(self._tiles.popitem(last=False)[1])
        return made


def _tissue(run: RunFolder, slide: str, section: int) -> tuple[LabelArray, Placement]:
    labels = read_label_store(run.label_path(slide, section))
    return labels.tissue, labels.placement


def _sampled(tissue: LabelArray, placement: Placement, box: Box, step: int) -> LabelArray:
    """The label under the middle of each pixel of a tile; background outside the map."""
    rows, columns = box.shape_at(step)
    x = (box.x + (np.arange(columns) + 0.5) * step - placement.x) / placement.downsample
    y = (box.y + (np.arange(rows) + 0.5) * step - placement.y) / placement.downsample
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    across = (column >= 0) & (column < tissue.shape[1])
    down = (row >= 0) & (row < tissue.shape[0])
    tile = np.zeros((rows, columns), np.uint8)
    tile[np.ix_(down, across)] = tissue[np.ix_(row[down], column[across])]
    return tile


def _palette() -> NDArray[np.uint8]:
    """Label → BGRA."""
    colors = np.zeros((256, 4), np.uint8)
    for tissue in Tissue:
        if tissue not in _LEFT_CLEAR:
            red, green, blue = tissue.color
            colors[int(tissue)] = (blue, green, red, 255)
    return colors


_COLORS = _palette()
