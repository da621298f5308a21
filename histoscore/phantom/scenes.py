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
from histoscore.phantom.anatomy import Knee, build_knee
from histoscore.phantom.lesions import Disease
from histoscore.phantom.raster import View
from histoscore.phantom.tissue import Scene, paint
from histoscore.phantom.traits import sample_traits, vary
from histoscore.records import LabelArray
from histoscore.vocabulary import OARSI_MOUSE, Compartment

TRAINING_STREAM = 7_001
"""Training draws from a stream of seeds of its own: no scene of it can be in a study."""

DYE_STEP = 0.01
"""Optical density of one grey level in a stored scene."""


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
    """Every rung equally often in every compartment, thinning apart from it."""
    return {
        compartment: Disease(float(rng.choice(OARSI_MOUSE.rungs)), rng.uniform(0.72, 1.1))
        for compartment in Compartment
    }


def training_scene(seed: int, mpp: float = 1.0) -> tuple[Scene, Knee]:
    """Scene number `seed`: any disease, a few millimetres around the joint, mounted anyhow."""
    rng = np.random.default_rng([TRAINING_STREAM, seed])
    knee = build_knee(vary(sample_traits(rng), rng), random_disease(rng), rng)
    width, height = rng.uniform(2500, 3300), rng.uniform(1700, 2500)
    view = View(
        (round(height / mpp), round(width / mpp)),
        mpp,
        (rng.uniform(-150, 150), rng.uniform(-250, 150)),
        rng.uniform(-25, 25),
        bool(rng.random() < 0.5),
    )
    return paint(knee, view, rng), knee


def store_scene(folder: Path, seed: int, mpp: float = 1.0) -> None:
    """Draws scene `seed` into `folder`: pixels as `.npy`, then the truth as `.json`."""
    scene, knee = training_scene(seed, mpp)
    levels = np.clip(scene.dyes / DYE_STEP + 0.5, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, np.dstack([levels, scene.tissue, scene.zones]), allow_pickle=False)
    write_atomic(folder / f"{seed:05d}.npy", buffer.getvalue())
    grades = {bed.compartment.value: bed.disease.grade for bed in knee.beds}
    write_json(folder / f"{seed:05d}.json", {"mpp": mpp, "grades": grades})


def load_scene(folder: Path, seed: int) -> StoredScene:
    """A stored scene, its pixels mapped read-only. Raises FileNotFoundError."""
    truth = json.loads((folder / f"{seed:05d}.json").read_text())
    grades = {Compartment(name): float(grade) for name, grade in truth["grades"].items()}
    pixels = np.load(folder / f"{seed:05d}.npy", mmap_mode="r")
    return StoredScene(pixels, grades, float(truth["mpp"]))
