"""`histoscore train`: from a configuration to a model bundle, stage by stage.

Each stage leaves its result in the output folder; the same line again goes on after the last one
that is whole. The folder belongs to one configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from histoscore.config import Settings, TileSettings, parse_settings, read_yaml
from histoscore.errors import RunMismatchError
from histoscore.files import json_text, make_folder, write_atomic
from histoscore.geometry import Box, Mpp
from histoscore.models.appearance import appearance_limits
from histoscore.models.augment import random_colour
from histoscore.models.bundle import NetworkName, NetworkSpec
from histoscore.models.card import write_bundle
from histoscore.models.dataset import TileSource, halved, load_scenes
from histoscore.models.grading import (
    GraderSettings,
    StripSource,
    cut_strips,
    load_strips,
    train_grader,
)
from histoscore.models.learning import Report
from histoscore.models.networks import build_network, load_imagenet, load_weights, save_weights
from histoscore.models.predict import Network, Predictor, context_channels
from histoscore.models.segmentation import SegmentationSettings, train_segmentation
from histoscore.phantom.scenes import StoredScene, store_scene
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import LADDERS, OARSI_MOUSE


class SceneSettings(Settings):
    """The painted sections that a model learns from."""

    first_seed: int = Field(0, ge=0)
    count: int = Field(160, ge=2)
    mpp: float = Field(1.0, gt=0.2, lt=4)


class SegmentationStage(Settings):
    """A segmentation network and its training."""

    network: NetworkSpec
    training: SegmentationSettings


class GraderStage(Settings):
    """The grader and its training."""

    network: NetworkSpec
    training: GraderSettings


class TrainConfig(Settings):
    """A demonstration model's training, complete in one file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    seed: int
    ladder: str = OARSI_MOUSE.name
    scenes: SceneSettings
    coarse: SegmentationStage
    fine: SegmentationStage
    grader: GraderStage


