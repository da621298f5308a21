"""Finds the joint on the coarse map: which cartilage is articular, and whose it is.

Colour alone cannot tell: growth plates and menisci hold Safranin too. Anatomy can. The calcified
layer of each compartment is a strip of its own that never touches another; strips of femur and
tibia face each other across the joint space; which is which the network says, and where it is
unsure the shape: condyles are round and plateaus flat; the notch parts medial from lateral. So a
section may be mounted any way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points
from histoscore.image.labels import likeliest
from histoscore.image.placed import grown
from histoscore.records import Joint, LabelArray, Mask, MedialSide, SegmentationMap
from histoscore.vocabulary import Compartment, Tissue, Zone

MIN_STRIP_UM2 = 1_500.0
"""A smaller piece of calcified cartilage on the coarse map is no compartment's layer."""
MIN_STRIP_UM = 220.0
"""Nor is a shorter one."""
BRIDGE_UM = 30.0
"""Gaps in a layer that are closed before its pieces are counted."""
FACING_UM = 520.0
"""Layers that face each other are no farther apart than this, middle to middle."""
ONE_HALF_UM = 1_300.0
"""A layer that is longer runs through both halves of the joint."""
LAYER_UM = 120.0
"""Articular cartilage reaches no farther than this from its calcified layer's strip."""
SIDE_UM = 45.0
"""Difference in the plateaus' hollowness that makes the medial side two thirds certain."""

CLEAR_VOTE = 0.3
"""Difference of the two banks' votes (−1…1, femur against tibia) from which the network decides
which is the femur; below it their shape does."""

_OPEN = (Tissue.BACKGROUND, Tissue.MENISCUS, Tissue.SOFT)
_INSIDE = (Tissue.BONE, Tissue.MARROW)
_Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Strip:
    """One piece of calcified cartilage: its pixels (x, y) and the unit normal to the joint."""

    points: Points
    outward: _Vector

    @property
    def middle(self) -> _Vector:
        return np.asarray(self.points.mean(0))

    @property
    def along(self) -> _Vector:
        return np.array([-self.outward[1], self.outward[0]])

    def length(self) -> float:
        return float(np.ptp(self.points @ self.along))

    def bulge(self) -> float:
        """How far the middle third stands out toward the joint before the outer thirds, px."""
        place = self.points @ self.along
        low, high = np.quantile(place, [1 / 6, 5 / 6])
        third = (high - low) / 4
        inner = np.abs(place - (low + high) / 2) < third
        outer = (place < low + third / 2) | (place > high - third / 2)
        height = self.points @ self.outward
        return float(height[inner].mean() - height[outer].mean())


def locate_joint(coarse: SegmentationMap, sheet_medial: MedialSide | None) -> Joint | None:
    """The joint of a section; None where femoral and tibial cartilage do not face each other, or
    do so in one half of the joint only.

    Args:
        coarse: the coarse network's map of the whole section.
        sheet_medial: where the study sheet says the medial half lies; it wins, and a clear
            contradiction is flagged.
    """
    mpp = coarse.placement.mpp
    label = likeliest(coarse.tissue)
    near_joint = cv2.blur(coarse.zones[0], (5, 5)) < 128
    strips = _facing(_strips(label, near_joint, mpp), mpp)
    bones = _bones(strips, coarse.zones)
    if bones is None:
        return None
    femur, tibia = bones
    up = _up(femur, tibia)
    right = np.array([-up[1], up[0]])
    split = _split(strips, right)
    if _cuts_a_compartment(strips, right, split, mpp):
        return None
    vote = _medial_vote(tibia, right, split, mpp)
    model_side: MedialSide = "left" if vote > 0 else "right"
    side = sheet_medial or model_side
    compartments = _compartments(label.shape, femur, tibia, right, split, side)
    articular = _articular(label, near_joint, strips, mpp)
    return Joint(
        articular=articular,
        compartments=compartments,
        placement=coarse.placement,
        up=(float(up[0]), float(up[1])),
        medial_side=side,
        medial_source="sheet" if sheet_medial else "model",
        medial_confidence=round(abs(vote), 4),
        found=_found(articular, compartments),
        flags=_flags(sheet_medial, model_side, vote),
    )


