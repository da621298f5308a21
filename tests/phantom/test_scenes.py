"""Training scenes are stored without a loss that matters, and never occur in a study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from histoscore.phantom.mounting import STUDY_STREAM
from histoscore.phantom.scenes import (
    DYE_STEP,
    TRAINING_STREAM,
    load_scene,
    random_disease,
    store_scene,
    training_scene,
)
from histoscore.vocabulary import OARSI_MOUSE, Compartment

COARSE = 2.417


def test_a_stored_scene_is_the_scene(tmp_path: Path) -> None:
    scene, knee = training_scene(3, COARSE)
    store_scene(tmp_path, 3, COARSE)
    stored = load_scene(tmp_path, 3)
    assert stored.mpp == COARSE
    assert stored.grades == {bed.compartment: bed.disease.grade for bed in knee.beds}
    assert stored.pixels.shape == (*scene.tissue.shape, 5)
    assert not stored.pixels.flags.writeable
    assert (stored.pixels[..., 3] == scene.tissue).all()
    assert (stored.pixels[..., 4] == scene.zones).all()
    difference = stored.pixels[..., :3] * DYE_STEP - scene.dyes
    assert np.abs(difference).max() <= DYE_STEP / 2 + 1e-6


def test_a_scene_that_was_not_drawn_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_scene(tmp_path, 12)


def test_every_rung_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(disease.grade for _ in range(2000) for disease in random_disease(rng).values())
    assert set(drawn) == set(OARSI_MOUSE.rungs)
    assert min(drawn.values()) > 0.8 * max(drawn.values())
    assert set(random_disease(rng)) == set(Compartment)


def test_training_and_studies_draw_from_different_streams() -> None:
    training = {np.random.default_rng([TRAINING_STREAM, seed]).random() for seed in range(300)}
    studies = {np.random.default_rng([STUDY_STREAM, seed]).random() for seed in range(300)} | {
        np.random.default_rng([STUDY_STREAM, seed, 2, animal]).random()
        for seed in range(30)
        for animal in range(30)
    }
    assert len(training) == 300
    assert len(studies) == 1200
    assert not training & studies
