"""What both training loops share: optimiser, schedule, averaged weights, log."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from histoscore.config import Settings
from histoscore.files import write_atomic

Report = Callable[[str], None]
"""Takes a line of text for the person who waits."""

LOG_EVERY = 20
"""Steps between two lines of progress."""


class LearningSettings(Settings):
    """How fast a network learns."""

    rate: float = Field(2e-3, gt=0, description="peak learning rate of decoder and head")
    encoder_rate: float = Field(0.35, gt=0, description="the encoder's, as a share of it")
    decay: float = Field(1e-2, ge=0, description="weight decay")
    average: float = Field(0.985, ge=0, lt=1, description="memory of the averaged weights")


class Learner:
    """A network that takes steps; its weights are averaged as it goes."""

    def __init__(
        self, network: nn.Module, settings: LearningSettings, steps: int, device: torch.device
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last).train()
        encoder = {id(p) for p in network.encoder.parameters()}  # type: ignore[union-attr]
        inside = [p for p in network.parameters() if id(p) in encoder]
        outside = [p for p in network.parameters() if id(p) not in encoder]
        rates = [settings.rate * settings.encoder_rate, settings.rate]
        self._optimizer = torch.optim.AdamW(
            [{"params": inside, "lr": rates[0]}, {"params": outside, "lr": rates[1]}],
            weight_decay=settings.decay,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rates, steps, pct_start=0.15
        )
        self._averaged = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(settings.average),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._schedule.step()
        self._averaged.update_parameters(self.network)

    @property
    def trained(self) -> nn.Module:
        """The network with averaged weights, in evaluation mode."""
        module: nn.Module = self._averaged.module
        return module.eval()


class TrainingLog:
    """Loss, rate and time left: a line for the screen and a row for a CSV file."""

    def __init__(self, path: Path, steps: int, batch: int, unit: str, report: Report) -> None:
        self._path, self._steps, self._batch = path, steps, batch
        self._unit, self._report = unit, report
        self._rows: list[tuple[str, ...]] = [("step", "loss", "seconds")]
        self._recent: list[float] = []
        self._start = time.monotonic()

    def add(self, step: int, loss: float) -> None:
        """Step number (from 1) and its loss."""
        self._recent = [*self._recent[-(LOG_EVERY - 1) :], loss]
        if step % LOG_EVERY and step != self._steps:
            return
        seconds = time.monotonic() - self._start
        mean = sum(self._recent) / len(self._recent)
        left = seconds / step * (self._steps - step) / 60
        rate = step * self._batch / seconds
        self._rows.append((str(step), f"{mean:.4f}", f"{seconds:.0f}"))
        self._report(
            f"step {step}/{self._steps}  loss {mean:.4f}  {rate:.1f} {self._unit}/s  "
            f"{left:.0f} min left"
        )
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self._rows)
        write_atomic(self._path, text.getvalue())
