"""A knee has the sizes of a mouse's, and its cartilage lies where cartilage lies."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from histoscore.phantom.anatomy import STEP_UM, BoneEnd, CartilageBed, Knee, build_knee
from histoscore.phantom.lesions import Disease
from histoscore.phantom.traits import Traits, sample_traits, vary
from histoscore.vocabulary import Compartment

SEEDS = range(6)


def knee(seed: int, grade: float = 0, thinning: float = 1.0) -> Knee:
    rng = np.random.default_rng([77, seed])
    disease = {compartment: Disease(grade, thinning) for compartment in Compartment}
    return build_knee(sample_traits(rng), disease, rng)


@pytest.fixture(scope="module")
def knees() -> tuple[Knee, ...]:
    return tuple(knee(seed) for seed in SEEDS)


def test_traits_are_drawn_from_their_ranges() -> None:
    drawn = [sample_traits(np.random.default_rng(seed)) for seed in range(200)]
    for trait in fields(Traits):
        low, high = trait.metadata["low"], trait.metadata["high"]
        values = np.array([getattr(traits, trait.name) for traits in drawn])
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high


def test_the_next_section_is_nearly_the_same_knee() -> None:
    rng = np.random.default_rng(4)
    traits = sample_traits(rng)
    ratios = [
        getattr(vary(traits, rng, 0.02), f.name) / getattr(traits, f.name) for f in fields(Traits)
    ]
    assert 0.9 < min(ratios) < 1 < max(ratios) < 1.1


def test_medial_lies_left_and_the_femur_above(knees: tuple[Knee, ...]) -> None:
    for one in knees:
        middles = {bed.compartment: bed.base.mean(0) for bed in one.beds}
        assert set(middles) == set(Compartment)
        for compartment, (x, _) in middles.items():
            assert (x < 0) == compartment.is_medial
        assert middles[Compartment.MFC][1] < middles[Compartment.MTP][1]
        assert middles[Compartment.LFC][1] < middles[Compartment.LTP][1]


def test_normals_point_into_the_joint(knees: tuple[Knee, ...]) -> None:
    for one in knees:
        for bed in one.beds:
            assert (bed.outward[:, 1].mean() > 0) == bed.compartment.is_femoral
            assert np.linalg.norm(bed.outward, axis=1) == pytest.approx(1.0)


def test_points_along_a_tidemark_are_a_step_apart(knees: tuple[Knee, ...]) -> None:
    steps = np.hypot(*np.diff(knees[0].tibia.tidemark, axis=0).T)
    assert steps == pytest.approx(STEP_UM, rel=0.02)


def test_sizes_are_a_mouses(knees: tuple[Knee, ...]) -> None:
    """Plateaus 0.8–1.2 mm long, hyaline cartilage 30–50 µm thick (science.md section 2)."""
    for bed in (bed for one in knees for bed in one.beds):
        assert 600 < len(bed.base) * STEP_UM < 1600
        assert 20 < np.median(bed.hyaline) < 60
        assert 5 < np.median(bed.calcified) < 90


def test_cartilage_tapers_to_nothing_at_both_ends(knees: tuple[Knee, ...]) -> None:
    for bed in knees[1].beds:
        assert bed.intact[0] == bed.intact[-1] == 0
        assert bed.intact.max() == bed.intact[len(bed.intact) // 5 : -len(bed.intact) // 5].max()


def test_the_femur_does_not_touch_the_tibia(knees: tuple[Knee, ...]) -> None:
    for one in knees:
        by = {bed.compartment: bed.base + bed.outward * bed.intact[:, None] for bed in one.beds}
        for femoral in (Compartment.MFC, Compartment.LFC):
            tibial = Compartment(femoral.value[0] + "TP")
            assert closest(by[femoral], by[tibial]) > 0


def closest(upper: np.ndarray, lower: np.ndarray) -> float:
    """Least height of the upper surface over the lower one, over x."""
    x = np.arange(max(upper[:, 0].min(), lower[:, 0].min()) + 80, 0, 5.0)
    if upper[:, 0].mean() > 0:
        x = np.arange(80.0, min(upper[:, 0].max(), lower[:, 0].max()) - 80, 5.0)
    at = [
        (upper[np.abs(upper[:, 0] - xi) < 3, 1], lower[np.abs(lower[:, 0] - xi) < 3, 1]) for xi in x
    ]
    return min(float(low.min() - up.max()) for up, low in at if len(up) and len(low))


def test_the_growth_plate_lies_between_joint_and_shaft(knees: tuple[Knee, ...]) -> None:
    for one in knees:
        assert plate_is_beyond(one.femur, -1)
        assert plate_is_beyond(one.tibia, 1)


def plate_is_beyond(bone: BoneEnd, sign: int) -> bool:
    thick = sign * (bone.plate_far - bone.plate_near)
    return bool(np.median(thick) > 50 and sign * np.median(bone.plate_near) > 300)


def test_thinning_thins_and_moves_no_tidemark() -> None:
    whole, thin = (knee(2, thinning=thinning) for thinning in (1.0, 0.75))
    for bed, thinner in zip(whole.beds, thin.beds, strict=True):
        assert (bed.base == thinner.base).all()
        assert thinner.intact == pytest.approx(0.75 * bed.intact)


def test_the_layers_are_rings_on_one_tidemark(knees: tuple[Knee, ...]) -> None:
    bed: CartilageBed = knees[0].beds[0]
    n = len(bed.base)
    assert (bed.hyaline_ring()[:n] == bed.base).all()
    assert (bed.calcified_ring()[:n] == bed.base).all()
    above = ((bed.articular_surface() - bed.base) * bed.outward).sum(1)
    assert above == pytest.approx(bed.smooth)
