"""How near a GPU comes to its own speed over a whole section, and what bfloat16 changes there.

    python -m benchmarks.gpu --out bench/inference

For each precision and batch: the fine network alone on tiles that lie in memory, the whole pass
over the slide that `benchmarks.inference` draws, the share of the one in the other, the GPU's peak
memory, and the share of pixels with the label that the CPU in float32 gives (on the middle of the
section). `--device cpu` runs the same without a GPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.inference import forward, large_slide, middle_of, shares, whole_pass
from histoscore.config import TileSettings
from histoscore.geometry import Box
from histoscore.models.bundle import ModelBundle, find_bundle
from histoscore.models.cores import leave_cores_to_networks, reuse_memory
from histoscore.models.engines import Precision
from histoscore.models.predict import Predictor
from histoscore.records import LabelArray
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
BATCHES = (8, 32, 128)
MIDDLE_PX = 3_000
"""Side of the part, level-0 pixels, in which labels are compared."""


def labels(predictor: Predictor, slide: Slide, box: Box) -> LabelArray:
    """The fine network's labels everywhere in a box."""
    coarse = predictor.coarse(slide, box)
    return predictor.fine(slide, coarse, np.ones(coarse.tissue.shape[1:], bool)).tissue


def line(
    bundle: ModelBundle,
    slide: Slide,
    device: str,
    precision: Precision,
    batch: int,
    told: LabelArray,
) -> str:
    """One row of the table."""
    predictor = Predictor.of(bundle, device, TileSettings(batch=batch), "torch", precision)
    on = predictor.device
    if on.type == "cuda":
        torch.cuda.reset_peak_memory_stats(on)
    whole, tiles = whole_pass(predictor, slide, slide.info.whole)
    cells = shares(tiles, forward(predictor, tiles), whole, on)
    memory = torch.cuda.max_memory_allocated(on) / 2**30 if on.type == "cuda" else float("nan")
    same = float((labels(predictor, slide, middle_of(slide, MIDDLE_PX)) == told).mean())
    return f"| {predictor.engine} | {batch} | {tiles} | {cells} | {memory:.2f} | {same:.3%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("there is no CUDA device here; --device cpu shows that the benchmark runs")
    leave_cores_to_networks()
    reuse_memory()
    bundle = find_bundle(arguments.model)
    with open_slide(large_slide(arguments.out)) as slide:
        here = Predictor.of(bundle, "cpu", TileSettings(), "torch", "float32")
        told = labels(here, slide, middle_of(slide, MIDDLE_PX))
        print(
            "| device | batch | tiles | network alone, tiles/s | whole pass, tiles/s | share "
            "| GiB | labels as on a CPU |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for precision in PRECISIONS:
            for batch in BATCHES:
                row = line(bundle, slide, arguments.device, precision, batch, told)
                print(row, flush=True)


if __name__ == "__main__":
    main()
