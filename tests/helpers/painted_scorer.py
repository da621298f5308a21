"""The whole pipeline on painted knees: real stages, networks that read the paint without a fault.

Scoring such a slide takes a second or two, ends in grades, and needs no training.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import tifffile
from helpers.drawn_knee import Pose, knee
from helpers.fake_networks import painted, reading_networks

from histoscore.config import ScoreConfig
from histoscore.models.predict import Predictor
from histoscore.pipeline.slide import SlideScorer

SCORER = "helpers.painted_scorer:PaintedScorer"
POSE = Pose(2360, 2450, mpp=1.9, angle=12)
COARSE_MPP, FINE_MPP = 6.0, 2.0
TILE = 240


class PaintedScorer(SlideScorer):
    """`SlideScorer` with networks that know the palette, and no opinion on stains."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        networks = Predictor(reading_networks(COARSE_MPP, FINE_MPP), "cpu", config.tiles)
        with patch.object(Predictor, "of", return_value=networks):
            super().__init__(config, run_folder)
        details = self.bundle.details.model_copy(update={"appearance": {}, "calibration": None})
        self.bundle = replace(self.bundle, details=details)


def painted_knee() -> np.ndarray:
    """(rows, columns, 3) of a healthy knee, `POSE.mpp` µm per pixel."""
    return painted(knee(POSE))


def write_svs(path: Path, picture: np.ndarray, mpp: float | None = POSE.mpp) -> Path:
    """An Aperio-style SVS of JPEG tiles: the picture, a half-sized level, label and macro."""
    rows, columns = picture.shape[:2]
    head = f"Aperio Image Library v12.0.16\r\n{columns}x{rows} ({TILE}x{TILE}) JPEG/RGB Q=95"
    scale = "" if mpp is None else f"|MPP = {mpp}"
    jpeg = {
        "compression": "jpeg", "compressionargs": {"level": 98}, "metadata": None,
        "photometric": "rgb", "subsampling": (1, 1),
    }  # fmt: skip
    stamp = np.full((40, 60, 3), 90, np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(picture, tile=(TILE, TILE), description=f"{head}|AppMag = 10{scale}", **jpeg)
        tiff.write(picture[::16, ::16], description=head, **jpeg)
        tiff.write(_halved(picture), tile=(TILE, TILE), description=head, **jpeg)
        tiff.write(stamp, description=f"{head}\r\nlabel 60x40", subfiletype=1, **jpeg)
        tiff.write(stamp, description=f"{head}\r\nmacro 60x40", subfiletype=9, **jpeg)
    return path


def write_tiff(
    path: Path, picture: np.ndarray, mpp: float | None = POSE.mpp, tile: int = TILE
) -> Path:
    """A TIFF of deflated tiles with a half-sized level."""
    tiles = {"tile": (tile, tile), "photometric": "rgb", "compression": "deflate"}
    scale = {} if mpp is None else {"resolution": (1e4 / mpp,) * 2, "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(picture, metadata=None, **scale, **tiles)
        tiff.write(_halved(picture), metadata=None, subfiletype=1, **tiles)
    return path


def spoil_tiles(path: Path, level: int, tiles: list[int]) -> Path:
    """Overwrites stored tiles of a level (counted among tiled pages) with zeros."""
    with tifffile.TiffFile(path) as tiff:
        page = [page for page in tiff.pages if page.is_tiled][level]
        spans = [(page.dataoffsets[tile], page.databytecounts[tile]) for tile in tiles]
    data = bytearray(path.read_bytes())
    for offset, count in spans:
        data[offset : offset + count] = bytes(count)
    path.write_bytes(data)
    return path


def _halved(picture: np.ndarray) -> np.ndarray:
    rows, columns = (side // 2 * 2 for side in picture.shape[:2])
    even = picture[:rows, :columns].astype(np.uint16)
    quads = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((quads + 2) // 4).astype(np.uint8)
