"""Ordinal heads: closed forms, the CORN paper's loss, and that each of them can learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from histoscore.config import Settings, parse_settings
from histoscore.errors import ConfigError
from histoscore.models.heads import (
    HEADS,
    CornSettings,
    CrossEntropySettings,
    HeadSettings,
    RegressionSettings,
    SoftSettings,
    build_head,
    softened,
)
from histoscore.vocabulary import OARSI_MOUSE

RUNGS = torch.tensor(OARSI_MOUSE.rungs)
EVERY: tuple[HeadSettings, ...] = (
    SoftSettings(),
    CrossEntropySettings(),
    CornSettings(),
    RegressionSettings(),
)
every_head = pytest.mark.parametrize("settings", EVERY, ids=lambda s: s.name)


class Block(Settings):
    """A bigger block that holds a head."""

    head: HeadSettings = SoftSettings()


def shares(n: int, seed: int = 0) -> Tensor:
    """(n, rungs) what up to four scorers gave."""
    votes = np.random.default_rng(seed).multinomial(4, [1 / 8] * 8, size=n)
    return torch.tensor(votes / 4, dtype=torch.float32)


def numbers(n: int, outputs: int, scale: float = 2.0, seed: int = 1) -> Tensor:
    return torch.randn(n, outputs, generator=torch.Generator().manual_seed(seed)) * scale


def one_hot(*grades: float) -> Tensor:
    rungs = torch.tensor([OARSI_MOUSE.index(grade) for grade in grades])
    return functional.one_hot(rungs, len(OARSI_MOUSE)).float()


class TestSettings:
    def test_each_head_is_named_by_its_settings(self) -> None:
        assert {s.name for s in EVERY} == HEADS.keys()
        assert [build_head(s, OARSI_MOUSE).outputs for s in EVERY] == [8, 8, 7, 1]

    @every_head
    def test_a_block_reads_back_what_it_wrote(self, settings: HeadSettings) -> None:
        block = Block(head=settings)
        assert Block.model_validate(block.model_dump()) == block

    def test_options_are_the_heads_own(self) -> None:
        soft = Block.model_validate({"head": {"name": "soft", "softness": 0.5}})
        assert soft.head == SoftSettings(softness=0.5)
        with pytest.raises(ValidationError, match="Extra inputs"):
            Block.model_validate({"head": {"name": "corn", "softness": 0.5}})

    def test_an_unknown_head_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ValidationError, match="'soft', 'cross_entropy', 'corn', 'regression'"):
            Block.model_validate({"head": {"name": "coral"}})

    @pytest.mark.parametrize(
        "head", [{"name": "soft", "softness": 0}, {"name": "regression", "width": -1}]
    )
    def test_distances_are_above_zero(self, head: dict[str, object]) -> None:
        with pytest.raises(ValidationError, match="greater than 0"):
            Block.model_validate({"head": head})


class TestEveryHead:
    @every_head
    @settings_of_hypothesis(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_probabilities_are_finite_and_sum_to_one(
        self, settings: HeadSettings, data: st.DataObject
    ) -> None:
        head = build_head(settings, OARSI_MOUSE)
        shape = array_shapes(min_dims=1, max_dims=1, max_side=5).map(lambda n: (*n, head.outputs))
        drawn = data.draw(arrays(np.float32, shape, elements=st.floats(-1e4, 1e4, width=32)))
        logs = head.log_probabilities(torch.from_numpy(drawn))
        assert logs.shape == (len(drawn), 8)
        assert logs.isfinite().all()
        assert logs.exp().sum(1).tolist() == pytest.approx([1.0] * len(drawn), abs=1e-4)

    @every_head
    def test_half_precision_is_reckoned_in_single(self, settings: HeadSettings) -> None:
        head = build_head(settings, OARSI_MOUSE)
        half = numbers(6, head.outputs).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            loss, logs = head.loss(half, shares(6)), head.log_probabilities(half)
        assert loss.dtype == logs.dtype == torch.float32
        assert torch.equal(loss, head.loss(half.float(), shares(6)))
        assert torch.equal(logs, head.log_probabilities(half.float()))

    @every_head
    def test_gradients_are_finite_where_the_network_is_sure_and_wrong(
        self, settings: HeadSettings
    ) -> None:
        head = build_head(settings, OARSI_MOUSE)
        outputs = torch.full((2, head.outputs), -1e4)
        outputs[:, -1] = 1e4
        outputs.requires_grad_()
        head.loss(outputs, one_hot(3, 4)).backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all()
        assert (outputs.grad != 0).any(1).all()

    @every_head
    def test_shapes_that_do_not_fit_are_refused(self, settings: HeadSettings) -> None:
        head = build_head(settings, OARSI_MOUSE)
        with pytest.raises(ValueError, match=r"\(3, 9\)"):
            head.log_probabilities(torch.zeros(3, 9))
        with pytest.raises(ValueError, match=r"\(3, 5\)"):
            head.loss(torch.zeros(3, head.outputs), torch.full((3, 5), 0.2))
        with pytest.raises(ValueError, match="3 strips, but wanted grades for 1"):
            head.loss(torch.zeros(3, head.outputs), one_hot(2))

    @every_head
    def test_it_learns_an_ordinal_truth(self, settings: HeadSettings) -> None:
        """A linear network on the features that make the grade, and on two that do not."""
        features = torch.rand(256, 5, generator=torch.Generator().manual_seed(4)) * 2 - 1
        severity = 3 + features @ torch.tensor([2.0, -0.8, 0.4, 0.0, 0.0])
        rungs = (severity[:, None] - RUNGS).abs().argmin(1)
        head = build_head(settings, OARSI_MOUSE)
        learned = trained(head.outputs, features, functional.one_hot(rungs, 8).float(), settings)
        found = head.log_probabilities(learned).argmax(1)
        assert (found == rungs).float().mean() > 0.9


def trained(outputs: int, features: Tensor, wanted: Tensor, settings: HeadSettings) -> Tensor:
    """What a linear network yields after at most 60 steps of a full-batch optimiser."""
    head = build_head(settings, OARSI_MOUSE)
    network = torch.nn.Linear(features.shape[1], outputs)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = head.loss(network(features), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return network(features)  # type: ignore[no-any-return]


class TestCrossEntropy:
    head = build_head(CrossEntropySettings(), OARSI_MOUSE)

    def test_it_is_that_of_torch(self) -> None:
        logits, wanted = numbers(9, 8), shares(9)
        expected = functional.cross_entropy(logits, wanted)
        assert self.head.loss(logits, wanted).item() == pytest.approx(expected.item(), rel=1e-6)

    def test_knowing_nothing_costs_the_logarithm_of_the_rungs(self) -> None:
        assert self.head.loss(torch.zeros(2, 8), shares(2)).item() == pytest.approx(math.log(8))


class TestSoft:
    def test_distances_are_in_grades_not_in_rungs(self) -> None:
        """0.5 beside 0 is half as far as 3 beside 2, though both are one rung."""
        soft = softened(OARSI_MOUSE, 0.25)
        first, third = OARSI_MOUSE.index(0.5), OARSI_MOUSE.index(3)
        assert soft[first, first] / soft[first, 0] == pytest.approx(math.exp(0.5 / 0.25))
        assert soft[third, third] / soft[third, third - 1] == pytest.approx(math.exp(1 / 0.25))
        assert soft.sum(1).tolist() == pytest.approx([1.0] * 8)

    def test_scorers_are_softened_each_by_the_own_grade(self) -> None:
        wanted = (one_hot(1) + one_hot(4)) / 2
        soft = softened(OARSI_MOUSE, 0.25)
        target = (soft[OARSI_MOUSE.index(1)] + soft[OARSI_MOUSE.index(4)]) / 2
        logits = numbers(1, 8)
        found = build_head(SoftSettings(), OARSI_MOUSE).loss(logits, wanted)
        expected = functional.cross_entropy(logits, target[None])
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)

    def test_barely_softened_it_is_cross_entropy(self) -> None:
        logits, wanted = numbers(9, 8), shares(9)
        hard = build_head(CrossEntropySettings(), OARSI_MOUSE).loss(logits, wanted)
        soft = build_head(SoftSettings(softness=0.02), OARSI_MOUSE).loss(logits, wanted)
        assert soft.item() == pytest.approx(hard.item(), rel=1e-6)

    def test_a_near_miss_costs_less_than_a_far_one(self) -> None:
        head = build_head(SoftSettings(), OARSI_MOUSE)
        costs = [head.loss(4 * one_hot(guess), one_hot(0)).item() for guess in (0, 0.5, 1, 2)]
        assert costs == sorted(costs)
        assert costs[0] < costs[1] < costs[2] < costs[3]


class TestCorn:
    head = build_head(CornSettings(), OARSI_MOUSE)

    @staticmethod
    def task_losses(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Each step's binary cross entropies (n, steps), unweighted; and how much they count."""
        above = wanted.flip(1).cumsum(1).flip(1)  # P(wanted at or above rung k)
        counts = above[:, :-1]
        labels = torch.where(counts > 0, above[:, 1:] / counts.clamp(min=1e-9), 0)
        losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return losses, counts

    def test_one_hot_it_is_the_papers_up_to_the_divisor(self) -> None:
        """The paper: only strips above rung k − 1 train step k; divided by all subsets' sizes."""
        logits, grades = numbers(40, 7), [OARSI_MOUSE.rungs[i % 8] for i in range(40)]
        ranks = torch.tensor([OARSI_MOUSE.index(grade) for grade in grades])
        total, size = 0.0, 0
        for step in range(7):
            subset = ranks > step - 1
            labels = (ranks[subset] > step).float()
            total += functional.binary_cross_entropy_with_logits(
                logits[subset, step], labels, reduction="sum"
            ).item()
            size += int(subset.sum())
        found = self.head.loss(logits, one_hot(*grades)).item()
        assert found * 40 / size == pytest.approx(total / size, rel=1e-5)

    def test_shares_weigh_each_step_by_who_reached_it(self) -> None:
        logits, wanted = numbers(30, 7), shares(30)
        losses, counts = self.task_losses(logits, wanted)
        expected = (losses * counts).sum(1).mean().item()
        assert self.head.loss(logits, wanted).item() == pytest.approx(expected, rel=1e-5)

    def test_chances_of_being_above_are_products_of_the_steps(self) -> None:
        logits = numbers(20, 7)
        above = 1 - self.head.log_probabilities(logits).exp().cumsum(1)[:, :-1]
        assert torch.allclose(above, torch.sigmoid(logits).cumprod(1), atol=1e-6)
        assert (above.diff(dim=1) <= 1e-6).all()

    @given(st.integers(0, 6), st.floats(0.125, 5), st.integers(0, 100))
    def test_a_step_more_likely_climbed_never_lowers_the_chance_of_being_above(
        self, step: int, more: float, seed: int
    ) -> None:
        logits = numbers(1, 7, seed=seed)
        raised = logits.clone()
        raised[0, step] += more
        before, after = (
            self.head.log_probabilities(x).exp().cumsum(1)[0] for x in (logits, raised)
        )
        assert (after <= before + 1e-6).all()
        assert after[step] < before[step]


