"""The stages of one training: networks learnt in turn on one split of the examples.

    coarse → what it saw → fine → strips → grader → what it says of held-out animals

Each stage leaves its result in the training's folder; one that is there is not made again, and a
network goes on from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoscore.config import TileSettings
from histoscore.errors import ConfigError
from histoscore.files import make_folder, sha256_of
from histoscore.geometry import Mpp
from histoscore.models.appearance import appearance_limits
from histoscore.models.cached_strips import cached_strips
from histoscore.models.card import TrainingFacts, write_bundle
from histoscore.models.checkpoint import drop_checkpoint
from histoscore.models.cores import has_fast_bfloat16
from histoscore.models.crossval import HeldOut, calibrated
from histoscore.models.dataset import TileSource, scaled
from histoscore.models.examples import Example, ExampleFacts, load_example
from histoscore.models.grading import (
    GradingTask,
    StripBatches,
    StripSource,
    log_probabilities,
)
from histoscore.models.heads import build_head
from histoscore.models.learning import Report, learn
from histoscore.models.networks import GraderNetwork, build_network, load_weights, save_weights
from histoscore.models.passes import Network
from histoscore.models.predict import Predictor
from histoscore.models.priors import number_of, prior_of
from histoscore.models.segmentation import SegmentationTask
from histoscore.models.specs import NetworkName, SegmentationSpec
from histoscore.models.splits import Split, check_leaks
from histoscore.models.starting import start_network
from histoscore.models.strips import ExampleStrip, cut_strips, load_strips
from histoscore.models.training_config import SegmentationStage, TrainConfig
from histoscore.vocabulary import Ladder

_OVERLAP = 0.125
"""Of tiles where examples are read: less than when slides are scored, and half the work."""
COARSER = 1.3
"""A network may learn from examples this much coarser than it sees; they are enlarged."""


@dataclass(frozen=True)
class Training:
    """One set of networks, trained on one split of the examples.

    Attributes:
        config: what is asked. root: where examples lie; out: where this training leaves its
            stages. facts: of every example, by name. parts: their names; test: of those that
            nothing may be learnt from.
        base: folder that paths in the configuration are relative to.
    """

    config: TrainConfig
    root: Path
    out: Path
    facts: Mapping[str, ExampleFacts]
    parts: Split
    report: Report
    test: tuple[str, ...] = ()
    base: Path = Path()

    def bundle(self, elsewhere: Sequence[HeldOut] = ()) -> Path:
        """Trains what is not trained yet, and writes the bundle; returns its folder.

        Args:
            elsewhere: held-out animals of a cross-validation, to calibrate on where the split sets
                none aside.
        """
        self.check()
        networks: dict[NetworkName, Network] = {
            "coarse": self.coarse,
            "fine": self.fine,
            "grader": self.grader,
        }
        own = [self.held_out("calibration")] if self.parts.calibration else []
        calibration = calibrated(own or elsewhere, self._ladder, self.config.calibration.coverage)
        if calibration is None:
            self.report("no animals were held out: the bundle has no calibration")
        return write_bundle(
            self.out,
            self.config.name,
            networks,
            self._ladder,
            appearance_limits(self._loaded(self.parts.train)),
            calibration,
            TrainingFacts.of(self.facts, self.parts, self.config.model_dump(mode="json")),
        )

    def check(self) -> None:
        """Raises LeakError where parts share an animal, a slide or a picture."""
        named = {
            "training": self.parts.train,
            "validation": self.parts.validation,
            "calibration": self.parts.calibration,
            "test": self.test,
        }
        check_leaks({part: [self.facts[n] for n in names] for part, names in named.items()})

    def held_out(self, part: str) -> HeldOut:
        """What this training's grader says of the strips of a part that it has not learnt from."""
        names = self.test if part == "test" else getattr(self.parts, part)
        strips = self._strips(names)
        graded = sum(len(self.facts[name].grades) for name in self._gradable(names))
        if not strips:
            return HeldOut([], np.zeros((0, len(self._ladder))), graded)
        spec = self.config.grader.network
        source = self._source(strips, 1)
        times = self.config.calibration.colours if strips[0].are_dyes else 1
        module = self.grader.module.to(self._device)
        head = build_head(spec.head, self._ladder)
        logs = log_probabilities(module, source, head, self._device, times)
        return HeldOut(strips, logs, graded)

    @cached_property
    def coarse(self) -> Network:
        """Sees much: tissue and bones."""
        return self._stage("coarse", lambda network: self._segmentation("coarse", network, {}))

    @cached_property
    def fine(self) -> Network:
        """Sees well, told what the coarse one saw."""

        def learnt(network: nn.Module) -> nn.Module:
            names = [*self.parts.train, *self.parts.validation]
            return self._segmentation("fine", network, self._priors(names))

        return self._stage("fine", learnt)

    @cached_property
    def grader(self) -> Network:
        """Cartilage laid straight → the ladder."""
        return self._stage("grader", self._graded)

    @property
    def _device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def _ladder(self) -> Ladder:
        return self.config.ladder.ladder

    @property
    def _examples(self) -> Path:
        return self.root / "examples"

    def _stage(self, name: NetworkName, learnt: Callable[[nn.Module], nn.Module]) -> Network:
        """A trained network: from its file where it is there, else learnt and stored."""
        stage = getattr(self.config, name)
        file = make_folder(self.out / "stages") / f"{name}.safetensors"
        if not file.exists():
            self.report(f"{name} network")
            torch.manual_seed(self.config.seed)
            network = build_network(stage.network, self._ladder)
            start = stage.start or self.config.start
            start_network(network, name, stage.network, start, self.base)
            save_weights(learnt(network) if stage.training else network, file)
            drop_checkpoint(self._folder(name))
        # What is stored is rounded to half precision: later stages see what the bundle holds.
        module = load_weights(build_network(stage.network, self._ladder), file)
        return Network(stage.network, module, sha256_of(file))

    def _folder(self, name: NetworkName) -> Path:
        return make_folder(self.out / "stages" / name)

    def _segmentation(
        self, name: NetworkName, network: nn.Module, priors: Mapping[str, NDArray[np.uint8]]
    ) -> nn.Module:
        stage: SegmentationStage = getattr(self.config, name)
        assert stage.training  # asked by the caller
        training, held_out = (
            self._tiles(name, part, priors, seed)
            for seed, part in enumerate((self.parts.train, self.parts.validation))
        )
        if training is None:
            raise ConfigError(
                f"{name}: no training section is both annotated and fine enough "
                f"({stage.network.mpp:g} µm/px); add annotations, or start from a bundle and "
                f"leave {name}.training out"
            )
        task = SegmentationTask(training, held_out, stage.training.check_tiles)
        return learn(
            network,
            task,
            stage.training,
            stage.training.steps,
            self._device,
            self._folder(name),
            self.report,
            self.config.tensorboard,
        )

    def _tiles(
        self,
        name: NetworkName,
        names: Sequence[str],
        priors: Mapping[str, NDArray[np.uint8]],
        seed: int,
    ) -> TileSource | None:
        stage: SegmentationStage = getattr(self.config, name)
        assert stage.training  # asked by the caller
        mpp = stage.network.mpp
        examples = [
            scaled(example, mpp)
            for example in self._loaded(names)
            if example.facts.annotated and example.facts.mpp <= COARSER * mpp
        ]
        if not examples:
            return None
        return TileSource(
            examples=examples,
            priors=[priors[e.name] for e in examples] if stage.network.context else [],
            mpp=mpp,
            side_px=stage.training.side_px,
            focus=stage.training.focus,
            batch_size=stage.training.batch,
            seed=self.config.seed + seed,
        ).prepared()

    def _priors(self, names: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
        """What the coarse network tells the fine one of each example, shown in one colour."""
        folder = make_folder(self.out / "priors")
        predictor = self._predictor({"coarse": self.coarse})
        spec: SegmentationSpec = self.config.fine.network
        found = {}
        for number, example in enumerate(self._loaded(names), 1):
            if not example.facts.annotated or example.facts.mpp > COARSER * spec.mpp:
                continue
            found[example.name] = prior_of(predictor, example, folder)
            if number % 40 == 0:
                self.report(f"{number} of {len(names)} sections seen by the coarse network")
        return found

    def _graded(self, network: nn.Module) -> nn.Module:
        stage, folder = self.config.grader, self._folder("grader")
        pictures = self._source(self._strips(self.parts.train), stage.training.batch)
        training: StripBatches = pictures
        validation = self._strips(self.parts.validation)
        held_out = self._source(validation, 1) if validation else None
        if stage.training.cached_colours:
            assert isinstance(network, GraderNetwork)  # built from a grader's spec
            training = cached_strips(
                pictures,
                network.to(self._device),
                folder / "features.zarr",
                stage.training.cached_colours,
                self.report,
            )
        task = GradingTask(training, held_out, build_head(stage.network.head, self._ladder))
        batches = stage.training.epochs * training.batches_an_epoch
        return learn(
            network,
            task,
            stage.training,
            max(1, batches // stage.training.accumulate),
            self._device,
            folder,
            self.report,
            self.config.tensorboard,
        )

    def _source(self, strips: Sequence[ExampleStrip], batch_size: int) -> StripSource:
        spec = self.config.grader.network
        return StripSource(strips, spec, self._ladder, batch_size, self.config.seed)

    def _strips(self, names: Sequence[str]) -> list[ExampleStrip]:
        """Strips of the examples that have grades, cut once and kept."""
        folder = make_folder(self.out / "strips")
        spec = self.config.grader.network
        module = build_network(spec, self._ladder)
        networks: dict[NetworkName, Network] = {
            "coarse": self.coarse,
            "fine": self.fine,
            "grader": Network(spec, module),
        }
        predictor = self._predictor(networks)
        strips: list[ExampleStrip] = []
        graded = self._gradable(names)
        for number, name in enumerate(graded, 1):
            example, file = load_example(self._examples, name), folder / f"{name}.npz"
            if not file.exists():
                cut_strips(predictor, example, number_of(name), file)
            strips += load_strips(file, example, Mpp(spec.mpp))
            if number % 20 == 0 or number == len(graded):
                self.report(f"{len(strips)} strips from {number} of {len(graded)} sections")
        return strips

    def _gradable(self, names: Sequence[str]) -> list[str]:
        """Examples with grades that are fine enough for the grader."""
        coarsest = COARSER * self.config.grader.network.mpp
        return [n for n in names if self.facts[n].grades and self.facts[n].mpp <= coarsest]

    def _loaded(self, names: Sequence[str]) -> list[Example]:
        return [load_example(self._examples, name) for name in names]

    def _predictor(self, networks: Mapping[NetworkName, Network]) -> Predictor:
        half = has_fast_bfloat16(self._device.type)
        return Predictor(
            networks,
            str(self._device),
            TileSettings(overlap=_OVERLAP),
            self._ladder,
            precision="bfloat16" if half else "float32",
            engine="auto",
        )