def _strips(label: LabelArray, near_joint: Mask, mpp: float) -> list[_Strip]:
    """Pieces of calcified cartilage near the joint, each with its outward normal."""
    layer = (label == Tissue.CALCIFIED) & near_joint
    size = 2 * max(1, round(BRIDGE_UM / 2 / mpp)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(layer.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    count, names, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    large = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] * mpp**2 >= MIN_STRIP_UM2]
    strips = (_strip(names == n, label, mpp) for n in large)
    return [s for s in strips if s is not None and s.length() * mpp >= MIN_STRIP_UM]


def _strip(piece: Mask, label: LabelArray, mpp: float) -> _Strip | None:
    """A strip whose normal points from bone and marrow to what lies open."""
    points = np.argwhere(piece)[:, ::-1].astype(float)
    _, axes = np.linalg.eigh(np.cov(points.T))
    across = axes[:, 0]
    around = grown(piece, 90 / mpp) & ~piece
    rows, columns = np.nonzero(around)
    height = np.column_stack([columns, rows]) @ across - points.mean(0) @ across
    kind = label[rows, columns]
    inside, outside = np.isin(kind, _INSIDE), np.isin(kind, (*_OPEN, Tissue.HYALINE))
    if inside.sum() < 20 or outside.sum() < 20:
        return None
    sign = 1.0 if height[outside].mean() > height[inside].mean() else -1.0
    return _Strip(points, across * sign)


def _facing(strips: Sequence[_Strip], mpp: float) -> list[_Strip]:
    """Strips that another one faces across the joint: growth plates have no partner."""
    return [s for s in strips if any(_face(s, other, mpp) for other in strips if other is not s)]


def _face(one: _Strip, other: _Strip, mpp: float) -> bool:
    apart = (other.middle - one.middle) * mpp
    return bool(
        one.outward @ other.outward < -0.5
        and 0 < apart @ one.outward < FACING_UM
        and abs(apart @ one.along) < FACING_UM
    )


def _bones(
    strips: Sequence[_Strip], zones: NDArray[np.uint8]
) -> tuple[list[_Strip], list[_Strip]] | None:
    """(femur, tibia): the two banks of the joint, as the network says, else the rounder first."""
    if len(strips) < 2:
        return None
    normals = np.array([s.outward for s in strips])
    axis = np.linalg.eigh(normals.T @ normals)[1][:, 1]
    banks = [[s for s in strips if (s.outward @ axis > 0) == up] for up in (True, False)]
    if not all(banks):
        return None
    first, second = banks
    vote = (_femoral_vote(first, zones) - _femoral_vote(second, zones)) / 2
    if abs(vote) < CLEAR_VOTE:
        vote = _roundness(first) - _roundness(second)
    return (first, second) if vote > 0 else (second, first)


def _femoral_vote(bank: Sequence[_Strip], zones: NDArray[np.uint8]) -> float:
    """Mean over a bank's layers of how much femur (1) against tibia (−1) the network sees."""
    points = np.concatenate([s.points for s in bank]).astype(int)
    here = zones[:, points[:, 1], points[:, 0]].astype(float).mean(1)
    return float((here[Zone.FEMUR] - here[Zone.TIBIA]) / max(here[1:].sum(), 1e-6))


def _roundness(bank: Sequence[_Strip]) -> float:
    """Mean bulge over length; a condyle's is about a fifth, a plateau's near zero."""
    weights = np.array([s.length() for s in bank])
    return float(np.average([s.bulge() for s in bank], weights=weights) / weights.mean())


