"""What every slide answers, and the continuous pyramid over a reader's stored levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol, Self

import cv2
import numpy as np

from histoscore.config import LimitSettings
from histoscore.errors import DamagedSlideError, UnsupportedSlideError
from histoscore.geometry import Box, Mpp
from histoscore.records import Level, RgbImage, SlideInfo
from histoscore.slides.colour import white_canvas

BAND_PIXELS = 16_000_000
"""Pixels of a level that are in memory at once, so that an overview of a slide without a pyramid
does not need the whole slide."""

MOST_PIECES = 1000
"""More pieces of a slide that cannot be decoded are not passed over."""

_PIECE = 256
"""Side in pixels of a piece where a format does not say how large its tiles are."""

_SAME_SCALE = 1.001
"""A level this little coarser than what is asked for still counts as sharp enough."""


class Slide(Protocol):
    """An open slide. Positions are level-0 pixels, scales are µm per pixel."""

    @property
    def info(self) -> SlideInfo: ...

    @property
    def unreadable(self) -> tuple[Box, ...]: ...

    def pass_over_damage(self) -> None: ...

    def read_at(self, box: Box, mpp: Mpp) -> RgbImage: ...

    def associated(self, name: str) -> RgbImage | None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class LevelledSlide(ABC):
    """A slide whose reader can read rectangles of stored levels.

    A reader sets `info` and `scales` and writes `_read_level`; boxes that reach outside, scales
    between levels and large boxes are dealt with here, once.
    """

    info: SlideInfo
    scales: tuple[tuple[float, float], ...]
    """Level-0 pixels per pixel of each level, along x and along y."""
    _passed_over: dict[tuple[int, Box], None] | None = None
    """(level, piece in its pixels) that could not be decoded; None: the first one raises."""

    @property
    def unreadable(self) -> tuple[Box, ...]:
        """Pieces that were passed over so far, in level-0 pixels."""
        return tuple(self._on_slide(*piece) for piece in tuple(self._passed_over or ()))

    def pass_over_damage(self) -> None:
        """From now on stored tiles that cannot be decoded are read as white, and are told by
        `unreadable`: one of thousands must not cost the slide, nor go unseen."""
        self._passed_over = {}

    def read_at(self, box: Box, mpp: Mpp) -> RgbImage:
        """The picture of `box` at `mpp`, from the nearest sharper level.

        Any mpp may be asked for, finer than level 0 too, and any box; outside the slide is white.
        Edges lie within half a pixel of the level read. Shrinks by area, or by decoding fewer
        pixels where a box lies on whole ones (`histoscore.slides.reduced`); enlarges linearly.

        Returns:
            (rows, columns, 3), exactly `box.shape_at(mpp / info.mpp)`.

        Raises:
            DamagedSlideError: the pixels cannot be decoded, and damage is not passed over (or
                there is too much of it).
        """
        downsample = mpp / self.info.mpp
        level = self._level_for(downsample)
        picture = white_canvas(*box.shape_at(downsample))
        if box.clipped(self.info.width, self.info.height) is None:
            return picture  # half a pixel of a coarse level would reach in
        for rows, window in self._bands(box, level, picture.shape[0]):
            picture[rows] = self._shrunk(level, window, picture[rows].shape)
        return picture

    def associated(self, name: str) -> RgbImage | None:
        """The label, macro or thumbnail picture; None where it is missing or damaged."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Give the file back."""

    @abstractmethod
    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        """A rectangle of a level in that level's pixels; it never reaches outside the level."""

    def _read_reduced(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage | None:
        """The same, `factor` times smaller, where a reader can have that for less than all its
        pixels; else None."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _level_for(self, downsample: float) -> int:
        sharp = [
            number
            for number, level in enumerate(self.info.levels)
            if level.downsample <= downsample * _SAME_SCALE
        ]
        return sharp[-1] if sharp else 0

    def _bands(
        self, box: Box, level: int, rows: int
    ) -> Iterator[tuple[slice, tuple[int, int, int, int]]]:
        """Rows of the output beside the (x, y, width, height) of the level that they show."""
        scale_x, scale_y = self.scales[level]
        left, right = round(box.x / scale_x), round(box.right / scale_x)
        width = max(1, right - left)
        step = max(1, int(BAND_PIXELS / width / max(1.0, box.height / scale_y / rows)))
        for first in range(0, rows, step):
            last = min(rows, first + step)
            top, bottom = (
                round((box.y + box.height * row / rows) / scale_y) for row in (first, last)
            )
            yield slice(first, last), (left, top, width, max(1, bottom - top))

    def _shrunk(
        self, level: int, window: tuple[int, int, int, int], shape: tuple[int, ...]
    ) -> RgbImage:
        """A rectangle (x, y, width, height) of a level as a picture of another shape."""
        factor = _whole_factor(window, shape)
        size = self.info.levels[level]
        if factor > 1 and Box(*window).clipped(size.width, size.height) == Box(*window):
            reduced = self._read_reduced(level, *window, factor)
            if reduced is not None:
                return reduced
        return _resized(self._window(level, *window), shape)

    def _window(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        """A rectangle of a level that may reach outside it: white there."""
        size = self.info.levels[level]
        inside = Box(x, y, width, height).clipped(size.width, size.height)
        if inside == Box(x, y, width, height):
            return self._readable(level, inside)
        window = white_canvas(height, width)
        if inside is not None:
            part = self._readable(level, inside)
            top, left = inside.y - y, inside.x - x
            window[top : top + inside.height, left : left + inside.width] = part
        return window

    def _readable(self, level: int, window: Box) -> RgbImage:
        """A rectangle inside a level; white where a piece is passed over."""
        try:
            return self._read_level(level, window.x, window.y, window.width, window.height)
        except DamagedSlideError:
            if self._passed_over is None:
                raise
        picture = white_canvas(window.height, window.width)
        for piece, part in self._pieces(level, window):
            if (level, piece) in self._passed_over:
                continue
            top, left = part.y - window.y, part.x - window.x
            where = slice(top, top + part.height), slice(left, left + part.width)
            try:
                picture[where] = self._read_level(level, part.x, part.y, part.width, part.height)
            except DamagedSlideError as error:
                if len(self._passed_over) >= MOST_PIECES:
                    raise DamagedSlideError(
                        f"damaged: more than {MOST_PIECES} tiles cannot be decoded; one of them: "
                        f"{error}"
                    ) from None
                self._passed_over[level, piece] = None
        return picture

    def _pieces(self, level: int, window: Box) -> Iterator[tuple[Box, Box]]:
        """The stored tiles under a rectangle of a level, and the part of each that lies in it."""
        columns, rows = self._piece_size(level)
        size = self.info.levels[level]
        for y in range(window.y // rows * rows, window.bottom, rows):
            for x in range(window.x // columns * columns, window.right, columns):
                piece = Box(x, y, min(columns, size.width - x), min(rows, size.height - y))
                left, top = max(x, window.x), max(y, window.y)
                right, bottom = min(piece.right, window.right), min(piece.bottom, window.bottom)
                yield piece, Box(left, top, right - left, bottom - top)

    def _piece_size(self, level: int) -> tuple[int, int]:
        """(columns, rows) of what is stored together on a level."""
        return _PIECE, _PIECE

    def _on_slide(self, level: int, piece: Box) -> Box:
        scale_x, scale_y = self.scales[level]
        x, y = round(piece.x * scale_x), round(piece.y * scale_y)
        width, height = round(piece.width * scale_x), round(piece.height * scale_y)
        return Box(x, y, max(1, width), max(1, height))


def level_scales(sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[float, float], ...]:
    """Level-0 pixels per level pixel along x and y, from the levels' (width, height)."""
    width, height = sizes[0]
    return tuple((_scale(width, w), _scale(height, h)) for w, h in sizes)


def levels_of(sizes: tuple[tuple[int, int], ...]) -> tuple[Level, ...]:
    """Level records, with the mean of the two axes' scales as downsample."""
    return tuple(
        Level(width, height, (x + y) / 2)
        for (width, height), (x, y) in zip(sizes, level_scales(sizes), strict=True)
    )


def check_level_size(width: int, height: int, limits: LimitSettings) -> None:
    """Raise UnsupportedSlideError for a level 0 that is empty or larger than a slide may be."""
    if width <= 0 or height <= 0:
        raise UnsupportedSlideError(f"unsupported: a picture of {width} × {height} pixels")
    if width * height > limits.max_pixels:
        raise UnsupportedSlideError(
            f"too large: {width} × {height} pixels; the limit is {limits.max_pixels:.3g} in all "
            "(limits.max_pixels)"
        )


def _scale(full: int, part: int) -> float:
    """Scanners halve and drop the odd last pixel: 1001 → 500 is a factor 2, not 2.002."""
    factor = max(1, round(full / part))
    return float(factor) if part in (full // factor, -(-full // factor)) else full / part


def _whole_factor(window: tuple[int, int, int, int], shape: tuple[int, ...]) -> int:
    """How many times smaller a picture of `shape` is than (x, y, width, height); 1 where the two
    don't lie on whole pixels of each other."""
    x, y, width, height = window
    rows, columns = shape[:2]
    factor = height // rows
    fits = (height, width) == (rows * factor, columns * factor)
    return factor if fits and factor > 0 and x % factor == y % factor == 0 else 1


def _resized(window: RgbImage, shape: tuple[int, ...]) -> RgbImage:
    rows, columns = shape[:2]
    if window.shape[:2] == (rows, columns):
        return window
    shrinks = window.shape[0] >= rows and window.shape[1] >= columns
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(window, (columns, rows), interpolation=method), np.uint8)
