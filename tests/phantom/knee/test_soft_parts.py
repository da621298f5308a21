"""What lies around bones and cartilage lies where it does in a knee, and follows the disease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from knees import DEPTH_UM, HEALTHY, ILL, beds, bony, cut, knee, overlap, region
from shapely.geometry import LineString, Point, Polygon

from histoscore.geometry import Points, polygon_area
from histoscore.phantom.knee.anatomy import (
    BoneEnd,
    CartilageBed,
    Knee,
    Meniscus,
    Osteophyte,
    SoftParts,
)
from histoscore.phantom.knee.build import WHOLE_UM
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.soft_parts import draw_soft_parts
from histoscore.vocabulary import Compartment

ANIMALS = range(3)
SMALLER = (3600.0, 2700.0)
"""Width and height (µm) of a knee that was trimmed close to the joint."""

PLATES = {
    -1: (Compartment.MFC, Compartment.MTP),
    1: (Compartment.LFC, Compartment.LTP),
}
"""The two compartments on either side of a meniscus."""

KINDS = {"ligament", "capsule", "muscle"}


@pytest.fixture(scope="module")
def healthy() -> tuple[Knee, ...]:
    return tuple(knee(animal) for animal in ANIMALS)


@pytest.fixture(scope="module")
def ill() -> tuple[Knee, ...]:
    return tuple(knee(animal, ILL) for animal in ANIMALS)


@pytest.fixture(scope="module")
def all_knees(healthy: tuple[Knee, ...], ill: tuple[Knee, ...]) -> tuple[Knee, ...]:
    return healthy + ill


def rings(one: Knee) -> Iterator[tuple[str, Points]]:
    """Every ring of a knee's soft parts by what it is."""
    soft = one.soft
    yield "outline", soft.outline
    yield "notch", soft.notch
    for cavity in soft.cavities:
        yield "cavity", cavity
    for meniscus in soft.menisci:
        yield "meniscus", meniscus.ring
        if meniscus.ossicle is not None:
            yield "meniscal ossicle", meniscus.ossicle
    for band in soft.bands:
        yield band.kind, band.ring
    for growth in soft.osteophytes:
        yield "osteophyte", growth.bone
        yield "osteophyte's cap", growth.cap
    for ossicle in soft.ossicles:
        yield ossicle.name, ossicle.ring
        if ossicle.cap is not None:
            yield f"{ossicle.name}'s cap", ossicle.cap


@cache
def trimmed(animal: int, size: tuple[float, float]) -> SoftParts:
    """The soft parts of a healthy knee of which so much was kept, width and height in µm."""
    one = knee(animal)
    return draw_soft_parts(size, one.femur, one.tibia, one.beds, one.traits, cut(animal))


def side_of(ring: Points) -> int:
    return -1 if ring[:, 0].mean() < 0 else 1


class TestRings:
    def test_every_part_is_one_closed_ring_that_crosses_itself_by_a_hair_at_most(
        self, all_knees: tuple[Knee, ...]
    ) -> None:
        for one in all_knees:
            for what, ring in rings(one):
                assert np.isfinite(ring).all(), what
                area = polygon_area(ring)
                assert area > 1000, what
                assert region(ring).area == pytest.approx(area, rel=0.01), what
                largest = max(getattr(region(ring), "geoms", [region(ring)]), key=lambda p: p.area)
                assert largest.area > 0.99 * area, what

    def test_hardly_any_ring_crosses_itself(self, all_knees: tuple[Knee, ...]) -> None:
        valid = [Polygon(ring).is_valid for one in all_knees for _, ring in rings(one)]
        assert np.mean(valid) > 0.9

    def test_the_same_section_has_the_same_rings(self, healthy: tuple[Knee, ...]) -> None:
        one = healthy[0]
        again = draw_soft_parts(WHOLE_UM, one.femur, one.tibia, one.beds, one.traits, cut(0))
        for (what, ring), (_, same) in zip(
            rings(one), rings(replace(one, soft=again)), strict=True
        ):
            assert (ring == same).all(), what


