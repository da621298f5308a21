"""Painted sections without a colour yet, for training: dyes, labels and grades.

The colour is rendered anew each time a training loop reads a scene, so that a few dozen scenes
show a network every batch of stain it may meet.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoscore.files import write_atomic, write_json
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.painting.section import Scene, paint
from histoscore.phantom.raster import View
from histoscore.phantom.staining import DYE_STEP
from histoscore.records import LabelArray
from histoscore.vocabulary import OARSI_MOUSE, Compartment

__all__ = [
    "DYE_STEP",
    "TRAINING_STREAM",
    "StoredScene",
    "load_scene",
    "random_disease",
    "store_scene",
    "training_scene",
]

TRAINING_STREAM = 7_001
"""Training draws from a stream of seeds of its own: no scene of it can be in a study."""


@dataclass(frozen=True, slots=True)
class StoredScene:
    """A scene on disk, mapped into memory when its pixels are read.

    Attributes:
        pixels: (rows, columns, 5) uint8: three dyes in steps of `DYE_STEP`, tissue, zones.
        grades: the true grade of each compartment.
        mpp: µm per pixel.
    """

    pixels: LabelArray
    grades: Mapping[Compartment, float]
    mpp: float


def random_disease(rng: np.random.Generator) -> dict[Compartment, Disease]:
    """Every rung equally often in every compartment; thinning and the rest apart from it."""
    return {
        compartment: Disease(
            grade=float(rng.choice(OARSI_MOUSE.rungs)),
            thinning=rng.uniform(0.72, 1.1),
            osteophyte=max(0.0, rng.uniform(-3.0, 3.0)),
            sclerosis=max(0.0, rng.uniform(-1.0, 1.0)),
            meniscus=max(0.0, rng.uniform(-1.0, 1.0)),
        )
        for compartment in Compartment
    }


def training_scene(seed: int, mpp: float = 1.0) -> tuple[Scene, Knee]:
    """Scene number `seed`: any disease, a few millimetres around the joint, mounted anyhow."""
    rng = np.random.default_rng([TRAINING_STREAM, seed])
    chance = Chance((TRAINING_STREAM, seed))
    at = Slice(chance.part("animal"), chance.part("section"), rng.uniform(0, 2000))
    size = (rng.uniform(3000, 4400), rng.uniform(2400, 5200))
    knee = build_knee(at, random_disease(rng), size)
    width, height = rng.uniform(2500, 3300), rng.uniform(1700, 2500)
    view = View(
        (round(height / mpp), round(width / mpp)),
        mpp,
        (rng.uniform(-150, 150), rng.uniform(-250, 150)),
        rng.uniform(-25, 25),
        bool(rng.random() < 0.5),
    )
    return paint(knee, view), knee


def store_scene(folder: Path, seed: int, mpp: float = 1.0) -> None:
    """Draws scene `seed` into `folder`: pixels as `.npy`, then the truth as `.json`."""
    scene, knee = training_scene(seed, mpp)
    buffer = io.BytesIO()
    np.save(buffer, np.dstack([scene.dyes, scene.tissue, scene.zones]), allow_pickle=False)
    write_atomic(folder / f"{seed:05d}.npy", buffer.getvalue())
    grades = {bed.compartment.value: bed.disease.grade for bed in knee.beds}
    write_json(folder / f"{seed:05d}.json", {"mpp": mpp, "grades": grades})


def load_scene(folder: Path, seed: int) -> StoredScene:
    """A stored scene, its pixels mapped read-only. Raises FileNotFoundError."""
    truth = json.loads((folder / f"{seed:05d}.json").read_text())
    grades = {Compartment(name): float(grade) for name, grade in truth["grades"].items()}
    pixels = np.load(folder / f"{seed:05d}.npy", mmap_mode="r")
    return StoredScene(pixels, grades, float(truth["mpp"]))
