"""How fast tiles come out of a scanner's slide: here, through OpenSlide, and at the least possible.

    python -m benchmarks.reading slide.svs

Reads the tiles of the fine network's grid (256 px at 1 µm/px, overlapping by an eighth, in file
order) of a JPEG-tiled slide on one thread and on all cores: through `read_at`; through
`openslide.read_region` alone, without shrinking; and as bare decoding of every stored tile under
them, once. Process time a tile for one thread, wall time for several; ratios of one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import openslide
import tifffile

from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.tiles import grid_over
from histoscore.models.cores import usable_cores
from histoscore.slides.open import open_slide
from histoscore.slides.segments import Segments

SIDE_PX, MPP, OVERLAP = 256, Mpp(1.0), 0.125
ROUNDS = 5


def grid(path: Path, most: int) -> tuple[Box, ...]:
    """The first `most` boxes of the grid over the whole slide."""
    with open_slide(path) as slide:
        info = slide.info
        whole = Box(0, 0, info.width, info.height)
        place = Placement(0, 0, 8, Mpp(info.mpp * 8))
        mask = np.ones(whole.shape_at(8), bool)
        return grid_over(mask, place, SIDE_PX, MPP, info.mpp, OVERLAP, whole).boxes()[:most]


def timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds that a piece of work takes."""
    start = clock()
    work()
    return clock() - start


def stream(path: Path, boxes: Sequence[Box], threads: int) -> Callable[[], object]:
    """Reads the boxes of a slide opened anew."""

    def work() -> None:
        with open_slide(path) as slide, ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda box: slide.read_at(box, MPP), boxes):
                pass

    return work


def regions(path: Path, boxes: Sequence[Box]) -> Callable[[], object]:
    """The same boxes through OpenSlide, nothing done with them."""

    def work() -> None:
        with openslide.OpenSlide(path) as slide:
            for box in boxes:
                slide.read_region((box.x, box.y), 0, (box.width, box.height))

    return work


def bare(path: Path, boxes: Sequence[Box]) -> Callable[[], object]:
    """Every stored tile under the boxes, read and decoded once."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        columns, rows = page.tilewidth, page.tilelength
        across, down = -(-page.imagewidth // columns), -(-page.imagelength // rows)
        segments = Segments(path, {0: page})
    under = {
        row * across + column
        for box in boxes
        for row in range(max(0, box.y // rows), min(down, -(-box.bottom // rows)))
        for column in range(max(0, box.x // columns), min(across, -(-box.right // columns)))
    }
    return lambda: [segments.samples(0, index) for index in sorted(under)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--tiles", type=int, default=200)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    path, boxes = arguments.slide, grid(arguments.slide, arguments.tiles)
    cores = usable_cores()
    ways = {
        "bare decoding, one thread": (bare(path, boxes), time.process_time),
        "read_at, one thread": (stream(path, boxes, 1), time.process_time),
        "openslide.read_region, one thread": (regions(path, boxes), time.process_time),
        f"read_at, {cores} threads, wall time": (stream(path, boxes, cores), time.perf_counter),
    }
    rounds = [{name: timed(*way) for name, way in ways.items()} for _ in range(ROUNDS)]
    least = {name: min(one[name] for one in rounds) for name in ways}
    print(
        f"{len(boxes)} tiles, best of {ROUNDS}\n\n| | ms a tile | × bare decoding |\n|---|---|---|"
    )
    base = next(iter(least.values()))
    for name, seconds in least.items():
        print(f"| {name} | {1e3 * seconds / len(boxes):.2f} | {seconds / base:.2f} |")
    bare_time, read_at, region, _ = (
        statistics.median(one[name] for one in rounds) for name in ways
    )
    print(f"\nmedians: read_region ÷ read_at {region / read_at:.1f}, bare ÷ read_at "
          f"{bare_time / read_at:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
