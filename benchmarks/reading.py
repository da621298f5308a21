"""How fast tiles come out of a scanner's slide: here, through OpenSlide, and at the least possible.

    python -m benchmarks.reading slide.svs

Reads the tiles of the fine network's grid (256 px at 1 µm/px, overlapping by an eighth, in file
order) of a JPEG-tiled slide on one thread and on all cores: through `read_at`; through
`openslide.read_region` alone, without shrinking; and as bare decoding of every stored tile under
them, once. Process time a tile for one thread, wall time for several; ratios of one run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import openslide
import tifffile

from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.tiles import grid_over
from histoscore.processes import usable_cores
from histoscore.records import TileGrid
from histoscore.slides.open import open_slide
from histoscore.slides.openslide_reader import OpenSlideReader
from histoscore.slides.segments import Segments

SIDE_PX, MPP, OVERLAP = 256, Mpp(1.0), 0.125
ROUNDS = 5
BARE, READ_AT, REGION = (
    f"{way}, one thread" for way in ("bare decoding", "read_at", "openslide.read_region")
)


def grid(path: Path, overlap: float = OVERLAP) -> TileGrid:
    """The fine network's grid over the whole slide."""
    with open_slide(path) as slide:
        info = slide.info
        whole = info.whole
        place = Placement(0, 0, 8, Mpp(info.mpp * 8))
        mask = np.ones(whole.shape_at(8), bool)
        return grid_over(mask, place, SIDE_PX, MPP, info.mpp, overlap, whole)


def timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds that a piece of work takes."""
    start = clock()
    work()
    return clock() - start


def stream(path: Path, boxes: Sequence[Box], mpp: Mpp, threads: int) -> Callable[[], object]:
    """Reads the boxes of a slide; nothing of them is kept from before."""
    slide = open_slide(path)
    slide.read_at(boxes[0], mpp)  # its tiles are compared with OpenSlide's now
    assert isinstance(slide, OpenSlideReader)

    def work() -> None:
        assert slide._tiles
        assert slide._tiles._segments
        slide._tiles._segments._cache.clear()
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda box: slide.read_at(box, mpp), boxes):
                pass

    return work


def regions(path: Path, boxes: Sequence[Box]) -> Callable[[], object]:
    """The same boxes through OpenSlide, nothing done with them."""
    slide = openslide.OpenSlide(path)

    def work() -> None:
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
    path, whole, cores = arguments.slide, grid(arguments.slide), usable_cores()
    boxes = whole.boxes()[: arguments.tiles]
    ways = {
        BARE: (bare(path, boxes), time.process_time),
        READ_AT: (stream(path, boxes, whole.mpp, 1), time.process_time),
        REGION: (regions(path, boxes), time.process_time),
        f"read_at, {cores} threads, wall time": (
            stream(path, boxes, whole.mpp, cores),
            time.perf_counter,
        ),
    }
    rounds = [{name: timed(*way) for name, way in ways.items()} for _ in range(ROUNDS)]
    print(f"{len(boxes)} tiles of {whole.side_px0} px, shrunk to {SIDE_PX}; best of {ROUNDS}\n")
    print("| | ms a tile | × bare decoding |\n|---|---|---|")
    least = {name: min(one[name] for one in rounds) for name in ways}
    for name, seconds in least.items():
        print(f"| {name} | {1e3 * seconds / len(boxes):.2f} | {seconds / least[BARE]:.2f} |")
    print(f"\nread_region ÷ read_at {median(one[REGION] / one[READ_AT] for one in rounds):.1f}, ")
    print(f"bare ÷ read_at {median(one[BARE] / one[READ_AT] for one in rounds):.2f}, of each round")


if __name__ == "__main__":
    main()
