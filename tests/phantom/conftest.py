"""One drawn slide and one written study that the phantom's tests share: coarse and small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histoscore.phantom.experiment import AnimalPlan, PhantomSettings, plan_animals
from histoscore.phantom.mounting import DrawnSlide, draw_slide
from histoscore.phantom.staining import sample_batch
from histoscore.phantom.study import write_phantom_study


@pytest.fixture(scope="session")
def settings() -> PhantomSettings:
    return PhantomSettings(mpp=1.8713, width_um=2600, height_um=1400, sections=(2, 2))


@pytest.fixture(scope="session")
def animal(settings: PhantomSettings) -> AnimalPlan:
    """The second of three: of the group that is ill."""
    return plan_animals(3, settings, np.random.default_rng(11))[1]


@pytest.fixture(scope="session")
def drawn(settings: PhantomSettings, animal: AnimalPlan) -> DrawnSlide:
    """A slide with two sections, before it is written."""
    return draw_slide(animal, sample_batch(np.random.default_rng(5)), settings, seed=3)


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """What keeps a written study small, as `--set` takes it."""
    return ("mpp=1.8713", "width_um=2600", "height_um=1400", "sections=[1,1]")


@pytest.fixture(scope="session")
def study(small: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written study of three animals, one section each."""
    out = tmp_path_factory.mktemp("phantom") / "study"
    write_phantom_study(out, 3, 21, overrides=small)
    return out
