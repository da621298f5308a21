"""Training scenes: joints and whole sections of every grade, none of which occurs in a study."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from histoscore.phantom import scenes
from histoscore.phantom.artefacts import STANDARD
from histoscore.phantom.chance import Chance
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.mounting import STUDY_STREAM
from histoscore.phantom.scenes import (
    DYE_STEP,
    TRAINING_STREAM,
    Frame,
    TrainingScene,
    random_disease,
    training_scene,
)
from histoscore.vocabulary import IGNORE, OARSI_MOUSE, Compartment, Tissue

COARSE = 7.417


@cache
def drawn(seed: int, frame: Frame = "joint", mpp: float = COARSE) -> TrainingScene:
    return training_scene(seed, mpp, frame)


frames = pytest.mark.parametrize("frame", ["joint", "section"])


@frames
def test_a_scene_has_labels_and_dyes_of_one_size_and_a_grade_for_every_compartment(
    frame: Frame,
) -> None:
    scene = drawn(3, frame)
    rows, columns = scene.tissue.shape
    assert rows != columns
    assert scene.zones.shape == (rows, columns)
    assert scene.dyes.shape == (rows, columns, 3)
    assert {a.dtype for a in (scene.dyes, scene.tissue, scene.zones)} == {np.dtype(np.uint8)}
    assert scene.mpp == COARSE
    assert scene.medial in ("left", "right")
    assert set(scene.grades) == set(Compartment)
    assert set(scene.grades.values()) <= set(OARSI_MOUSE.rungs)


@pytest.mark.parametrize("seed", [3, 4])
@frames
def test_a_scene_has_tissue_dye_and_all_compartments(seed: int, frame: Frame) -> None:
    scene = drawn(seed, frame)
    assert set(np.unique(scene.zones)) == {0, *(compartment.code for compartment in Compartment)}
    assert set(np.unique(scene.tissue)) <= {*Tissue, IGNORE}
    assert 0.3 < (scene.tissue > 0).mean() <= 1
    assert 0.5 < scene.dyes.max() * DYE_STEP < 5


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_whole_section_lies_on_its_glass(seed: int) -> None:
    scene = drawn(seed, "section")
    rim = np.concatenate([scene.tissue[[0, -1]].ravel(), scene.tissue[:, [0, -1]].ravel()])
    assert (rim == Tissue.BACKGROUND).mean() > 0.97, "save what is damaged"
    rows, columns = scene.tissue.shape
    assert 2400 < rows * COARSE < 9000
    assert 2600 < columns * COARSE < 9000


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_joint_is_some_millimetres_of_it(seed: int) -> None:
    joint, section = drawn(seed), drawn(seed, "section")
    assert joint.tissue.size < 0.7 * section.tissue.size
    assert 1290 < joint.tissue.shape[0] * COARSE < 2110
    assert 2490 < joint.tissue.shape[1] * COARSE < 3310


def test_the_medial_side_is_where_it_is_said_to_be() -> None:
    """The sections are turned by 25° at most: what is medial lies on that side."""
    sides = set()
    for seed in (3, 4, 5, 6):
        scene = drawn(seed)
        columns = {c: np.nonzero(scene.zones == c.code)[1].mean() for c in Compartment}
        medial = columns[Compartment.MTP] < columns[Compartment.LTP]
        assert scene.medial == ("left" if medial else "right")
        sides.add(scene.medial)
    assert sides == {"left", "right"}


@frames
def test_another_seed_is_another_scene(frame: Frame) -> None:
    one, again, other = drawn(3, frame), training_scene(3, COARSE, frame), drawn(4, frame)
    assert np.array_equal(one.dyes, again.dyes)
    assert one.grades == again.grades
    assert one.grades != other.grades
    assert one.dyes.shape != other.dyes.shape


def test_joints_and_sections_of_one_seed_are_other_animals() -> None:
    assert drawn(3).grades != drawn(3, "section").grades
    assert drawn(4).grades != drawn(4, "section").grades


def test_now_and_then_a_scene_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as a study's sections are: the same chances, drawn apart for each scene."""
    seen = []

    def note(dyes: object, tissue: object, mpp: float, rates: object, rng: object) -> None:
        assert isinstance(rng, np.random.Generator)
        seen.append((mpp, rates, rng.random()))

    monkeypatch.setattr(scenes, "damage", note)
    for seed in (3, 4):
        training_scene(seed, 30.0)
    assert [(mpp, rates) for mpp, rates, _ in seen] == [(30.0, STANDARD)] * 2
    assert seen[0][2] != seen[1][2]


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
        assert 0.68 <= min(thinning) < 0.71
        assert 1.12 < max(thinning) <= 1.15


def test_training_and_studies_draw_from_different_streams() -> None:
    training = {
        np.random.default_rng([TRAINING_STREAM, kind, seed]).random()
        for kind in (0, 1)
        for seed in range(150)
    }
    studies = {np.random.default_rng([STUDY_STREAM, seed]).random() for seed in range(300)}
    assert len(training) == len(studies) == 300
    assert not training & studies


def test_no_knee_of_training_is_in_a_study() -> None:
    training = [Chance((TRAINING_STREAM, kind, seed)) for kind in (0, 1) for seed in range(100)]
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
    seeds = [(TRAINING_STREAM, kind, seed) for kind in (0, 1) for seed in range(100)]
    own = {np.random.default_rng(seed).random() for seed in seeds}
    parts = (Chance(seed).part("animal") for seed in seeds)
    assert not own & {part.of("traits").random() for part in parts}
