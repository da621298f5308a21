"""Each grade does to the cartilage what the ladder says, exactly as far, and nothing else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knees import bones, cut

from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.beds import draw_bed
from histoscore.phantom.knee.lesions import (
    EROSION_EXTENT,
    GONE_UM,
    Disease,
    Lesions,
    draw_lesions,
)
from histoscore.phantom.knee.truth import compartment_truth, runs
from histoscore.records import Mask
from histoscore.vocabulary import OARSI_MOUSE, Compartment

POINTS = 700
MIDDLE = slice(60, -60)
"""Away from the margins, which are thin by anatomy."""

EXACT = 1.5
"""Points of the tidemark by which an extent may differ from the one that was asked for."""

ERODED = tuple(EROSION_EXTENT)
MANY = range(12)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8)


@cache
def intact(points: int = POINTS) -> Profile:
    """A compartment of 700 µm, 40 µm thick, that tapers at both ends."""
    u = np.linspace(0, 1, points)
    return 40 * np.clip(np.minimum(u, 1 - u) * POINTS / 130, 0, 1) ** 0.6


def at(seed: int, depth_um: float = 0.0) -> Slice:
    """A section of a knee; one at another depth has a chance of its own as well."""
    return Slice(Chance((5, seed)), Chance((6, seed, round(depth_um))), depth_um)


@cache
def lesions(grade: float, seed: int, extent: float | None = None, depth_um: float = 0.0) -> Lesions:
    here = at(seed, depth_um)
    return draw_lesions(Disease(grade, extent=extent), intact(), 1.0, "MTP", here)


def moved_um(drawn: Lesions) -> Profile:
    """How far the surface lies from where it was, µm, away from the margins."""
    return (np.abs(drawn.remaining - 1) * intact())[MIDDLE]


def safranin_left(drawn: Lesions) -> float:
    """Mean share of the Safranin that is left."""
    depth = np.clip(drawn.stain_depth, 0, 1)
    return float((1 - depth * (1 - drawn.stain_left)).mean())


class TestRungsWithoutErosion:
    @few
    @given(seed=seeds)
    def test_0_is_smooth_and_stained(self, seed: int) -> None:
        drawn = lesions(0, seed)
        assert moved_um(drawn).max() < 3
        assert (drawn.remaining_smooth == 1).all()
        assert safranin_left(drawn) > 0.94
        assert drawn.extent == 0

    @few
    @given(seed=seeds)
    def test_half_loses_stain_and_no_structure(self, seed: int) -> None:
        healthy, drawn = lesions(0, seed), lesions(0.5, seed)
        assert (drawn.remaining == healthy.remaining).all()
        assert (drawn.remaining_smooth == 1).all()
        assert drawn.extent == 0
        assert safranin_left(drawn) < safranin_left(healthy) - 0.02

    def test_half_loses_two_fifths_of_the_stain_on_average(self) -> None:
        left = np.mean([safranin_left(lesions(0.5, seed)) for seed in range(30)])
        assert left == pytest.approx(0.58, abs=0.09)

    @few
    @given(seed=seeds)
    def test_1_frays_the_surface_and_loses_no_cartilage(self, seed: int) -> None:
        drawn = lesions(1, seed)
        assert drawn.extent == 0
        assert (drawn.remaining_smooth == 1).all()
        assert (drawn.remaining * intact())[MIDDLE].mean() > 0.86 * intact()[MIDDLE].mean()
        assert drawn.remaining[MIDDLE].min() > 0.05

    def test_1_is_rougher_than_half(self) -> None:
        rough = {g: np.mean([moved_um(lesions(g, s)).mean() for s in MANY]) for g in (0.5, 1)}
        assert rough[1] > 3 * rough[0.5]

    @few
    @given(seed=seeds)
    def test_2_has_clefts_and_lost_lamina_but_no_bare_calcified_cartilage(self, seed: int) -> None:
        drawn = lesions(2, seed)
        assert drawn.extent == 0
        assert not drawn.gone.any()
        assert (drawn.remaining_smooth >= 0.72).all()
        assert drawn.remaining_smooth.min() < 0.97
        assert 0.05 < drawn.remaining[MIDDLE].min() < 0.72

    def test_clefts_of_2_are_narrow_and_several(self) -> None:
        for seed in MANY:
            clefts = runs(lesions(2, seed).remaining[MIDDLE] < 0.65)
            assert np.diff(clefts).max(initial=0) < 32
        counts = [len(runs(lesions(2, seed).remaining[MIDDLE] < 0.65)) for seed in MANY]
        assert 1 < np.mean(counts) < 8

    @pytest.mark.parametrize("grade", [0, 0.5, 1, 2])
    def test_an_extent_says_nothing_below_3(self, grade: float) -> None:
        stated, drawn = lesions(grade, 3, extent=0.4), lesions(grade, 3)
        assert stated.extent == 0
        assert (stated.remaining == drawn.remaining).all()


class TestErosion:
    @pytest.mark.parametrize("grade", ERODED)
    @few
    @given(seed=seeds, share=st.floats(0, 1), points=st.sampled_from([500, POINTS, 1000]))
    def test_it_bares_exactly_the_fraction_that_was_stated(
        self, grade: int, seed: int, share: float, points: int
    ) -> None:
        low, high = EROSION_EXTENT[grade]
        extent = low + share * (high - low)
        disease = Disease(grade, extent=extent)
        drawn = draw_lesions(disease, intact(points), POINTS / points, "MTP", at(seed))
        assert drawn.extent == pytest.approx(extent, abs=EXACT / points)
        assert OARSI_MOUSE.implied_by_extent(drawn.extent) == grade

    @few
    @given(seed=seeds, extent=st.floats(0, 1))
    def test_so_it_does_beyond_the_rungs_range(self, seed: int, extent: float) -> None:
        assert lesions(6, seed, extent).extent == pytest.approx(extent, abs=EXACT / POINTS)

    @pytest.mark.parametrize("grade", ERODED)
    @few
    @given(seed=seeds, depth_um=st.floats(0, 3000))
    def test_a_drawn_extent_lies_in_the_rungs_range_and_implies_the_grade(
        self, grade: int, seed: int, depth_um: float
    ) -> None:
        drawn = lesions(grade, seed, depth_um=depth_um)
        low, high = EROSION_EXTENT[grade]
        assert low - EXACT / POINTS <= drawn.extent <= high + EXACT / POINTS
        assert OARSI_MOUSE.implied_by_extent(drawn.extent) == grade

    def test_drawn_extents_fill_the_rungs_range(self) -> None:
        low, high = EROSION_EXTENT[4]
        extents = [lesions(4, seed).extent for seed in range(30)]
        assert min(extents) < low + 0.04
        assert max(extents) > high - 0.04
        assert np.mean(extents) == pytest.approx((low + high) / 2, abs=0.04)

    def test_a_knees_truth_has_the_extent_that_was_stated(self) -> None:
        traits, femur, tibia = bones(0)
        for compartment, grade in zip(Compartment, ERODED, strict=True):
            bone = femur if compartment.is_femoral else tibia
            for extent in np.linspace(*EROSION_EXTENT[grade], 3):
                disease = Disease(grade, 0.85, float(extent))
                truth = compartment_truth(draw_bed(compartment, bone, traits, disease, cut(0)))
                assert truth.lesion_extent == pytest.approx(extent, abs=EXACT / POINTS)
                assert truth.grade == OARSI_MOUSE.implied_by_extent(truth.lesion_extent)

    def test_drawn_extents_keep_clear_of_the_rungs_boundaries(self) -> None:
        bounds = np.array([bound for bound, _ in OARSI_MOUSE.extent_rungs] + [1.0])
        for extents in EROSION_EXTENT.values():
            for extent in extents:
                assert np.abs(bounds - extent).min() > 2 * EXACT / POINTS

    def test_where_it_is_gone_nothing_is_left_and_elsewhere_something_is(self) -> None:
        for seed in MANY:
            drawn = lesions((3, 4, 5, 6)[seed % 4], seed)
            left = (drawn.remaining * intact())[MIDDLE]
            gone = drawn.gone[MIDDLE]
            assert left[gone].max(initial=0) < 1.2 * GONE_UM
            assert left[~gone].min(initial=9) > 0.7 * GONE_UM
            assert drawn.gone[drawn.remaining_smooth == 0].all()

    def test_clefts_down_to_calcified_cartilage_count_by_their_width(self) -> None:
        widths: list[int] = []
        for seed in range(30):
            drawn = lesions(3, seed, extent=0.12)
            worn = drawn.remaining_smooth * np.maximum(intact(), 12) < GONE_UM
            assert (drawn.gone | worn == drawn.gone).all()
            cleft = drawn.gone & ~worn
            assert drawn.gone.sum() == worn.sum() + cleft.sum()
            assert drawn.remaining[MIDDLE][cleft[MIDDLE]].max(initial=0) < 0.1
            alone = [(a, b) for a, b in runs(cleft) if not worn[max(a - 1, 0) : b + 1].any()]
            widths += [stop - start for start, stop in alone]
        assert len(widths) > 15
        assert min(widths) >= 1
        assert np.median(widths) == pytest.approx(7, abs=3)
        assert max(widths) < 2 * 14

    def test_beside_an_erosion_the_rest_is_pale(self) -> None:
        for seed in MANY:
            drawn = lesions(5, seed)
            beside = (drawn.remaining_smooth < 0.5) & ~drawn.gone
            assert drawn.stain_depth[beside].min(initial=1) > 0.7

    def test_points_twice_as_far_apart_show_the_same_disease(self) -> None:
        for seed in MANY:
            coarse = draw_lesions(Disease(5, extent=0.6), intact()[::2], 2.0, "MTP", at(seed))
            assert coarse.extent == pytest.approx(0.6, abs=2 * EXACT / POINTS)
            assert overlap(coarse.gone, lesions(5, seed, 0.6).gone[::2]) > 0.3


class TestSeries:
    """A lesion keeps its place from one section to the next."""

    @pytest.mark.parametrize(
        ("grade", "least", "median"), [(4, 0.5, 0.8), (5, 0.7, 0.88), (6, 0.85, 0.93)]
    )
    def test_neighbouring_sections_are_bare_at_the_same_place(
        self, grade: int, least: float, median: float
    ) -> None:
        shared = [overlap(*(bare(grade, seed, d) for d in (0, 80))) for seed in MANY]
        assert min(shared) > least
        assert np.median(shared) > median

    def test_the_small_erosions_of_3_mostly_stay_where_they_are(self) -> None:
        shared = [overlap(*(bare(3, seed, d) for d in (0, 80))) for seed in MANY]
        others = [overlap(bare(3, seed, 0), bare(3, seed + 500, 0)) for seed in MANY]
        assert np.median(shared) > 0.45
        assert np.median(shared) > np.median(others) + 0.3

    @pytest.mark.parametrize("grade", [4, 5])
    def test_other_animals_are_bare_elsewhere(self, grade: int) -> None:
        shared = [overlap(bare(grade, seed, 0), bare(grade, seed + 500, 0)) for seed in MANY]
        assert np.median(shared) < 0.7

    def test_the_extent_of_neighbouring_sections_is_nearly_the_same(self) -> None:
        changes = [lesions(4, s, depth_um=80).extent - lesions(4, s).extent for s in MANY]
        assert np.abs(changes).max() < 0.03

    def test_a_wider_extent_holds_the_narrower_one(self) -> None:
        """An erosion spreads from where it began."""
        for seed in MANY:
            small, large = (lesions(grade, seed, e) for grade, e in ((4, 0.3), (5, 0.7)))
            eroded = small.remaining_smooth == 0
            assert large.gone[eroded].mean() > 0.99

    def test_clefts_are_at_nearly_the_same_place_in_neighbouring_sections(self) -> None:
        offs = []
        for seed in MANY:
            here, there = (fissures(lesions(2, seed, None, d)) for d in (0.0, 80.0))
            offs += list(np.abs(here[:, None] - there[None, :]).min(1, initial=POINTS))
        assert 2 < np.median(offs) < 14
        assert np.mean(np.array(offs) < 40) > 0.85

    def test_clefts_keep_their_place_when_the_extent_changes(self) -> None:
        """Whether one cleft is deep moves no other cleft."""
        for seed in MANY:
            few_deep, more_deep = (fissures(lesions(3, seed, extent)) for extent in (0.01, 0.04))
            both = few_deep[:, None] - more_deep[None, :]
            assert (np.abs(both).min(1, initial=9) < 3).mean() > 0.6

    def test_compartments_have_lesions_of_their_own(self) -> None:
        medial, lateral = (
            draw_lesions(Disease(5, extent=0.6), intact(), 1.0, name, at(3))
            for name in ("MTP", "LTP")
        )
        assert (medial.gone != lateral.gone).any()


def bare(grade: float, seed: int, depth_um: float) -> Mask:
    if depth_um == 0:
        return lesions(grade, seed).gone
    return lesions(grade, seed, depth_um=depth_um).gone


def overlap(a: Mask, b: Mask) -> float:
    """Points that are bare in both as a share of those bare in either."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def fissures(drawn: Lesions) -> Profile:
    """Middles of the clefts, by how much less is left than erosion leaves."""
    deep = drawn.remaining < 0.75 * drawn.remaining_smooth
    return runs(deep[MIDDLE]).mean(1)


@settings(max_examples=24)
@given(seed=seeds, grade=st.sampled_from(OARSI_MOUSE.rungs), depth_um=st.floats(0, 3000))
def test_shares_are_shares(seed: int, grade: float, depth_um: float) -> None:
    drawn = lesions(grade, seed, depth_um=depth_um)
    assert (drawn.remaining >= 0).all()
    assert (drawn.remaining <= 1.2).all()  # a smooth surface waves by a µm, also where it is thin
    assert ((drawn.remaining_smooth >= 0) & (drawn.remaining_smooth <= 1)).all()
    assert ((drawn.stain_left > 0) & (drawn.stain_left < 1)).all()
    assert ((drawn.stain_depth >= 0) & (drawn.stain_depth <= 1.15)).all()
    assert 0 <= drawn.extent <= 1
    for line in (drawn.remaining_smooth, drawn.stain_depth, drawn.stain_left, drawn.gone):
        assert line.shape == drawn.remaining.shape == (POINTS,)


def test_the_same_section_has_the_same_lesions() -> None:
    one, again = lesions(5, 8, depth_um=300), lesions(5, 8, depth_um=300)
    assert (one.remaining == again.remaining).all()
    assert (one.stain_depth == again.stain_depth).all()
