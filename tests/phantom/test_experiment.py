"""Groups, animals, sections and simulated scorers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from histoscore.config import overridden, parse_settings
from histoscore.errors import ConfigError
from histoscore.phantom.experiment import (
    AnimalPlan,
    GroupPlan,
    PhantomSettings,
    ScorerPlan,
    plan_animals,
    scored_by,
    section_disease,
)
from histoscore.phantom.lesions import EROSION_EXTENT
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side


def plan(count: int, seed: int = 0) -> tuple[AnimalPlan, ...]:
    return plan_animals(count, PhantomSettings(), np.random.default_rng(seed))


def test_animals_are_dealt_to_the_groups_in_turn() -> None:
    animals = plan(14)
    assert Counter(a.group.name for a in animals) == {
        "sham": 5,
        "DMM + vehicle": 5,
        "DMM + exosome": 4,
    }
    assert [a.name for a in animals[:2]] == ["M001", "M002"]
    assert len({a.name for a in animals}) == 14


def test_batches_cross_the_groups() -> None:
    cells = Counter((a.group.name, a.batch) for a in plan(12))
    assert set(cells.values()) == {2}
    assert len(cells) == 6


def test_both_knees_occur() -> None:
    assert {a.side for a in plan(30)} == {Side.LEFT, Side.RIGHT}


def test_dmm_is_worse_on_the_medial_side_and_the_exosome_helps() -> None:
    animals = plan(300)
    medial = {
        name: np.mean([a.medial for a in animals if a.group.name == name])
        for name in ("sham", "DMM + exosome", "DMM + vehicle")
    }
    assert all(low + 1 < high for low, high in pairwise(medial.values()))
    ill = [a for a in animals if a.group.name != "sham"]
    assert np.mean([a.medial - a.lateral for a in ill]) > 1


def grades(animal: AnimalPlan) -> dict[Compartment, list[float]]:
    drawn: dict[Compartment, list[float]] = {compartment: [] for compartment in Compartment}
    for seed in range(200):
        for compartment, disease in section_disease(animal, np.random.default_rng(seed)).items():
            drawn[compartment].append(disease.grade)
            assert 0.7 <= disease.thinning <= 1.1
    return drawn


def test_sections_scatter_around_the_animal_and_the_tibia_is_ahead() -> None:
    group = GroupPlan(name="ill", medial=4, lateral=1)
    animal = AnimalPlan(0, "M001", group, Side.LEFT, 0, medial=4.0, lateral=1.0)
    drawn = grades(animal)
    assert {g for values in drawn.values() for g in values} <= set(OARSI_MOUSE.rungs)
    assert len(set(drawn[Compartment.MTP])) > 1
    assert np.mean(drawn[Compartment.MTP]) > np.mean(drawn[Compartment.MFC])
    assert np.mean(drawn[Compartment.MTP]) > np.mean(drawn[Compartment.LTP]) + 1


def test_every_rung_with_erosion_has_an_extent() -> None:
    assert set(EROSION_EXTENT) == {rung for _, rung in OARSI_MOUSE.extent_rungs}


@pytest.mark.parametrize("bias", [-0.8, 0.0, 0.6])
def test_a_scorer_gives_rungs_with_the_bias_asked_for(bias: float) -> None:
    scorer = ScorerPlan(name="s", bias=bias, noise=0.5)
    rng = np.random.default_rng(17)
    given = [scored_by(scorer, 2, rng) for _ in range(3000)]
    assert set(given) <= set(OARSI_MOUSE.rungs)
    errors = np.array([OARSI_MOUSE.index(grade) for grade in given]) - OARSI_MOUSE.index(2)
    assert errors.mean() == pytest.approx(bias, abs=0.05)
    assert errors.std() == pytest.approx(np.hypot(0.5, 1 / np.sqrt(12)), abs=0.06)


def test_a_scorer_without_error_agrees_with_the_truth() -> None:
    exact = ScorerPlan(name="exact", noise=0)
    rng = np.random.default_rng(0)
    assert [scored_by(exact, rung, rng) for rung in OARSI_MOUSE.rungs] == list(OARSI_MOUSE.rungs)


def test_a_biased_scorer_stays_on_the_ladder() -> None:
    high = ScorerPlan(name="high", bias=5)
    rng = np.random.default_rng(0)
    assert {scored_by(high, 6, rng) for _ in range(20)} == {6}


def test_a_wrong_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="did you mean sections") as refused:
        parse_settings(PhantomSettings, overridden({}, ["sectons=[1,1]"]), "phantom --set")
    assert "phantom --set" in str(refused.value)