class TestOutline:
    def test_it_holds_all_cartilage_the_menisci_and_the_joints_cavity(
        self, all_knees: tuple[Knee, ...]
    ) -> None:
        for one in all_knees:
            tissue = region(one.soft.outline)
            for bed in one.beds:
                assert tissue.contains(region(bed.hyaline_ring(), bed.calcified_ring()))
            assert tissue.contains(region(*(meniscus.ring for meniscus in one.soft.menisci)))
            assert tissue.contains(region(*one.soft.cavities))

    @pytest.mark.parametrize("size", [WHOLE_UM, SMALLER, (2600.0, 1400.0)])
    def test_it_holds_the_bones_joint_region_however_little_tissue_there_is(
        self, healthy: tuple[Knee, ...], size: tuple[float, float]
    ) -> None:
        for animal, one in zip(ANIMALS, healthy, strict=True):
            tissue = region(trimmed(animal, size).outline)
            for bone in (one.femur, one.tibia):
                near = bone.tidemark[np.abs(bone.tidemark[:, 1]) < 500]
                assert tissue.contains(LineString(near))

    @pytest.mark.parametrize("size", [WHOLE_UM, SMALLER])
    def test_it_is_about_as_large_as_it_was_to_be(self, size: tuple[float, float]) -> None:
        for animal in ANIMALS:
            assert np.ptp(trimmed(animal, size).outline, axis=0) == pytest.approx(size, rel=0.12)

    def test_trimming_otherwise_moves_nothing_within(self, healthy: tuple[Knee, ...]) -> None:
        one = healthy[1]
        small = trimmed(1, SMALLER)
        for meniscus, same in zip(one.soft.menisci, small.menisci, strict=True):
            assert (meniscus.ring == same.ring).all()


