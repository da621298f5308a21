"""Is an accelerator kept busy? One is played by an engine that takes 1 ms a tile and no core.

    python -m benchmarks.accelerator slide.svs [--readers 8]

Runs a pass of the fine network's grid over a whole slide (reading, shrinking, context, batches)
with an engine that only sleeps, as a GPU works while the processor waits, and with a map that
lies on it and so costs the processor nothing. Prints the share of the time in which the engine
was busy, for several speeds of it, and the tile rate at which reading becomes the limit. Threads
read, one a core; with `--readers` that many processes, as for a GPU.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.reading import grid
from histoscore.geometry import Placement
from histoscore.models.cores import leave_cores_to_networks, reuse_memory
from histoscore.models.filling import SlideTiles
from histoscore.models.passes import blend_tiles
from histoscore.models.readers import Readers
from histoscore.processes import usable_cores
from histoscore.slides.open import open_slide

MILLISECONDS = (4.0, 2.0, 1.0, 0.5, 0.0)
BATCH = 32
CHANNELS = 6


class SleepingEngine:
    """Takes its time, and answers nothing."""

    name = "an accelerator, played"
    device = torch.device("cpu")

    def __init__(self, milliseconds: float) -> None:
        self.busy, self._seconds = 0.0, milliseconds / 1e3

    def __call__(self, tiles: Tensor) -> Tensor:
        start = time.perf_counter()
        time.sleep(self._seconds * len(tiles))
        self.busy += time.perf_counter() - start
        return tiles


class NoCanvas:
    """A map on the accelerator: what happens to it costs no core."""

    def add(self, values: Tensor, row: int, column: int) -> None:
        """Nothing."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--readers", type=int, default=0)
    parser.add_argument("--ms", type=float, nargs="*", default=MILLISECONDS)
    arguments = parser.parse_args()
    readers = Readers(arguments.readers) if arguments.readers else None
    leave_cores_to_networks()
    reuse_memory()
    tiles = grid(arguments.slide)
    shape = (BATCH, tiles.side_px, tiles.side_px, CHANNELS)
    print(f"{len(tiles)} tiles, {usable_cores()} cores\n")
    print("| ms a tile | tiles/s | engine busy |\n|---|---|---|")
    with open_slide(arguments.slide) as slide:
        info = slide.info
        downsample = tiles.mpp / info.mpp
        place = Placement(0, 0, downsample, tiles.mpp)
        coarse = Placement(0, 0, 2.6 * downsample, tiles.mpp)
        rows, columns = info.whole.shape_at(2.6 * downsample)
        told = np.zeros((rows, columns, 3), np.uint8)
        fill = SlideTiles(slide, tiles.mpp, told, coarse)
        for milliseconds in arguments.ms:
            engine = SleepingEngine(milliseconds)
            start = time.perf_counter()
            blend_tiles(NoCanvas(), engine, tiles, place, shape, fill, readers=readers)
            seconds = time.perf_counter() - start
            print(
                f"| {milliseconds:g} | {len(tiles) / seconds:.0f} | {engine.busy / seconds:.0%} |"
            )


if __name__ == "__main__":
    main()
