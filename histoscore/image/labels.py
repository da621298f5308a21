"""The label map of a section: the fine map where the joint is, each pixel with its compartment."""

from __future__ import annotations

import cv2
import numpy as np

from histoscore.image.joint import compartments_at
from histoscore.image.placed import grown, mask_through
from histoscore.records import Joint, LabelMap, Mask, SegmentationMap
from histoscore.vocabulary import Tissue

REACH_UM = 30.0
"""Fine cartilage this far from the coarse one still belongs to it."""
MIN_PIECE_UM2 = 120.0
"""Smaller pieces of cartilage in a compartment are specks."""


def wanted_around(joint: Joint, margin_um: float) -> Mask:
    """Where the fine pass has to look: articular cartilage and `margin_um` around it."""
    return grown(joint.articular, margin_um / joint.placement.mpp)


def label_map(joint: Joint, fine: SegmentationMap) -> LabelMap:
    """Tissue by the most probable class; compartments on articular cartilage only.

    Cartilage that the coarse pass did not take for articular (a growth plate that the fine pass
    mistook, say) keeps its tissue label and belongs to no compartment.
    """
    tissue = fine.tissue.argmax(0).astype(np.uint8)
    cartilage = (tissue == Tissue.HYALINE) | (tissue == Tissue.CALCIFIED)
    near = grown(joint.articular, REACH_UM / joint.placement.mpp)
    mine = cartilage & mask_through(near, joint.placement, fine.placement, tissue.shape)
    compartments = np.where(mine, compartments_at(joint, fine), 0).astype(np.uint8)
    for code in range(1, int(compartments.max(initial=0)) + 1):
        compartments[_specks(compartments == code, fine.placement.mpp)] = 0
    for array in (tissue, compartments):
        array.setflags(write=False)
    return LabelMap(tissue, compartments, fine.placement)


def _specks(mask: Mask, mpp: float) -> Mask:
    count, names, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] * mpp**2 < MIN_PIECE_UM2
    small[0] = False
    return np.asarray(small[names]) if count > 1 else np.zeros_like(mask)