class TestMenisci:
    def test_there_is_one_on_either_side(self, healthy: tuple[Knee, ...]) -> None:
        for one in healthy:
            sides = [side_of(meniscus.ring) for meniscus in one.soft.menisci]
            assert len(sides) == len(set(sides)) >= 1

    def test_now_and_then_a_section_misses_one(self, healthy: tuple[Knee, ...]) -> None:
        one = healthy[0]
        counts = []
        for section in range(8):
            at = cut(0, section=section)
            soft = draw_soft_parts(WHOLE_UM, one.femur, one.tibia, one.beds, one.traits, at)
            counts.append(len(soft.menisci))
        assert set(counts) == {1, 2}
        assert np.mean(counts) > 1.5

    def test_they_lie_between_femur_and_tibia(self, all_knees: tuple[Knee, ...]) -> None:
        for one in all_knees:
            for meniscus in one.soft.menisci:
                by, side = beds(one), side_of(meniscus.ring)
                femoral, tibial = PLATES[side]
                x, y = meniscus.ring.mean(0)
                assert height_at(by[femoral].base, x) < y < height_at(by[tibial].base, x)
                assert side * x > 600

    def test_they_hardly_reach_into_bone_or_cartilage(self, all_knees: tuple[Knee, ...]) -> None:
        """They may touch the cartilage; what would lie in it is painted over."""
        for one in all_knees:
            bone = bony(one)
            cartilage = region(
                *(np.vstack([b.base, b.at_height(b.intact)[::-1]]) for b in one.beds)
            )
            for meniscus in one.soft.menisci:
                ring = region(meniscus.ring)
                assert ring.intersection(bone).area < 0.01 * ring.area
                assert ring.intersection(cartilage).area < 0.03 * ring.area

    def test_they_are_wedges_with_the_tip_inside(self, all_knees: tuple[Knee, ...]) -> None:
        for one in all_knees:
            for meniscus in one.soft.menisci:
                across = np.abs(meniscus.ring[:, 0])
                inner, outer = across.min(), across.max()
                assert abs(meniscus.tip[0]) == pytest.approx(inner, abs=20)
                assert Polygon(meniscus.ring).exterior.distance(Point(meniscus.tip)) < 25
                assert 200 < outer - inner < 620
                assert high(meniscus, inner + 0.25 * (outer - inner)) < high(
                    meniscus, inner + 0.75 * (outer - inner)
                )

    def test_damage_pushes_them_outwards(
        self, healthy: tuple[Knee, ...], ill: tuple[Knee, ...]
    ) -> None:
        for whole, torn in in_pairs(healthy, ill):
            assert torn.damage == 1 > whole.damage == 0
            for place in (np.min, np.mean, np.max):
                pushed = place(np.abs(torn.ring[:, 0])) - place(np.abs(whole.ring[:, 0]))
                assert 70 < pushed < 150
            assert 70 < abs(torn.tip[0]) - abs(whole.tip[0]) < 150

    @pytest.mark.parametrize("damage", [0.5, 1.0])
    def test_damage_shrinks_them_where_the_bones_leave_them_room(
        self, healthy: tuple[Knee, ...], damage: float
    ) -> None:
        for animal, one in list(zip(ANIMALS, healthy, strict=True))[:2]:
            whole, torn = (roomy(one, animal, d) for d in (0.0, damage))
            for meniscus, shrunk in zip(whole, torn, strict=True):
                ratio = polygon_area(shrunk.ring) / polygon_area(meniscus.ring)
                assert ratio == pytest.approx(1 - 0.25 * damage, abs=0.07)

    def test_damage_frays_them(self, healthy: tuple[Knee, ...], ill: tuple[Knee, ...]) -> None:
        rough = [(uneven(whole.ring), uneven(torn.ring)) for whole, torn in in_pairs(healthy, ill)]
        assert all(frayed > 1.2 * smooth for smooth, frayed in rough)

    def test_bone_in_a_meniscus_lies_within_it(self, all_knees: tuple[Knee, ...]) -> None:
        held = [m for one in all_knees for m in one.soft.menisci if m.ossicle is not None]
        assert len(held) >= 3
        for meniscus in held:
            bone, ring = region(meniscus.ossicle), region(meniscus.ring)
            assert bone.difference(ring).area < 0.02 * bone.area
            assert 0.1 < bone.area / ring.area < 0.6

    def test_menisci_of_neighbouring_sections_lie_over_each_other(
        self, healthy: tuple[Knee, ...]
    ) -> None:
        for animal, one in list(zip(ANIMALS, healthy, strict=True))[:2]:
            other = knee(animal, HEALTHY, DEPTH_UM + 80, 1)
            theirs = {side_of(m.ring): m for m in other.soft.menisci}
            for meniscus in one.soft.menisci:
                twin = theirs[side_of(meniscus.ring)]
                assert overlap(region(meniscus.ring), region(twin.ring)) > 0.75
            assert overlap(region(one.soft.outline), region(other.soft.outline)) > 0.95


def height_at(base: Points, x: float) -> float:
    """y of a tidemark at the x that is asked for, or at its end if it does not reach so far."""
    return float(base[np.argmin(np.abs(base[:, 0] - x)), 1])


def high(meniscus: Meniscus, across: float) -> float:
    """Height of a meniscus at a distance from the knee's axis, µm."""
    x = side_of(meniscus.ring) * across
    line = LineString([(x, -2000), (x, 2000)])
    return float(line.intersection(region(meniscus.ring)).length)


def in_pairs(
    healthy: tuple[Knee, ...], ill: tuple[Knee, ...]
) -> Iterator[tuple[Meniscus, Meniscus]]:
    """The menisci of healthy knees and of the same knees with torn ones."""
    for one, other in zip(healthy, ill, strict=True):
        yield from zip(one.soft.menisci, other.soft.menisci, strict=True)


def roomy(one: Knee, animal: int, damage: float) -> tuple[Meniscus, ...]:
    """The menisci of a knee whose femur was lifted off the tibia."""
    lift = np.array([0.0, -400.0])
    ills = Disease(0, meniscus=damage)
    femur = replace(one.femur, tidemark=one.femur.tidemark + lift, shaft=one.femur.shaft + lift)
    lifted = tuple(
        replace(bed, disease=ills, base=bed.base + lift * bed.compartment.is_femoral)
        for bed in one.beds
    )
    return draw_soft_parts(WHOLE_UM, femur, one.tibia, lifted, one.traits, cut(animal)).menisci


