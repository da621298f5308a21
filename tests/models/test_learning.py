"""Steps, averaged weights and the log."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from histoscore.models.learning import LOG_EVERY, Learner, LearningSettings, TrainingLog


class Line(nn.Module):
    """y = a x + b, its encoder one convolution of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, 1, 1, bias=False)
        self.head = nn.Linear(1, 1)
        nn.init.constant_(self.encoder.weight, 0.5)
        nn.init.constant_(self.head.weight, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = self.encoder(x[:, None, None])[:, 0, 0]
        return self.head(seen)


def learnt(settings: LearningSettings, steps: int = 60) -> tuple[Line, nn.Module]:
    torch.manual_seed(0)
    network = Line()
    learner = Learner(network, settings, steps, torch.device("cpu"))
    x = torch.linspace(-1, 1, 16)[:, None]
    for _ in range(steps):
        learner.learn((learner.network(x) - (2 * x + 1)).square().mean())
    return network, learner.trained


def error(network: nn.Module) -> float:
    x = torch.linspace(-1, 1, 16)[:, None]
    with torch.inference_mode():
        return float((network(x) - (2 * x + 1)).square().mean())


def test_a_line_is_learnt() -> None:
    settings = LearningSettings(rate=0.2, encoder_rate=1, decay=0, average=0.5)
    assert error(learnt(settings)[1]) < 0.05 < 0.5 < error(Line())


def test_what_is_kept_is_an_average_over_the_way_in_evaluation_mode() -> None:
    network, averaged = learnt(LearningSettings(rate=0.2, average=0.99), steps=20)
    assert not averaged.training
    start, end, kept = (float(n.head.bias.detach()) for n in (Line(), network, averaged))
    assert kept != end
    assert abs(kept - end) > 0.01
    assert start != end


def test_the_encoder_learns_at_its_own_rate() -> None:
    slow = learnt(LearningSettings(rate=0.1, encoder_rate=1e-6, decay=0), steps=20)[0]
    assert slow.encoder.weight.item() == pytest.approx(0.5, abs=1e-4)
    assert slow.head.bias.item() != 0.0
    fast = learnt(LearningSettings(rate=0.1, encoder_rate=1, decay=0), steps=20)[0]
    assert abs(fast.encoder.weight.item() - 0.5) > 0.05


def test_the_log_has_a_line_every_so_often_and_at_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    steps = 2 * LOG_EVERY + 3
    log = TrainingLog(tmp_path / "log.csv", steps, 8, "tiles", said.append)
    for step in range(1, steps + 1):
        log.add(step, 1.0 / step)
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [LOG_EVERY, 2 * LOG_EVERY, steps]
    assert float(rows[0]["loss"]) > float(rows[1]["loss"])
    assert len(said) == 3
    assert f"step {steps}/{steps}" in said[-1]
    assert "tiles/s" in said[-1]
    assert "0 min left" in said[-1]
