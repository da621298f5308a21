"""A generic pyramidal TIFF, as converters write it: nothing in it but pixels and their size."""

from __future__ import annotations

import io

import tifffile

from histoscore.phantom.scanner.pages import resolution, write_tiled
from histoscore.phantom.scanner.pyramid import Pyramid
from histoscore.phantom.scanner.scan import Scan
from histoscore.records import RgbImage

TILE_PX = 256

_PYRAMID = Pyramid(factor=2, coarse_px=600)
_REDUCED = 1
"""NewSubfileType of a level; OpenSlide asks for it."""


def tiff_bytes(picture: RgbImage, scan: Scan, label: str) -> bytes:
    """The file with `picture` (rows, columns, 3) as level 0; the label is nowhere in it.

    Each page says how large its own pixels are, in pixels per centimetre.
    """
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        for number, level in enumerate(_PYRAMID.levels(picture)):
            write_tiled(
                tiff,
                level,
                scan.tile_px or TILE_PX,
                scan.quality,
                subfiletype=_REDUCED if number else 0,
                **resolution(scan.mpp * _PYRAMID.factor**number),
            )
    return buffer.getvalue()
