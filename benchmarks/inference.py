"""How near a whole section's inference comes to the network's own speed on the same tiles.

    python -m benchmarks.inference --out bench/inference

Draws one large section (12 000 × 12 000 px and more at 0.5 µm/px), and for each engine times the
fine network over all of it (reading, shrinking, context, network, blending, labels), beside the
network alone on as many tiles that lie in memory; then joint-first against full-section. Start-up,
hashing and export are left out. Ratios are of rounds that follow each other.
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


def forward(predictor: Predictor, tiles: int) -> Callable[[], object]:
    """The fine network alone on so many tiles."""
    spec = predictor.passes.spec("fine")
    shape = (predictor.tiles.batch, spec.tile_px, spec.tile_px, 3 + spec.context)
    engine = predictor.passes.ready("fine", shape)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    batch = torch.from_numpy(noise)

    def work() -> None:
        for _ in range(-(-tiles // shape[0])):
            engine(batch)

    return work


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
        box = Box(0, 0, slide.info.width, slide.info.height)
        for name in ENGINES:
            predictor = Predictor.of(bundle, "cpu", TileSettings(), name)
            whole, tiles = whole_pass(predictor, slide, box)
            alone = forward(predictor, tiles)
            rounds = [(timed(whole), timed(alone)) for _ in range(ROUNDS)]
            passes, by_itself = (median(column) for column in zip(*rounds, strict=True))
            share = median(a / p for p, a in rounds)
            rates = f"{tiles / by_itself:.1f} | {tiles / passes:.1f}"
            print(f"| {predictor.engine} | {tiles} | {rates} | {share:.2f} |", flush=True)
            first, full = (
                timed(partial(read_section, predictor, slide, box, None, everything))
                for everything in (False, True)
            )
            print(f"  joint first {first:.0f} s, full section {full:.0f} s", flush=True)


if __name__ == "__main__":
    main()
