"""What a frozen encoder makes of strips is computed once, and teaches as pictures would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from pydantic import ValidationError

from histoscore.geometry import Mpp
from histoscore.image.strips import ABOVE_PX, BELOW_PX
from histoscore.models.cached_strips import CachedStrips, cached_strips
from histoscore.models.grading import GraderSettings, GradingTask, StripSource
from histoscore.models.heads import build_head
from histoscore.models.learning import learn
from histoscore.models.networks import GraderNetwork, build_network
from histoscore.models.specs import GraderSpec, SoftSettings
from histoscore.models.strips import ExampleStrip
from histoscore.vocabulary import OARSI_MOUSE, Compartment

SPEC = GraderSpec(depth=3, mpp=1.5, tile_px=96)
CPU = torch.device("cpu")


def strip(number: int) -> ExampleStrip:
    pixels = np.zeros((ABOVE_PX + BELOW_PX, 30 + 7 * number, 5), np.uint8)
    pixels[ABOVE_PX - 14 : ABOVE_PX, :, (0, 3)] = (20 * number, 255)
    pixels[ABOVE_PX : ABOVE_PX + 10, :, (1, 4)] = (60, 255)
    grade = OARSI_MOUSE.rungs[number % 8]
    return ExampleStrip(pixels, Compartment.MTP, {"A": grade}, f"m{number}", True, Mpp(1.5))


def source(count: int = 5, batch_size: int = 2) -> StripSource:
    return StripSource([strip(n) for n in range(count)], SPEC, OARSI_MOUSE, batch_size, 4)


def network() -> GraderNetwork:
    torch.manual_seed(1)
    built = build_network(SPEC)
    assert isinstance(built, GraderNetwork)
    return built


def quiet(line: str) -> None:
    """Nobody waits."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grader") / "features.zarr"


@pytest.fixture(scope="module")
def cached(folder: Path) -> CachedStrips:
    return cached_strips(source(), network(), folder, 2, quiet)


def test_columns_are_what_the_encoder_makes_of_the_varied_strips(cached: CachedStrips) -> None:
    for variant in range(2):
        (varied,) = source().variant(variant)
        with torch.inference_mode():
            columns = network().encoded(varied.pixels).numpy()
        assert np.abs(cached.columns[variant] - columns).max() < 2e-3 * np.abs(columns).max()
        assert (cached.present[variant] == varied.present.numpy()).all()
        assert (cached.measures[variant] == varied.measures.numpy()).all()


def test_colours_of_one_strip_differ(cached: CachedStrips) -> None:
    assert np.abs(cached.columns[0].astype(float) - cached.columns[1]).max() > 1e-2


def test_a_batch_holds_the_strips_and_grades_that_the_source_would_give(
    cached: CachedStrips,
) -> None:
    for number in range(4):
        mine, theirs = cached.batch(number), source().batch(number)
        assert (mine.wanted == theirs.wanted).all()
        assert (mine.present.sum(1) == theirs.present.sum(1)).all()
    assert cached.batches_an_epoch == source().batches_an_epoch
    assert cached.batch_size == source().batch_size


def test_the_network_says_the_same_of_columns_as_of_pixels() -> None:
    (varied,) = source().variant(0)
    with torch.inference_mode():
        columns = network().encoded(varied.pixels)
        of_pixels = network()(varied.pixels, varied.present, varied.measures)
        of_columns = network()(columns, varied.present, varied.measures)
    assert torch.allclose(of_pixels, of_columns, atol=1e-5)


def test_what_is_stored_is_not_computed_again(cached: CachedStrips, folder: Path) -> None:
    said: list[str] = []
    again = cached_strips(source(), network(), folder, 2, said.append)
    assert said == []
    assert (again.columns == cached.columns).all()


def test_what_a_kill_left_unfinished_is_computed_anew(tmp_path: Path) -> None:
    folder = tmp_path / "features.zarr"
    zarr.open_group(folder, mode="w").create_array("columns", shape=(1, 5), dtype="f2")
    said: list[str] = []
    found = cached_strips(source(), network(), folder, 1, said.append)
    assert said == ["1 of 1 colours of 5 strips encoded"]
    assert found.columns.shape[:2] == (1, 5)


def test_a_head_learns_from_columns_and_the_encoder_stays(
    cached: CachedStrips, tmp_path: Path
) -> None:
    grader = network()
    before = grader.encoder.state_dict()["conv_stem.weight"].clone()
    settings = GraderSettings(epochs=1, batch=2, encoder_rate=0, cached_colours=2, rate=0.01)
    task = GradingTask(cached, None, build_head(SoftSettings(), OARSI_MOUSE))
    learnt = learn(grader, task, settings, 30, CPU, tmp_path, quiet)
    assert torch.equal(learnt.encoder.state_dict()["conv_stem.weight"], before)
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert losses[-1] < losses[0]


def test_only_a_frozen_encoder_can_be_cached() -> None:
    with pytest.raises(ValidationError, match="frozen encoder"):
        GraderSettings(cached_colours=4)
