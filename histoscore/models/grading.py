"""How the grader learns: strips of painted scenes, found and cut by the segmentation networks."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from histoscore.errors import ModelError
from histoscore.files import write_atomic
from histoscore.geometry import Box, Mpp
from histoscore.image.strips import ABOVE_PX
from histoscore.models.augment import random_colour
from histoscore.models.bundle import NetworkSpec
from histoscore.models.learning import Learner, LearningSettings, Report, TrainingLog
from histoscore.models.predict import Predictor, collate_strips
from histoscore.models.reading import read_joint, read_strip
from histoscore.phantom.scenes import StoredScene
from histoscore.records import MedialSide, Strip
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Compartment, Ladder


class GraderSettings(LearningSettings):
    """The grader's training."""

    epochs: int = Field(12, ge=1)
    batch: int = Field(12, ge=1, description="strips a step")
    softness: float = Field(
        0.25, gt=0, description="soft labels fall by e over this distance, in grades"
    )


@dataclass(frozen=True, slots=True)
class DyeStrip:
    """A compartment's strip before it has a colour, with its true grade.

    `pixels` (depth, length, 5): three dye levels and two label masks.
    """

    pixels: NDArray[np.uint8]
    compartment: Compartment
    grade: float
    mpp: Mpp


def cut_strips(predictor: Predictor, scene: StoredScene, seed: int, file: Path) -> None:
    """Reads a scene as a slide in one random colour and stores its compartments' dye strips."""
    rng = np.random.default_rng([7_002, seed])
    dyes = np.ascontiguousarray(scene.pixels[..., :3])
    slide = PictureInMemory(random_colour(dyes, rng), Mpp(scene.mpp))
    box = Box(0, 0, slide.info.width, slide.info.height)
    reading = read_joint(predictor, slide, box, _medial_side(scene))
    # The dyes stand in for colours, so that a strip can be coloured anew at every step; turned
    # over, since what lies outside a picture is white, and means no dye.
    stand_in = PictureInMemory(255 - dyes, Mpp(scene.mpp))
    strips = {}
    for measures in reading.measures if reading else ():
        strip = read_strip(stand_in, reading.labels, measures, predictor.strip_mpp)  # type: ignore[union-attr]
        pixels = strip.pixels.copy()
        pixels[..., :3] = 255 - pixels[..., :3]
        strips[measures.compartment.value] = pixels
    store = io.BytesIO()
    np.savez(store, allow_pickle=False, **strips)
    write_atomic(file, store.getvalue())


def load_strips(file: Path, scene: StoredScene, mpp: Mpp) -> list[DyeStrip]:
    """The strips cut from a scene, beside the scene's grades."""
    with np.load(file, allow_pickle=False) as stored:
        return [
            DyeStrip(stored[name], Compartment(name), scene.grades[Compartment(name)], mpp)
            for name in stored.files
        ]


@dataclass(frozen=True, slots=True)
class StripSource:
    """Strips as the grader takes them: coloured anew each time, with soft labels.

    Attributes:
        strips: from all scenes; spec: what the grader is fed; ladder: what it grades on.
        settings: batch, epochs, softness of labels; seed: of order and colours.
    """

    strips: Sequence[DyeStrip]
    spec: NetworkSpec
    ladder: Ladder
    settings: GraderSettings
    seed: int

    @property
    def steps(self) -> int:
        """Batches over all epochs. Raises ModelError where there is not one full batch."""
        if len(self.strips) < self.settings.batch:
            raise ModelError(
                f"the segmentation networks found {len(self.strips)} compartments in the scenes, "
                f"and the grader learns from {self.settings.batch} at a time "
                "(grader.training.batch): train them longer, or on more scenes, in another --out"
            )
        return self.settings.epochs * (len(self.strips) // self.settings.batch)

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """The grader's three inputs and the wanted distributions (n, rungs), batch by batch."""
        targets = soft_labels(self.ladder, self.settings.softness)
        for step, picked in enumerate(self._order(), 1):
            rng = np.random.default_rng([self.seed, 3, step])
            coloured = [_coloured(self.strips[i], rng) for i in picked]
            pixels, present, measures = collate_strips(coloured, self.spec)
            measures += 0.02 * torch.from_numpy(rng.normal(size=measures.shape)).float()
            rungs = [self.ladder.index(self.strips[i].grade) for i in picked]
            yield pixels, present, measures, targets[rungs]

    def _order(self) -> Iterator[NDArray[np.int64]]:
        """Every strip once an epoch, in a new order each; the incomplete last batch is left."""
        size = self.settings.batch
        for epoch in range(self.settings.epochs):
            order = np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.strips))
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]


def train_grader(
    network: nn.Module, source: StripSource, device: torch.device, log: Path, report: Report
) -> nn.Module:
    """The grader with averaged weights, in evaluation mode; writes loss over steps to `log`.

    Raises:
        ModelError: there are fewer strips than a batch takes.
    """
    steps = source.steps
    learner = Learner(network, source.settings, steps, device)
    progress = TrainingLog(log, steps, source.settings.batch, "strips", report)
    for step, (pixels, present, measures, wanted) in enumerate(source.batches(), 1):
        with torch.autocast(device.type, torch.bfloat16):
            logits = learner.network(pixels.to(device), present.to(device), measures.to(device))
        loss = functional.cross_entropy(logits.float(), wanted.to(device))
        learner.learn(loss)
        progress.add(step, loss.item())
    return learner.trained


def soft_labels(ladder: Ladder, softness: float) -> Tensor:
    """(rungs, rungs): for each true rung a distribution that falls off with grade distance.

    0, 0.5 and 1 lie closer to each other than 2 and 3, so distance is in grades, not in rank.
    """
    rungs = torch.tensor(ladder.rungs)
    return torch.softmax(-(rungs[:, None] - rungs[None]).abs() / softness, 1)


def _coloured(strip: DyeStrip, rng: np.random.Generator) -> Strip:
    """The strip in a random colour, either way round, a little stretched and shifted in depth."""
    pixels = strip.pixels[:, :: rng.choice([-1, 1])]
    shift = int(rng.integers(-4, 5))
    pixels = np.roll(pixels, shift, axis=0)
    colour = random_colour(np.ascontiguousarray(pixels[..., :3]), rng)
    return Strip(
        strip.compartment, np.dstack([colour, pixels[..., 3:]]), ABOVE_PX + shift, strip.mpp
    )


def _medial_side(scene: StoredScene) -> MedialSide:
    """Where a scene's medial half lies (scenes are turned by less than a right angle)."""
    zones = scene.pixels[::16, ::16, 4]
    medial, lateral = (
        np.isin(zones, [c.code for c in Compartment if c.is_medial == side])
        for side in (True, False)
    )
    return "left" if np.nonzero(medial)[1].mean() < np.nonzero(lateral)[1].mean() else "right"
