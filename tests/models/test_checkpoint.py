"""Checkpoints: whole or not at all, and nothing in them is ever unpickled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from histoscore.errors import StoredResultError
from histoscore.models.checkpoint import (
    FILE,
    Checkpoint,
    drop_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

WEIGHTS = {"encoder.weight": torch.randn(3, 4, 2, 2), "head.bias": torch.tensor([0.5, -1.0])}
TAKEN = Checkpoint(
    step=40,
    best_loss=0.125,
    stale=2,
    recent=(0.5, 0.1 + 0.2),
    network=WEIGHTS,
    averaged={name: tensor * 0.9 for name, tensor in WEIGHTS.items()},
    moments={"exp_avg.0": torch.randn(3, 4, 2, 2), "step.0": torch.tensor(40.0)},
    best={name: tensor * 0.8 for name, tensor in WEIGHTS.items()},
)
FIRST = Checkpoint(1, float("inf"), 0, (), WEIGHTS, WEIGHTS, {}, None)


@pytest.mark.parametrize("taken", [TAKEN, FIRST], ids=["late", "first"])
def test_what_was_saved_comes_back_to_the_last_bit(tmp_path: Path, taken: Checkpoint) -> None:
    save_checkpoint(tmp_path, taken)
    again = load_checkpoint(tmp_path)
    assert again is not None
    for fact in ("step", "best_loss", "stale", "recent"):
        assert getattr(again, fact) == getattr(taken, fact)
    for part in ("network", "averaged", "moments", "best"):
        ours, theirs = getattr(taken, part), getattr(again, part)
        assert (theirs is None) == (ours is None)
        assert (theirs or {}).keys() == (ours or {}).keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in ours or {})


def test_weights_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    turned = torch.randn(4, 6)
    shared = {"a": turned, "b": turned.T, "c": turned[1:3]}
    save_checkpoint(tmp_path, Checkpoint(1, 0.0, 0, (), shared, shared, {}, None))
    again = load_checkpoint(tmp_path)
    assert again is not None
    assert all(torch.equal(again.network[name], shared[name]) for name in shared)


def test_a_new_checkpoint_takes_the_place_of_the_last(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, FIRST)
    save_checkpoint(tmp_path, TAKEN)
    again = load_checkpoint(tmp_path)
    assert again is not None
    assert again.step == 40
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    drop_checkpoint(tmp_path)
    save_checkpoint(tmp_path, TAKEN)
    drop_checkpoint(tmp_path)
    assert load_checkpoint(tmp_path) is None


class TestRefusals:
    """Anything else is refused by its path, with the way out."""

    @pytest.mark.parametrize("kept", [0, 5, 200, -3])
    def test_a_file_that_is_cut_short(self, tmp_path: Path, kept: int) -> None:
        save_checkpoint(tmp_path, TAKEN)
        file = tmp_path / FILE
        file.write_bytes(file.read_bytes()[:kept])
        with pytest.raises(StoredResultError, match=r"checkpoint\.safetensors: not a checkpoint"):
            load_checkpoint(tmp_path)

    @pytest.mark.parametrize(
        "facts",
        [None, {"other": "1"}, {"facts": "{"}, {"facts": "{}"}, {"facts": '{"step": "many"}'}],
        ids=str,
    )
    def test_weights_without_the_facts(self, tmp_path: Path, facts: dict[str, str] | None) -> None:
        save_file({"network/a": torch.zeros(2)}, tmp_path / FILE, facts)
        with pytest.raises(StoredResultError, match="remove it to train this network anew"):
            load_checkpoint(tmp_path)

    def test_a_part_that_is_not_known(self, tmp_path: Path) -> None:
        facts = {"facts": '{"step": 1, "best_loss": 1, "stale": 0}'}
        save_file({"secret/a": torch.zeros(2)}, tmp_path / FILE, facts)
        with pytest.raises(StoredResultError, match="secret"):
            load_checkpoint(tmp_path)

    def test_a_pickle_under_its_name(self, tmp_path: Path) -> None:
        torch.save(WEIGHTS, tmp_path / FILE)
        with pytest.raises(StoredResultError, match="not a checkpoint"):
            load_checkpoint(tmp_path)
