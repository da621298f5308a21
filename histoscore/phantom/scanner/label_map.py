"""A label map as a file that programs read as indices and people see in colours."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from histoscore.files import write_atomic
from histoscore.phantom.scanner.pages import UNMARKED, resolution
from histoscore.records import LabelArray

_TILE_PX = 512
_EFFORT = 6
"""Of deflate, 1–12: more takes twice the time for a tenth of the bytes."""
_FULL = 257
"""8-bit colours × this fill the 16 bits of a TIFF's colour map."""

Palette = Mapping[int, tuple[int, int, int]]
"""Label → its 8-bit sRGB colour."""


def write_label_map(path: Path, labels: LabelArray, mpp: float, palette: Palette) -> None:
    """A tiled TIFF with a colour map and resolution tags, deflated: no index is changed.

    Args:
        path: of the `.tif`.
        labels: (rows, columns), 0–255.
        mpp: µm per pixel of the label map.
        palette: colours of the labels; one that is not in it is shown black.

    Raises:
        EnvironmentStopError: the file cannot be written.
    """
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        tiff.write(
            labels,
            tile=(_TILE_PX, _TILE_PX),
            photometric="palette",
            colormap=_color_map(palette),
            compression="zlib",
            compressionargs={"level": _EFFORT},
            maxworkers=1,
            **resolution(mpp),
            **UNMARKED,
        )
    write_atomic(path, buffer.getvalue())


def _color_map(palette: Palette) -> NDArray[np.uint16]:
    """(3, 256): red, green and blue of every index."""
    colors = np.zeros((3, 256), np.uint16)
    for label, color in palette.items():
        colors[:, label] = np.asarray(color, np.uint16) * _FULL
    return colors
