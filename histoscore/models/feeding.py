"""Tiles on their way to a network: read in threads, into a ring of buffers that are used again.

Reading starves networks: decoding takes longer than a fast network does, and a network that waits
for its tiles idles. So tiles are read a few batches ahead, in as many threads as there are cores,
and no buffer is allocated twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histoscore.geometry import Box

Fill = Callable[[Box, NDArray[np.uint8]], None]
"""Writes a tile's pixels into (rows, columns, channels)."""

Ask = Callable[[tuple[Box, ...], int], list[Future[None]]]

AHEAD = 2
"""Full batches that wait while one is being worked on."""


@dataclass(frozen=True, slots=True)
class TileBatch:
    """Tiles of one fixed shape; `boxes` are those of the first ones, the rest is padding.

    `tiles` (batch, rows, columns, channels) uint8 is overwritten once the next batch is asked for.
    """

    tiles: Tensor
    boxes: tuple[Box, ...]


def fed(
    fill: Fill, boxes: Sequence[Box], shape: tuple[int, int, int, int], threads: int, pinned: bool
) -> Generator[TileBatch, None, None]:
    """Batches of tiles in order, the last one padded to the same shape.

    Args:
        fill: called from several threads. boxes: one a tile.
        shape: (batch, rows, columns, channels).
        threads: that read. pinned: in memory that a GPU copies from without waiting.

    Raises:
        Whatever `fill` raises, when that batch is due.
    """
    ring = [torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned) for _ in range(AHEAD + 1)]
    with ThreadPoolExecutor(max(1, threads)) as pool:

        def ask(group: tuple[Box, ...], buffer: int) -> list[Future[None]]:
            pixels = ring[buffer].numpy()
            return [pool.submit(fill, box, pixels[place]) for place, box in enumerate(group)]

        yield from batches(ask, ring, boxes)


def batches(
    ask: Ask, ring: Sequence[Tensor], boxes: Sequence[Box]
) -> Generator[TileBatch, None, None]:
    """Batches of tiles in order from a ring of `AHEAD` + 1 buffers.

    Args:
        ask: has boxes' tiles written, in order, into the buffer of that number.
    """
    size = len(ring[0])
    groups = [tuple(boxes[i : i + size]) for i in range(0, len(boxes), size)]
    waiting: deque[list[Future[None]]] = deque()
    try:
        for number, group in enumerate(groups[:AHEAD]):
            waiting.append(ask(group, number))
        for number, group in enumerate(groups):
            if number + AHEAD < len(groups):
                waiting.append(ask(groups[number + AHEAD], (number + AHEAD) % len(ring)))
            for future in waiting.popleft():
                future.result()
            yield TileBatch(ring[number % len(ring)], group)
    finally:
        left = [future for futures in waiting for future in futures]
        for future in left:
            future.cancel()
        wait(left)
