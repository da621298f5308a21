"""One knee, one drawn slide and one written study that the phantom's tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histoscore.phantom.artefacts import STANDARD
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.experiment import SMALL, AnimalPlan, PhantomSettings, plan_animals
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.mounting import DrawnSlide, draw_slide
from histoscore.phantom.staining import sample_batch
from histoscore.phantom.study import write_phantom_study
from histoscore.vocabulary import Compartment

MILD_TO_SEVERE = (0.5, 4, 2, 6)
"""Grades of MFC, MTP, LFC, LTP."""


@pytest.fixture(scope="session")
def knee() -> Knee:
    """A section whose compartments are from mild to severe; of one hardly any cartilage is left."""
    chance = Chance((31,))
    at = Slice(chance.part("animal"), chance.part("section"), 412.0)
    grades = zip(Compartment, MILD_TO_SEVERE, strict=True)
    return build_knee(at, {compartment: Disease(grade, 0.9) for compartment, grade in grades})


@pytest.fixture(scope="session")
def settings() -> PhantomSettings:
    """Two small sections and the usual artefacts, but for ink, which may tie sections together."""
    rates = STANDARD.model_copy(update={"pen": 0.0, "coverslip": 0.0})
    return SMALL.model_copy(update={"sections": (2, 2), "artefact_rates": rates})


@pytest.fixture(scope="session")
def animal(settings: PhantomSettings) -> AnimalPlan:
    """The second of three: of the group that is ill."""
    return plan_animals(3, settings, np.random.default_rng(11))[1]


@pytest.fixture(scope="session")
def drawn(settings: PhantomSettings, animal: AnimalPlan) -> DrawnSlide:
    """A slide with two sections, before it is written."""
    batch = sample_batch(np.random.default_rng(5))
    assert settings.mpp is not None
    return draw_slide(animal, batch, settings.mpp, settings, seed=3)


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """What keeps a written study small, as `--set` takes it: the same as `SMALL`."""
    return ("mpp=1.8713", "width_um=2600", "height_um=1400", "sections=[1,1]")


@pytest.fixture(scope="session")
def study(small: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written study of three animals, one section each."""
    out = tmp_path_factory.mktemp("phantom") / "study"
    write_phantom_study(out, 3, 21, overrides=small)
    return out
