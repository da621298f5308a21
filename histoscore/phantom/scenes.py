"""Painted sections without a colour yet, for training: dyes, labels and grades.

The colour is rendered anew each time a training loop reads a scene, so that a few hundred scenes
show a network every batch of stain it may meet. Whole sections, coarsely, teach what is where;
joints, finely, teach boundaries and lesions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from histoscore.phantom.artefacts import STANDARD, damage
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.staining import DYE_STEP
from histoscore.records import LabelArray, MedialSide
from histoscore.vocabulary import OARSI_MOUSE, Compartment

__all__ = [
    "DYE_STEP",
    "TRAINING_STREAM",
    "Frame",
    "TrainingScene",
    "random_disease",
    "training_scene",
]

TRAINING_STREAM = 7_001
"""Training draws from a stream of seeds of its own: no scene of it can be in a study."""

Frame = Literal["joint", "section"]
"""What a scene shows: some millimetres around the joint, or a whole section on its glass."""

_RIM_UM = (60.0, 500.0)
"""Glass around a whole section, least and most."""
_STREAMS: dict[Frame, int] = {"joint": 0, "section": 1}


@dataclass(frozen=True, slots=True)
class TrainingScene:
    """One animal's section as the painter leaves it.

    Attributes:
        dyes: (rows, columns, 3) uint8 in steps of `DYE_STEP`.
        tissue: (rows, columns) `Tissue` values, `IGNORE` where the section lies double.
        zones: (rows, columns) `Compartment.code` on cartilage and the bone under it, else 0.
        mpp: µm per pixel.
        medial: where the medial half lies when the femur is turned up.
        grades: of every compartment.
    """

    dyes: LabelArray
    tissue: LabelArray
    zones: LabelArray
    mpp: float
    medial: MedialSide
    grades: Mapping[Compartment, float]


def random_disease(rng: np.random.Generator) -> dict[Compartment, Disease]:
    """Every rung equally often in every compartment; thinning and the rest apart from it."""
    return {
        compartment: Disease(
            grade=float(rng.choice(OARSI_MOUSE.rungs)),
            thinning=rng.uniform(0.68, 1.15),
            osteophyte=max(0.0, rng.uniform(-3.0, 3.0)),
            sclerosis=max(0.0, rng.uniform(-1.0, 1.0)),
            meniscus=max(0.0, rng.uniform(-1.0, 1.0)),
        )
        for compartment in Compartment
    }


def training_scene(seed: int, mpp: float, frame: Frame = "joint") -> TrainingScene:
    """Scene number `seed` of its kind: any disease, mounted anyhow, damaged as often as usual."""
    rng = np.random.default_rng([TRAINING_STREAM, _STREAMS[frame], seed])
    chance = Chance((TRAINING_STREAM, _STREAMS[frame], seed))
    at = Slice(chance.part("animal"), chance.part("section"), rng.uniform(0, 2000))
    size = (rng.uniform(2600, 4600), rng.uniform(2400, 5600))
    knee = build_knee(at, random_disease(rng), size)
    view = _joint(mpp, rng) if frame == "joint" else _section(size, mpp, rng)
    scene = paint(knee, view)
    damage(scene.dyes, scene.tissue, mpp, STANDARD, chance.of("damage"))
    grades = {bed.compartment: bed.disease.grade for bed in knee.beds}
    medial: MedialSide = "right" if view.mirrored else "left"
    return TrainingScene(scene.dyes, scene.tissue, scene.zones, mpp, medial, grades)


def _joint(mpp: float, rng: np.random.Generator) -> View:
    """Some millimetres around the joint; now and then its edge cuts off a part of it."""
    width, height = rng.uniform(2500, 3300), rng.uniform(1300, 2100)
    return View(
        (round(height / mpp), round(width / mpp)),
        mpp,
        (rng.uniform(-150, 150), rng.uniform(-250, 150)),
        rng.uniform(-25, 25),
        bool(rng.random() < 0.5),
    )


def _section(size: tuple[float, float], mpp: float, rng: np.random.Generator) -> View:
    """The whole section and a rim of glass."""
    degrees, rim = rng.uniform(-25, 25), 2 * rng.uniform(*_RIM_UM)
    cos, sin = np.cos(np.deg2rad(degrees)), abs(np.sin(np.deg2rad(degrees)))
    width, height = size
    shape = (
        round((sin * width + cos * height + rim) / mpp),
        round((cos * width + sin * height + rim) / mpp),
    )
    return View(shape, mpp, (0.0, -60.0), degrees, bool(rng.random() < 0.5))
