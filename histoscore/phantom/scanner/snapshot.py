"""A microscope camera's snapshot: a plain JPEG that does not say how large its pixels are."""

from __future__ import annotations

import imagecodecs
import numpy as np

from histoscore.errors import ConfigError
from histoscore.phantom.scanner.scan import Scan
from histoscore.records import RgbImage

LONGEST_PX = 65_500
"""Side of the largest picture that libjpeg writes."""


def snapshot_bytes(picture: RgbImage, scan: Scan, label: str) -> bytes:
    """The picture (rows, columns, 3) as one JPEG: YCbCr, colour at half the resolution.

    Neither pixel size nor label is in it: the density of its header is a bare 1 : 1.

    Raises:
        ConfigError: the picture is longer than a JPEG can be.
    """
    rows, columns = picture.shape[:2]
    if max(rows, columns) > LONGEST_PX:
        raise ConfigError(
            f"{label}: a JPEG has at most {LONGEST_PX} pixels a side, not {columns} × {rows}; "
            "take another slide format, larger pixels or a smaller slide"
        )
    encoded = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(picture),
        level=scan.quality,
        colorspace="RGB",
        outcolorspace="YCBCR",
        subsampling="420",
    )
    return bytes(encoded)
