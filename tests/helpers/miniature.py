"""A whole training in miniature: two scenes, two steps a network. What it learns is nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from histoscore.errors import ModelError
from histoscore.image.strips import ABOVE_PX, BELOW_PX
from histoscore.models.train import train_from_config
from histoscore.vocabulary import Compartment

CONFIG = """
name: miniature
seed: 7
scenes: {first_seed: 40, count: 2, mpp: 3.0}
coarse:
  network: {kind: segmentation, depth: 3, mpp: 6.0, tile_px: 96}
  training: {steps: 2, batch: 2, side_px: 64}
fine:
  network: {kind: segmentation, depth: 3, context: 3, mpp: 3.0, tile_px: 96}
  training: {steps: 2, batch: 2, side_px: 64}
grader:
  network: {kind: grader, depth: 3, mpp: 3.0, tile_px: 320}
  training: {epochs: 2, batch: 4}
"""
STAGES = (
    "stages/coarse.safetensors",
    "stages/fine.safetensors",
    "scenes/00040.npy",
    "scenes/00041.npy",
)


@dataclass(frozen=True)
class Miniature:
    """A training that was interrupted once and then finished.

    Networks that have learnt nothing find no joint, so the first go ends where the grader wants
    strips; strips are then put there by hand, and the same line again goes on.
    """

    config: Path
    out: Path
    bundle: Path
    refusal: str
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def train_in_miniature(folder: Path) -> Miniature:
    config, out = folder / "miniature.yaml", folder / "training"
    config.write_text(CONFIG)
    said: list[str] = []
    try:
        train_from_config(config, out, said.append)
    except ModelError as error:
        refusal = str(error)
    before = {name: (out / name).stat().st_mtime_ns for name in STAGES}
    put_strips(out)
    said.append("again")
    bundle = train_from_config(config, out, said.append)
    times = {name: (time, (out / name).stat().st_mtime_ns) for name, time in before.items()}
    return Miniature(config, out, bundle, refusal, times, said)


def put_strips(out: Path) -> None:
    """Strips of a drawn layer for both scenes, as `cut_strips` would store them."""
    for number in (40, 41):
        strips = {c.value: _strip(90 + 10 * c.code) for c in Compartment}
        np.savez(out / "strips" / f"{number:05d}.npz", allow_pickle=False, **strips)


def _strip(length: int) -> np.ndarray:
    pixels = np.zeros((ABOVE_PX + BELOW_PX, length, 5), np.uint8)
    pixels[ABOVE_PX - 14 : ABOVE_PX, :, (0, 3)] = (110, 255)
    pixels[ABOVE_PX : ABOVE_PX + 10, :, (1, 4)] = (60, 255)
    return pixels
