"""A knee has the sizes and the shape of a mouse's, and its sections are a series."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knees import DEPTH_UM, HEALTHY, beds, bones, bony, cut, knee, region
from scipy.spatial import KDTree
from shapely.geometry import LineString, Polygon

from histoscore.geometry import Points
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import STEP_UM, BoneEnd, CartilageBed, Knee
from histoscore.phantom.knee.beds import draw_bed
from histoscore.phantom.knee.build import animal_traits, build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.traits import Traits, sample_traits, traits_at
from histoscore.phantom.knee.truth import compartment_truth
from histoscore.vocabulary import Compartment

ANIMALS = range(4)
MANY = range(6)
"""Of whom the bones alone are drawn."""

OPEN_NOTCHES = (186, 330)
"""Animals whose growth plate once opened into the notch."""

NEXT_UM = 80.0
"""Depth from one section to the next."""

PAIRS = (
    (Compartment.MFC, Compartment.MTP),
    (Compartment.LFC, Compartment.LTP),
)


@pytest.fixture(scope="module")
def knees() -> tuple[Knee, ...]:
    return tuple(knee(animal) for animal in ANIMALS)


class TestTraits:
    def test_they_are_drawn_from_their_ranges(self) -> None:
        drawn = [sample_traits(np.random.default_rng(seed)) for seed in range(200)]
        for trait in fields(Traits):
            low, high = trait.metadata["low"], trait.metadata["high"]
            values = np.array([getattr(traits, trait.name) for traits in drawn])
            assert low <= values.min() < low + 0.1 * (high - low)
            assert high - 0.1 * (high - low) < values.max() <= high

    def test_a_section_has_nearly_its_animals(self) -> None:
        for animal in MANY:
            at = cut(animal)
            ratios = compared(traits_at(animal_traits(at), at), animal_traits(at))
            assert 0.88 < ratios.min() < 1 < ratios.max() < 1.14
            assert 0.01 < np.log(ratios).std() < 0.05

    def test_the_next_section_has_nearly_the_same(self) -> None:
        for animal in MANY:
            here, there = (
                traits_at(animal_traits(at), at)
                for at in (cut(animal), cut(animal, DEPTH_UM + NEXT_UM))
            )
            assert np.abs(np.log(compared(here, there))).max() < 0.04

    def test_without_a_spread_all_sections_have_the_same(self) -> None:
        traits = animal_traits(cut(3))
        assert traits_at(traits, cut(3), spread=0) == traits


def compared(one: Traits, other: Traits) -> Profile:
    return np.array([getattr(one, f.name) / getattr(other, f.name) for f in fields(Traits)])


class TestPlaces:
    def test_medial_lies_left_and_the_femur_above(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            middles = {bed.compartment: bed.base.mean(0) for bed in one.beds}
            assert set(middles) == set(Compartment)
            for compartment, (x, _) in middles.items():
                assert (x < 0) == compartment.is_medial
            for femoral, tibial in PAIRS:
                assert middles[femoral][1] < middles[tibial][1]

    def test_the_middle_of_the_plateaus_is_the_origin(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            by = beds(one)
            inner = by[Compartment.MTP].base[-1], by[Compartment.LTP].base[0]
            assert sum(x for x, _ in inner) == pytest.approx(0, abs=30)
            assert np.abs([y for _, y in inner]).max() < 120

    def test_normals_point_into_the_joint_at_right_angles_to_the_tidemark(
        self, knees: tuple[Knee, ...]
    ) -> None:
        for one in knees:
            for bed in one.beds:
                assert (bed.outward[:, 1].mean() > 0) == bed.compartment.is_femoral
                assert np.linalg.norm(bed.outward, axis=1) == pytest.approx(1.0)
                along = np.gradient(bed.base, axis=0)
                assert abs((along * bed.outward).sum(1).mean()) < 0.005
                assert np.abs((along * bed.outward).sum(1)).max() < 0.06

    def test_points_along_a_tidemark_are_a_step_apart(self) -> None:
        for animal in MANY:
            _, femur, tibia = bones(animal)
            for bone, tolerance in ((tibia, 0.02), (femur, 0.1)):  # the femur was tilted
                steps = np.hypot(*np.diff(bone.tidemark, axis=0).T)
                assert steps == pytest.approx(STEP_UM, rel=tolerance)

    def test_each_bed_lies_on_its_bones_tidemark(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            for bed in one.beds:
                bone = one.femur if bed.compartment.is_femoral else one.tibia
                start = int(np.argmin(np.hypot(*(bone.tidemark - bed.base[0]).T)))
                assert (bone.tidemark[start : start + len(bed.base)] == bed.base).all()

    def test_the_femur_does_not_touch_the_tibia(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            by = {bed.compartment: LineString(bed.at_height(bed.intact)) for bed in one.beds}
            for femoral, tibial in PAIRS:
                assert by[femoral].distance(by[tibial]) > 0
            femur, tibia = (region(bone.outline()) for bone in (one.femur, one.tibia))
            assert femur.distance(tibia) > 0

    @settings(max_examples=5)
    @given(animal=st.integers(0, 2**31), depth_um=st.floats(0, 3000))
    def test_no_condyle_ever_touches_its_plateau(self, animal: int, depth_um: float) -> None:
        traits, femur, tibia = bones(animal, depth_um)
        at = cut(animal, depth_um)
        surfaces = {}
        for compartment in Compartment:
            bone = femur if compartment.is_femoral else tibia
            bed = draw_bed(compartment, bone, traits, HEALTHY, at)
            surfaces[compartment] = LineString(bed.at_height(bed.intact))
        for femoral, tibial in PAIRS:
            assert surfaces[femoral].distance(surfaces[tibial]) > 0

    def test_each_condyle_stands_a_gap_above_its_plateau(self) -> None:
        for animal in MANY:
            traits, femur, tibia = bones(animal)
            cartilage = traits.hyaline_femur + traits.hyaline_tibia
            for side in (-1, 1):
                gap = clearance(femur, tibia, side) - cartilage
                least = 0.15 * cartilage
                assert max(0.6 * traits.gap, least) - 5 < gap < max(1.4 * traits.gap, least) + 5


def clearance(femur: BoneEnd, tibia: BoneEnd, side: int) -> float:
    """Least height (µm) of the femur's tidemark over the tibia's on one side of the joint."""
    least = np.inf
    for x in side * np.arange(150.0, 1150.0, 10.0):
        above, below = (
            bone.tidemark[np.abs(bone.tidemark[:, 0] - x) < 2, 1] for bone in (femur, tibia)
        )
        if len(above) and len(below):
            least = min(least, float(below.min() - above.max()))
    return least


class TestShape:
    def test_sizes_are_a_mouses(self, knees: tuple[Knee, ...]) -> None:
        """Plateaus 0.8–1.2 mm long, hyaline cartilage 30–50 µm thick (science.md section 2)."""
        for bed in (bed for one in knees for bed in one.beds):
            low, high = (650, 1250) if bed.compartment.is_femoral else (700, 1250)
            assert low < len(bed.base) * STEP_UM < high
            assert 22 < np.median(bed.hyaline) < 58
            assert 10 < np.median(bed.calcified) < 70

    def test_both_epiphyses_are_2_to_3_mm_wide(self) -> None:
        for animal in MANY:
            _, *both = bones(animal)
            for bone in both:
                assert 1900 < np.ptp(bone.tidemark[:, 0]) < 2900

    def test_cartilage_tapers_to_nothing_at_both_ends(self, knees: tuple[Knee, ...]) -> None:
        for bed in (bed for one in knees for bed in one.beds):
            for thickness in (bed.intact, bed.calcified):
                assert thickness[0] == thickness[-1] == 0
                assert (thickness >= 0).all()
            fifth = len(bed.intact) // 5
            assert bed.intact.max() == bed.intact[fifth:-fifth].max()

    def test_the_medial_plateau_is_hollow_and_the_lateral_rounded(self) -> None:
        for animal in MANY:
            traits, _, tibia = bones(animal)
            medial, lateral = (
                draw_bed(plateau, tibia, traits, HEALTHY, cut(animal)).base
                for plateau in (Compartment.MTP, Compartment.LTP)
            )
            assert sagging(medial) > 15
            assert sagging(lateral) < -5

    def test_medial_condyles_are_wider_than_lateral_ones(self) -> None:
        widths = [condyle_widths(bones(animal)[1]) for animal in MANY]
        assert all(700 < width < 1500 for pair in widths for width in pair)
        medial, lateral = np.mean(widths, axis=0)
        assert 60 < medial - lateral < 260

    def test_bones_are_simple_rings(self) -> None:
        for animal in MANY:
            _, *both = bones(animal)
            for bone in both:
                assert Polygon(bone.outline()).is_valid

    def test_shafts_lead_away_from_the_joint_and_become_slender(self) -> None:
        for animal in MANY:
            traits, femur, tibia = bones(animal)
            assert femur.away == -1
            assert tibia.away == 1
            for bone, slender in ((femur, traits.shaft_femur), (tibia, traits.shaft_tibia)):
                widths = [width(bone, beyond) for beyond in (150, 500, 900, 1400, 2000)]
                assert widths == sorted(widths, reverse=True)
                assert widths[-1] < 0.82 * widths[0]
                assert widths[-1] == pytest.approx(slender, abs=90)

    def test_the_growth_plate_lies_between_joint_and_shaft(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            for bed in one.beds:
                bone = one.femur if bed.compartment.is_femoral else one.tibia
                near = np.interp(bed.base[:, 0], bone.plate_x, bone.plate_near)
                assert (bone.away * (near - bed.base[:, 1])).min() > 200
        for one in knees:
            for bone in (one.femur, one.tibia):
                assert bone.plate_x[0] < bone.tidemark[:, 0].min()
                assert bone.plate_x[-1] > bone.tidemark[:, 0].max()
                thickness = bone.away * (bone.plate_far - bone.plate_near)
                assert thickness.min() > 0
                assert 50 < np.median(thickness) < 210
                assert np.median(bone.away * bone.plate_far) < reach(bone) + 900

    @pytest.mark.parametrize("animal", [*range(4), *OPEN_NOTCHES])
    def test_there_is_bone_between_the_notch_and_the_growth_plate(self, animal: int) -> None:
        _, femur, _ = bones(animal)
        x, y = femur.tidemark[np.abs(femur.tidemark[:, 0]) < 300].T
        assert (y - np.interp(x, femur.plate_x, femur.plate_near)).min() > 20


def sagging(base: Points) -> float:
    """How much lower (µm) a plateau's middle lies than the straight line between its ends."""
    (x0, y0), (x1, y1) = base[40], base[-41]
    x, y = base[len(base) // 2]
    return float(y - (y0 + (y1 - y0) * (x - x0) / (x1 - x0)))


def condyle_widths(femur: BoneEnd) -> tuple[float, float]:
    """Of the medial and the lateral condyle, from the notch's roof to its outer side."""
    x, y = femur.tidemark.T
    roof = x[np.argmin(np.where(np.abs(x) < 200, y, np.inf))]
    return float(roof - x.min()), float(x.max() - roof)


def reach(bone: BoneEnd) -> float:
    """How far from the knee's middle the shaft begins."""
    return float(bone.away * bone.tidemark[[0, -1], 1].mean())


def width(bone: BoneEnd, beyond: float) -> float:
    """Width of a bone this far (µm) beyond the end of its tidemark."""
    y = bone.away * (reach(bone) + beyond)
    across = LineString([(-5000, y), (5000, y)])
    return float(across.intersection(region(bone.outline())).length)


class TestCartilage:
    def test_thinning_thins_and_moves_no_tidemark(self) -> None:
        whole, thin = knee(0, Disease(2)), knee(0, Disease(2, thinning=0.75))
        for bed, thinner in zip(whole.beds, thin.beds, strict=True):
            assert (bed.base == thinner.base).all()
            assert (bed.calcified == thinner.calcified).all()
            assert thinner.intact == pytest.approx(0.75 * bed.intact)

    def test_disease_moves_no_bone(self) -> None:
        healthy, ill = knee(0), knee(0, Disease(5, 0.8, osteophyte=2, sclerosis=1, meniscus=1))
        for bone in ("femur", "tibia"):
            for line in ("tidemark", "outward", "shaft", "plate_near", "plate_far"):
                one, other = (getattr(getattr(k, bone), line) for k in (healthy, ill))
                assert (one == other).all()
        for bed, worse in zip(healthy.beds, ill.beds, strict=True):
            assert (bed.calcified == worse.calcified).all()

    def test_a_knee_tells_what_ails_it(self) -> None:
        ills = {
            compartment: Disease(grade)
            for compartment, grade in zip(Compartment, (0, 2, 0.5, 4), strict=True)
        }
        assert build_knee(cut(2), ills).disease == ills

    def test_the_layers_are_rings_on_one_tidemark(self, knees: tuple[Knee, ...]) -> None:
        for one in knees:
            for bed in one.beds:
                n = len(bed.base)
                assert (bed.hyaline_ring()[:n] == bed.base).all()
                assert (bed.calcified_ring()[:n] == bed.base).all()
                above = ((bed.articular_surface() - bed.base) * bed.outward).sum(1)
                assert above == pytest.approx(bed.smooth)

    def test_hyaline_cartilage_lies_outside_the_bones_and_calcified_inside(
        self, knees: tuple[Knee, ...]
    ) -> None:
        for one in knees:
            bone = bony(one)
            for bed in one.beds:
                hyaline, calcified = region(bed.hyaline_ring()), region(bed.calcified_ring())
                assert hyaline.intersection(bone).area < 1e-3 * hyaline.area
                assert calcified.difference(bone).area < 1e-3 * calcified.area


class TestSeries:
    def test_the_same_section_drawn_again_is_the_same(self) -> None:
        one, again = (build_knee(cut(1), dict.fromkeys(Compartment, Disease(4))) for _ in "ab")
        for bed, same in zip(one.beds, again.beds, strict=True):
            for ring in (CartilageBed.hyaline_ring, CartilageBed.calcified_ring):
                assert (ring(bed) == ring(same)).all()
        assert (one.soft.outline == again.soft.outline).all()

    def test_a_section_beside_it_on_the_slide_changes_no_bone(self) -> None:
        one, twin = knee(1), knee(1, section=7)
        assert (one.femur.outline() == twin.femur.outline()).all()
        assert (one.tibia.outline() == twin.tibia.outline()).all()

    def test_the_next_section_of_an_animal_is_nearly_the_same(
        self, knees: tuple[Knee, ...]
    ) -> None:
        for animal, one in zip(ANIMALS, knees, strict=True):
            other = knee(animal, depth_um=DEPTH_UM + NEXT_UM, section=1)
            assert moved(one, other).mean() < 6
            assert np.quantile(moved(one, other), 0.95) < 25
            hyaline, calcified, tidemark, thickness = changed(one, other)
            assert hyaline.max() < 0.06
            assert calcified.max() < 0.15
            assert tidemark.max() < 0.04
            assert thickness.max() < 0.06

    def test_no_two_sections_are_the_same(self, knees: tuple[Knee, ...]) -> None:
        for animal, one in zip(ANIMALS, knees, strict=True):
            other = knee(animal, depth_um=DEPTH_UM + NEXT_UM, section=1)
            assert moved(one, other).mean() > 0.5

    def test_other_animals_differ_far_more(self, knees: tuple[Knee, ...]) -> None:
        apart = [moved(one, other).mean() for one, other in pairwise(knees)]
        areas = [changed(one, other)[0].max() for one, other in pairwise(knees)]
        assert min(apart) > 15
        assert min(areas) > 0.08

    def test_the_far_end_of_a_knee_differs_more_than_the_next_section_and_less_than_an_animal(
        self, knees: tuple[Knee, ...]
    ) -> None:
        near = moved(knees[0], knee(0, depth_um=DEPTH_UM + NEXT_UM, section=1)).mean()
        far = moved(knees[0], knee(0, depth_um=DEPTH_UM + 1500)).mean()
        others = np.mean([moved(knees[0], other).mean() for other in knees[1:]])
        assert 2 * near < far < 0.7 * others


def moved(one: Knee, other: Knee) -> Profile:
    """Distance (µm) of each point of one knee's tidemarks from the other's."""
    return np.concatenate(
        [
            KDTree(b.tidemark).query(a.tidemark)[0]
            for a, b in ((one.femur, other.femur), (one.tibia, other.tibia))
        ]
    )


def changed(one: Knee, other: Knee) -> tuple[Profile, ...]:
    """Relative change in each compartment: both areas, length of the tidemark, thickness."""
    measures = (
        "hyaline_area_um2",
        "calcified_area_um2",
        "tidemark_length_um",
        "median_thickness_um",
    )
    truths = [[compartment_truth(bed) for bed in k.beds] for k in (one, other)]
    values = np.array([[[getattr(t, m) for t in truth] for m in measures] for truth in truths])
    return tuple(np.abs(values[1] / values[0] - 1))
