"""What a tile is filled with: a slide's colour, and beside it what the coarse network saw there.

No torch: processes that only read import this.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.placed import seen_through
from histoscore.slides.base import Slide

_COLOURS = 3
_PAIRS = [channel for channel in range(2 * _COLOURS) for _ in range(2)]


class SlideTiles:
    """Fills tiles, one a call, from any thread.

    Args:
        slide: what is read. mpp: at what scale.
        context: (rows, columns, 3) bytes; tiles then have six channels. None: they have three.
        seen_at: where the context lies.
    """

    def __init__(
        self,
        slide: Slide,
        mpp: Mpp,
        context: NDArray[np.uint8] | None = None,
        seen_at: Placement | None = None,
    ) -> None:
        self.slide, self.mpp, self.seen_at = slide, mpp, seen_at
        # OpenCV warps four channels in a third of the time that three take, and lays channels
        # beside each other in a fifth of the time that slices take.
        if context is not None and context.shape[2] == _COLOURS:
            context = np.asarray(cv2.merge([context, context[..., 0].copy()]))
        self.context = context

    def __call__(self, tile: Box, pixels: NDArray[np.uint8]) -> None:
        """Writes a tile (rows, columns, 3 or 6)."""
        colour = self.slide.read_at(tile, self.mpp)
        if self.context is None or self.seen_at is None:
            pixels[:] = colour
            return
        here = Placement(tile.x, tile.y, self.mpp / self.slide.info.mpp, self.mpp)
        told = seen_through(self.context, self.seen_at, here, pixels.shape)
        cv2.mixChannels([colour, told], [pixels], _PAIRS)
