"""Which cartilage is articular, and whose it is: a drawn knee, mounted any way round."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.drawn_knee import DrawnKnee, Pose, knee
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.image.joint import locate_joint
from histoscore.records import Joint, MedialSide
from histoscore.vocabulary import Compartment, Tissue

COARSE = Pose(2300, 2500, mpp=3.1)
UPSIDE_DOWN = replace(COARSE, angle=180)
MIRRORED = replace(COARSE, mirrored=True)
OBLIQUE = replace(COARSE, angle=71, mirrored=True)

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


@given(angle=st.floats(0, 360), mirrored=st.booleans())
@settings(max_examples=8)
def test_any_mounting_is_understood(angle: float, mirrored: bool) -> None:
    pose = replace(COARSE, angle=angle, mirrored=mirrored)
    joint = located(drawn(pose))
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
