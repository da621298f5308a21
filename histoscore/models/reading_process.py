"""A process that only reads: it fills tiles in memory that it shares with who asked.

No torch here either: a reader is ready in a second and small.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Mpp, Placement
from histoscore.models.cores import leave_cores_to_networks
from histoscore.models.filling import SlideTiles
from histoscore.processes import end_with_parent
from histoscore.records import SlideInfo
from histoscore.slides.base import Slide
from histoscore.slides.open import reopened


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes in shared memory."""

    name: str
    shape: tuple[int, ...]

    def seen(self, memory: SharedMemory) -> NDArray[np.uint8]:
        """They as an array, while the memory is held."""
        return np.ndarray(self.shape, np.uint8, memory.buf)


@dataclass(frozen=True, slots=True)
class TilesOf:
    """What tiles are filled with, as `SlideTiles` is told it."""

    slide: SlideInfo
    mpp: Mpp
    context: Shared | None
    seen_at: Placement | None


def begin() -> None:
    """First thing in a reader: it ends with its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    leave_cores_to_networks()


def fill(tiles: TilesOf, boxes: tuple[Box, ...], ring: Shared, buffer: int, first: int) -> None:
    """Fills a buffer of the ring (buffers, tiles, rows, columns, channels) from its `first` tile
    on. Raises what reading raises."""
    filled = _HERE.filler(tiles)
    pixels = _HERE.shared(ring)[buffer]
    for place, box in enumerate(boxes, first):
        filled(box, pixels[place])


class _Here:
    """What this process holds: the slide it read last, and memory it shares."""

    def __init__(self) -> None:
        self._slide: tuple[SlideInfo, Slide] | None = None
        self._tiles: tuple[TilesOf, SlideTiles] | None = None
        self._memory: dict[str, SharedMemory] = {}

    def filler(self, tiles: TilesOf) -> SlideTiles:
        if self._tiles is None or self._tiles[0] != tiles:
            self._drop_context()
            context = self.shared(tiles.context) if tiles.context else None
            slide = self._opened(tiles.slide)
            self._tiles = tiles, SlideTiles(slide, tiles.mpp, context, tiles.seen_at)
        return self._tiles[1]

    def shared(self, bytes_: Shared) -> NDArray[np.uint8]:
        if bytes_.name not in self._memory:
            self._memory[bytes_.name] = SharedMemory(bytes_.name)
        return bytes_.seen(self._memory[bytes_.name])

    def _opened(self, info: SlideInfo) -> Slide:
        if self._slide is None or self._slide[0] != info:
            if self._slide:
                self._slide[1].close()
            self._slide = info, reopened(info)
        return self._slide[1]

    def _drop_context(self) -> None:
        """Whoever asked has done with it; held here it would stay in memory."""
        if self._tiles is None:
            return
        context, self._tiles = self._tiles[0].context, None
        memory = self._memory.pop(context.name, None) if context else None
        if memory:
            memory.close()


_HERE = _Here()
