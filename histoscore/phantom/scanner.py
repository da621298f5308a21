"""Writes a picture as a scanner would: an Aperio-style pyramidal SVS with JPEG tiles."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import tifffile

from histoscore.files import write_atomic
from histoscore.records import RgbImage

TILE_PX = 240
_MACRO = (640, 260)
_LABEL = (260, 260)


def write_svs(path: Path, picture: RgbImage, mpp: float, quality: int, label: str) -> None:
    """One slide: base level, thumbnail, levels at a quarter of the size each, label, macro.

    The layout follows what OpenSlide documents for Aperio files: tiled pages whose
    ImageDescription begins with `Aperio` and carries `MPP` and `AppMag`.

    Args:
        path: of the `.svs`.
        picture: (rows, columns, 3) sRGB of level 0.
        mpp: µm per pixel of level 0; the file holds four decimals of it.
        quality: of the JPEG tiles, 0–100.
        label: text on the label picture.

    Raises:
        EnvironmentStopError: the file cannot be written.
    """
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        about = _Description(picture, mpp, quality)
        levels = _levels(picture)
        _write(tiff, levels[0], quality, about.base, tiled=True)
        thumbnail = _shrunk(picture, 480 / max(picture.shape[:2]))
        _write(tiff, thumbnail, quality, about.level(thumbnail), tiled=False)
        for level in levels[1:]:
            _write(tiff, level, quality, about.level(level), tiled=True)
        for name, image in (("label", _label(label)), ("macro", _macro(picture, label))):
            text = f"{about.library}\r\n{name} {image.shape[1]}x{image.shape[0]}"
            _write(tiff, image, quality, text, tiled=False, subfile=1 if name == "label" else 9)
    write_atomic(path, buffer.getvalue())


class _Description:
    """The texts that the pages of one file carry."""

    library = "Aperio Image Library v12.0.15 "

    def __init__(self, picture: RgbImage, mpp: float, quality: int) -> None:
        rows, columns = picture.shape[:2]
        self._size = f"{columns}x{rows}"
        self._coding = f"({TILE_PX}x{TILE_PX}) JPEG/RGB Q={quality}"
        self._facts = (
            f"AppMag = {round(10 / mpp):d}|MPP = {mpp:.4f}|ScanScope ID = PHANTOM|"
            "Title = histoscore phantom"
        )

    @property
    def base(self) -> str:
        return f"{self.library}\r\n{self._size} [0,0 {self._size}] {self._coding}|{self._facts}"

    def level(self, image: RgbImage) -> str:
        size = f"{image.shape[1]}x{image.shape[0]}"
        return (
            f"{self.library}\r\n{self._size} [0,0 {self._size}] {self._coding} -> {size} "
            f"|{self._facts}"
        )


def _write(
    tiff: tifffile.TiffWriter,
    image: RgbImage,
    quality: int,
    text: str,
    tiled: bool,
    subfile: int = 0,
) -> None:
    layout = {"tile": (TILE_PX, TILE_PX)} if tiled else {"rowsperstrip": 64}
    tiff.write(
        image,
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": quality, "subsampling": "420"},
        description=text,
        subfiletype=subfile,
        software=False,
        metadata=None,
        **layout,
    )


def _levels(picture: RgbImage) -> list[RgbImage]:
    """The picture and its quarters, the last no longer than 1200 px.

    As scanners do it: a level's pixel covers just 4 × 4 of the one before, odd last ones are cut.
    """
    levels = [picture]
    while max(levels[-1].shape[:2]) > 1200:
        rows, columns = (n // 4 for n in levels[-1].shape[:2])
        whole = levels[-1][: rows * 4, : columns * 4]
        shrunk = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(shrunk, np.uint8))
    return levels


def _shrunk(picture: RgbImage, scale: float) -> RgbImage:
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _label(text: str) -> RgbImage:
    image = np.full((_LABEL[1], _LABEL[0], 3), 250, np.uint8)
    cv2.rectangle(image, (4, 4), (_LABEL[0] - 5, _LABEL[1] - 5), (40, 60, 90), 3)
    for row, part in enumerate((text, "Saf-O / FG", "PHANTOM")):
        cv2.putText(image, part, (18, 70 + 60 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (30,) * 3, 2)
    return image


def _macro(picture: RgbImage, text: str) -> RgbImage:
    image = np.full((_MACRO[1], _MACRO[0], 3), 236, np.uint8)
    image[:, : _LABEL[0]] = _label(text)[: _MACRO[1]]
    scale = min(300 / picture.shape[1], 220 / picture.shape[0])
    small = _shrunk(picture, scale)
    image[20 : 20 + small.shape[0], 300 : 300 + small.shape[1]] = small
    return image
