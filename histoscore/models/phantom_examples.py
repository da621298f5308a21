"""Painted sections as examples: every one an animal of its own, with its true grades."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from histoscore.config import Settings
from histoscore.models.examples import ExampleFacts, store_example
from histoscore.phantom.scenes import Frame, training_scene
from histoscore.processes import usable_cores
from histoscore.vocabulary import Compartment, Zone

SCORER = "truth"
"""Whose grades a painted section has."""

_ZONE_OF_CODE = np.array([Zone.NONE, *(Zone.of(c) for c in Compartment)], np.uint8)


class PhantomData(Settings):
    """Painted sections: of every animal one, either its joint finely or the whole coarsely."""

    kind: Literal["phantom"]
    first_seed: int = Field(0, ge=0)
    joints: int = Field(220, ge=0, description="scenes of the joint")
    joint_mpp: float = Field(1.0, gt=0.2, lt=8)
    sections: int = Field(180, ge=0, description="scenes of whole sections")
    section_mpp: float = Field(2.0, gt=0.2, lt=16)


def prepare_phantoms(data: PhantomData, out: Path, report: Callable[[str], None]) -> None:
    """Paints the scenes that are not there yet, a process a core."""
    frames: tuple[tuple[Frame, int, float], ...] = (
        ("joint", data.joints, data.joint_mpp),
        ("section", data.sections, data.section_mpp),
    )
    jobs = [
        (frame, seed, mpp)
        for frame, count, mpp in frames
        for seed in range(data.first_seed, data.first_seed + count)
    ]
    missing = [job for job in jobs if not (out / f"{_name(*job[:2])}.json").exists()]
    if not missing:
        return
    with ProcessPoolExecutor(usable_cores(), get_context("spawn")) as pool:
        for number, _ in enumerate(pool.map(partial(_paint, out), missing), 1):
            if number % 20 == 0 or number == len(missing):
                report(f"{number} of {len(missing)} scenes painted")


def _name(frame: Frame, seed: int) -> str:
    return f"{frame[0]}{seed:05d}"


def _paint(out: Path, job: tuple[Frame, int, float]) -> None:
    cv2.setNumThreads(1)  # a process a core
    frame, seed, mpp = job
    name, scene = _name(frame, seed), training_scene(seed, mpp, frame)
    pixels = np.dstack([scene.dyes, scene.tissue, _ZONE_OF_CODE[scene.zones]])
    facts = ExampleFacts(
        colours="dyes",
        mpp=mpp,
        animal=name,
        slide=name,
        medial=scene.medial,
        grades={compartment: {SCORER: grade} for compartment, grade in scene.grades.items()},
    )
    store_example(out, name, pixels, facts)
