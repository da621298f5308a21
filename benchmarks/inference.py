"""How near a whole section's inference comes to the network's own speed on the same tiles.

    python -m benchmarks.inference --out bench/inference

Draws one large section (more than 12 000 × 12 000 px at 0.5 µm/px), and for each engine times the
fine network over 12 000 × 12 000 px of it (reading, shrinking, context, network, blending, labels),
between two times of the network alone on as many tiles that lie in memory; then joint-first against
full-section. Start-up, hashing and export are left out. A round's share is the mean of the
network's two times ÷ the pass between them: a shared machine slows down and speeds up meanwhile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

from histoscore.config import TileSettings
from histoscore.geometry import Box
from histoscore.models.bundle import find_bundle
from histoscore.models.cores import leave_cores_to_networks, reuse_memory
from histoscore.models.engines import EngineName
from histoscore.models.predict import Predictor
from histoscore.models.reading import read_section
from histoscore.phantom.study import write_phantom_study
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide

SEED = 8_501
LARGE = ("width_um=6000", "height_um=6000", "sections=[1,1]", "mpp=0.5", "upside_down=0")
ENGINES: tuple[EngineName, ...] = ("torch", "openvino")
SIDE_PX0 = 12_000
ROUNDS = 3
CPU = torch.device("cpu")


def large_slide(out: Path) -> Path:
    """The slide that all benchmarks of inference share; drawn where it is not there yet."""
    if not (out / "truth.csv").exists():
        write_phantom_study(out, 1, SEED, overrides=LARGE)
    return next((out / "slides").iterdir())


def timed(work: Callable[[], object], device: torch.device = CPU) -> float:
    """Seconds until a device has done a piece of work."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def whole_pass(predictor: Predictor, slide: Slide, box: Box) -> tuple[Callable[[], object], int]:
    """The fine pass over all of a box, and how many tiles that is."""
    coarse = predictor.coarse(slide, box)
    everywhere = np.ones(coarse.tissue.shape[1:], bool)
    totals: list[int] = []

    def work() -> None:
        predictor.fine(slide, coarse, everywhere, lambda _, of: totals.append(of))

    work()  # the first is slower
    return work, totals[-1]


def forward(predictor: Predictor, tiles: int) -> Callable[[], int]:
    """The fine network alone on so many tiles, in whole batches; says how many those are."""
    shape = predictor.passes.shape("fine")
    engine = predictor.passes.ready("fine", shape)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    batch = torch.from_numpy(noise)

    batches = -(-tiles // shape[0])

    def work() -> int:
        for _ in range(batches):
            engine(batch)
        return batches * shape[0]

    return work


def middle_of(slide: Slide, side: int = SIDE_PX0) -> Box:
    """A square in the middle of a slide, as large as it may be."""
    info = slide.info
    side = min(side, info.width, info.height)
    return Box((info.width - side) // 2, (info.height - side) // 2, side, side)


def shares(
    tiles: int,
    alone: Callable[[], int],
    whole: Callable[[], object],
    device: torch.device = CPU,
) -> str:
    """Cells of a table: rates of the network alone and of whole passes over `tiles`, and their
    ratio, with the least and the largest. `alone` says how many tiles it did."""
    computed = alone()  # the first is slower
    times, found = [timed(alone, device) / computed], []
    passes = []
    for _ in range(ROUNDS):
        passes.append(timed(whole, device) / tiles)
        times.append(timed(alone, device) / computed)
        found.append((times[-2] + times[-1]) / 2 / passes[-1])
    rates = f"{1 / median(times):.1f} | {1 / median(passes):.1f}"
    return f"{rates} | {median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    arguments = parser.parse_args()
    path = large_slide(arguments.out)
    leave_cores_to_networks()
    reuse_memory()
    bundle = find_bundle(arguments.model)
    print("| engine | tiles | network alone, tiles/s | whole pass, tiles/s | share |")
    print("|---|---|---|---|---|")
    with open_slide(path) as slide:
        whole_slide = slide.info.whole
        box = middle_of(slide)
        for name in ENGINES:
            predictor = Predictor.of(bundle, "cpu", TileSettings(), name)
            whole, tiles = whole_pass(predictor, slide, box)
            alone = forward(predictor, tiles)
            cells = shares(tiles, alone, whole)
            print(f"| {predictor.engine} | {tiles} | {cells} |", flush=True)
            first, full = (
                timed(partial(read_section, predictor, slide, whole_slide, None, everything))
                for everything in (False, True)
            )
            print(f"  joint first {first:.0f} s, full section {full:.0f} s", flush=True)


if __name__ == "__main__":
    main()
