"""Scanner formats through OpenSlide: Aperio, Hamamatsu, Leica, MIRAX, Philips, Ventana, DICOM …"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from threading import Lock

import numpy as np
import openslide

from histoscore.config import LimitSettings
from histoscore.errors import (
    DamagedSlideError,
    SlideError,
    UnreachableSlideError,
    UnsupportedSlideError,
)
from histoscore.records import RgbImage, SlideInfo
from histoscore.slides.base import LevelledSlide, check_level_size, level_scales, levels_of
from histoscore.slides.colour import on_white
from histoscore.slides.mpp import (
    SCANNER,
    DeclaredSize,
    resolve_pixel_size,
    size_from_resolution,
)
from histoscore.slides.stored_tiles import VENDORS, StoredTiles

_MISSING = re.compile(r"(?:Couldn't|Could not|Can't) open (.+?): No such file")
_SHORT = re.compile(r"short read|end of file", re.IGNORECASE)
_DROPPED = re.compile(
    r"Input/output error|Stale file handle|not connected|Host is down|No route|Network is|"
    r"Permission denied|timed out"
)
_UNSUPPORTED = re.compile(r"unsupported|not supported|JPEG XR", re.IGNORECASE)
"""OpenSlide's reasons come as text only."""

_UM_PER_UNIT = {"inch": 25_400.0, "centimeter": 10_000.0}


def scanner_format(path: Path) -> str | None:
    """The vendor that OpenSlide recognises (`aperio`, `mirax`, `generic-tiff` …), or None."""
    vendor: str | None = openslide.OpenSlide.detect_format(path)
    return vendor


class OpenSlideReader(LevelledSlide):
    """A scanner's slide.

    OpenSlide handles survive neither fork nor pickling: open the slide where it is read. After
    the first read error every later call on a handle fails, so a fresh one is opened then.
    """

    def __init__(self, path: Path, sheet_mpp: float | None, limits: LimitSettings) -> None:
        self._path = path
        self._lock = Lock()
        self._handle = _opened(path)
        sizes = tuple(self._handle.level_dimensions)
        check_level_size(sizes[0][0], sizes[0][1], limits)
        properties = _properties(self._handle)
        declared = _declared_size(properties)
        size, notes = resolve_pixel_size(declared, sheet_mpp)
        self.scales = level_scales(sizes)
        vendor = properties.get("openslide.vendor", "")
        self._downsamples = tuple(map(float, self._handle.level_downsamples))
        self._tiles = (
            StoredTiles(path, sizes, [scale.is_integer() for scale in self._downsamples])
            if vendor in VENDORS
            else None
        )
        self._stored = _tile_sizes(properties, len(sizes))
        self.info = SlideInfo(
            path=str(path),
            reader="openslide",
            format=vendor,
            width=sizes[0][0],
            height=sizes[0][1],
            mpp=size.mpp,
            mpp_source=size.source,
            levels=levels_of(sizes),
            associated=tuple(sorted(self._handle.associated_images)),
            notes=notes,
        )

    def associated(self, name: str) -> RgbImage | None:
        handle = self._handle
        try:
            return _on_white(np.asarray(handle.associated_images[name]))
        except KeyError:
            return None
        except openslide.OpenSlideError:
            self._replace(handle)
            return None

    def close(self) -> None:
        self._handle.close()
        if self._tiles:
            self._tiles.close()

    def _piece_size(self, level: int) -> tuple[int, int]:
        return self._stored[level] or super()._piece_size(level)

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        if self._tiles and self._tiles.reads(level, self._composed):
            try:
                return self._tiles.read(level, x, y, width, height)
            except DamagedSlideError:
                pass  # OpenSlide says where, or reads it after all
        return self._composed(level, x, y, width, height)

    def _read_reduced(
        self, level: int, x: int, y: int, width: int, height: int, factor: int
    ) -> RgbImage | None:
        if self._tiles and self._tiles.reads(level, self._composed):
            try:
                return self._tiles.read_reduced(level, x, y, width, height, factor)
            except DamagedSlideError:
                pass  # the whole tiles, or OpenSlide, say what is wrong
        return None

    def _composed(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        """As OpenSlide composes it."""
        downsample = self._downsamples[level]
        corner = round(x * downsample), round(y * downsample)
        handle = self._handle
        try:
            return _on_white(np.asarray(handle.read_region(corner, level, (width, height))))
        except openslide.OpenSlideError:
            self._replace(handle)
        # Another thread may have met damage elsewhere and broken the handle that both read from;
        # whether these pixels are damaged shows on a handle of their own.
        with _opened(self._path) as own:
            try:
                return _on_white(np.asarray(own.read_region(corner, level, (width, height))))
            except openslide.OpenSlideError as error:
                if _DROPPED.search(str(error)):
                    raise UnreachableSlideError(f"cannot be read ({error})") from None
                raise DamagedSlideError(
                    f"damaged: unreadable pixels at level {level}, x {corner[0]}, y {corner[1]} "
                    f"({error})"
                ) from None

    def _replace(self, broken: openslide.OpenSlide) -> None:
        """Open the file again, once however many threads met the error.

        The broken handle is not closed here: other threads may still be inside it.
        """
        with self._lock:
            if self._handle is broken:
                self._handle = _opened(self._path)


def _opened(path: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        raise refused_opening("unsupported file") from None
    except openslide.OpenSlideError as error:
        raise refused_opening(str(error)) from None


def refused_opening(text: str) -> SlideError:
    """The error for what OpenSlide said when it would not open a slide that it had recognised."""
    missing = _MISSING.search(text)
    if missing:
        return DamagedSlideError(f"companion files missing: {PurePath(missing.group(1)).name}")
    if _DROPPED.search(text):
        return UnreachableSlideError(f"cannot be read ({text})")
    if _SHORT.search(text):
        return DamagedSlideError("truncated (short read)")
    if _UNSUPPORTED.search(text):
        return UnsupportedSlideError(
            f"unsupported: OpenSlide does not read it ({text}); "
            "export it from the scanner's software as SVS, or as tiled or OME-TIFF"
        )
    return DamagedSlideError(f"damaged: OpenSlide cannot open it ({text})")


def _properties(handle: openslide.OpenSlide) -> dict[str, str]:
    """What the file says of itself. A name that damage made other than text is listed, and cannot
    be asked for: it is left out."""
    known, names = handle.properties, tuple(handle.properties)
    return {name: known[name] for name in names if name in known}


def _declared_size(properties: dict[str, str]) -> DeclaredSize | None:
    x, y = properties.get("openslide.mpp-x"), properties.get("openslide.mpp-y")
    if x is not None and y is not None:
        return DeclaredSize(_number(x), _number(y), SCANNER)
    x, y = properties.get("tiff.XResolution"), properties.get("tiff.YResolution")
    if x is None or y is None:
        return None
    unit = _UM_PER_UNIT.get(properties.get("tiff.ResolutionUnit", ""))
    return size_from_resolution(_number(x), _number(y), unit)


def _tile_sizes(properties: dict[str, str], levels: int) -> list[tuple[int, int] | None]:
    """(columns, rows) of each level's tiles; None where the format has none or does not say."""
    sizes = []
    for level in range(levels):
        names = (f"openslide.level[{level}].tile-{side}" for side in ("width", "height"))
        columns, rows = (int(properties.get(name, 0)) for name in names)
        sizes.append((columns, rows) if columns > 0 and rows > 0 else None)
    return sizes


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _on_white(rgba: RgbImage) -> RgbImage:
    return on_white(rgba[..., :3], rgba[..., 3])
