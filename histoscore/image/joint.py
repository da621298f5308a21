"""Finds the joint on the coarse map: which cartilage is articular, and whose it is.

Colour alone cannot tell: growth plates and menisci hold Safranin too. Anatomy can: articular
cartilage lies on the joint side of an epiphysis, femur above tibia, medial beside lateral.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.records import Joint, LabelArray, Mask, MedialSide, SegmentationMap
from histoscore.vocabulary import Compartment, Tissue

MIN_COMPARTMENT_UM2 = 2_500.0
"""Less cartilage than this on the coarse map is not a compartment."""

_OPEN = (Tissue.BACKGROUND, Tissue.MENISCUS, Tissue.SOFT)
_Float = NDArray[np.float32]


def locate_joint(coarse: SegmentationMap, sheet_medial: MedialSide | None) -> Joint | None:
    """The joint of a section; None where femoral or tibial cartilage is not found.

    Args:
        coarse: the coarse network's map of the whole section.
        sheet_medial: where the study sheet says the medial half lies; it wins, and a clear
            contradiction is flagged.
    """
    mpp = coarse.placement.mpp
    bone = _bone_of(coarse.zones)
    articular = _articular(coarse, bone, mpp)
    up = _up(bone, articular)
    if up is None:
        return None
    right = np.array([-up[1], up[0]])
    across = _across(articular.shape, right)
    split, vote = _medial_split(coarse.zones, articular, across)
    model_side: MedialSide = "left" if vote > 0 else "right"
    side = sheet_medial or model_side
    compartments = _compartments(bone, across >= split, side)
    found = tuple(
        c
        for c in Compartment
        if (articular & (compartments == c.code)).sum() * mpp**2 >= MIN_COMPARTMENT_UM2
    )
    flags = []
    if sheet_medial and sheet_medial != model_side and abs(vote) > 0.5:
        flags.append("medial_side_contradicts_model")
    if not sheet_medial:
        flags.append("medial_side_from_model")
    point = np.argwhere(articular).mean(0)[::-1]
    point = point + right * (split - point @ right)
    return Joint(
        articular,
        compartments,
        coarse.placement,
        (float(up[0]), float(up[1])),
        tuple(coarse.placement.to_slide(point[None])[0]),
        side,
        "sheet" if sheet_medial else "model",
        round(abs(vote), 4),
        found,
        tuple(flags),
    )


def compartments_at(joint: Joint, fine: SegmentationMap) -> LabelArray:
    """`Compartment.code` of every pixel of a finer map: bone by its zones, side by the split."""
    rows, columns = fine.tissue.shape[1:]
    bone = _bone_of(fine.zones)
    right = np.array([-joint.up[1], joint.up[0]])
    split = fine.placement.from_slide(np.array([joint.split]))[0] @ right
    return _compartments(bone, _across((rows, columns), right) >= split, joint.medial_side)


def _bone_of(zones: _Float) -> NDArray[np.int8]:
    """1 femur, −1 tibia, by the zones' probabilities, smoothed over a few pixels."""
    femur = sum(zones[c.code] for c in Compartment if c.is_femoral)
    tibia = sum(zones[c.code] for c in Compartment if not c.is_femoral)
    lead = cv2.blur(np.asarray(femur - tibia, np.float32), (5, 5))
    return np.where(lead > 0, 1, -1).astype(np.int8)


def _articular(coarse: SegmentationMap, bone: NDArray[np.int8], mpp: float) -> Mask:
    """Cartilage in a compartment's zone, in pieces that face the joint space."""
    label = coarse.tissue.argmax(0)
    cartilage = (label == Tissue.HYALINE) | (label == Tissue.CALCIFIED)
    cartilage &= cv2.blur(coarse.zones[0], (5, 5)) < 0.6
    open_ = np.isin(label, _OPEN).astype(np.uint8)
    reach = max(3, 2 * round(12 / mpp) + 1)
    beside_open = cv2.dilate(open_, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    kept = np.zeros(label.shape, bool)
    for side in (1, -1):
        pieces = (cartilage & (bone == side)).astype(np.uint8)
        count, names, stats, _ = cv2.connectedComponentsWithStats(pieces, connectivity=8)
        facing = np.bincount(names[beside_open > 0], minlength=count)
        for name in range(1, count):
            area = stats[name, cv2.CC_STAT_AREA]
            # A layer that faces the joint touches it along its length: a share of its area.
            if area * mpp**2 > 400 and facing[name] > 0.08 * area:
                kept |= names == name
    return kept


def _up(bone: NDArray[np.int8], articular: Mask) -> NDArray[np.float64] | None:
    """From the middle of the tibial to the middle of the femoral cartilage, and its pull."""
    ends = [np.argwhere(articular & (bone == side)) for side in (-1, 1)]
    if min(len(e) for e in ends) < 40:
        return None
    # The layers' middles lie close together; their common direction is the joint line. Its
    # normal, pointed from tibia to femur, is steadier than the line between the middles.
    both = np.vstack([e - e.mean(0) for e in ends]).astype(float)
    _, axes = np.linalg.eigh(np.cov(both.T))
    normal = axes[:, 0][::-1]
    lift = (ends[1].mean(0) - ends[0].mean(0))[::-1]
    return normal * (1 if normal @ lift > 0 else -1)


def _across(shape: tuple[int, int], right: NDArray[np.float64]) -> _Float:
    """How far to the right (femur up) every pixel lies."""
    x, y = np.arange(shape[1]) * right[0], np.arange(shape[0])[:, None] * right[1]
    return np.asarray(x + y, np.float32)


def _medial_split(zones: _Float, articular: Mask, across: _Float) -> tuple[float, float]:
    """(position of the line between the halves, vote): vote > 0 means medial lies left.

    The line is where the two halves disagree most about medial against lateral; the vote, −1…1,
    is how much they do.
    """
    lead = sum((1 if c.is_medial else -1) * zones[c.code] for c in Compartment)
    position = across[articular]
    order = np.argsort(position)
    position, lead_there = position[order], np.asarray(lead)[articular][order]
    left = np.cumsum(lead_there)
    contrast = 2 * left - left[-1]
    # Neither half may vanish: the line runs through the middle half of the cartilage.
    low, high = np.searchsorted(position, np.quantile(position, [0.25, 0.75]))
    window = slice(int(low), max(int(low) + 1, int(high)))
    best = int(low) + int(np.argmax(np.abs(contrast[window])))
    split = _widest_gap_near(position, position[best])
    return split, float(contrast[best] / max(len(position), 1))


def _widest_gap_near(position: _Float, split: float) -> float:
    """The middle of the emptiest stretch (notch and eminence bear no cartilage) near `split`."""
    span = float(position[-1] - position[0])
    centers = np.linspace(split - 0.12 * span, split + 0.12 * span, 49)
    width = 0.04 * span
    counts = np.searchsorted(position, centers + width) - np.searchsorted(position, centers - width)
    emptiest = np.flatnonzero(counts == counts.min())
    return float(centers[emptiest[len(emptiest) // 2]])


def _compartments(bone: NDArray[np.int8], is_right: Mask, medial: MedialSide) -> LabelArray:
    is_medial = is_right if medial == "right" else ~is_right
    code = np.zeros(bone.shape, np.uint8)
    for c in Compartment:
        code[(bone == (1 if c.is_femoral else -1)) & (is_medial == c.is_medial)] = c.code
    return code
