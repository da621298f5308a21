"""Aperio's SVS, as a ScanScope lays it out.

Tiled level 0, the thumbnail in strips, the further levels, label, macro; all that is known about
the slide stands in the ImageDescription (https://openslide.org/formats/aperio/).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import tifffile

from histoscore.phantom.scanner.glass import label_picture, macro_picture, within
from histoscore.phantom.scanner.pages import UNMARKED, jpeg, write_tiled
from histoscore.phantom.scanner.pyramid import Pyramid
from histoscore.phantom.scanner.scan import Scan
from histoscore.records import RgbImage

TILE_PX = 240

_LIBRARY = "Aperio Image Library v12.0.15 "
"""OpenSlide knows an SVS by how this begins."""
_PYRAMID = Pyramid(factor=4, coarse_px=1200)
_THUMBNAIL = (1024, 768)
"""(columns, rows) that it fits into."""
_POWERS = (40, 20, 10, 5)
_PIXEL_AT_1X = 10.0
"""µm: objectives of 40× go with 0.25, of 20× with 0.5 µm per pixel."""
_LABEL, _MACRO = 1, 9
"""NewSubfileType of the two."""
_STRIP_ROWS = 16


def svs_bytes(picture: RgbImage, scan: Scan, label: str) -> bytes:
    """The file with `picture` (rows, columns, 3) as level 0."""
    about = _Description(picture.shape, scan, label)
    levels = list(_PYRAMID.levels(picture))
    thumbnail = within(levels[min(1, len(levels) - 1)], *_THUMBNAIL)
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        _write_level(tiff, picture, scan, about.base)
        _write_strips(tiff, thumbnail, scan.quality, about.thumbnail(thumbnail))
        for level in levels[1:]:
            _write_level(tiff, level, scan, about.level(level))
        _write_label(tiff, label_picture(label), about)
        macro = macro_picture(thumbnail, picture.shape[1] * scan.mpp, label)
        _write_strips(tiff, macro, scan.quality, about.named("macro", macro), _MACRO)
    return buffer.getvalue()


def objective_power(mpp: float) -> int:
    """The objective that a scanner would name for pixels of `mpp` µm: the nearest in ratio."""
    return min(_POWERS, key=lambda power: abs(math.log(_PIXEL_AT_1X / power / mpp)))


@dataclass(frozen=True, slots=True)
class _Description:
    """The texts of one file's pages; keys in a ScanScope's order, but no date and no user."""

    shape: tuple[int, ...]
    scan: Scan
    label: str

    @property
    def base(self) -> str:
        return f"{self._head} {self._coding}|{self._facts}"

    def level(self, level: RgbImage) -> str:
        return f"{self._head} -> {_size(level.shape)} {self._coding}|{self._facts}"

    def thumbnail(self, thumbnail: RgbImage) -> str:
        return f"{self._head} -> {_size(thumbnail.shape)} - |{self._facts}"

    def named(self, name: str, image: RgbImage) -> str:
        return f"{_LIBRARY}\r\n{name} {_size(image.shape)}"

    @property
    def _head(self) -> str:
        side, size = _tile_px(self.scan), _size(self.shape)
        return f"{_LIBRARY}\r\n{size} [0,0 {size}] ({side}x{side})"

    @property
    def _coding(self) -> str:
        return f"JPEG/RGB Q={self.scan.quality}"

    @property
    def _facts(self) -> str:
        rows, columns = self.shape[:2]
        return "|".join(
            (
                f"AppMag = {objective_power(self.scan.mpp)}",
                "StripeWidth = 2040",
                "ScanScope ID = PHANTOM",
                f"Filename = {_plain(self.label)}",
                "Title = histoscore phantom",
                f"MPP = {self.scan.mpp:.6f}",
                "Left = 25.000000",
                "Top = 20.000000",
                f"OriginalWidth = {columns}",
                f"OriginalHeight = {rows}",
            )
        )


def _write_level(tiff: tifffile.TiffWriter, level: RgbImage, scan: Scan, text: str) -> None:
    write_tiled(tiff, level, _tile_px(scan), scan.quality, description=text, subfiletype=0)


def _write_strips(
    tiff: tifffile.TiffWriter, image: RgbImage, quality: int, text: str, kind: int = 0
) -> None:
    tiff.write(
        image,
        description=text,
        subfiletype=kind,
        rowsperstrip=_STRIP_ROWS,
        **jpeg(quality),
        **UNMARKED,
    )


def _write_label(tiff: tifffile.TiffWriter, image: RgbImage, about: _Description) -> None:
    """Without loss, so that a bar code on it could be read."""
    tiff.write(
        image,
        description=about.named("label", image),
        subfiletype=_LABEL,
        photometric="rgb",
        compression="lzw",
        predictor=True,
        rowsperstrip=_STRIP_ROWS,
        **UNMARKED,
    )


def _tile_px(scan: Scan) -> int:
    return scan.tile_px or TILE_PX


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _plain(text: str) -> str:
    """Without what would end a field: TIFF's descriptions are ASCII, `|` parts the keys."""
    return text.encode("ascii", "replace").decode().replace("|", "?").replace("\n", " ")
