"""A whole training in miniature: six scenes, two steps a network. What it learns is nothing."""

from __future__ import annotations

from contextlib import suppress
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
data: {kind: phantom, first_seed: 40, joints: 5, joint_mpp: 4.0, sections: 1, section_mpp: 9.0}
split: {validation: 0.3, calibration: 0.3}
coarse:
  network: {kind: segmentation, depth: 3, mpp: 8.0, tile_px: 96}
  training: {steps: 2, batch: 2, side_px: 64, check_every: 1, check_tiles: 2}
fine:
  network: {kind: segmentation, depth: 3, context: 3, mpp: 4.0, tile_px: 96}
  training: {steps: 2, batch: 2, side_px: 64, check_tiles: 2}
grader:
  network: {kind: grader, depth: 3, mpp: 4.0, tile_px: 320}
  training: {epochs: 2, batch: 4}
calibration: {colours: 2}
"""
JOINTS = tuple(f"j{seed:05d}" for seed in range(40, 45))
SECTION = "s00040"
STAGES = (
    "stages/coarse.safetensors",
    "stages/fine.safetensors",
    "examples/j00040.npy",
    "examples/s00040.npy",
)


class PowerCutError(Exception):
    """Ends a training in the middle."""


@dataclass(frozen=True)
class Miniature:
    """A training that was interrupted twice and then finished.

    The first go is killed in the middle of the coarse network. What networks that have learnt
    nothing find is chance, so strips are put there by hand: none, and the second go ends where the
    grader wants some; then drawn ones, and the same line again goes on.
    """

    config: Path
    out: Path
    bundle: Path
    refusal: str
    times: dict[str, tuple[int, int]] = field(default_factory=dict)
    said: tuple[list[str], ...] = ()


def train_in_miniature(folder: Path) -> Miniature:
    config, out = folder / "miniature.yaml", folder / "training"
    config.write_text(CONFIG)
    said: tuple[list[str], ...] = ([], [], [])

    def report_until_the_last_step(line: str) -> None:
        said[0].append(line)
        if line.startswith("step 2/2"):
            raise PowerCutError

    with suppress(PowerCutError):
        train_from_config(config, out, report_until_the_last_step)
    put_strips(out, ())
    try:
        train_from_config(config, out, said[1].append)
    except ModelError as error:
        refusal = str(error)
    before = {name: (out / name).stat().st_mtime_ns for name in STAGES}
    put_strips(out, tuple(Compartment))
    bundle = train_from_config(config, out, said[2].append)
    times = {name: (time, (out / name).stat().st_mtime_ns) for name, time in before.items()}
    return Miniature(config, out, bundle, refusal, times, said)


def put_strips(out: Path, compartments: tuple[Compartment, ...]) -> None:
    """Strips of a drawn layer for all joints, as `cut_strips` would store them."""
    (out / "strips").mkdir(exist_ok=True)
    for name in JOINTS:
        strips = {c.value: _strip(90 + 10 * c.code) for c in compartments}
        np.savez(out / "strips" / f"{name}.npz", allow_pickle=False, **strips)


def _strip(length: int) -> np.ndarray:
    pixels = np.zeros((ABOVE_PX + BELOW_PX, length, 5), np.uint8)
    pixels[ABOVE_PX - 14 : ABOVE_PX, :, (0, 3)] = (110, 255)
    pixels[ABOVE_PX : ABOVE_PX + 10, :, (1, 4)] = (60, 255)
    return pixels
