"""What the grader learns: batches of strips, looks at held-out ones, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.geometry import Mpp
from histoscore.image.strips import ABOVE_PX, BELOW_PX
from histoscore.models.grading import (
    GradingTask,
    StripBatch,
    StripSource,
    log_probabilities,
    outputs_of,
)
from histoscore.models.heads import build_head
from histoscore.models.specs import CrossEntropySettings, GraderSpec
from histoscore.models.strips import ExampleStrip
from histoscore.vocabulary import OARSI_MOUSE, Compartment

SPEC = GraderSpec(mpp=1.5, tile_px=96, context=2)
HEAD = build_head(CrossEntropySettings(), OARSI_MOUSE)
CPU = torch.device("cpu")


def strip(number: int, grade: float = 2.0) -> ExampleStrip:
    """Its length tells which it is."""
    pixels = np.zeros((ABOVE_PX + BELOW_PX, 20 + number, 5), np.uint8)
    pixels[ABOVE_PX - 14 : ABOVE_PX, :, (0, 3)] = (110, 255)
    pixels[ABOVE_PX : ABOVE_PX + 10, :, (1, 4)] = (60, 255)
    return ExampleStrip(pixels, Compartment.MTP, {"A": grade}, f"m{number}", True, Mpp(1.5))


def source(count: int = 7, batch_size: int = 3, seed: int = 4) -> StripSource:
    strips = [strip(n, OARSI_MOUSE.rungs[n % 8]) for n in range(count)]
    return StripSource(strips, SPEC, OARSI_MOUSE, batch_size, seed)


def which(batch: StripBatch) -> list[int]:
    """Numbers of a batch's strips, by their lengths."""
    return [int(n) - 20 for n in batch.present.sum(1)]


class TestBatches:
    """Every strip once an epoch, in a new order each time."""

    def test_a_batch_is_what_the_grader_takes(self) -> None:
        batch = source().batch(0)
        assert batch.pixels.shape == (3, 5, ABOVE_PX + BELOW_PX, 96)
        assert batch.present.shape == (3, 96)
        assert batch.measures.shape == (3, 4)
        assert batch.wanted.shape == (3, len(OARSI_MOUSE))

    def test_wanted_grades_are_those_of_the_strips(self) -> None:
        batch = source().batch(1)
        for number, wanted in zip(which(batch), batch.wanted, strict=True):
            assert wanted.tolist() == [float(rung == number) for rung in range(8)]

    def test_an_epoch_shows_no_strip_twice_and_leaves_less_than_a_batch(self) -> None:
        tiles = source()
        assert tiles.batches_an_epoch == 2
        for epoch in range(3):
            shown = [n for b in (0, 1) for n in which(tiles.batch(2 * epoch + b))]
            assert len(shown) == len(set(shown)) == 6

    def test_epochs_differ_and_over_them_every_strip_is_shown(self) -> None:
        tiles = source()
        epochs = [which(tiles.batch(2 * e)) + which(tiles.batch(2 * e + 1)) for e in range(8)]
        assert len({tuple(epoch) for epoch in epochs}) > 4
        assert {n for epoch in epochs for n in epoch} == set(range(7))

    def test_a_batch_depends_on_seed_and_number_only(self) -> None:
        first = [source().batch(n) for n in range(3)]
        tiles = source()
        for number in (2, 0):
            again = tiles.batch(number)
            assert all(torch.equal(a, b) for a, b in zip(again, first[number], strict=True))
        assert not torch.equal(first[0].pixels, first[2].pixels)
        assert which(source(seed=5).batch(0)) != which(first[0]) or not torch.equal(
            source(seed=5).batch(0).pixels, first[0].pixels
        )

    def test_measures_are_a_little_uncertain(self) -> None:
        """Thickness of one layer, 14 rows of 1.5 µm: 21 of 50."""
        thick = torch.cat([source(12, 12).batch(n).measures[:, 1] for n in range(12)])
        assert thick.mean().item() == pytest.approx(21 / 50, abs=0.01)
        assert thick.std().item() == pytest.approx(0.02, rel=0.3)

    @pytest.mark.parametrize("count", [0, 2])
    def test_too_few_strips_are_a_refusal_that_says_what_to_do(self, count: int) -> None:
        with pytest.raises(
            ModelError, match=rf"found {count} graded compartments.*3 at a time \(grader\.training"
        ):
            source(count)


