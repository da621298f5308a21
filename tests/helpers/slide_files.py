"""Slides for tests: not square, mpp not 1, downsamples not exact, content known at every point.

The content is a smooth colour field, so that a position can be read off a pixel: red grows with
x, green with y, blue waves along the diagonal. A swapped axis, a forgotten scale or an offset of
a few pixels shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

WIDTH, HEIGHT = 1501, 907
MPP = 0.4711


def field(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """RGB as floats at level-0 points given by pixel edges (a pixel's middle is at + 0.5)."""
    blue = 128 + 60 * np.sin((x + y) / 150)
    return np.stack(np.broadcast_arrays(30 + 200 * x / WIDTH, 30 + 200 * y / HEIGHT, blue), axis=-1)


def picture(
    columns: int = WIDTH, rows: int = HEIGHT, downsample: float | None = None
) -> np.ndarray:
    """The field as (rows, columns, 3).

    With a `downsample` a pixel covers just that many level-0 pixels, as scanners do it (the last
    ones are cropped); without, the whole slide is spread over the picture.
    """
    across, down = downsample or WIDTH / columns, downsample or HEIGHT / rows
    x, y = (np.arange(columns) + 0.5) * across, (np.arange(rows) + 0.5) * down
    return np.rint(field(x[None, :], y[:, None])).astype(np.uint8)


def write_svs(path: Path, mpp: str = str(MPP), downsamples: tuple[int, ...] = (4,)) -> Path:
    """An Aperio-style SVS: JPEG tiles, reduced levels as further pages, label and macro."""
    description = f"Aperio Image Library v12.0.16\r\n{WIDTH}x{HEIGHT} (240x240) JPEG/RGB Q=90"
    first = description + "|AppMag = 20" + (f"|MPP = {mpp}" if mpp else "")
    jpeg = {"compression": "jpeg", "compressionargs": {"level": 95}, "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(picture(), tile=(240, 240), description=first, photometric="rgb", **jpeg)
        _strip(tiff, picture(300, 181), description, 0)
        for downsample in downsamples:
            level = picture(WIDTH // downsample, HEIGHT // downsample, downsample)
            tiff.write(level, tile=(240, 240), description=description, photometric="rgb", **jpeg)
        _strip(tiff, np.full((40, 60, 3), 90, np.uint8), description + "\r\nlabel 60x40", 1)
        _strip(tiff, np.full((50, 150, 3), 190, np.uint8), description + "\r\nmacro 150x50", 9)
    return path


def _strip(tiff: tifffile.TiffWriter, pixels: np.ndarray, description: str, kind: int) -> None:
    tiff.write(
        pixels, description=description, photometric="rgb", subfiletype=kind, compression="jpeg",
        metadata=None,
    )  # fmt: skip


def write_tiff(path: Path, mpp: float | None = MPP, factor: float = 2.3, levels: int = 3) -> Path:
    """A tiled pyramid in separate pages, each smaller by `factor`, pixel size in tags."""
    per_cm = (1e4 / mpp, 1e4 / mpp) if mpp else None
    unit = "CENTIMETER" if mpp else None
    with tifffile.TiffWriter(path) as tiff:
        for level in range(levels):
            columns, rows = round(WIDTH / factor**level), round(HEIGHT / factor**level)
            tiff.write(
                picture(columns, rows), tile=(128, 256), photometric="rgb",
                compression="deflate", resolution=per_cm, resolutionunit=unit, metadata=None,
                subfiletype=int(level > 0),
            )  # fmt: skip
    return path


def write_ome_tiff(path: Path, mpp: float | None = MPP, unit: str = "µm") -> Path:
    """An OME-TIFF with its pyramid in SubIFDs."""
    size = {"PhysicalSizeX": mpp, "PhysicalSizeXUnit": unit} if mpp else {}
    size |= {"PhysicalSizeY": mpp, "PhysicalSizeYUnit": unit} if mpp else {}
    common = {"tile": (256, 128), "photometric": "rgb", "compression": "deflate"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(picture(), subifds=2, metadata={"axes": "YXS", **size}, **common)
        for downsample in (2, 4):
            level = picture(-(-WIDTH // downsample), -(-HEIGHT // downsample), downsample)
            tiff.write(level, subfiletype=1, **common)
    return path


def write_picture(path: Path, kind: str = "PNG", **options: object) -> Path:
    """The field as a PNG or JPEG."""
    Image.fromarray(picture()).save(path, kind, **options)
    return path


def cut(path: Path, share: float) -> Path:
    """The same file with only its first `share` of bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
