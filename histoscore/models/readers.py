"""Tiles read by several processes, for GPUs, which outrun the threads of one interpreter.

Threads take turns at the interpreter, and with many of them a tile waits longer for its turns than
it is decoded (docs/performance.md). Processes do not wait for each other.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from math import prod
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from histoscore.geometry import Box
from histoscore.models.feeding import AHEAD, TileBatch, batches
from histoscore.models.filling import SlideTiles
from histoscore.models.reading_process import Shared, TilesOf, begin, fill
from histoscore.processes import usable_cores

MOST = 16
_FEW_CORES = 2
"""With more, processes read faster than threads: three times as fast with four."""

_IN_FILES = ("openslide", "tiff")
"""Readers that decode what is asked for; another process would hold the whole picture again."""

_PART = 4
"""Tiles that one process fills at a time."""

_SHARED, _SPARE_BYTES = Path("/dev/shm"), 16_000_000  # noqa: S108 (its size is asked for)


class Readers:
    """Processes that wait for tiles to read. They end with this object, and with its process."""

    def __init__(self, count: int) -> None:
        self._pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=begin)
        self._pool.submit(usable_cores)  # they start now and not at the first tile
        self._rings: dict[tuple[int, ...], _Ring] = {}
        self.close = weakref.finalize(self, _end, self._pool, self._rings)

    def serve(self, filler: SlideTiles, shape: tuple[int, int, int, int]) -> bool:
        """Whether tiles can be read by them: from a slide in a file, with memory to share (what
        containers give is often little)."""
        if filler.slide.info.reader not in _IN_FILES:
            return False
        context = 0 if filler.context is None else filler.context.nbytes
        ring = 0 if shape in self._rings else (AHEAD + 1) * prod(shape)
        return not _SHARED.exists() or (
            shutil.disk_usage(_SHARED).free >= ring + context + _SPARE_BYTES
        )

    def fed(
        self, filler: SlideTiles, boxes: Sequence[Box], shape: tuple[int, int, int, int]
    ) -> Generator[TileBatch, None, None]:
        """As `feeding.fed`; the slide of `filler` is opened again in every process."""
        if shape not in self._rings:
            self._rings[shape] = _Ring(shape)
        ring = self._rings[shape]
        with _shared(filler.context) as context:
            tiles = TilesOf(filler.slide.info, filler.mpp, context, filler.seen_at)

            def ask(group: tuple[Box, ...], buffer: int) -> list[Future[None]]:
                return [
                    self._pool.submit(
                        fill, tiles, group[first : first + _PART], ring.shared, buffer, first
                    )
                    for first in range(0, len(group), _PART)
                ]

            yield from batches(ask, ring.buffers, boxes)


def readers_for(device: torch.device) -> Readers | None:
    """Processes for a GPU where there are cores for them; a processor's networks need its cores
    themselves."""
    cores = usable_cores()
    return Readers(min(cores, MOST)) if device.type != "cpu" and cores > _FEW_CORES else None


class _Ring:
    """Buffers for batches of one shape. They are not pinned: memory that CUDA knows of has to be
    taken from it again before the system does."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        whole = (AHEAD + 1, *shape)
        self._memory = SharedMemory(create=True, size=prod(whole))
        self.shared = Shared(self._memory.name, whole)
        self.buffers = list(torch.from_numpy(self.shared.seen(self._memory)))

    def close(self) -> None:
        self.buffers.clear()
        _forget(self._memory)


@contextmanager
def _shared(array: NDArray[np.uint8] | None) -> Iterator[Shared | None]:
    if array is None:
        yield None
        return
    memory = SharedMemory(create=True, size=array.nbytes)
    try:
        shared = Shared(memory.name, array.shape)
        shared.seen(memory)[:] = array
        yield shared
    finally:
        _forget(memory)


def _forget(memory: SharedMemory) -> None:
    with suppress(BufferError):  # somebody still looks at it; it goes when he is done
        memory.close()
    memory.unlink()


def _end(pool: ProcessPoolExecutor, rings: dict[tuple[int, ...], _Ring]) -> None:
    pool.shutdown(cancel_futures=True)
    for ring in rings.values():
        ring.close()
