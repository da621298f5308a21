"""The loop: steps, rates, averages and looks; and a training that is killed loses nothing."""

from __future__ import annotations

import copy
import csv
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from histoscore.errors import PredictionError, StoredResultError
from histoscore.models import learning
from histoscore.models.checkpoint import FILE
from histoscore.models.learning import Learner, LearningSettings, ahead, autocast, learn
from histoscore.models.learning_curves import Curves

DRAW = Curves.draw
CPU = torch.device("cpu")
STEPS = 17
Batch = tuple[Tensor, Tensor]


class KilledError(Exception):
    """What a power cut looks like from inside."""


@pytest.fixture(autouse=True)
def _frequent_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line every 4 steps: the looks, every 3, do not fall together with them."""
    monkeypatch.setattr(learning, "LOG_EVERY", 4)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than learning; nor need the disk be waited for."""
    monkeypatch.setattr(os, "fsync", lambda number: None)
    monkeypatch.setattr(Curves, "draw", lambda self: None)


def quiet(line: str) -> None:
    """Nobody waits."""


class Small(nn.Module):
    """An encoder with running means, a head with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 10, 3, padding=1), nn.BatchNorm2d(10), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(10, 1))

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.encoder(images).mean((2, 3)))
        return outputs


def small(seed: int = 2) -> Small:
    torch.manual_seed(seed)
    return Small()


class Brightness:
    """How bright is the picture? Killed at batch `kill`, if any."""

    unit = "pictures"
    batch_size = 5

    def __init__(self, held_out: bool = True, kill: int | None = None) -> None:
        self.held_out, self.kill = held_out, kill
        self.asked: list[int] = []

    def batch(self, number: int) -> Batch:
        self.asked.append(number)
        if number == self.kill:
            raise KilledError
        rng = np.random.default_rng([3, number])
        level = rng.normal(size=(self.batch_size, 1))
        images = rng.normal(size=(self.batch_size, 3, 9, 6)) + level[..., None, None]
        return torch.from_numpy(images).float(), torch.from_numpy(level).float()

    def loss(self, network: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        images, level = batch
        return (network(images) - level).square().mean()

    def check(self, network: nn.Module, device: torch.device) -> Mapping[str, float]:
        if not self.held_out:
            return {}
        rng = np.random.default_rng(4)
        images = torch.from_numpy(rng.normal(size=(5, 3, 9, 6))).float()
        with torch.inference_mode():
            return {
                "loss": float(network(images).square().mean()),
                "bias": float(network(images).mean()),
            }


class Scripted(Brightness):
    """Held-out losses that are told; remembers the weights at each look."""

    def __init__(self, losses: Sequence[float], kill: int | None = None) -> None:
        super().__init__(kill=kill)
        self.losses = list(losses)
        self.seen: list[dict[str, Tensor]] = []

    def check(self, network: nn.Module, device: torch.device) -> Mapping[str, float]:
        self.seen.append({n: t.clone() for n, t in network.state_dict().items()})
        return {"loss": self.losses[len(self.seen) - 1]}


def how(**changes: float | str) -> LearningSettings:
    usual = {"rate": 0.02, "average": 0.8, "check_every": 3, "precision": "f32"}
    return LearningSettings.model_validate(usual | changes)


def learnt(
    folder: Path,
    task: Brightness | None = None,
    settings: LearningSettings | None = None,
    steps: int = STEPS,
    report: Callable[[str], None] = quiet,
) -> nn.Module:
    return learn(small(), task or Brightness(), settings or how(), steps, CPU, folder, report)


def same(one: nn.Module | Mapping[str, Tensor], other: nn.Module | Mapping[str, Tensor]) -> bool:
    """Whether all weights and running means agree to the last bit."""
    a, b = (x.state_dict() if isinstance(x, nn.Module) else x for x in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def curve(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "curves.csv").read_text().splitlines()))


class TestWhatIsLearnt:
    """Weights that fit, averaged over the way, in evaluation mode."""

    def test_the_loss_falls(self, tmp_path: Path) -> None:
        learnt(tmp_path, settings=how(average=0.5), steps=40)
        losses = [float(row["loss"]) for row in curve(tmp_path) if row["loss"]]
        assert losses[-1] < 0.6 * losses[0]

    def test_the_result_is_in_evaluation_mode(self, tmp_path: Path) -> None:
        assert not learnt(tmp_path, steps=2).training

    def test_after_the_first_step_the_average_is_the_weights(self) -> None:
        learner = Learner(small(), how(average=0.99), 50)
        one_step(learner, 1)
        assert same(learner.network, learner.averaged)

    @pytest.mark.parametrize("number", [2, 5, 400])
    def test_then_it_moves_toward_them_with_a_longer_and_longer_memory(self, number: int) -> None:
        learner = Learner(small(), how(average=0.9), 500)
        one_step(learner, 1)
        before = copy.deepcopy(learner.averaged)
        one_step(learner, number)
        keep = min(0.9, (number - 1) / (number + 9))
        for name, mean in learner.averaged.state_dict().items():
            own, old = learner.network.state_dict()[name], before.state_dict()[name]
            if mean.is_floating_point():
                assert torch.allclose(mean, keep * old + (1 - keep) * own, atol=1e-6)
        assert not same(learner.averaged, before)

    def test_batches_that_make_one_step_weigh_as_one_large_batch(self) -> None:
        images, level = Brightness().batch(0)
        together, apart = (Learner(small().eval(), how(), 10) for _ in range(2))
        for learner in (together, apart):
            learner.network.eval()  # no dropout, no means of a batch
        together.add((together.network(images[:4]) - level[:4]).square().mean())
        for part in (slice(0, 2), slice(2, 4)):
            apart.add((apart.network(images[part]) - level[part]).square().mean() / 2)
        for a, b in zip(together.network.parameters(), apart.network.parameters(), strict=True):
            assert a.grad is not None
            assert b.grad is not None
            assert torch.allclose(a.grad, b.grad, atol=1e-6)

    def test_a_step_takes_as_many_batches_as_are_accumulated(self, tmp_path: Path) -> None:
        task = Brightness()
        learnt(tmp_path, task, how(accumulate=3), steps=4)
        assert sorted(task.asked) == list(range(12))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_stops_it_and_says_what_to_do(
        self, tmp_path: Path, value: float
    ) -> None:
        class Wrong(Brightness):
            def loss(self, network: nn.Module, batch: Batch, device: torch.device) -> Tensor:
                return super().loss(network, batch, device) * value

        with pytest.raises(PredictionError, match=r"lower the learning rate \(training\.rate\)"):
            learnt(tmp_path, Wrong())


def one_step(learner: Learner, number: int) -> None:
    images, level = Brightness().batch(number)
    learner.add((learner.network(images) - level).square().mean())
    learner.step(number)


class TestRates:
    """A straight rise, then half a cosine; the encoder at a share of it."""

    @pytest.mark.parametrize(
        ("step", "rate"),
        [(1, 0.1), (5, 0.5), (10, 1.0), (32.5, 0.8536), (55, 0.5), (77.5, 0.1464), (100, 0.0)],
    )
    def test_at_some_of_100_steps_with_a_rise_of_10(self, step: int, rate: float) -> None:
        learner = Learner(small(), how(rate=1.0, warmup=0.1), 100)
        assert learner.rate(step) == pytest.approx(rate, abs=1e-4)

    @given(steps=st.integers(1, 400), warmup=st.floats(0, 0.99), peak=st.floats(1e-5, 1))
    @settings(max_examples=30)
    def test_it_rises_once_and_falls_once_within_the_peak(
        self, steps: int, warmup: float, peak: float
    ) -> None:
        learner = Learner(
            nn.ModuleDict({"encoder": nn.Linear(1, 1)}), how(rate=peak, warmup=warmup), steps
        )
        rates = np.array([learner.rate(step) for step in range(1, steps + 1)])
        assert (rates >= -1e-12).all()
        assert rates.max() == pytest.approx(peak)
        signs = np.sign(np.diff(rates))
        assert (np.diff(signs[signs != 0]) <= 0).all()

    def test_the_encoder_learns_at_its_own_rate(self) -> None:
        slow, fast = (Learner(small(), how(encoder_rate=share), 9) for share in (1e-6, 1.0))
        for learner in (slow, fast):
            for number in range(1, 6):
                one_step(learner, number)
        start = small()
        moved = [
            (learner.network.encoder[0].weight - start.encoder[0].weight).abs().max().item()  # type: ignore[union-attr,index]
            for learner in (slow, fast)
        ]
        assert moved[0] < 1e-6 < 1e-2 < moved[1]
        assert (slow.network.head[1].weight - start.head[1].weight).abs().max() > 1e-2  # type: ignore[union-attr,index,operator]

    def test_a_frozen_encoder_does_not_move_nor_do_its_running_means(self, tmp_path: Path) -> None:
        start = small()
        frozen = learnt(tmp_path, settings=how(encoder_rate=0, decay=0.5))
        assert same(start.encoder, frozen.encoder)  # type: ignore[arg-type]
        assert not same(start.head, frozen.head)  # type: ignore[arg-type]


class TestLooks:
    """Held-out animals decide which weights are kept, and when it is enough."""

    def test_the_best_look_is_kept(self, tmp_path: Path) -> None:
        task = Scripted([5, 3, 4, 1, 2, 6])
        assert same(learnt(tmp_path, task), task.seen[3])
        assert len(task.seen) == 6, "steps 3, 6, 9, 12, 15, and the last"

    def test_of_equal_looks_the_first_is_kept(self, tmp_path: Path) -> None:
        task = Scripted([5, 2, 2, 2, 2, 2])
        assert same(learnt(tmp_path, task), task.seen[1])

    def test_without_held_out_animals_the_last_weights_are_kept(self, tmp_path: Path) -> None:
        found = learnt(tmp_path, Brightness(held_out=False), how(patience=1))
        told = Scripted([9, 8, 7, 6, 5, 4])
        learnt(tmp_path / "told", told)
        assert same(found, told.seen[-1])

    def test_without_progress_it_stops_and_says_so(self, tmp_path: Path) -> None:
        task, said = Scripted([5, 3, 4, 3, 2, 1]), list[str]()
        found = learnt(tmp_path, task, how(patience=2), report=said.append)
        assert same(found, task.seen[1])
        assert len(task.seen) == 4
        assert said[-1] == "no progress on held-out animals in 2 looks: stops at step 12"
        assert int(curve(tmp_path)[-1]["step"]) == 12

    def test_progress_starts_the_count_anew(self, tmp_path: Path) -> None:
        task = Scripted([5, 6, 4, 6, 3, 6])
        assert same(learnt(tmp_path, task, how(patience=2)), task.seen[4])
        assert len(task.seen) == 6

    def test_a_look_that_is_no_number_is_no_progress(self, tmp_path: Path) -> None:
        task = Scripted([5, float("nan"), float("nan"), 1, 1, 1])
        assert same(learnt(tmp_path, task, how(patience=2)), task.seen[0])


@cache
def uninterrupted(accumulate: int, held_out: bool) -> tuple[dict[str, Tensor], str]:
    """Weights and curves of a training that nobody killed."""
    with tempfile.TemporaryDirectory() as folder:
        network = learnt(Path(folder), Brightness(held_out), how(accumulate=accumulate))
        return network.state_dict(), (Path(folder) / "curves.csv").read_text()


class TestKilled:
    """Killed anywhere and called again, it ends as if nothing had happened, to the last bit."""

    @given(
        kills=st.lists(st.integers(0, 2 * STEPS - 1), min_size=1, max_size=3),
        accumulate=st.sampled_from([1, 2]),
        held_out=st.booleans(),
    )
    @settings(max_examples=6)
    def test_while_a_batch_is_made(self, kills: list[int], accumulate: int, held_out: bool) -> None:
        settings = how(accumulate=accumulate)
        weights, text = uninterrupted(accumulate, held_out)
        with tempfile.TemporaryDirectory() as folder:
            for kill in kills:
                try:
                    learnt(Path(folder), Brightness(held_out, kill), settings)
                except KilledError:
                    continue
            assert same(learnt(Path(folder), Brightness(held_out), settings), weights)
            assert (Path(folder) / "curves.csv").read_text() == text

    @pytest.mark.parametrize("precision", ["f32", "bf16"])
    def test_at_any_line_of_progress(self, tmp_path: Path, precision: str) -> None:
        said = list[str]()
        settings = how(precision=precision)
        expected = learnt(tmp_path / "whole", settings=settings, report=said.append)
        assert len(said) == 5 + 6
        for number in (0, 3, 7, 10):
            folder = tmp_path / str(number)
            with pytest.raises(KilledError):
                learnt(folder, settings=settings, report=killer(number))
            assert same(learnt(folder, settings=settings), expected)
            text = (folder / "curves.csv").read_text()
            assert text == (tmp_path / "whole" / "curves.csv").read_text()

    def test_just_when_it_had_learnt_enough(self, tmp_path: Path) -> None:
        """A look that would come after the last one must not be taken."""
        losses = [5, 3, 4, 4, 1, 1]
        task = Scripted(losses)
        lines = iter(range(100))

        def at_the_end(line: str) -> None:
            next(lines)
            if "no progress" in line:
                raise KilledError

        with pytest.raises(KilledError):
            learnt(tmp_path, task, how(patience=2), report=at_the_end)
        again = Scripted(losses[4:])
        assert same(learnt(tmp_path, again, how(patience=2)), task.seen[1])
        assert again.seen == []

    def test_it_says_where_it_goes_on(self, tmp_path: Path) -> None:
        with pytest.raises(KilledError):
            learnt(tmp_path, Brightness(kill=8))
        said, task = list[str](), Brightness()
        learnt(tmp_path, task, report=said.append)
        assert said[0] == "goes on after step 6"
        assert min(task.asked) == 6

    def test_a_finished_training_is_not_learnt_again(self, tmp_path: Path) -> None:
        first, task = learnt(tmp_path), Brightness()
        assert same(learnt(tmp_path, task), first)
        assert task.asked == []

    def test_a_damaged_checkpoint_is_refused(self, tmp_path: Path) -> None:
        learnt(tmp_path)
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-9])
        with pytest.raises(StoredResultError, match=FILE):
            learnt(tmp_path)


def killer(line: int) -> Callable[[str], None]:
    """Raises at line number `line`."""
    lines = iter(range(1000))

    def report(text: str) -> None:
        if next(lines) == line:
            raise KilledError

    return report


class TestCurves:
    """What is left for people to look at."""

    def test_losses_rates_and_looks_by_step(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Curves, "draw", DRAW)
        learnt(tmp_path)
        rows = {int(row["step"]): row for row in curve(tmp_path)}
        assert [step for step, row in rows.items() if row["loss"]] == [4, 8, 12, 16, 17]
        looks = [step for step, row in rows.items() if row["held_out_loss"]]
        assert looks == [3, 6, 9, 12, 15, 17]
        assert all(rows[step]["held_out_bias"] for step in looks)
        assert float(rows[17]["rate"]) == 0
        assert (tmp_path / "curves.png").stat().st_size > 1000

    def test_each_line_says_how_far_and_how_fast(self, tmp_path: Path) -> None:
        said = list[str]()
        learnt(tmp_path, report=said.append)
        lines = [line for line in said if line.startswith("step")]
        assert lines[-1].startswith("step 17/17  loss ")
        assert "pictures/s" in lines[-1]
        assert lines[-1].endswith("0 min left")


class TestAhead:
    """Batches are made a few ahead of their use, in order."""

    def test_all_of_them_in_order(self) -> None:
        assert list(ahead(lambda n: n * n, 3, 9)) == [9, 16, 25, 36, 49, 64]
        assert list(ahead(lambda n: n, 5, 5)) == []

    def test_no_more_than_a_few_at_a_time(self) -> None:
        made: list[int] = []
        items = ahead(made.append, 0, 100, depth=3)
        next(items)
        items.close()
        assert 1 <= len(made) <= 3
        assert made == sorted(made)

    def test_what_goes_wrong_in_the_making_is_raised_in_its_turn(self) -> None:
        items = ahead(lambda n: 6 / (n - 2), 0, 5)
        assert [next(items), next(items)] == [-3, -6]
        with pytest.raises(ZeroDivisionError):
            next(items)


@pytest.mark.parametrize(
    ("precision", "is_fast", "kind"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("bf16", False, torch.bfloat16),
        ("f32", True, torch.float32),
    ],
)
def test_half_precision_where_it_is_asked_for_or_quicker(
    precision: str, is_fast: bool, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "has_fast_bfloat16", lambda device: is_fast)
    a = torch.ones(2, 2)
    with autocast(CPU, precision):
        assert (a @ a).dtype == kind
