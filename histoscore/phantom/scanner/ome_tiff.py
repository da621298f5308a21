"""OME-TIFF with its pyramid in SubIFDs (https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff)."""

from __future__ import annotations

import hashlib
import io
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import tifffile

from histoscore.phantom.scanner.pages import write_tiled
from histoscore.phantom.scanner.pyramid import Pyramid
from histoscore.phantom.scanner.scan import Scan
from histoscore.records import RgbImage

TILE_PX = 512

_PYRAMID = Pyramid(factor=2, coarse_px=600, keeps_odd=True)
_REDUCED = 1
_EVERY = 16
"""The file's UUID is made from one row in so many."""


def ome_tiff_bytes(picture: RgbImage, scan: Scan, label: str) -> bytes:
    """The file with `picture` (rows, columns, 3) as level 0 of an image named by the label."""
    side = scan.tile_px or TILE_PX
    levels = _PYRAMID.levels(picture)
    reduced = len(_PYRAMID.sizes(*picture.shape[:2])) - 1
    about = _metadata(picture, scan, label)
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, ome=True) as tiff:
        write_tiled(tiff, next(levels), side, scan.quality, subifds=reduced, metadata=about)
        for level in levels:
            write_tiled(tiff, level, side, scan.quality, subfiletype=_REDUCED)
    return buffer.getvalue()


def _metadata(picture: RgbImage, scan: Scan, label: str) -> dict[str, Any]:
    """What tifffile makes the OME-XML of; UUID and creator are given, or it would invent them."""
    pixels = hashlib.sha256()
    for row in picture[::_EVERY]:
        pixels.update(row.tobytes())
    identity = f"histoscore phantom {label} {scan} {pixels.hexdigest()}"
    return {
        "axes": "YXS",
        "Name": label,
        "PhysicalSizeX": scan.mpp,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": scan.mpp,
        "PhysicalSizeYUnit": "µm",
        "UUID": str(uuid5(NAMESPACE_URL, identity)),
        "Creator": "histoscore phantom",
    }
