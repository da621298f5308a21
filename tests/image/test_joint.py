"""Which cartilage is articular, and whose it is: a drawn knee, mounted any way round."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.drawn_knee import DrawnKnee, Pose, in_255ths, knee
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.image.joint import CLEAR_VOTE, locate_joint
from histoscore.records import Joint, MedialSide, SegmentationMap
from histoscore.vocabulary import Compartment, Tissue, Zone

COARSE = Pose(2300, 2500, mpp=3.1)
UPSIDE_DOWN = replace(COARSE, angle=180)
MIRRORED = replace(COARSE, mirrored=True)
OBLIQUE = replace(COARSE, angle=71, mirrored=True)
FLAT = (1 / 3, 1 / 3, 1 / 3)
"""Zones that tell nothing."""

mounted = pytest.mark.parametrize("pose", [COARSE, UPSIDE_DOWN, MIRRORED, OBLIQUE], ids=str)


@cache
def drawn(pose: Pose) -> DrawnKnee:
    return knee(pose)


def located(drawing: DrawnKnee, sheet: MedialSide | None = None) -> Joint:
    joint = locate_joint(drawing.probabilities(), sheet)
    assert joint is not None
    return joint


def cartilage_of(drawing: DrawnKnee, compartment: Compartment) -> np.ndarray:
    cartilage = np.isin(drawing.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
    y = drawing.pose.grid()[1]
    return cartilage & (drawing.zones == compartment.code) & (y > -700)


@mounted
def test_all_four_compartments_are_found(pose: Pose) -> None:
    assert located(drawn(pose)).found == tuple(Compartment)


@mounted
def test_up_points_from_tibia_to_femur(pose: Pose) -> None:
    up = located(drawn(pose)).up
    assert np.hypot(*up) == pytest.approx(1)
    assert np.dot(up, pose.up) > np.cos(np.deg2rad(8))


@mounted
def test_cartilage_belongs_to_its_own_compartment(pose: Pose) -> None:
    drawing = drawn(pose)
    joint = located(drawing)
    for compartment in Compartment:
        mine = cartilage_of(drawing, compartment)
        assert (joint.compartments[mine] == compartment.code).mean() > 0.98


@mounted
def test_articular_cartilage_is_articular(pose: Pose) -> None:
    drawing = drawn(pose)
    joint = located(drawing)
    for compartment in Compartment:
        assert joint.articular[cartilage_of(drawing, compartment)].mean() > 0.98


@mounted
def test_cartilage_deep_in_bone_is_left_out(pose: Pose) -> None:
    drawing = drawn(pose)
    mistaken = np.isin(drawing.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
    mistaken &= drawing.pose.grid()[1] < -700
    assert mistaken.any()
    assert not located(drawing).articular[mistaken].any()


@pytest.mark.parametrize(
    ("pose", "side"),
    [(COARSE, "left"), (UPSIDE_DOWN, "left"), (MIRRORED, "right"), (OBLIQUE, "right")],
    ids=str,
)
def test_the_model_tells_the_medial_side_as_seen_with_the_femur_up(
    pose: Pose, side: MedialSide
) -> None:
    joint = located(drawn(pose))
    assert (joint.medial_side, joint.medial_source) == (side, "model")
    assert joint.flags == ("medial_side_from_model",)
    assert 0.5 < joint.medial_confidence <= 1


def test_the_sheet_wins_and_says_so() -> None:
    joint = located(drawn(COARSE), sheet="left")
    assert (joint.medial_side, joint.medial_source, joint.flags) == ("left", "sheet", ())


def test_a_sheet_that_says_the_other_side_mirrors_the_compartments() -> None:
    drawing = knee(COARSE)
    told, seen = located(drawing, sheet="right"), located(drawing)
    assert told.medial_side == "right"
    for compartment in Compartment:
        there = seen.compartments == compartment.code
        assert (told.compartments[there] == compartment.mirrored.code).all()


def test_a_clear_contradiction_of_the_sheet_is_flagged() -> None:
    joint = located(knee(COARSE, hollow=110), sheet="right")
    assert joint.flags == ("medial_side_contradicts_model",)


def test_plateaus_that_look_alike_contradict_nobody() -> None:
    drawing = knee(COARSE, hollow=0)
    for side in ("left", "right"):
        joint = located(drawing, sheet=side)
        assert joint.medial_confidence < 0.2
        assert joint.flags == ()
        assert joint.found == tuple(Compartment)


def saying(drawing: DrawnKnee, none: float, femur: float, tibia: float) -> SegmentationMap:
    """The drawing's tissue under zones that are the same everywhere."""
    seen = drawing.probabilities()
    zones = np.empty(seen.zones.shape)
    zones[Zone.NONE], zones[Zone.FEMUR], zones[Zone.TIBIA] = none, femur, tibia
    return replace(seen, zones=in_255ths(zones))


