"""Tiles on their way to a network: in order, ahead of it, and in memory that does not grow."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from histoscore.geometry import Box
from histoscore.models.feeding import AHEAD, fed

SHAPE = (4, 8, 8, 5)
BOXES = [Box(number, 7 * number, 8, 8) for number in range(23)]


def fill(box: Box, pixels: NDArray[np.uint8]) -> None:
    pixels[:] = box.x
    pixels[0, 0, 0] = 200 + box.x


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 23])
def test_every_tile_comes_once_and_in_order(threads: int, count: int) -> None:
    seen: list[Box] = []
    for batch in fed(fill, BOXES[:count], SHAPE, threads, pinned=False):
        assert tuple(batch.tiles.shape) == SHAPE, "the last batch too"
        for box, tile in zip(batch.boxes, batch.tiles.numpy(), strict=False):
            assert tile[0, 0, 0] == 200 + box.x
            assert (tile[1:] == box.x).all()
        seen += batch.boxes
    assert seen == BOXES[:count]


def test_buffers_are_used_again() -> None:
    places = {
        batch.tiles.data_ptr() for batch in fed(fill, BOXES * 9, SHAPE, threads=2, pinned=False)
    }
    assert len(places) == AHEAD + 1


def test_tiles_are_read_ahead_but_not_all() -> None:
    begun: list[int] = []

    def counted(box: Box, pixels: NDArray[np.uint8]) -> None:
        begun.append(box.x)

    with closing(fed(counted, BOXES, SHAPE, threads=2, pinned=False)) as batches:
        next(batches)
        deadline = time.monotonic() + 20
        while len(begun) < (AHEAD + 1) * SHAPE[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(begun) == (AHEAD + 1) * SHAPE[0]


def test_what_reading_raises_is_raised_when_that_batch_is_due() -> None:
    def broken(box: Box, pixels: NDArray[np.uint8]) -> None:
        if box.x == 9:
            raise OSError("tile 9")

    batches = fed(broken, BOXES, SHAPE, threads=2, pinned=False)
    assert [next(batches).boxes[0].x for _ in range(2)] == [0, 4]
    with pytest.raises(OSError, match="tile 9"):
        next(batches)


def test_who_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with closing(fed(fill, BOXES, SHAPE, threads=3, pinned=False)) as batches:
        next(batches)
    assert threading.active_count() == before
