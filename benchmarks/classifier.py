"""A bare classifier over a large section, taken apart: what reads, what computes, how exactly.

    python -m benchmarks.classifier --out bench/inference

The peers of `benchmarks/peers` classify tiles, so this does: an EfficientNet-Lite0 of random
weights, 256-px tiles at 1 µm/px side by side over the whole of the slide that
`benchmarks.inference` draws. Every pair of a reader (`openslide.read_region`, shrunk; `read_at`)
and an engine, in rounds that follow each other, beside the engine alone on tiles in memory. Writes
the network for the peers (`classifier.pt`, TorchScript) into the same folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import openslide
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.inference import large_slide, shares
from benchmarks.reading import SIDE_PX, grid
from histoscore.geometry import Box, Placement
from histoscore.models.cores import (
    has_fast_bfloat16,
    leave_cores_to_networks,
    reuse_memory,
)
from histoscore.models.engines import Engine, Precision, TorchEngine
from histoscore.models.feeding import Fill
from histoscore.models.openvino_engine import OpenVinoEngine
from histoscore.models.passes import blend_tiles
from histoscore.processes import usable_cores
from histoscore.records import TileGrid
from histoscore.slides.open import open_slide

CLASSES = 5
SHAPE = (32, SIDE_PX, SIDE_PX, 3)
CPU = torch.device("cpu")


class Classifier(nn.Module):
    """The peers' network in an engine's terms: classes for a tile, no zones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        classes = self.network(images)
        return classes, classes


class Gathered:
    """What was said of each tile."""

    def __init__(self) -> None:
        self.rows: list[Tensor] = []

    def add(self, values: Tensor, row: int, column: int) -> None:
        """Keeps a tile's classes."""
        self.rows.append(values.clone())


def classifier() -> nn.Module:
    """EfficientNet-Lite0 with random weights."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES)
    return network.eval()


@contextmanager
def through_region(path: Path, tiles: TileGrid) -> Iterator[Fill]:
    """As most programs read: a region of level 0, shrunk by area."""
    slide = openslide.OpenSlide(str(path))

    def fill(box: Box, pixels: NDArray[np.uint8]) -> None:
        region = slide.read_region((box.x, box.y), 0, (box.width, box.height))
        picture = np.asarray(region.convert("RGB"))
        pixels[:] = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)

    with slide:
        yield fill


@contextmanager
def through_read_at(path: Path, tiles: TileGrid) -> Iterator[Fill]:
    """As histoscore reads."""

    def fill(box: Box, pixels: NDArray[np.uint8]) -> None:
        pixels[:] = slide.read_at(box, tiles.mpp)

    with open_slide(path) as slide:
        yield fill


READERS = {"openslide.read_region": through_region, "read_at": through_read_at}


def engines() -> Iterator[Engine]:
    """PyTorch and OpenVINO, in each precision that the processor multiplies quickly."""
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions if has_fast_bfloat16("cpu") else precisions[:1]:
        yield TorchEngine(Classifier(classifier()), CPU, precision, zones=False)
        yield OpenVinoEngine(Classifier(classifier()), SHAPE, precision, zones=False)


def alone(engine: Engine, tiles: int) -> int:
    """The engine on tiles that lie in memory, in whole batches; says how many those are."""
    batch = torch.from_numpy(np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8))
    batches = -(-tiles // SHAPE[0])
    for _ in range(batches):
        engine(batch)
    return batches * SHAPE[0]


def whole_pass(path: Path, tiles: TileGrid, reader: str, engine: Engine) -> None:
    """Reads, feeds and classifies all tiles of a grid."""
    with READERS[reader](path, tiles) as fill:
        blend_tiles(Gathered(), engine, tiles, Placement(0, 0, 1, tiles.mpp), SHAPE, fill)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    path = large_slide(out)
    example = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
    torch.jit.trace(classifier(), example).save(out / "classifier.pt")  # type: ignore[no-untyped-call]
    leave_cores_to_networks()
    reuse_memory()
    tiles = grid(path, overlap=0)
    print(f"{len(tiles)} tiles, {usable_cores()} cores, batches of {SHAPE[0]}\n")
    print("| engine | reader | alone, tiles/s | whole pass, tiles/s | share of alone |")
    print("|---|---|---|---|---|")
    for engine in engines():
        for reader in READERS:
            cells = shares(
                len(tiles),
                partial(alone, engine, len(tiles)),
                partial(whole_pass, path, tiles, reader, engine),
            )
            print(f"| {engine.name} | {reader} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
