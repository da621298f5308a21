"""Folds lie double, tears and missing pieces are empty, and a section stays one piece."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiled import NONE, covered, differing, only, section

from histoscore.phantom.artefacts import SHIFTED, STANDARD, Artefact, ArtefactKind, damage
from histoscore.vocabulary import IGNORE

DAMAGE = (ArtefactKind.FOLD, ArtefactKind.TEAR, ArtefactKind.MISSING)
MPP = 2.17
CUTS = (ArtefactKind.TEAR, ArtefactKind.MISSING)

seeds = st.integers(0, 2**32 - 1)


def damaged(
    kind: ArtefactKind, seed: int, mpp: float = MPP, keep: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[Artefact, ...]]:
    dyes, tissue = section()
    found = damage(dyes, tissue, mpp, only(kind), np.random.default_rng(seed), keep)
    return dyes, tissue, found


@pytest.mark.parametrize("kind", DAMAGE)
@settings(max_examples=6)
@given(seed=seeds, mpp=st.sampled_from([0.83, MPP]))
def test_damage_changes_nothing_outside_its_outline(
    kind: ArtefactKind, seed: int, mpp: float
) -> None:
    whole_dyes, whole_tissue = section()
    dyes, tissue, found = damaged(kind, seed, mpp)
    changed = differing(dyes, whole_dyes) | (tissue != whole_tissue)
    assert [a.kind for a in found] in ([kind], [])  # some sections hold no long tear
    assert bool(found) == bool(changed.any())
    for artefact in found:
        assert covered(found, changed).all()
        assert artefact.outline.is_valid
        assert shapely.box(0, 0, 610, 420).covers(artefact.outline)


@settings(max_examples=6)
@given(seed=seeds)
def test_a_fold_is_denser_than_the_tissue_beside_it_and_has_no_sure_label(seed: int) -> None:
    whole, labels = section()
    dyes, tissue, _ = damaged(ArtefactKind.FOLD, seed)
    double = tissue == IGNORE
    inside = double & (labels != 0)
    assert inside.sum() > 100
    assert (dyes[inside].astype(int).sum(axis=1) >= whole[inside].astype(int).sum(axis=1)).all()
    assert dyes[inside].mean() > 1.6 * whole[inside].mean()
    assert (tissue[~double] == labels[~double]).all()


@settings(max_examples=6)
@given(seed=seeds)
def test_a_fold_is_a_narrow_strip_of_300_to_2500_um(seed: int) -> None:
    _, tissue, found = damaged(ArtefactKind.FOLD, seed)
    for fold in found:
        assert 300 <= fold.facts["length_um"] <= 2502
        assert 3 < fold.facts["width_um"] <= 60
        area_um2 = (tissue == IGNORE).sum() * MPP**2
        assert area_um2 <= 1.3 * fold.facts["length_um"] * fold.facts["width_um"]


@pytest.mark.parametrize("kind", CUTS)
@settings(max_examples=6)
@given(seed=seeds)
def test_where_tissue_is_gone_there_is_no_dye_and_no_label(kind: ArtefactKind, seed: int) -> None:
    whole, labels = section()
    dyes, tissue, found = damaged(kind, seed)
    gone = (tissue == 0) & (labels != 0)
    for artefact in found:
        assert artefact.facts["area_um2"] == pytest.approx(gone.sum() * MPP**2, rel=1e-6)
    assert (dyes[gone] <= 0.7 * whole[gone] + 1).all()
    core = cv2.erode(gone.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert dyes[core].sum() <= 0.03 * whole[core].sum()
    assert (tissue[~gone] == labels[~gone]).all()


@pytest.mark.parametrize("kind", CUTS)
@settings(max_examples=6)
@given(seed=seeds, mpp=st.sampled_from([0.83, MPP]))
def test_a_cut_leaves_the_section_in_one_piece(kind: ArtefactKind, seed: int, mpp: float) -> None:
    _, tissue, _ = damaged(kind, seed, mpp)
    count, _ = cv2.connectedComponents((tissue != 0).astype(np.uint8), connectivity=8)
    assert count == 2  # one piece, and the glass


def test_a_cut_spares_a_bridge_between_two_lobes() -> None:
    """Two discs joined by a strip of 40 µm: a program would count two sections without it."""
    tissue = np.zeros((420, 900), np.uint8)
    for x in (200, 700):
        cv2.circle(tissue, (x, 210), 180, 7, -1)
    tissue[190:230, 200:700] = 7
    for seed in range(20):
        labels = tissue.copy()
        dyes = np.repeat(tissue[..., None] * 9, 3, axis=2)
        damage(dyes, labels, 1.0, only(ArtefactKind.MISSING), np.random.default_rng(seed))
        count, _ = cv2.connectedComponents((labels != 0).astype(np.uint8), connectivity=8)
        assert count == 2


@settings(max_examples=5)
@given(seed=seeds)
def test_points_to_keep_stay_as_they_are(seed: int) -> None:
    angle = np.linspace(0, 2 * np.pi, 90)
    keep = np.column_stack([300 + 160 * np.cos(angle), 210 + 110 * np.sin(angle)])
    whole, labels = section()
    column, row = np.floor(keep).astype(int).T
    for kind in DAMAGE:
        dyes, tissue, _ = damaged(kind, seed, keep=keep)
        assert (dyes[row, column] == whole[row, column]).all()
        assert (tissue[row, column] == labels[row, column]).all()


def test_damage_measures_micrometres_not_pixels() -> None:
    """At half the µm per pixel the same damage has four times the pixels."""
    areas = {}
    for mpp, size in ((4.0, (420, 610)), (2.0, (840, 1220))):
        total = 0.0
        for seed in range(8):
            dyes, tissue = section(*size)
            found = damage(dyes, tissue, mpp, only(ArtefactKind.FOLD), np.random.default_rng(seed))
            total += sum(a.outline.area for a in found)
        areas[mpp] = total
    assert areas[2.0] / areas[4.0] == pytest.approx(4, rel=0.4)


def test_damage_is_the_same_for_the_same_random_numbers() -> None:
    first, second = (damaged(ArtefactKind.TEAR, 5) for _ in range(2))
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
    assert first[2] == second[2]


def test_one_kind_of_damage_does_not_move_another() -> None:
    both = NONE.model_copy(update={"fold": 1.0, "missing": 1.0})
    dyes, tissue = section()
    found = damage(dyes, tissue, MPP, both, np.random.default_rng(8))
    alone = damaged(ArtefactKind.MISSING, 8)[2]
    assert [a.kind for a in found] == [ArtefactKind.MISSING, ArtefactKind.FOLD]
    assert found[0].outline.equals(alone[0].outline)


def test_at_rate_zero_a_section_stays_whole() -> None:
    dyes, tissue = section()
    assert damage(dyes, tissue, MPP, NONE, np.random.default_rng(1)) == ()
    assert (dyes == section()[0]).all()
    assert (tissue == section()[1]).all()


def test_glass_without_tissue_cannot_be_damaged() -> None:
    dyes, tissue = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), np.uint8)
    assert damage(dyes, tissue, 1.0, SHIFTED, np.random.default_rng(1)) == ()
    assert not dyes.any()


def test_chances_are_chances_a_section() -> None:
    dyes, tissue = section(180, 260)
    folded = sum(
        any(
            a.kind is ArtefactKind.FOLD
            for a in damage(
                dyes.copy(),
                tissue.copy(),
                6.0,
                only(ArtefactKind.FOLD, STANDARD.fold),
                np.random.default_rng(seed),
            )
        )
        for seed in range(200)
    )
    assert 12 <= folded <= 48  # 30 expected
