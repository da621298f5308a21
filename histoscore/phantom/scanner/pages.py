"""What all TIFFs of the scanner have in common: a page of JPEG tiles, and resolution tags."""

from __future__ import annotations

from typing import Any

import tifffile

from histoscore.phantom.scanner.pyramid import tiles
from histoscore.records import RgbImage

_UM_PER_CM = 10_000.0

UNMARKED: dict[str, Any] = {"software": False, "metadata": None}
"""Keeps tifffile's name and version, and its own description, out of a page."""


def write_tiled(
    tiff: tifffile.TiffWriter, level: RgbImage, side: int, quality: int, **tags: Any
) -> None:
    """A page of JPEG tiles (YCbCr, colour at half the resolution), as it stands in most slides.

    Args:
        tiff: the open file.
        level: (rows, columns, 3) sRGB.
        side: of the tiles in pixels, a multiple of 16.
        quality: of the JPEG, 0–100.
        tags: further arguments of `TiffWriter.write`.
    """
    tiff.write(
        tiles(level, side),
        shape=level.shape,
        dtype=level.dtype,
        tile=(side, side),
        **jpeg(quality),
        **{**UNMARKED, **tags},
    )


def jpeg(quality: int) -> dict[str, Any]:
    """Arguments for a page of JPEG; tifffile stores RGB as YCbCr.

    One thread: the bytes would be the same with more, and studies are written side by side.
    """
    return {
        "photometric": "rgb",
        "compression": "jpeg",
        "compressionargs": {"level": quality},
        "subsampling": (2, 2),
        "maxworkers": 1,
    }


def resolution(mpp: float) -> dict[str, Any]:
    """The resolution tags for pixels of `mpp` µm: pixels per centimetre."""
    return {"resolution": (_UM_PER_CM / mpp,) * 2, "resolutionunit": "CENTIMETER"}
