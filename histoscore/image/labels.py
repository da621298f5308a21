"""The label map of a section: the fine map where the joint is, each pixel with its compartment."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Placement
from histoscore.image.placed import (
    box_around,
    grown,
    mask_through,
    nearest_through,
    occupied,
)
from histoscore.records import Joint, LabelArray, LabelMap, Mask, SegmentationMap, TissueMap
from histoscore.vocabulary import Tissue

REACH_UM = 30.0
"""Fine cartilage this far from the coarse one still belongs to it."""
MIN_PIECE_UM2 = 120.0
"""Smaller pieces of cartilage in a compartment are specks."""

_MARGIN_PX = 64

MIN_PIECE_SHARE = 0.06
"""So are pieces with less than this share of the compartment's largest: the calcified layer holds
a compartment together, however worn, and what lies apart from it is another thing."""


def wanted_around(joint: Joint, margin_um: float) -> Mask:
    """Where the fine pass has to look: articular cartilage and `margin_um` around it."""
    return grown(joint.articular, margin_um / joint.placement.mpp)


def wanted_cartilage(coarse: SegmentationMap, margin_um: float) -> Mask:
    """Where the fine pass has to look without a joint: all that may be articular cartilage."""
    label = likeliest(coarse.tissue)
    cartilage = (label == Tissue.HYALINE) | (label == Tissue.CALCIFIED)
    return grown(cartilage, margin_um / coarse.placement.mpp)


def tissue_only(fine: TissueMap) -> LabelMap:
    """Tissue and no compartment: for a section without a joint."""
    compartments = np.zeros_like(fine.tissue)
    compartments.setflags(write=False)
    return LabelMap(fine.tissue, compartments, fine.placement)


def label_map(joint: Joint, fine: TissueMap) -> LabelMap:
    """Tissue as the fine pass saw it; compartments on articular cartilage only.

    Cartilage that the coarse pass did not take for articular (a growth plate that the fine pass
    mistook, say) keeps its tissue label and belongs to no compartment.
    """
    near = grown(joint.articular, REACH_UM / joint.placement.mpp)
    compartments = np.zeros_like(fine.tissue)
    here = _window(near, joint.placement, fine)
    compartments[here] = _compartments(joint, near, _cut(fine, here))
    compartments.setflags(write=False)
    return LabelMap(fine.tissue, compartments, fine.placement)


def likeliest(layers: NDArray[np.uint8]) -> LabelArray:
    """(rows, columns) which of (classes, rows, columns) is largest, the first of equals; `argmax`
    takes nine bytes a pixel for it."""
    best, label = layers[0].copy(), np.zeros(layers.shape[1:], np.uint8)
    for number, layer in enumerate(layers[1:], 1):
        label[layer > best] = number
        np.maximum(best, layer, out=best)
    return label


def around_compartments(labels: LabelMap) -> LabelMap:
    """The part of a label map that holds its compartments and a margin, as a view: of a whole
    section it is a small one, and masks of it cost a tenth of what masks of the whole do."""
    here = rows, columns = occupied(labels.compartments, _MARGIN_PX)
    if rows.stop == 0:
        return labels
    place = labels.placement
    d = place.downsample
    moved = replace(place, x=place.x + columns.start * d, y=place.y + rows.start * d)
    return LabelMap(labels.tissue[here], labels.compartments[here], moved)


def _compartments(joint: Joint, near: Mask, fine: TissueMap) -> LabelArray:
    tissue = fine.tissue
    close = mask_through(near, joint.placement, fine.placement, tissue.shape)
    hyaline, calcified = ((tissue == t) & close for t in (Tissue.HYALINE, Tissue.CALCIFIED))
    nearest = nearest_through(joint.compartments, joint.placement, fine.placement, tissue.shape)
    compartments = _owners(hyaline, calcified, nearest)
    compartments[_specks(compartments, fine.placement.mpp)] = 0
    return compartments


def _window(mask: Mask, place: Placement, fine: TissueMap) -> tuple[slice, slice]:
    """Rows and columns of the fine map that a mask at `place` reaches: counting pieces over the
    whole map of a whole section would take a gigabyte."""
    box = box_around(mask, place)
    at = fine.placement
    rows, columns = fine.tissue.shape
    left, right = ((x - at.x) / at.downsample for x in (box.x, box.right))
    top, bottom = ((y - at.y) / at.downsample for y in (box.y, box.bottom))
    return (
        slice(max(0, math.floor(top) - 1), min(rows, math.ceil(bottom) + 1)),
        slice(max(0, math.floor(left) - 1), min(columns, math.ceil(right) + 1)),
    )


def _cut(fine: TissueMap, here: tuple[slice, slice]) -> TissueMap:
    """A part of a map, lying where it lay."""
    at = fine.placement
    x, y = (start.start * at.downsample for start in here[::-1])
    return TissueMap(fine.tissue[here], replace(at, x=at.x + x, y=at.y + y))


def _owners(hyaline: Mask, calcified: Mask, nearest: LabelArray) -> LabelArray:
    """Each pixel's compartment: calcified cartilage by place, hyaline by what it grows on.

    Across a narrow joint space a surface lies nearer to the other bone's calcified layer than to
    its own, so place alone would give it away. Pieces that hold several compartments' calcified
    layers (surfaces that touch) are parted by place.
    """
    owner = np.where(hyaline | calcified, nearest, 0).astype(np.uint8)
    cartilage = (hyaline | calcified).astype(np.uint8)
    pieces = np.asarray(cv2.connectedComponents(cartilage, connectivity=4)[1], np.intp)
    votes = np.zeros((int(pieces.max()) + 1, 5), np.int64)
    np.add.at(votes, (pieces[calcified], nearest[calcified]), 1)
    total = votes.sum(1)
    winner = votes.argmax(1).astype(np.uint8)
    # A stray pixel of another layer does not make a piece a shared one.
    clear = (total > 0) & (votes.max(1) >= 0.98 * total)
    decided = clear[pieces] & (hyaline | calcified)
    owner[decided] = winner[pieces[decided]]
    return owner


def _specks(compartments: LabelArray, mpp: float) -> Mask:
    """Pieces of a compartment too small to be cartilage."""
    specks = np.zeros(compartments.shape, bool)
    for code in range(1, int(compartments.max(initial=0)) + 1):
        mask = (compartments == code).astype(np.uint8)
        count, names, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        area = stats[:, cv2.CC_STAT_AREA].astype(float)
        area[0] = 0
        small = area < max(MIN_PIECE_UM2 / mpp**2, MIN_PIECE_SHARE * area.max())
        small[0] = False
        if count > 1:
            specks |= small[names]
    return specks