def leaning(drawing: DrawnKnee, lean: float) -> SegmentationMap:
    """Zones that hold the true femur for the femur by `lean` (−1: for the tibia, for sure)."""
    seen = drawing.probabilities()
    toward = np.where(drawing.bones == Zone.FEMUR, lean, -lean) * (drawing.bones != Zone.NONE)
    none = np.where(drawing.bones == Zone.NONE, 0.8, 0.2)
    bones = [(1 - none) / 2 * (1 + toward), (1 - none) / 2 * (1 - toward)]
    return replace(seen, zones=in_255ths(np.stack([none, *bones])))


class TestWhichBoneIsWhich:
    """The network's word on the zones where it is sure, else the condyles' roundness."""

    @pytest.mark.parametrize("pose", [COARSE, OBLIQUE], ids=str)
    @pytest.mark.parametrize(
        ("lean", "sign"),
        [(1, 1), (1.3 * CLEAR_VOTE, 1), (-0.7 * CLEAR_VOTE, 1), (-1.3 * CLEAR_VOTE, -1), (-1, -1)],
    )
    def test_a_clear_word_counts_before_the_shape(self, pose: Pose, lean: float, sign: int) -> None:
        joint = locate_joint(leaning(drawn(pose), lean), None)
        assert joint is not None
        assert sign * np.dot(joint.up, pose.up) > np.cos(np.deg2rad(8))

    def test_zones_that_are_swapped_swap_the_compartments_of_femur_and_tibia(self) -> None:
        drawing = drawn(COARSE)
        told = locate_joint(leaning(drawing, -1), "left")
        seen = locate_joint(leaning(drawing, 1), "right")  # turned over, left is right
        assert told is not None
        assert seen is not None
        partner = {
            Compartment.MFC: Compartment.MTP,
            Compartment.MTP: Compartment.MFC,
            Compartment.LFC: Compartment.LTP,
            Compartment.LTP: Compartment.LFC,
        }
        for compartment in Compartment:
            there = seen.compartments == compartment.code
            assert (told.compartments[there] == partner[compartment].code).mean() > 0.98

    @pytest.mark.parametrize(
        ("pose", "zones"),
        [
            (COARSE, FLAT),
            (UPSIDE_DOWN, FLAT),
            (MIRRORED, FLAT),
            (OBLIQUE, FLAT),
            (COARSE, (0.2, 0.7, 0.1)),
            (OBLIQUE, (0.2, 0.1, 0.7)),
        ],
        ids=str,
    )
    def test_zones_that_tell_nothing_leave_it_to_the_shape(
        self, pose: Pose, zones: tuple[float, float, float]
    ) -> None:
        joint = locate_joint(saying(drawn(pose), *zones), None)
        assert joint is not None
        assert joint.found == tuple(Compartment)
        assert np.dot(joint.up, pose.up) > np.cos(np.deg2rad(8))
        assert joint.medial_side == ("right" if pose.mirrored else "left")
        for compartment in Compartment:
            mine = cartilage_of(drawn(pose), compartment)
            assert (joint.compartments[mine] == compartment.code).mean() > 0.98

    def test_without_zones_cartilage_deep_in_bone_is_left_out_all_the_same(self) -> None:
        """A growth plate has no partner that faces it."""
        joint = locate_joint(saying(drawn(COARSE), *FLAT), None)
        assert joint is not None
        assert not joint.articular[COARSE.grid()[1] < -700].any()


@given(angle=st.floats(0, 360), mirrored=st.booleans(), told=st.booleans())
@settings(max_examples=8)
def test_any_mounting_is_understood(angle: float, mirrored: bool, told: bool) -> None:
    pose = replace(COARSE, angle=angle, mirrored=mirrored)
    drawing = drawn(pose)
    seen = drawing.probabilities() if told else saying(drawing, *FLAT)
    joint = locate_joint(seen, None)
    assert joint is not None
    assert joint.found == tuple(Compartment)
    assert joint.medial_side == ("right" if mirrored else "left")
    assert np.dot(joint.up, pose.up) > np.cos(np.deg2rad(10))


@pytest.mark.parametrize("bone", ["femur", "tibia"])
def test_without_cartilage_on_one_bone_there_is_no_joint(bone: str) -> None:
    gone = tuple(c for c in Compartment if c.is_femoral == (bone == "femur"))
    assert locate_joint(knee(COARSE, without=gone).probabilities(), None) is None


@pytest.mark.parametrize("lost", list(Compartment))
def test_half_a_joint_is_not_taken_for_a_whole_one(lost: Compartment) -> None:
    """Without its partner a layer counts as no part of the joint; what is left must not be cut in
    two to make four compartments."""
    assert locate_joint(knee(COARSE, without=(lost,)).probabilities(), "left") is None


@pytest.mark.parametrize("tissue", [Tissue.BACKGROUND, Tissue.SOFT, Tissue.CALCIFIED])
def test_a_picture_of_one_tissue_holds_no_joint(tissue: Tissue) -> None:
    drawing = knee(COARSE)
    drawing.tissue[:] = tissue
    assert locate_joint(drawing.probabilities(), None) is None


def test_cartilage_outside_every_zone_is_no_joint() -> None:
    drawing = knee(COARSE)
    drawing.zones[:] = 0
    assert locate_joint(drawing.probabilities(), None) is None
