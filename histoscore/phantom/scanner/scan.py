"""How a picture is digitised: pixel size, JPEG quality, tiles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scan:
    """The settings of a scanner.

    Attributes:
        mpp: µm per pixel of level 0.
        quality: of the JPEG, 30 (a scanner that saves disk) to 98.
        tile_px: side of the tiles, a multiple of 16; None is what the format usually has.
    """

    mpp: float
    quality: int
    tile_px: int | None = None
