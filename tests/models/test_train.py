"""`histoscore train` in miniature: a bundle comes out, and the same line resumes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers.miniature import CONFIG, STAGES, Miniature

from histoscore.errors import ConfigError, RunMismatchError
from histoscore.models.bundle import find_bundle
from histoscore.models.train import train_from_config


def test_the_bundle_can_be_used(miniature: Miniature) -> None:
    bundle = find_bundle(str(miniature.bundle))
    assert bundle.name == "miniature"
    assert miniature.bundle == miniature.out
    for name in bundle.details.networks:
        assert not bundle.load(name).training


def test_the_card_says_what_it_was_trained_on(miniature: Miniature) -> None:
    details = find_bundle(str(miniature.bundle)).details
    assert details.training["scenes"] == 2
    assert details.training["scorers"] == 0
    assert "no tissue" in details.training["data"]
    assert details.training["config"]["seed"] == 7
    assert details.validated_on_real_tissue is False
    assert details.networks["fine"].spec.mpp == 3.0


def test_the_card_says_which_stains_it_was_shown(miniature: Miniature) -> None:
    limits = find_bundle(str(miniature.bundle)).details.appearance
    assert limits
    assert all(0 <= low < high <= 1 for low, high in limits.values())


def test_without_strips_the_grader_cannot_learn_and_says_so(miniature: Miniature) -> None:
    assert "found 0 compartments" in miniature.refusal
    assert "grader.training.batch" in miniature.refusal


@pytest.mark.parametrize("file", STAGES)
def test_what_was_done_is_not_done_again(miniature: Miniature, file: str) -> None:
    first, last = miniature.times[file]
    assert first == last


def test_only_the_missing_stage_is_reported_the_second_time(miniature: Miniature) -> None:
    at = miniature.said.index("again")
    first, second = miniature.said[:at], miniature.said[at:]
    assert [line for line in first if line.endswith("network")][:2] == [
        "coarse network",
        "fine network",
    ]
    assert "grader network" in second
    assert "coarse network" not in second
    assert "2 of 2 scenes drawn" in first


@pytest.mark.parametrize(("name", "steps"), [("coarse", 2), ("fine", 2), ("grader", 4)])
def test_each_network_leaves_its_loss(miniature: Miniature, name: str, steps: int) -> None:
    rows = list(csv.DictReader((miniature.out / f"{name}.csv").read_text().splitlines()))
    assert int(rows[-1]["step"]) == steps
    assert np.isfinite(float(rows[-1]["loss"]))


def test_a_finished_training_is_left_as_it_is(miniature: Miniature) -> None:
    before = {file: file.stat().st_mtime_ns for file in (miniature.out / "stages").glob("*")}
    hashed = find_bundle(str(miniature.bundle)).weights_hash
    assert train_from_config(miniature.config, miniature.out, lambda _: None) == miniature.bundle
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert find_bundle(str(miniature.bundle)).weights_hash == hashed


def test_another_configuration_is_refused_in_the_same_folder(
    miniature: Miniature, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(CONFIG.replace("seed: 7", "seed: 8"))
    with pytest.raises(RunMismatchError, match="choose another --out"):
        train_from_config(other, miniature.out, lambda _: None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 2", "stops: 2", "did you mean steps"),
        ("tile_px: 320", "tile_px: 321", "multiple of 32"),
        ("count: 2", "count: 1", "count"),
        ("name: miniature", "name: ../elsewhere", "name"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_is_made(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        train_from_config(config, tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()
