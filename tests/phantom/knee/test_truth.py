"""The measures of a drawn compartment against shapes that have a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.geometry import Points, resampled
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import CartilageBed
from histoscore.phantom.knee.lesions import Disease, Lesions
from histoscore.phantom.knee.truth import compartment_truth, edge_length, runs
from histoscore.phantom.raster import View
from histoscore.vocabulary import Compartment

EXACT = 0.005
"""What truth may differ from a formula, as a share."""

few = settings(max_examples=40)
"""Enough for measures that are smooth in what is drawn at random."""

thicknesses = st.floats(8, 60)
shares = st.floats(0, 1)


def bed(base: Points, outward: Points, intact: Profile) -> CartilageBed:
    """Healthy cartilage over half as much calcified cartilage."""
    n = len(base)
    whole = Lesions(np.ones(n), np.ones(n), np.zeros(n), np.ones(n), np.zeros(n, bool))
    return CartilageBed(Compartment.LTP, Disease(3, 0.9), base, outward, intact, intact / 2, whole)


def flat(length: int, thickness: float | Profile) -> CartilageBed:
    """A straight layer, points 1 µm apart."""
    n = length + 1
    base = np.column_stack([np.arange(float(n)), np.zeros(n)])
    return bed(base, np.tile([0.0, -1.0], (n, 1)), np.full(n, thickness))


def arched(radius: float, thickness: float) -> CartilageBed:
    """A layer on a half circle, its normals outward."""
    t = np.linspace(0, np.pi, round(np.pi * radius) + 1)
    outward = np.column_stack([np.cos(t), -np.sin(t)])
    return bed(radius * outward, outward, np.full(len(t), thickness))


def waved(height: float, period: float, thickness: float) -> CartilageBed:
    """A layer of even thickness on three periods of a sine."""
    x = np.arange(0, 3 * period, 0.01)
    base = resampled(np.column_stack([x, height * np.sin(2 * np.pi * x / period)]), 1.0)
    slope = height * 2 * np.pi / period * np.cos(2 * np.pi * base[:, 0] / period)
    outward = np.column_stack([slope, -np.ones_like(slope)]) / np.hypot(slope, 1)[:, None]
    return bed(base, outward, np.full(len(base), thickness))


def sine_length(height: float, period: float) -> float:
    """∫ √(1 + f′²) dx over three periods."""
    x = np.linspace(0, 3 * period, 30_001)
    slope = height * 2 * np.pi / period * np.cos(2 * np.pi * x / period)
    return float(np.trapezoid(np.hypot(1, slope), x))


def ill(healthy: CartilageBed, **changes: Profile) -> CartilageBed:
    return replace(healthy, lesions=replace(healthy.lesions, **changes))


def worn(healthy: CartilageBed, remaining: Profile) -> CartilageBed:
    """Erosion that leaves this share of the height."""
    return ill(healthy, remaining=remaining, remaining_smooth=remaining, gone=remaining == 0)


def stained(healthy: CartilageBed, depth: float | Profile, left: float | Profile) -> CartilageBed:
    n = len(healthy.base)
    return ill(healthy, stain_depth=np.full(n, depth), stain_left=np.full(n, left))


class TestHealthyLayers:
    @few
    @given(length=st.integers(100, 1500), thickness=thicknesses)
    def test_a_flat_layer_is_a_rectangle(self, length: int, thickness: float) -> None:
        truth = compartment_truth(flat(length, thickness))
        assert truth.hyaline_area_um2 == pytest.approx(length * thickness, rel=EXACT)
        assert truth.calcified_area_um2 == pytest.approx(length * thickness / 2, rel=EXACT)
        assert truth.mean_thickness_um == pytest.approx(thickness, rel=EXACT)
        assert truth.median_thickness_um == pytest.approx(thickness, rel=EXACT)
        for edge in ("surface", "tidemark", "osteochondral"):
            assert getattr(truth, f"{edge}_length_um") == pytest.approx(length, rel=EXACT)

    def test_a_healthy_layer_has_no_lesion_and_all_its_safranin(self) -> None:
        truth = compartment_truth(flat(700, 35.0))
        assert truth.lesion_extent == truth.deepest_lesion == truth.safranin_loss == 0
        assert truth.lesion_count == 0

    @few
    @given(radius=st.floats(250, 1200), thickness=thicknesses)
    def test_an_arched_layer_is_half_a_ring(self, radius: float, thickness: float) -> None:
        truth = compartment_truth(arched(radius, thickness))
        outer, inner = radius + thickness, radius - thickness / 2
        ring = np.pi / 2 * (outer**2 - radius**2)
        assert truth.hyaline_area_um2 == pytest.approx(ring, rel=EXACT)
        bone_side = np.pi / 2 * (radius**2 - inner**2)
        assert truth.calcified_area_um2 == pytest.approx(bone_side, rel=EXACT)
        assert truth.surface_length_um == pytest.approx(np.pi * outer, rel=EXACT)
        assert truth.tidemark_length_um == pytest.approx(np.pi * radius, rel=EXACT)
        assert truth.osteochondral_length_um == pytest.approx(np.pi * inner, rel=EXACT)
        assert truth.mean_thickness_um == pytest.approx(ring / (np.pi * outer), rel=EXACT)
        assert truth.median_thickness_um == pytest.approx(thickness, rel=EXACT)

    @few
    @given(length=st.integers(300, 1500), thickness=thicknesses)
    def test_a_wedge_is_a_triangle(self, length: int, thickness: float) -> None:
        truth = compartment_truth(flat(length, np.linspace(0, thickness, length + 1)))
        slant = np.hypot(length, thickness)
        assert truth.hyaline_area_um2 == pytest.approx(length * thickness / 2, rel=EXACT)
        assert truth.surface_length_um == pytest.approx(slant, rel=EXACT)
        assert truth.tidemark_length_um == pytest.approx(length, rel=EXACT)
        assert truth.mean_thickness_um == pytest.approx(length * thickness / 2 / slant, rel=EXACT)
        assert truth.median_thickness_um == pytest.approx(thickness / 2, rel=EXACT)

    @few
    @given(length=st.integers(600, 1500), thickness=thicknesses, taper=st.integers(20, 140))
    def test_a_layer_that_tapers_at_both_ends_is_a_trapezium(
        self, length: int, thickness: float, taper: int
    ) -> None:
        s = np.arange(length + 1.0)
        height = thickness * np.clip(np.minimum(s, length - s) / taper, 0, 1)
        truth = compartment_truth(flat(length, height))
        assert truth.hyaline_area_um2 == pytest.approx((length - taper) * thickness, rel=EXACT)
        assert truth.median_thickness_um == pytest.approx(thickness, rel=EXACT)

    @few
    @given(height=st.floats(0, 30), period=st.floats(260, 500), thickness=st.floats(8, 40))
    def test_the_tidemark_along_a_sine_has_its_integral_and_an_even_layer_that_times_its_height(
        self, height: float, period: float, thickness: float
    ) -> None:
        # Steiner: over whole periods what the crests add to an offset's area the troughs take.
        truth = compartment_truth(waved(height, period, thickness))
        length = sine_length(height, period)
        assert truth.tidemark_length_um == pytest.approx(length, rel=EXACT)
        assert truth.hyaline_area_um2 == pytest.approx(length * thickness, rel=EXACT)
        assert truth.calcified_area_um2 == pytest.approx(length * thickness / 2, rel=EXACT)

    def test_the_last_stretch_of_an_edge_counts_though_it_is_shorter_than_the_step(self) -> None:
        edge = np.column_stack([np.arange(1008.0), np.zeros(1008)])
        assert edge_length(edge) == pytest.approx(1007)

    @few
    @given(angle=st.floats(0, 360), mirrored=st.booleans())
    def test_turning_or_mirroring_a_knee_changes_nothing(
        self, angle: float, mirrored: bool
    ) -> None:
        wave = waved(20, 300, 30)
        left = np.linspace(0.2, 1, len(wave.base))
        upright = stained(worn(wave, left), 0.6, 0.3)
        a = np.deg2rad(angle)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        turn = turn @ np.diag([-1.0 if mirrored else 1.0, 1.0])
        turned = replace(upright, base=upright.base @ turn.T, outward=upright.outward @ turn.T)
        assert astuple(compartment_truth(turned))[1:] == pytest.approx(
            astuple(compartment_truth(upright))[1:]
        )


class TestWornLayers:
    @few
    @given(gone=st.integers(1, 998))
    def test_a_layer_worn_over_a_part_is_the_rest(self, gone: int) -> None:
        truth = compartment_truth(worn(flat(999, 40.0), (np.arange(1000) >= gone).astype(float)))
        assert truth.lesion_extent == pytest.approx(gone / 1000)
        assert truth.hyaline_area_um2 == pytest.approx((999 - gone + 0.5) * 40, rel=EXACT)
        assert truth.tidemark_length_um == pytest.approx(999)
        assert truth.lesion_count == 1

    def test_half_of_a_layer(self) -> None:
        half = compartment_truth(worn(flat(999, 40.0), (np.arange(1000) >= 500).astype(float)))
        assert half.lesion_extent == 0.5
        assert half.hyaline_area_um2 == pytest.approx(999 * 40 / 2, rel=EXACT)
        assert half.calcified_area_um2 == pytest.approx(999 * 20, rel=EXACT)
        assert half.mean_thickness_um == half.hyaline_area_um2 / half.surface_length_um
        assert half.deepest_lesion == 1

    def test_the_median_thickness_is_nought_where_more_than_half_is_bare(self) -> None:
        assert (
            compartment_truth(
                worn(flat(999, 40.0), (np.arange(1000) >= 510) * 1.0)
            ).median_thickness_um
            == 0
        )
        assert (
            compartment_truth(
                worn(flat(999, 40.0), (np.arange(1000) >= 490) * 1.0)
            ).median_thickness_um
            == 40
        )

    @few
    @given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=21), first=st.booleans())
    def test_bare_stretches_are_counted_where_something_is_left_between_them(
        self, lengths: list[int], first: bool
    ) -> None:
        bare = np.array([(index % 2 == 0) == first for index in range(len(lengths))])
        mask = np.repeat(bare, lengths)
        assert len(runs(mask)) == bare.sum()
        assert sum(stop - start for start, stop in runs(mask)) == mask.sum()
        if len(mask) > 20:
            truth = compartment_truth(worn(flat(len(mask) - 1, 30.0), (~mask).astype(float)))
            assert truth.lesion_count == bare.sum()
            assert truth.lesion_extent == pytest.approx(mask.mean())

    @few
    @given(floor=shares, place=st.integers(100, 599))
    def test_the_deepest_lesion_is_the_share_lost_where_most_is(
        self, floor: float, place: int
    ) -> None:
        remaining = np.full(700, 0.97)
        remaining[place] = min(floor, 0.97)
        assert compartment_truth(worn(flat(699, 30.0), remaining)).deepest_lesion == pytest.approx(
            1 - min(floor, 0.97)
        )

    @pytest.mark.parametrize("place", [0, 99, 600, 699])
    def test_a_lesion_at_the_tapering_ends_is_not_the_deepest(self, place: int) -> None:
        remaining = np.ones(700)
        remaining[place] = 0
        assert compartment_truth(worn(flat(699, 30.0), remaining)).deepest_lesion == 0

    def test_a_swollen_layer_has_lost_nothing(self) -> None:
        assert compartment_truth(worn(flat(699, 30.0), np.full(700, 1.02))).deepest_lesion == 0

    def test_a_cleft_closes_before_the_surface_is_compartment_truth(self) -> None:
        whole = flat(800, 40.0)
        cleft = np.ones(801)
        cleft[300:306] = 0
        truths = [compartment_truth(one) for one in (whole, ill(whole, remaining=cleft))]
        assert truths[0].surface_length_um == truths[1].surface_length_um
        lost = truths[0].hyaline_area_um2 - truths[1].hyaline_area_um2
        assert lost == pytest.approx(240, rel=EXACT)
        assert truths[1].deepest_lesion == 1


class TestSafranin:
    @few
    @given(depth=shares, left=shares, thickness=thicknesses)
    def test_a_flat_layer_loses_depth_times_what_is_taken(
        self, depth: float, left: float, thickness: float
    ) -> None:
        truth = compartment_truth(stained(flat(500, thickness), depth, left))
        assert truth.safranin_loss == pytest.approx(depth * (1 - left), abs=1e-9)

    @few
    @given(depth=shares, left=shares, radius=st.floats(250, 900), thickness=thicknesses)
    def test_on_an_arch_the_wider_surface_counts_more(
        self, depth: float, left: float, radius: float, thickness: float
    ) -> None:
        truth = compartment_truth(stained(arched(radius, thickness), depth, left))
        outer, front = radius + thickness, radius + thickness * (1 - depth)
        share = (outer**2 - front**2) / (outer**2 - radius**2)
        assert truth.safranin_loss == pytest.approx(share * (1 - left), abs=1e-6)

    @few
    @given(depth=st.floats(0, 1.15), remaining=st.floats(0.05, 1), left=shares)
    def test_only_tissue_that_is_still_there_counts(
        self, depth: float, remaining: float, left: float
    ) -> None:
        even = worn(flat(500, 40.0), np.full(501, remaining))
        lost = max(0.0, min(depth, 1.0) - (1 - remaining)) / remaining * (1 - left)
        assert compartment_truth(stained(even, depth, left)).safranin_loss == pytest.approx(
            lost, abs=1e-9
        )

    def test_erosion_past_the_front_takes_the_pale_tissue_away(self) -> None:
        assert (
            compartment_truth(
                stained(worn(flat(500, 40.0), np.full(501, 0.5)), 0.4, 0.1)
            ).safranin_loss
            == 0
        )

    @few
    @given(most=shares, left=shares)
    def test_a_loss_that_deepens_along_the_layer_counts_as_its_mean(
        self, most: float, left: float
    ) -> None:
        truth = compartment_truth(stained(flat(500, 40.0), np.linspace(0, most, 501), left))
        assert truth.safranin_loss == pytest.approx(most / 2 * (1 - left), abs=1e-6)

    def test_a_thick_stretch_counts_more_than_a_thin_one(self) -> None:
        height = np.where(np.arange(1001) < 500, 10.0, 30.0)
        truth = compartment_truth(
            stained(flat(1000, height), np.where(height == 30, 1.0, 0.0), 0.2)
        )
        assert truth.safranin_loss == pytest.approx(0.75 * 0.8, rel=EXACT)

    def test_where_nothing_is_left_all_is_lost(self) -> None:
        assert compartment_truth(worn(flat(500, 40.0), np.zeros(501))).safranin_loss == 1


class TestAgainstPixels:
    @settings(max_examples=15)
    @given(
        angle=st.floats(-180, 180),
        mirrored=st.booleans(),
        mpp=st.floats(0.9, 1.3),
        shape=st.sampled_from([lambda: arched(260, 38.0), lambda: waved(25, 270, 33.0)]),
    )
    def test_the_areas_are_those_of_a_label_map(
        self, angle: float, mirrored: bool, mpp: float, shape: Callable[[], CartilageBed]
    ) -> None:
        one = shape()
        one = worn(one, np.clip(np.abs(np.linspace(-1, 1, len(one.base))) * 8 - 1, 0, 1))
        view = View((1010, 1070), mpp, tuple(one.base.mean(0)), angle, mirrored)
        truth = compartment_truth(one)
        counted = view.fill(one.hyaline_ring()).sum() * mpp**2
        assert counted == pytest.approx(truth.hyaline_area_um2, rel=0.01)
        counted = view.fill(one.calcified_ring()).sum() * mpp**2
        assert counted == pytest.approx(truth.calcified_area_um2, rel=0.01)