def uneven(ring: Points) -> float:
    """How much (µm) a ring's points lie off the middle of their neighbours 12 µm away."""
    middle = (np.roll(ring, 6, axis=0) + np.roll(ring, -6, axis=0)) / 2
    return float(np.median(np.hypot(*(ring - middle).T)))


class TestBands:
    def test_there_are_capsules_ligaments_and_muscles(self, healthy: tuple[Knee, ...]) -> None:
        for one in healthy:
            kinds = [band.kind for band in one.soft.bands]
            assert set(kinds) == KINDS
            assert kinds.count("capsule") == 2
            assert kinds.count("ligament") == 4
            assert 4 <= kinds.count("muscle") <= 12

    def test_muscles_lie_outside_the_bones(self, all_knees: tuple[Knee, ...]) -> None:
        for one in all_knees:
            bone, tissue = bony(one), region(one.soft.outline)
            for belly in (band for band in one.soft.bands if band.kind == "muscle"):
                seen = region(belly.ring).intersection(tissue)
                assert seen.intersection(bone).area < 0.12 * seen.area

    def test_muscles_lie_along_the_shafts_and_spare_the_joint(
        self, healthy: tuple[Knee, ...]
    ) -> None:
        for one in healthy:
            for belly in (band for band in one.soft.bands if band.kind == "muscle"):
                assert np.abs(belly.ring[:, 1]).min() > 400
                assert np.abs(belly.ring[:, 0]).min() > 350
                assert np.ptp(belly.ring[:, 1]) > np.ptp(belly.ring[:, 0])

    def test_capsules_close_the_joint_on_either_side(self, healthy: tuple[Knee, ...]) -> None:
        for one in healthy:
            bone = bony(one)
            capsules = [band for band in one.soft.bands if band.kind == "capsule"]
            assert [side_of(capsule.ring) for capsule in capsules] == [-1, 1]
            for capsule, cavity in zip(capsules, one.soft.cavities, strict=True):
                assert (cavity[:, 0] * side_of(capsule.ring) > 100).all()
                band = region(capsule.ring)
                assert band.intersection(bone).area < 0.1 * band.area
                assert band.intersection(region(cavity)).area < 0.05 * band.area
                assert band.distance(region(cavity)) < 10
                upper, lower = capsule.ring[:, 1].min(), capsule.ring[:, 1].max()
                assert upper < -300
                assert lower > 150
            for meniscus in one.soft.menisci:
                cavities = region(*one.soft.cavities)
                assert region(meniscus.ring).difference(cavities).area < 0.1 * polygon_area(
                    meniscus.ring
                )

    def test_a_pushed_out_meniscus_bulges_the_capsule(
        self, healthy: tuple[Knee, ...], ill: tuple[Knee, ...]
    ) -> None:
        for one, other in zip(healthy, ill, strict=True):
            for cavity, bulging in zip(one.soft.cavities, other.soft.cavities, strict=True):
                pushed = np.abs(bulging[:, 0]).max() - np.abs(cavity[:, 0]).max()
                assert 30 < pushed < 90

    def test_each_side_follows_its_own_meniscus(self, healthy: tuple[Knee, ...]) -> None:
        one = healthy[0]
        torn = tuple(
            replace(bed, disease=Disease(0, meniscus=1.0 * (bed.compartment is Compartment.MTP)))
            for bed in one.beds
        )
        soft = draw_soft_parts(WHOLE_UM, one.femur, one.tibia, torn, one.traits, cut(0))
        pushed = [
            [widest(parts) - widest(before) for parts, before in zip(now, then, strict=True)]
            for now, then in (
                (soft.cavities, one.soft.cavities),
                ([m.ring for m in soft.menisci], [m.ring for m in one.soft.menisci]),
            )
        ]
        for medial, lateral in pushed:
            assert medial > 30
            assert lateral == 0

    def test_collateral_ligaments_lie_outside_the_capsule_and_cruciates_in_the_notch(
        self, healthy: tuple[Knee, ...]
    ) -> None:
        for one in healthy:
            outer, inner = ligaments(one)
            assert [side_of(ring) for ring in outer] == [-1, 1]
            for ring, cavity in zip(outer, one.soft.cavities, strict=True):
                assert widest(ring) > widest(cavity)
                assert ring[:, 1].min() < -500
                assert ring[:, 1].max() > 300
            for ring in inner:
                assert np.abs(ring[:, 0]).max() < 0.75 * one.traits.notch
                assert one.femur.tidemark[:, 1].min() < ring[:, 1].min() < -100
            tops, feet = ([end(ring) for ring in inner] for end in (top_x, foot_x))
            assert (tops[0] - tops[1]) * (feet[0] - feet[1]) < 0  # they cross

    def test_the_notch_lies_between_the_condyles(self, healthy: tuple[Knee, ...]) -> None:
        for one in healthy:
            femur, notch = region(one.femur.outline()), region(one.soft.notch)
            free = notch.difference(bony(one))
            assert 0.1 < free.area / notch.area < 0.9
            assert free.distance(femur) < 1