class TestLooks:
    """Every strip in so many colours, the same at each call."""

    def test_all_strips_in_order_time_after_time(self) -> None:
        looks = list(source(19, 3).looks(2))
        assert [len(look.present) for look in looks] == [16, 3, 16, 3]
        assert [n for look in looks for n in which(look)] == [*range(19), *range(19)]

    def test_each_time_in_another_colour_and_the_same_at_each_call(self) -> None:
        once, again = (list(source(4, 3).looks(2)) for _ in range(2))
        for a, b in zip(once, again, strict=True):
            assert torch.equal(a.pixels, b.pixels)
            assert torch.equal(a.measures, b.measures)
        assert not torch.equal(once[0].pixels[:, :3], once[1].pixels[:, :3])


class ByLength(nn.Module):
    """Sure of the rung that a strip's length tells, give or take `error` rungs."""

    def __init__(self, error: int = 0) -> None:
        super().__init__()
        self.error = error

    def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
        rung = (present.sum(1) - 20 + self.error) % 8
        return 40.0 * torch.nn.functional.one_hot(rung, 8).float()


class TestTask:
    """What is learnt, and how far off held-out strips are."""

    def test_a_grader_without_fault(self) -> None:
        task = GradingTask(source(), source(8, 1), HEAD)
        seen = task.check(ByLength(), CPU)
        assert seen == pytest.approx({"loss": 0, "mae": 0}, abs=1e-5)
        assert task.loss(ByLength(), task.batch(3), CPU).item() == pytest.approx(0, abs=1e-5)

    def test_error_is_told_in_grades(self) -> None:
        """One rung too high: half a grade, twice, five whole ones, and 6 taken for 0."""
        seen = GradingTask(source(), source(8, 1), HEAD).check(ByLength(1), CPU)
        assert seen["mae"] == pytest.approx((0.5 + 0.5 + 5 + 6) / 8)
        assert seen["loss"] == pytest.approx(40, abs=1e-3)

    def test_of_scorers_who_disagree_the_mean_counts(self) -> None:
        torn = ExampleStrip(
            strip(3).pixels, Compartment.MTP, {"A": 2.0, "B": 4.0}, "m3", True, Mpp(1.5)
        )
        held_out = StripSource([torn], SPEC, OARSI_MOUSE, 1, 4)
        seen = GradingTask(source(), held_out, HEAD).check(ByLength(), CPU)
        assert seen["mae"] == pytest.approx(1)

    def test_without_held_out_animals_there_is_nothing_to_see(self) -> None:
        assert GradingTask(source(), None, HEAD).check(nn.Identity(), CPU) == {}

    def test_it_learns_from_the_training_animals_batches(self) -> None:
        task = GradingTask(source(), source(8, 1), HEAD)
        assert task.batch_size == 3
        assert torch.equal(task.batch(4).pixels, source().batch(4).pixels)

    def test_what_is_learnt_can_be_learnt_from(self) -> None:
        outputs = nn.Linear(4, 8)

        class OfMeasures(nn.Module):
            def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
                found: Tensor = outputs(measures)
                return found

        task = GradingTask(source(), None, HEAD)
        task.loss(OfMeasures(), task.batch(0), CPU).backward()  # type: ignore[no-untyped-call]
        assert outputs.weight.grad is not None
        assert outputs.weight.grad.abs().max() > 0


def test_what_is_said_of_strips_are_logarithms_of_probabilities_time_after_time() -> None:
    said = log_probabilities(ByLength(), source(5, 1), HEAD, CPU, times=3)
    assert said.shape == (15, 8)
    assert said.dtype == np.float64
    assert np.exp(said).sum(1) == pytest.approx(1)
    assert said.argmax(1).tolist() == [0, 1, 2, 3, 4] * 3


def test_outputs_are_those_of_the_network_for_the_three_inputs() -> None:
    batch = source().batch(0)
    expected = ByLength()(batch.pixels, batch.present, batch.measures)
    assert torch.equal(outputs_of(ByLength(), batch, CPU), expected)
