"""What the grader learns: strips, coloured anew each time, and the scorers' grades of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.models.heads import Head
from histoscore.models.learning import LearningSettings
from histoscore.models.specs import GraderSpec
from histoscore.models.strip_inputs import collate_strips
from histoscore.models.strips import ExampleStrip, wanted_shares
from histoscore.records import Strip
from histoscore.vocabulary import Ladder

_MEASURE_NOISE = 0.02
_LOOK_BATCH = 16


class GraderSettings(LearningSettings):
    """The grader's training."""

    epochs: int = Field(12, ge=1)
    batch: int = Field(12, ge=1, description="strips a batch")
    cached_colours: int = Field(
        0,
        ge=0,
        le=100,
        description="with a frozen encoder (encoder_rate 0): random colours in which each strip "
        "is encoded once and kept; 0: encoded anew at every step",
    )

    @model_validator(mode="after")
    def _only_a_frozen_encoder_can_be_cached(self) -> Self:
        if self.cached_colours and self.encoder_rate:
            raise ValueError("cached_colours needs encoder_rate: 0, a frozen encoder")
        return self


class StripBatch(NamedTuple):
    """The grader's three inputs and the wanted distributions (n, rungs)."""

    pixels: Tensor
    present: Tensor
    measures: Tensor
    wanted: Tensor


class StripBatches(Protocol):
    """Batches of strips by number, the same each time; from pictures, or from stored features."""

    @property
    def ladder(self) -> Ladder: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def batches_an_epoch(self) -> int: ...

    def batch(self, number: int) -> StripBatch: ...


@dataclass(frozen=True, slots=True)
class StripSource:
    """Strips as the grader takes them.

    Attributes:
        strips: of all examples; spec: what the grader is fed; ladder: what it grades on.
        batch_size: strips a batch; seed: of order and colours.
    """

    strips: Sequence[ExampleStrip]
    spec: GraderSpec
    ladder: Ladder
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        """Raises ModelError where there is not one full batch."""
        if len(self.strips) < self.batch_size:
            raise ModelError(
                f"the segmentation networks found {len(self.strips)} graded compartments, and the "
                f"grader learns from {self.batch_size} at a time (grader.training.batch): train "
                "them longer, or on more sections, in another --out"
            )

    @property
    def batches_an_epoch(self) -> int:
        return len(self.strips) // self.batch_size

    def batch(self, number: int) -> StripBatch:
        """Batch `number`, in colours drawn anew."""
        rng = np.random.default_rng([self.seed, 3, number])
        picked = self.picked(number)
        return self._of([self.strips[i].varied(rng) for i in picked], picked, rng)

    def picked(self, number: int) -> NDArray[np.int64]:
        """Which strips are in a batch: each once an epoch, in a new order; the rest is left."""
        epoch, place = divmod(number, self.batches_an_epoch)
        order = np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.strips))
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def wanted(self, picked: NDArray[np.int64]) -> Tensor:
        """(n, rungs): shares of the scorers' grades of some strips."""
        return torch.from_numpy(wanted_shares([self.strips[i] for i in picked], self.ladder.rungs))

    def looks(self, times: int = 1) -> Iterator[StripBatch]:
        """Every strip as a slide would show it, painted ones in `times` colours; in order, and
        the same at each call."""
        for time in range(times):
            for start, picked in self._in_order():
                rng = np.random.default_rng([self.seed, 4, time, start])
                yield self._of([self.strips[i].shown(rng) for i in picked], picked, None)

    def variant(self, number: int) -> Iterator[StripBatch]:
        """Every strip once, varied as for training; in order, the same for the same number."""
        for start, picked in self._in_order():
            rng = np.random.default_rng([self.seed, 5, number, start])
            yield self._of([self.strips[i].varied(rng) for i in picked], picked, rng)

    def _in_order(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        for start in range(0, len(self.strips), _LOOK_BATCH):
            yield start, np.arange(start, min(start + _LOOK_BATCH, len(self.strips)))

    def _of(
        self, strips: Sequence[Strip], picked: NDArray[np.int64], rng: np.random.Generator | None
    ) -> StripBatch:
        """Strips in a batch; with `rng` what was measured is told with a little noise."""
        pixels, present, measures = collate_strips(strips, self.spec)
        if rng:
            noise = torch.from_numpy(rng.normal(size=measures.shape)).float()
            measures += _MEASURE_NOISE * noise
        return StripBatch(pixels, present, measures, self.wanted(picked))


@dataclass(frozen=True, slots=True)
class GradingTask:
    """Strips of training animals to learn from, of held-out ones (None: there are none) to look
    at, and what the network's outputs mean."""

    training: StripBatches
    held_out: StripSource | None
    head: Head
    unit: str = "strips"

    @property
    def batch_size(self) -> int:
        return self.training.batch_size

    def batch(self, number: int) -> StripBatch:
        return self.training.batch(number)

    def loss(self, network: nn.Module, batch: StripBatch, device: torch.device) -> Tensor:
        return self.head.loss(outputs_of(network, batch, device), batch.wanted.to(device))

    def check(self, network: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Loss, and how far the most probable rung lies from the scorers' mean, in grades."""
        if self.held_out is None:
            return {}
        losses, errors = [], []
        rungs = torch.tensor(self.training.ladder.rungs)
        for batch in self.held_out.looks():
            with torch.inference_mode():
                outputs = outputs_of(network, batch, device).cpu()
                losses.append(float(self.head.loss(outputs, batch.wanted)))
                found = rungs[self.head.log_probabilities(outputs).argmax(1)]
            errors.append((found - batch.wanted @ rungs).abs())
        return {"loss": float(np.mean(losses)), "mae": float(torch.cat(errors).mean())}


def outputs_of(network: nn.Module, batch: StripBatch, device: torch.device) -> Tensor:
    """The grader's raw outputs for a batch."""
    inputs = (batch.pixels, batch.present, batch.measures)
    outputs: Tensor = network(*(part.to(device) for part in inputs))
    return outputs


def log_probabilities(
    network: nn.Module, source: StripSource, head: Head, device: torch.device, times: int
) -> NDArray[np.float64]:
    """(times × strips, rungs): what the grader says of every strip in `times` random colours."""
    with torch.inference_mode():
        rows = [
            head.log_probabilities(outputs_of(network, batch, device).cpu())
            for batch in source.looks(times)
        ]
    return torch.cat(rows).numpy().astype(np.float64)