class TestRegression:
    head = build_head(RegressionSettings(), OARSI_MOUSE)

    def test_errors_are_in_grades(self) -> None:
        """0.5 for 0 is half a grade off, 3 for 2 a whole one, though both are one rung."""
        assert self.head.loss(torch.tensor([[0.5]]), one_hot(0)).item() == pytest.approx(0.125)
        assert self.head.loss(torch.tensor([[3.0]]), one_hot(2)).item() == pytest.approx(0.5)
        assert self.head.loss(torch.tensor([[6.0]]), one_hot(2)).item() == pytest.approx(3.5)

    def test_it_aims_at_the_scorers_mean(self) -> None:
        wanted = (one_hot(0.5) + one_hot(2)) / 2
        assert self.head.loss(torch.tensor([[1.25]]), wanted).item() == pytest.approx(0)

    @given(st.floats(-3, 9))
    def test_the_most_probable_rung_is_the_nearest(self, value: float) -> None:
        far = (RUNGS - torch.tensor(value)).abs()
        found = int(self.head.log_probabilities(torch.tensor([[value]])).argmax())
        assert far[found] <= far.min() + 1e-5

    def test_probabilities_are_a_gaussian_of_the_width_given(self) -> None:
        head = build_head(RegressionSettings(width=0.8), OARSI_MOUSE)
        density = torch.exp(-((1.3 - RUNGS) ** 2) / (2 * 0.8**2))
        found = head.log_probabilities(torch.tensor([[1.3]])).exp()[0]
        assert torch.allclose(found, density / density.sum(), atol=1e-6)

    def test_a_temperature_is_a_wider_spread(self) -> None:
        values = numbers(5, 1)
        wide = build_head(RegressionSettings(width=1.0), OARSI_MOUSE).log_probabilities(values)
        tempered = torch.log_softmax(self.head.log_probabilities(values) / 4, 1)
        assert torch.allclose(wide, tempered, atol=1e-5)


def test_a_config_error_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r"head: .*'coral'"):
        parse_settings(Block, {"head": {"name": "coral"}}, "train.yaml")