def widest(ring: Points) -> float:
    return float(np.abs(ring[:, 0]).max())


def top_x(ring: Points) -> float:
    return float(ring[ring[:, 1] < ring[:, 1].min() + 20, 0].mean())


def foot_x(ring: Points) -> float:
    return float(ring[ring[:, 1] > ring[:, 1].max() - 20, 0].mean())


def ligaments(one: Knee) -> tuple[list[Points], list[Points]]:
    """Collateral and cruciate ligaments: those far from and near to the knee's axis."""
    found = [band.ring for band in one.soft.bands if band.kind == "ligament"]
    outer = [ring for ring in found if abs(ring[:, 0].mean()) > 700]
    inner = [ring for ring in found if abs(ring[:, 0].mean()) < 250]
    assert len(outer) == len(inner) == 2
    return outer, inner


class TestOsteophytes:
    def test_a_healthy_knee_has_none(self, healthy: tuple[Knee, ...]) -> None:
        assert not any(one.soft.osteophytes for one in healthy)

    def test_they_grow_where_the_disease_says(self, healthy: tuple[Knee, ...]) -> None:
        (growth,) = grown(healthy[0], 0, {Compartment.LFC: 1.0}).values()
        assert growth.bone[:, 0].mean() > 500
        assert set(grown(healthy[0], 0, {Compartment.MTP: 0.4, Compartment.LTP: 3.0})) == {
            Compartment.MTP,
            Compartment.LTP,
        }

    def test_they_sit_at_the_outer_margin_of_their_compartment(
        self, healthy: tuple[Knee, ...]
    ) -> None:
        for animal, one in zip(ANIMALS, healthy, strict=True):
            for compartment, growth in grown(one, animal, dict.fromkeys(Compartment, 1.5)).items():
                bed = beds(one)[compartment]
                outer, inner = bed.base[[0, -1]] if compartment.is_medial else bed.base[[-1, 0]]
                assert abs(outer[0]) > abs(inner[0])
                assert region(growth.bone).contains(Point(outer))
                assert not region(growth.cap).intersects(Point(inner))
                assert np.hypot(*(growth.bone.mean(0) - outer)) < 120

    def test_they_stand_out_of_the_bone_that_they_grow_from(self, ill: tuple[Knee, ...]) -> None:
        for one in ill:
            bone = bony(one)
            assert len(one.soft.osteophytes) == 4
            for growth in one.soft.osteophytes:
                grown_bone = region(growth.bone)
                assert 0.2 < grown_bone.difference(bone).area / grown_bone.area < 0.8

    def test_cartilage_caps_them(self, ill: tuple[Knee, ...]) -> None:
        for one in ill:
            for growth in one.soft.osteophytes:
                assert region(growth.cap).contains(region(growth.bone))
                cap = Polygon(growth.bone).exterior.distance(Polygon(growth.cap).exterior)
                assert cap > 3

    def test_they_grow_with_their_size(self, healthy: tuple[Knee, ...]) -> None:
        sizes = (0.1, 1.0, 3.0)
        for animal, one in list(zip(ANIMALS, healthy, strict=True))[:2]:
            by_size = [grown(one, animal, dict.fromkeys(Compartment, size)) for size in sizes]
            for compartment in Compartment:
                areas = np.array([polygon_area(found[compartment].bone) for found in by_size])
                assert areas / areas[1] == pytest.approx(np.square(sizes), rel=0.01)
            largest = by_size[-1].values()
            assert all(130 < np.ptp(growth.bone, axis=0).max() < 700 for growth in largest)


