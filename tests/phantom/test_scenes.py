"""Training scenes are stored without loss, and never occur in a study."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from histoscore.phantom.chance import Chance
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import animal_traits
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.mounting import STUDY_STREAM
from histoscore.phantom.painting.section import Scene
from histoscore.phantom.scenes import (
    DYE_STEP,
    TRAINING_STREAM,
    load_scene,
    random_disease,
    store_scene,
    training_scene,
)
from histoscore.vocabulary import OARSI_MOUSE, Compartment

COARSE = 7.417


@cache
def drawn(seed: int) -> tuple[Scene, Knee]:
    return training_scene(seed, COARSE)


def test_a_stored_scene_is_the_scene(tmp_path: Path) -> None:
    scene, knee = drawn(3)
    store_scene(tmp_path, 3, COARSE)
    stored = load_scene(tmp_path, 3)
    assert stored.mpp == COARSE
    assert stored.grades == {bed.compartment: bed.disease.grade for bed in knee.beds}
    assert stored.pixels.shape == (*scene.tissue.shape, 5)
    assert scene.tissue.shape[0] != scene.tissue.shape[1]
    assert stored.pixels.dtype == np.uint8
    assert not stored.pixels.flags.writeable
    assert (stored.pixels[..., :3] == scene.dyes).all()
    assert (stored.pixels[..., 3] == scene.tissue).all()
    assert (stored.pixels[..., 4] == scene.zones).all()


@pytest.mark.parametrize("seed", [3, 4])
def test_a_scene_has_tissue_dye_and_all_compartments(seed: int) -> None:
    scene, _ = drawn(seed)
    assert set(np.unique(scene.zones)) == {0, *(compartment.code for compartment in Compartment)}
    assert 0.3 < (scene.tissue > 0).mean() <= 1
    assert 0.5 < scene.dyes.max() * DYE_STEP < 5


def test_another_seed_is_another_scene() -> None:
    (one, knee), (other, stranger) = drawn(3), drawn(4)
    assert one.view != other.view
    assert knee.disease != stranger.disease
    assert animal_traits(knee.at) != animal_traits(stranger.at)
    assert knee.at.own != stranger.at.own


def test_a_scene_that_was_not_drawn_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_scene(tmp_path, 12)


@pytest.fixture(scope="module")
def diseases() -> list[dict[Compartment, Disease]]:
    rng = np.random.default_rng(0)
    return [random_disease(rng) for _ in range(1500)]


def test_every_rung_is_drawn_equally_often_in_every_compartment(
    diseases: list[dict[Compartment, Disease]],
) -> None:
    for compartment in Compartment:
        drawn = Counter(section[compartment].grade for section in diseases)
        assert set(drawn) == set(OARSI_MOUSE.rungs)
        assert min(drawn.values()) > 0.7 * max(drawn.values())


def test_compartments_are_ill_apart_from_each_other(
    diseases: list[dict[Compartment, Disease]],
) -> None:
    rungs = [[OARSI_MOUSE.index(s[c].grade) for c in Compartment] for s in diseases]
    alike = np.corrcoef(np.transpose(rungs)) - np.eye(len(Compartment))
    assert np.abs(alike).max() < 0.1


@pytest.mark.parametrize(
    ("sign", "most"), [("osteophyte", 3.0), ("sclerosis", 1.0), ("meniscus", 1.0)]
)
def test_signs_beside_the_grade_are_drawn_in_half_of_the_compartments_whatever_the_grade(
    diseases: list[dict[Compartment, Disease]], sign: str, most: float
) -> None:
    for grade in OARSI_MOUSE.rungs:
        of_grade = [d for section in diseases for d in section.values() if d.grade == grade]
        values = np.array([getattr(disease, sign) for disease in of_grade])
        assert 0 == values.min() < 0.9 * most < values.max() <= most
        assert (values > 0).mean() == pytest.approx(0.5, abs=0.08)


def test_cartilage_is_thinned_apart_from_the_grade(
    diseases: list[dict[Compartment, Disease]],
) -> None:
    for grade in (0, 6):
        thinning = [d.thinning for s in diseases for d in s.values() if d.grade == grade]
        assert 0.72 <= min(thinning) < 0.75
        assert 1.07 < max(thinning) <= 1.1


def test_training_and_studies_draw_from_different_streams() -> None:
    training = {np.random.default_rng([TRAINING_STREAM, seed]).random() for seed in range(300)}
    studies = {np.random.default_rng([STUDY_STREAM, seed]).random() for seed in range(300)}
    assert len(training) == len(studies) == 300
    assert not training & studies


def test_no_knee_of_training_is_in_a_study() -> None:
    training = [Chance((TRAINING_STREAM, seed)) for seed in range(200)]
    studies = [
        Chance((STUDY_STREAM, seed, 2, animal)) for seed in range(15) for animal in range(14)
    ]
    for names in (("animal", "traits"), ("section", "cells"), ("animal", "line", "edge", "0")):
        first = [{c.of(*names).random() for c in chances} for chances in (training, studies)]
        salts = [{c.salt(*names) for c in chances} for chances in (training, studies)]
        assert len(first[0]) == len(salts[0]) == 200
        assert len(first[1]) == len(salts[1]) == 210
        assert not first[0] & first[1]
        assert not salts[0] & salts[1]


def test_a_scenes_own_numbers_are_not_those_of_its_knee() -> None:
    own = {np.random.default_rng([TRAINING_STREAM, seed]).random() for seed in range(200)}
    parts = (Chance((TRAINING_STREAM, seed)).part("animal") for seed in range(200))
    assert not own & {part.of("traits").random() for part in parts}