def train_from_config(path: Path, out: Path, report: Report = print) -> Path:
    """Trains all three networks and writes the bundle; returns its folder.

    Raises:
        ConfigError: the configuration is not valid.
        RunMismatchError: the folder holds another configuration's training.
    """
    config = parse_settings(TrainConfig, read_yaml(path), str(path))
    training = _Training(config, make_folder(out), report)
    training.claim()
    training.draw_scenes()
    coarse = training.stage("coarse", training.learn_coarse)
    fine = training.stage("fine", lambda network: training.learn_fine(network, coarse))
    grader = training.stage("grader", lambda network: training.learn_grader(network, coarse, fine))
    networks: dict[NetworkName, Network] = {"coarse": coarse, "fine": fine, "grader": grader}
    return write_bundle(
        out,
        config.name,
        networks,
        config.ladder,
        appearance_limits(training.scenes()),
        training.record(),
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """A training folder and what is done in it."""

    config: TrainConfig
    out: Path
    report: Report

    @property
    def seeds(self) -> Sequence[int]:
        first = self.config.scenes.first_seed
        return range(first, first + self.config.scenes.count)

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def record(self) -> dict[str, Any]:
        """What the bundle's card says about how the model came to be."""
        return {
            "data": "phantoms drawn by histoscore, no tissue",
            "scenes": self.config.scenes.count,
            "animals": self.config.scenes.count,
            "scorers": 0,
            "config": self.config.model_dump(mode="json"),
        }

    def claim(self) -> None:
        """Marks the folder as this configuration's; refuses another's."""
        mark, text = self.out / "config.json", json_text(self.config.model_dump(mode="json"))
        if not mark.exists():
            write_atomic(mark, text)
        elif mark.read_text(encoding="utf-8") != text:
            raise RunMismatchError(
                f"{self.out}: holds a training with another configuration; choose another --out"
            )

    def draw_scenes(self) -> None:
        """Paints the scenes that are not there yet, a process a core."""
        folder = make_folder(self.out / "scenes")
        missing = [s for s in self.seeds if not (folder / f"{s:05d}.json").exists()]
        draw = partial(store_scene, folder, mpp=self.config.scenes.mpp)
        with ProcessPoolExecutor(_cores(), get_context("spawn")) as pool:
            _counted(pool.map(draw, missing), len(missing), "scenes drawn", self.report)

    def stage(self, name: NetworkName, learn: Callable[[nn.Module], nn.Module]) -> Network:
        """A trained network: from its file where it is there, else learnt and stored."""
        spec: NetworkSpec = getattr(self.config, name).network
        network, file = (
            build_network(spec),
            make_folder(self.out / "stages") / f"{name}.safetensors",
        )
        if not file.exists():
            self.report(f"{name} network")
            torch.manual_seed(self.config.seed)
            load_imagenet(network)
            save_weights(learn(network), file)
        # What is stored is rounded to half precision: later stages see what the bundle holds.
        return Network(spec, load_weights(build_network(spec), file))

    def learn_coarse(self, network: nn.Module) -> nn.Module:
        scenes = [halved(scene) for scene in self.scenes()]
        return self._learn_segmentation(network, "coarse", scenes, [])

    def learn_fine(self, network: nn.Module, coarse: Network) -> nn.Module:
        scenes = self.scenes()
        predictor = self._predictor({"coarse": coarse})
        seen = (_seen_by_coarse(predictor, s, n) for n, s in zip(self.seeds, scenes, strict=True))
        priors = _counted(seen, len(scenes), "scenes seen by the coarse network", self.report)
        return self._learn_segmentation(network, "fine", scenes, priors)

    def learn_grader(self, network: nn.Module, coarse: Network, fine: Network) -> nn.Module:
        stage = self.config.grader
        folder = make_folder(self.out / "strips")
        grader = Network(stage.network, network)
        predictor = self._predictor({"coarse": coarse, "fine": fine, "grader": grader})
        strips = []
        scenes = self.scenes()
        for number, (seed, scene) in enumerate(zip(self.seeds, scenes, strict=True), 1):
            file = folder / f"{seed:05d}.npz"
            if not file.exists():
                cut_strips(predictor, scene, seed, file)
            strips += load_strips(file, scene, Mpp(stage.network.mpp))
            if number % 20 == 0:
                self.report(f"{len(strips)} strips from {number} of {len(scenes)} scenes")
        source = StripSource(
            strips, stage.network, LADDERS[self.config.ladder], stage.training, self.config.seed
        )
        return train_grader(network, source, self.device, self.out / "grader.csv", self.report)

    def _learn_segmentation(
        self,
        network: nn.Module,
        name: NetworkName,
        scenes: Sequence[StoredScene],
        priors: Sequence[NDArray[np.uint8]],
    ) -> nn.Module:
        stage: SegmentationStage = getattr(self.config, name)
        source = TileSource(
            scenes=scenes,
            priors=priors,
            mpp=stage.network.mpp,
            side_px=stage.training.side_px,
            focus=stage.training.focus,
            batch=stage.training.batch,
            seed=self.config.seed,
        )
        return train_segmentation(
            network, source, stage.training, self.device, self.out / f"{name}.csv", self.report
        )

    def scenes(self) -> list[StoredScene]:
        """The painted sections, mapped into memory."""
        return load_scenes(self.out / "scenes", self.seeds)

    def _predictor(self, networks: dict[NetworkName, Network]) -> Predictor:
        return Predictor(networks, str(self.device), TileSettings())


def _seen_by_coarse(predictor: Predictor, scene: StoredScene, seed: int) -> NDArray[np.uint8]:
    """What the coarse network tells of a scene, shown to it in one random colour."""
    rng = np.random.default_rng([7_003, seed])
    small = halved(scene)
    picture = random_colour(np.ascontiguousarray(small.pixels[..., :3]), rng)
    slide = PictureInMemory(picture, Mpp(small.mpp))
    box = Box(0, 0, slide.info.width, slide.info.height)
    return context_channels(predictor.coarse(slide, box))


def _cores() -> int:
    """Processor cores that this process may use; not every system tells them from all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _counted(items: Iterable[Any], total: int, what: str, report: Report) -> list[Any]:
    """The items as a list, with a line of progress every twenty."""
    seen = []
    for item in items:
        seen.append(item)
        if len(seen) % 20 == 0 or len(seen) == total:
            report(f"{len(seen)} of {total} {what}")
    return seen