def _up(femur: Sequence[_Strip], tibia: Sequence[_Strip]) -> _Vector:
    """Unit vector from tibia to femur."""
    both = [s.outward * len(s.points) for s in tibia] + [-s.outward * len(s.points) for s in femur]
    total = np.sum(both, axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _split(strips: Sequence[_Strip], right: _Vector) -> float:
    """Position along `right` of the notch and the eminence: the emptiest stretch in the middle."""
    place = np.sort(np.concatenate([s.points @ right for s in strips]))
    span = place[-1] - place[0]
    centers = np.linspace(place[0] + 0.25 * span, place[0] + 0.75 * span, 161)
    half = 0.05 * span
    counts = np.searchsorted(place, centers + half) - np.searchsorted(place, centers - half)
    emptiest = np.flatnonzero(counts <= counts.min() + 0.02 * len(place) * 0.1)
    return float(centers[emptiest].mean())


def _cuts_a_compartment(strips: Sequence[_Strip], right: _Vector, split: float, mpp: float) -> bool:
    """Whether there is no notch to part the halves: half a joint must not pass for a whole one."""
    shares = (float((s.points @ right > split).mean()) for s in strips)
    return any(
        0.2 < share < 0.8 and strip.length() * mpp < ONE_HALF_UM
        for share, strip in zip(shares, strips, strict=True)
    )


def _medial_vote(tibia: Sequence[_Strip], right: _Vector, split: float, mpp: float) -> float:
    """−1…1; > 0: medial lies left. The medial plateau is hollow, the lateral one rounded."""
    halves: list[list[float]] = [[], []]
    for strip in tibia:
        halves[int(strip.middle @ right > split)].append(strip.bulge() * mpp)
    if not all(halves):
        return 0.0
    return float(np.tanh((np.mean(halves[1]) - np.mean(halves[0])) / SIDE_UM))


def _compartments(
    shape: tuple[int, ...],
    femur: Sequence[_Strip],
    tibia: Sequence[_Strip],
    right: _Vector,
    split: float,
    medial: MedialSide,
) -> LabelArray:
    """For every pixel the `Compartment.code` of the nearest strip."""
    seeds = np.zeros(shape, np.uint8)
    for bank, is_femoral in ((femur, True), (tibia, False)):
        for strip in bank:
            is_right = strip.points @ right > split
            is_medial = is_right if medial == "right" else ~is_right
            column, row = strip.points.astype(int).T
            for half in (True, False):
                code = _code(is_femoral, half)
                seeds[row[is_medial == half], column[is_medial == half]] = code
    _, nearest = cv2.distanceTransformWithLabels(
        (seeds == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    code_of = np.zeros(int(nearest.max()) + 1, np.uint8)
    code_of[nearest[seeds > 0]] = seeds[seeds > 0]
    return np.asarray(code_of[nearest])


def _code(is_femoral: bool, is_medial: bool) -> int:
    return next(
        c.code for c in Compartment if (c.is_femoral, c.is_medial) == (is_femoral, is_medial)
    )


def _articular(label: LabelArray, near_joint: Mask, strips: Sequence[_Strip], mpp: float) -> Mask:
    layers = np.zeros(label.shape, bool)
    for strip in strips:
        column, row = strip.points.astype(int).T
        layers[row, column] = True
    cartilage = (label == Tissue.HYALINE) | (label == Tissue.CALCIFIED)
    return np.asarray(layers | (cartilage & near_joint & grown(layers, LAYER_UM / mpp)))


def _found(articular: Mask, compartments: LabelArray) -> tuple[Compartment, ...]:
    present = set(np.unique(compartments[articular]).tolist())
    return tuple(c for c in Compartment if c.code in present)


def _flags(sheet: MedialSide | None, model: MedialSide, vote: float) -> tuple[str, ...]:
    if sheet is None:
        return ("medial_side_from_model",)
    if sheet != model and abs(vote) > 0.8:
        return ("medial_side_contradicts_model",)
    return ()
