"""One section as the networks see it, with a joint, without one, and with no cartilage at all."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn_knee import DrawnKnee, Pose, knee
from helpers.fake_networks import painted, reading_networks

from histoscore.config import TileSettings
from histoscore.geometry import Mpp
from histoscore.models.predict import Predictor
from histoscore.models.reading import SectionReading, read_section
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Compartment, Tissue

POSE = Pose(2320, 2410, mpp=2.1, angle=8)
PLATEAUS = (Compartment.MTP, Compartment.LTP)


def read(drawing: DrawnKnee, full_section: bool = False) -> SectionReading | None:
    predictor = Predictor(reading_networks(3.7, 2.3), "cpu", TileSettings())
    slide = PictureInMemory(painted(drawing), Mpp(POSE.mpp))
    box = slide.info.whole
    return read_section(predictor, slide, box, "left", full_section)


@pytest.fixture(scope="module")
def whole() -> SectionReading:
    found = read(knee(POSE))
    assert found is not None
    return found


def test_a_joint_has_measures_and_strips_of_its_compartments(whole: SectionReading) -> None:
    assert whole.joint is not None
    assert [m.compartment for m in whole.measures] == list(Compartment)
    assert [s.compartment for s in whole.strips] == list(Compartment)
    assert set(np.unique(whole.labels.compartments)) == {0, *(c.code for c in Compartment)}


@pytest.fixture(scope="module")
def half() -> SectionReading:
    found = read(knee(POSE, without=PLATEAUS))
    assert found is not None
    return found


def test_without_a_joint_there_are_labels_and_neither_measures_nor_strips(
    half: SectionReading,
) -> None:
    assert half.joint is None
    assert (half.measures, half.strips) == ((), ())
    assert not half.labels.compartments.any()
    assert {Tissue.HYALINE, Tissue.CALCIFIED} <= set(np.unique(half.labels.tissue))


def test_all_cartilage_is_looked_at_where_nobody_knows_which_is_articular(
    whole: SectionReading, half: SectionReading
) -> None:
    """The growth plate too, far above the joint."""
    top = [int(reading.labels.placement.y) for reading in (half, whole)]
    assert top[0] + 200 < top[1]


def test_a_section_without_cartilage_is_nothing() -> None:
    drawing = knee(POSE, without=tuple(Compartment))
    drawing.tissue[np.isin(drawing.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))] = Tissue.BONE
    assert read(drawing) is None


def test_unless_all_of_it_shall_be_looked_at() -> None:
    drawing = knee(POSE, without=tuple(Compartment))
    drawing.tissue[np.isin(drawing.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))] = Tissue.BONE
    found = read(drawing, full_section=True)
    assert found is not None
    assert found.joint is None
    assert set(np.unique(found.labels.tissue)) <= {Tissue.BACKGROUND, Tissue.SOFT, Tissue.BONE}
