"""Painted sections as examples: every one an animal of its own, with its true grades."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from histoscore.models import phantom_examples
from histoscore.models.examples import Example, load_example, stored_names
from histoscore.models.phantom_examples import SCORER, PhantomData, prepare_phantoms
from histoscore.phantom.scenes import TrainingScene, training_scene
from histoscore.vocabulary import Compartment, Zone

DATA = PhantomData(
    kind="phantom", first_seed=3, joints=2, joint_mpp=7.3, sections=1, section_mpp=11.9
)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes takes longer than painting what is so coarse."""

    def pool(cores: int, context: Any) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1)

    monkeypatch.setattr(phantom_examples, "ProcessPoolExecutor", pool)
    monkeypatch.setattr(cv2, "setNumThreads", lambda number: None)


@pytest.fixture(scope="module")
def scene() -> TrainingScene:
    return training_scene(3, 7.3, "joint")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def folder(tmp_path: Path, said: list[str]) -> Path:
    prepare_phantoms(DATA, tmp_path, said.append)
    return tmp_path


def joint(folder: Path) -> Example:
    return load_example(folder, "j00003")


def test_joints_and_sections_are_painted_and_named_by_their_seeds(
    folder: Path, said: list[str]
) -> None:
    assert stored_names(folder) == ("j00003", "j00004", "s00003")
    assert said == ["3 of 3 scenes painted"]
    assert [load_example(folder, n).facts.mpp for n in stored_names(folder)] == [7.3, 7.3, 11.9]


def test_an_example_is_the_scene_without_a_colour(folder: Path, scene: TrainingScene) -> None:
    pixels = joint(folder).pixels
    assert np.array_equal(pixels[..., :3], scene.dyes)
    assert np.array_equal(pixels[..., 3], scene.tissue)
    assert joint(folder).facts.colours == "dyes"


def test_of_a_compartment_the_bone_is_told_and_not_the_side(
    folder: Path, scene: TrainingScene
) -> None:
    bones = joint(folder).pixels[..., 4]
    for compartment in Compartment:
        here = scene.zones == compartment.code
        assert here.any()
        assert (bones[here] == Zone.of(compartment)).all()
    assert (bones[scene.zones == 0] == Zone.NONE).all()


def test_its_facts_are_the_painters(folder: Path, scene: TrainingScene) -> None:
    facts = joint(folder).facts
    assert facts.grades == {c: {SCORER: grade} for c, grade in scene.grades.items()}
    assert facts.medial == scene.medial
    assert facts.annotated
    assert (facts.sha256, facts.fingerprint) == ("", "")


def test_every_scene_is_an_animal_of_its_own(folder: Path) -> None:
    animals = [load_example(folder, name).facts.animal for name in stored_names(folder)]
    assert len(set(animals)) == 3


def test_what_is_painted_is_not_painted_again(folder: Path, said: list[str]) -> None:
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    (folder / "j00004.json").unlink()  # unfinished: facts are written last
    prepare_phantoms(DATA, folder, said.append)
    prepare_phantoms(DATA, folder, said.append)
    assert said[1:] == ["1 of 1 scenes painted"]
    changed = {f.stem for f, time in before.items() if f.stat().st_mtime_ns != time}
    assert changed == {"j00004"}


@pytest.mark.parametrize("change", [{"joints": -1}, {"joint_mpp": 0.1}, {"section_mpp": 20.0}])
def test_what_cannot_be_painted_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PhantomData(kind="phantom", **change)  # type: ignore[arg-type]
