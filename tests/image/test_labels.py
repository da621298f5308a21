"""The label map: tissue from the fine pass, compartments where the coarse pass saw a joint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_knee import DrawnKnee, Pose, hyaline_area, knee

from histoscore.image.joint import locate_joint
from histoscore.image.labels import (
    around_compartments,
    label_map,
    likeliest,
    tissue_only,
    wanted_around,
    wanted_cartilage,
)
from histoscore.image.morphometry import measure
from histoscore.records import Joint, LabelMap
from histoscore.vocabulary import Compartment, Tissue

COARSE = Pose(2300, 2500, mpp=3.1, angle=14)
FINE = replace(COARSE, mpp=1.3)


@pytest.fixture(scope="module")
def joint() -> Joint:
    found = locate_joint(knee(COARSE).probabilities(), "left")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def drawing() -> DrawnKnee:
    return knee(FINE)


@pytest.fixture(scope="module")
def labels(joint: Joint, drawing: DrawnKnee) -> LabelMap:
    return label_map(joint, drawing.tissue_map())


def test_the_fine_pass_looks_at_articular_cartilage_and_around_it(joint: Joint) -> None:
    wanted = wanted_around(joint, 80)
    assert wanted[joint.articular].all()
    y = COARSE.grid()[1]
    assert np.abs(y[wanted]).max() < 600, "never at the growth plate"
    share = wanted.sum() / joint.articular.sum()
    assert 2 < share < 6


def test_without_a_joint_the_fine_pass_looks_at_all_cartilage_and_around_it() -> None:
    coarse = knee(COARSE)
    wanted = wanted_cartilage(coarse.probabilities(), 80)
    cartilage = np.isin(coarse.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
    assert wanted[cartilage].all()
    y = COARSE.grid()[1]
    assert wanted[cartilage & (y < -700)].all(), "at the growth plate too: nobody knows better"
    far = (y > -700) & (y < -640)
    assert not wanted[far].any()
    assert wanted_cartilage(coarse.probabilities(), 30).sum() < wanted.sum()


@pytest.mark.parametrize("tissue", [Tissue.BONE, Tissue.GROWTH_PLATE, Tissue.MENISCUS])
def test_without_cartilage_nothing_is_looked_at(tissue: Tissue) -> None:
    coarse = knee(COARSE)
    coarse.tissue[np.isin(coarse.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))] = tissue
    assert not wanted_cartilage(coarse.probabilities(), 80).any()


def test_without_a_joint_tissue_is_told_and_no_compartment(drawing: DrawnKnee) -> None:
    labels = tissue_only(drawing.tissue_map())
    assert np.array_equal(labels.tissue, drawing.tissue)
    assert labels.placement == FINE.placement
    assert labels.compartments.shape == labels.tissue.shape
    assert not labels.compartments.any()
    for array in (labels.tissue, labels.compartments):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_tissue_is_what_the_fine_pass_saw(labels: LabelMap, drawing: DrawnKnee) -> None:
    assert np.array_equal(labels.tissue, drawing.tissue)


@pytest.mark.parametrize("compartment", list(Compartment))
def test_each_compartment_has_the_cartilage_that_was_drawn(
    labels: LabelMap, compartment: Compartment
) -> None:
    hyaline = (labels.compartments == compartment.code) & (labels.tissue == Tissue.HYALINE)
    assert hyaline.sum() * FINE.mpp**2 == pytest.approx(hyaline_area(compartment), rel=0.02)


def test_only_cartilage_has_a_compartment(labels: LabelMap) -> None:
    owned = labels.tissue[labels.compartments > 0]
    assert set(np.unique(owned)) == {Tissue.HYALINE, Tissue.CALCIFIED}


def test_cartilage_away_from_the_joint_keeps_its_tissue_and_has_no_compartment(
    labels: LabelMap, drawing: DrawnKnee
) -> None:
    growth_plate = (drawing.tissue == Tissue.HYALINE) & (FINE.grid()[1] < -700)
    assert growth_plate.any()
    assert (labels.tissue[growth_plate] == Tissue.HYALINE).all()
    assert (labels.compartments[growth_plate] == 0).all()


def test_specks_belong_to_no_compartment(joint: Joint, drawing: DrawnKnee) -> None:
    x, y = FINE.grid()
    # Just beyond the inner end of the medial plateau, within reach of its coarse cartilage.
    speck = (np.abs(x + 141) < 4) & (np.abs(y - 45) < 4)
    tissue = drawing.tissue.copy()
    tissue[speck] = Tissue.HYALINE
    spotted = label_map(joint, replace(drawing, tissue=tissue).tissue_map())
    assert (spotted.compartments[speck] == 0).all()
    assert (spotted.tissue[speck] == Tissue.HYALINE).all()


@pytest.mark.parametrize(("length_um", "kept"), [(25.0, False), (150.0, True)])
def test_a_piece_that_lies_apart_counts_where_it_is_a_good_part_of_the_whole(
    joint: Joint, drawing: DrawnKnee, length_um: float, kept: bool
) -> None:
    """The medial plateau's inner end, cut off through both layers."""
    x, y = FINE.grid()
    near = (y > 0) & (y < 300)
    end = -160.0
    cut = near & (x > end - length_um - 12) & (x < end - length_um)
    tissue = drawing.tissue.copy()
    tissue[cut] = Tissue.SOFT
    parted = label_map(joint, replace(drawing, tissue=tissue).tissue_map())
    piece = near & (x > end - length_um) & (x < end)
    piece &= np.isin(tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
    owned = parted.compartments[piece] == Compartment.MTP.code
    assert owned.mean() == pytest.approx(float(kept), abs=0.03)


def with_a_thick_plateau(pose: Pose) -> tuple[DrawnKnee, np.ndarray]:
    """A pillar of hyaline cartilage on the medial plateau, up to 5 µm below the condyle."""
    drawing = knee(pose)
    x, y = pose.grid()
    pillar = (np.abs(x + 560) < 60) & (y > -45) & (y < 75)
    drawing.tissue[pillar] = Tissue.HYALINE
    drawing.zones[pillar] = Compartment.MTP.code
    return drawing, pillar & (y < -25)


def test_hyaline_cartilage_goes_with_the_layer_it_grows_on() -> None:
    """The pillar's top lies nearer to the condyle's calcified layer than to its own."""
    coarse, _ = with_a_thick_plateau(COARSE)
    fine, top = with_a_thick_plateau(FINE)
    joint = locate_joint(coarse.probabilities(), "left")
    assert joint is not None
    labels = label_map(joint, fine.tissue_map())
    assert (labels.compartments[top] == Compartment.MTP.code).mean() > 0.98


def test_label_maps_are_read_only(labels: LabelMap) -> None:
    with pytest.raises(ValueError, match="read-only"):
        labels.tissue[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        labels.compartments[0, 0] = 1


def test_what_lies_around_the_compartments_measures_the_same(
    joint: Joint, labels: LabelMap
) -> None:
    near = around_compartments(labels)
    assert near.tissue.size < 0.7 * labels.tissue.size
    assert (near.compartments > 0).sum() == (labels.compartments > 0).sum()
    assert near.tissue.base is not None, "a view"
    for compartment in Compartment:
        one, other = (measure(part, compartment, joint.up) for part in (near, labels))
        assert one is not None
        assert other is not None
        assert one.hyaline_area_um2 == other.hyaline_area_um2
        assert one.surface_length_um == pytest.approx(other.surface_length_um, rel=1e-6)
        assert one.surface.outer == pytest.approx(other.surface.outer, abs=1e-3)


def test_without_compartments_there_is_nothing_to_cut_around(drawing: DrawnKnee) -> None:
    labels = tissue_only(drawing.tissue_map())
    assert around_compartments(labels) is labels


def test_the_likeliest_class_is_the_first_of_the_largest() -> None:
    layers = np.random.default_rng(4).integers(0, 4, (9, 30, 50), np.uint8)
    assert np.array_equal(likeliest(layers), layers.argmax(0))
