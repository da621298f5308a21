"""Reads one section: maps, anatomy, measures, strips; everything but the grade.

Scoring and the grader's training take the same way, so that the grader learns from what it will
be given: cartilage found by the networks, not by the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Box, Mpp, Placement
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
from histoscore.image.strips import layered_picture, straighten, strip_box
from histoscore.models.passes import Tick
from histoscore.models.predict import Predictor
from histoscore.records import Joint, LabelMap, MedialSide, Morphometry, Strip, TissueMap
from histoscore.slides.base import Slide
from histoscore.vocabulary import Compartment


@dataclass(frozen=True, slots=True)
class SectionReading:
    """What the networks saw in a section.

    Attributes:
        labels: tissue of every pixel that was looked at; compartments where there is a joint.
        coarse: tissue of the whole section, as the coarse network saw it.
        joint: how it lies; None where femoral and tibial cartilage do not face each other.
        measures, strips: one for each compartment with cartilage, in the same order; none
            without a joint.
    """

    labels: LabelMap
    coarse: TissueMap
    joint: Joint | None = None
    measures: tuple[Morphometry, ...] = ()
    strips: tuple[Strip, ...] = ()


def read_section(
    predictor: Predictor,
    slide: Slide,
    box: Box,
    sheet_medial: MedialSide | None,
    full_section: bool = False,
    tick: Tick | None = None,
) -> SectionReading | None:
    """What the networks see in a section; None where they see no cartilage at all.

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
    margin = predictor.tiles.margin_um
    wanted = wanted_around(joint, margin) if joint else wanted_cartilage(coarse, margin)
    if full_section:
        wanted = np.ones_like(wanted)
    if not wanted.any():
        return None
    fine = predictor.fine(slide, coarse, wanted, tick)
    seen = TissueMap(likeliest(coarse.tissue), coarse.placement)
    del coarse  # of a whole section it is large, and what follows needs memory of its own
    found = _measured(predictor, slide, joint, fine, seen) if joint else None
    return found or SectionReading(tissue_only(fine), seen)


def _measured(
    predictor: Predictor, slide: Slide, joint: Joint, fine: TissueMap, coarse: TissueMap
) -> SectionReading | None:
    """The joint's cartilage; None where only one of the two bones has any."""
    labels = label_map(joint, fine)
    near = around_compartments(labels)
    measured = (measure(near, compartment, joint.up) for compartment in Compartment)
    measures = tuple(m for m in measured if m is not None)
    if {m.compartment.is_femoral for m in measures} != {True, False}:
        return None
    mpp = predictor.mpp_of("grader")
    strips = tuple(read_strip(slide, near, m, mpp) for m in measures)
    return SectionReading(labels, coarse, joint, measures, strips)


def read_strip(slide: Slide, labels: LabelMap, measures: Morphometry, mpp: Mpp) -> Strip:
    """A compartment's cartilage from the slide, laid straight, beside its label masks."""
    downsample = mpp / slide.info.mpp
    box = strip_box(measures.surface, downsample)
    place = Placement(box.x, box.y, downsample, mpp)
    picture = layered_picture(slide.read_at(box, mpp), place, labels, measures.compartment)
    return straighten(picture, place, measures.surface, mpp)
