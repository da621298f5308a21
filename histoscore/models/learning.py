"""How a network learns: one loop for all, read from top to bottom, that can be killed anywhere.

A batch depends on the seed and its own number only, the rate on the step: what a killed training
has to remember is the weights, their average, the optimiser's moments, and the step.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from histoscore.config import Settings
from histoscore.errors import PredictionError
from histoscore.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from histoscore.models.cores import has_fast_bfloat16
from histoscore.models.learning_curves import Curves

Report = Callable[[str], None]
"""Takes a line of text for the person who waits."""

LOG_EVERY = 20
"""Steps between two lines of progress."""

_T = TypeVar("_T")


class LearningSettings(Settings):
    """How fast a network learns, and when it has learnt enough."""

    rate: float = Field(2e-3, gt=0, description="peak learning rate of decoder and head")
    encoder_rate: float = Field(
        0.35, ge=0, description="the encoder's, as a share of it; 0: frozen"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps over which rates rise")
    decay: float = Field(1e-2, ge=0, description="weight decay")
    average: float = Field(0.985, ge=0, lt=1, description="memory of the averaged weights")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    check_every: int = Field(100, ge=1, description="steps between looks at the held-out animals")
    patience: int = Field(0, ge=0, description="looks without progress before it stops; 0: never")
    precision: Literal["auto", "bf16", "f32"] = "auto"


class Task(Protocol):
    """What is learnt: batches by number, their loss, and how well held-out animals are read."""

    @property
    def unit(self) -> str:
        """What a batch is made of, for the line of progress."""

    @property
    def batch_size(self) -> int:
        """How many of them a batch holds."""

    def batch(self, number: int) -> Any:
        """Batch `number`, the same each time it is asked for."""

    def loss(self, network: nn.Module, batch: Any, device: torch.device) -> Tensor:
        """What the network should make small."""

    def check(self, network: nn.Module, device: torch.device) -> Mapping[str, float]:
        """On held-out animals: `loss` and whatever else tells of progress; empty without any."""


def learn(
    network: nn.Module,
    task: Task,
    settings: LearningSettings,
    steps: int,
    device: torch.device,
    folder: Path,
    report: Report,
    tensorboard: bool = False,
) -> nn.Module:
    """The network with averaged weights, as good as it was at its best look.

    Goes on where an earlier call in the same folder was killed, and ends with the same weights.
    Leaves `curves.csv` and `curves.png` there.

    Args:
        network: with the weights that it starts from.
        task: what is learnt. settings: how. steps: at most so many.
        device: where. folder: of checkpoint and curves. report: takes lines of progress.
        tensorboard: write events for TensorBoard too, where it is installed.

    Raises:
        PredictionError: the loss is no longer a number.
    """
    learner = Learner(network.to(device), settings, steps)
    curves = Curves(folder, tensorboard)
    best, best_loss, stale, first = None, float("inf"), 0, 0
    stored = load_checkpoint(folder)
    if stored:
        learner.restore(stored)
        best, best_loss, stale, first = stored.best, stored.best_loss, stored.stale, stored.step
        report(f"goes on after step {first}")
    curves.cut_after(first)
    recent = stored.recent if stored else ()
    clock = _Clock(first, steps, task.batch_size * settings.accumulate, task.unit, recent)
    mixed = autocast(device, settings.precision)
    batches = ahead(task.batch, first * settings.accumulate, steps * settings.accumulate)
    for step in range(first + 1, steps + 1):
        if settings.patience and stale >= settings.patience:  # also where it was killed just then
            report(f"no progress on held-out animals in {stale} looks: stops at step {step - 1}")
            break
        losses = []
        torch.manual_seed(step)  # of dropout: the same after a kill
        for _ in range(settings.accumulate):
            with mixed:
                loss = task.loss(learner.network, next(batches), device)
            learner.add(loss / settings.accumulate)
            losses.append(loss.item())
        learner.step(step)
        clock.add(float(np.mean(losses)))
        last = step == steps
        if step % LOG_EVERY == 0 or last:
            curves.add(step, loss=clock.loss, rate=learner.rate(step))
            report(clock.line(step))
        if step % settings.check_every and not last:
            continue
        with mixed:
            seen = task.check(learner.averaged, device)
        if seen:
            curves.add(step, **{f"held_out_{name}": value for name, value in seen.items()})
            report("  held out: " + ", ".join(f"{k} {v:.4f}" for k, v in seen.items()))
        if seen.get("loss", -float("inf")) < best_loss:
            best, best_loss, stale = learner.average_state(), seen.get("loss", best_loss), 0
        else:
            stale += 1
        save_checkpoint(folder, learner.checkpoint(step, best, best_loss, stale, clock.recent))
    batches.close()
    curves.draw()
    if best:
        learner.averaged.load_state_dict(best)
    return learner.averaged.eval()


class Learner:
    """A network that takes steps; its weights are averaged as it goes."""

    def __init__(self, network: nn.Module, settings: LearningSettings, steps: int) -> None:
        self.network = network.to(memory_format=torch.channels_last).train()
        self.averaged = copy.deepcopy(network).eval()
        self._settings, self._steps = settings, steps
        encoder = {id(p) for p in network.encoder.parameters()}  # type: ignore[union-attr]
        inside = [p for p in network.parameters() if id(p) in encoder]
        outside = [p for p in network.parameters() if id(p) not in encoder]
        for parameter in inside:
            parameter.requires_grad_(settings.encoder_rate > 0)
        if not settings.encoder_rate:  # nor do its running means of what it sees move
            network.encoder.eval()  # type: ignore[union-attr]
        self._optimizer = torch.optim.AdamW(
            [{"params": inside, "share": settings.encoder_rate}, {"params": outside, "share": 1.0}],
            lr=settings.rate,
            weight_decay=settings.decay,
        )

    def add(self, loss: Tensor) -> None:
        """Adds the gradients of `loss`. Raises PredictionError where it is no number."""
        if not torch.isfinite(loss):
            raise _no_number(loss)
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, number: int) -> None:
        """One step down the gradients that were added."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate(number) * group["share"]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._follow(number)

    def rate(self, number: int) -> float:
        """Learning rate at a step: a straight rise, then half a cosine down to nothing."""
        rise = max(1, round(self._settings.warmup * self._steps))
        if number <= rise:
            return self._settings.rate * number / rise
        done = (number - rise) / max(1, self._steps - rise)
        return self._settings.rate * 0.5 * (1 + float(np.cos(np.pi * done)))

    def average_state(self) -> dict[str, Tensor]:
        """A copy of the averaged weights."""
        return {name: t.detach().clone() for name, t in self.averaged.state_dict().items()}

    def checkpoint(
        self,
        step: int,
        best: dict[str, Tensor] | None,
        best_loss: float,
        stale: int,
        recent: tuple[float, ...],
    ) -> Checkpoint:
        """All that a killed training has to remember."""
        moments = {
            f"{kind}.{number}": value
            for number, state in self._optimizer.state_dict()["state"].items()
            for kind, value in state.items()
        }
        return Checkpoint(
            step=step,
            best_loss=best_loss,
            stale=stale,
            recent=recent,
            network=self.network.state_dict(),
            averaged=self.averaged.state_dict(),
            moments=moments,
            best=best,
        )

    def restore(self, stored: Checkpoint) -> None:
        """Goes back to where a checkpoint was taken."""
        self.network.load_state_dict(stored.network)
        self.averaged.load_state_dict(stored.averaged)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in stored.moments.items():
            kind, number = name.rsplit(".", 1)
            state.setdefault(int(number), {})[kind] = value
        whole = self._optimizer.state_dict()
        self._optimizer.load_state_dict({**whole, "state": state})

    @torch.no_grad()
    def _follow(self, number: int) -> None:
        """The average moves toward the weights: at once at first, then with a longer memory."""
        keep = min(self._settings.average, (number - 1) / (number + 9))
        own = self.network.state_dict()
        for name, mean in self.averaged.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(own[name], 1 - keep)
            else:
                mean.copy_(own[name])


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 where it is asked for, or quicker than float32."""
    half = precision == "bf16" or (precision == "auto" and has_fast_bfloat16(device.type))
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def ahead(
    make: Callable[[int], _T], start: int, stop: int, depth: int = 3
) -> Generator[_T, None, None]:
    """Items `start`…`stop` in order, made in a thread a few ahead of their use."""
    with ThreadPoolExecutor(1) as pool:
        made: list[Future[_T]] = []
        try:
            for number in range(start, stop):
                while len(made) < depth and number + len(made) < stop:
                    made.append(pool.submit(make, number + len(made)))
                yield made.pop(0).result()
        finally:
            for future in made:
                future.cancel()


class _Clock:
    """Mean loss of late, rate and time left, as a line."""

    def __init__(
        self, first: int, steps: int, per_step: int, unit: str, recent: tuple[float, ...]
    ) -> None:
        self._first, self._steps, self._per_step, self._unit = first, steps, per_step, unit
        self.recent = recent
        self._start = time.monotonic()

    def add(self, loss: float) -> None:
        self.recent = (*self.recent[-(LOG_EVERY - 1) :], loss)

    @property
    def loss(self) -> float:
        return float(np.mean(self.recent))

    def line(self, step: int) -> str:
        seconds = max(time.monotonic() - self._start, 1e-3)
        done = step - self._first
        left = seconds / done * (self._steps - step) / 60
        rate = done * self._per_step / seconds
        return (
            f"step {step}/{self._steps}  loss {self.loss:.4f}  {rate:.1f} {self._unit}/s  "
            f"{left:.0f} min left"
        )


def _no_number(loss: Tensor) -> PredictionError:
    return PredictionError(
        f"training loss is {loss.item()}: lower the learning rate (training.rate), or look at "
        "the examples"
    )
