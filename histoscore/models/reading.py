"""Reads the joint of one section: maps, anatomy, measures, strips; everything but the grade.

Scoring and the grader's training take the same way, so that the grader learns from what it will
be given: cartilage found by the networks, not by the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.joint import locate_joint
from histoscore.image.labels import label_map, wanted_around
from histoscore.image.morphometry import measure
from histoscore.image.strips import layered_picture, straighten, strip_box
from histoscore.models.predict import Predictor, Tick
from histoscore.records import Joint, LabelMap, MedialSide, Morphometry, Strip
from histoscore.slides.base import Slide
from histoscore.vocabulary import Compartment


@dataclass(frozen=True, slots=True)
class JointReading:
    """A joint that was found: how it lies, its label map, and a measure and a strip for each
    compartment with cartilage, in the same order."""

    joint: Joint
    labels: LabelMap
    measures: tuple[Morphometry, ...]
    strips: tuple[Strip, ...]


def read_joint(
    predictor: Predictor,
    slide: Slide,
    box: Box,
    sheet_medial: MedialSide | None,
    full_section: bool = False,
    tick: Tick | None = None,
) -> JointReading | None:
    """The joint in a section; None where femoral or tibial cartilage is not found.

    Args:
        predictor: the networks.
        slide: the section's slide.
        box: of the section, level-0 pixels.
        sheet_medial: where the sheet says the medial half lies; None: the model says.
        full_section: run the fine pass everywhere, not only around the cartilage.
        tick: told of tiles done and tiles in all, for each of the two passes.
    """
    coarse = predictor.coarse(slide, box, tick)
    joint = locate_joint(coarse, sheet_medial)
    if joint is None:
        return None
    wanted = wanted_around(joint, predictor.tiles.margin_um)
    fine = predictor.fine(slide, coarse, np.ones_like(wanted) if full_section else wanted, tick)
    labels = label_map(joint, fine)
    measured = (measure(labels, compartment, joint.up) for compartment in Compartment)
    measures = tuple(m for m in measured if m is not None)
    if {m.compartment.is_femoral for m in measures} != {True, False}:
        return None
    strips = tuple(read_strip(slide, labels, m, predictor.strip_mpp) for m in measures)
    return JointReading(joint, labels, measures, strips)


def read_strip(slide: Slide, labels: LabelMap, measures: Morphometry, mpp: Mpp) -> Strip:
    """A compartment's cartilage from the slide, laid straight, beside its label masks."""
    downsample = mpp / slide.info.mpp
    box = strip_box(measures.surface, downsample)
    place = Placement(box.x, box.y, downsample, mpp)
    picture = layered_picture(slide.read_at(box, mpp), place, labels, measures.compartment)
    return straighten(picture, place, measures.surface, mpp)