def grown(one: Knee, animal: int, sizes: dict[Compartment, float]) -> dict[Compartment, Osteophyte]:
    """Osteophytes of these sizes on a knee's bones."""
    ill: tuple[CartilageBed, ...] = tuple(
        replace(bed, disease=Disease(2, osteophyte=sizes.get(bed.compartment, 0.0)))
        for bed in one.beds
    )
    soft = draw_soft_parts(WHOLE_UM, one.femur, one.tibia, ill, one.traits, cut(animal))
    drawn = [bed.compartment for bed in ill if bed.disease.osteophyte > 0]
    return dict(zip(drawn, soft.osteophytes, strict=True))


@pytest.fixture(scope="module")
def met() -> tuple[Knee, ...]:
    """One knee's bones with the small bones that sections of many animals meet."""
    one = knee(0)
    return tuple(
        replace(
            one,
            soft=draw_soft_parts(
                WHOLE_UM, one.femur, one.tibia, one.beds, one.traits, cut(100 + animal)
            ),
        )
        for animal in range(10)
    )


class TestOssicles:
    def test_some_sections_meet_them(self, met: tuple[Knee, ...]) -> None:
        names = [ossicle.name for one in met for ossicle in one.soft.ossicles]
        assert set(names) == {"fibula", "fabella", "patella"}
        assert len(met) > names.count("fibula") > names.count("patella")

    def test_they_lie_outside_femur_and_tibia(self, met: tuple[Knee, ...]) -> None:
        bone = bony(met[0])
        for one in met:
            for ossicle in one.soft.ossicles:
                ring = region(ossicle.ring)
                assert ring.intersection(bone).area < 0.02 * ring.area, ossicle.name

    def test_the_fibula_is_lateral_below_the_joint_with_cartilage_on_its_head(
        self, met: tuple[Knee, ...]
    ) -> None:
        for one in met:
            for ossicle in one.soft.ossicles:
                if ossicle.name == "fibula":
                    assert ossicle.ring[:, 0].min() > 900
                    assert 350 < ossicle.ring[:, 1].min() < 750
                    assert region(ossicle.cap).intersects(region(ossicle.ring))
                    assert ossicle.cap[:, 1].max() < ossicle.ring[:, 1].min() + 150

    def test_sesamoid_bones_lie_in_a_shell_of_cartilage_beside_the_femur(
        self, met: tuple[Knee, ...]
    ) -> None:
        for one in met:
            for ossicle in one.soft.ossicles:
                if ossicle.name != "fibula":
                    assert region(ossicle.cap).contains(region(ossicle.ring))
                    assert ossicle.ring[:, 1].max() < -300
                    assert np.abs(ossicle.ring[:, 0]).min() > 900


def test_the_bones_do_not_depend_on_the_soft_parts(
    healthy: tuple[Knee, ...], ill: tuple[Knee, ...]
) -> None:
    for one, other in zip(healthy, ill, strict=True):
        bones: tuple[tuple[BoneEnd, BoneEnd], ...] = (
            (one.femur, other.femur),
            (one.tibia, other.tibia),
        )
        for bone, same in bones:
            assert (bone.outline() == same.outline()).all()
