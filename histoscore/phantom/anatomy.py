"""A coronal mouse knee as curves in micrometres: bones, cartilage beds, growth plates, menisci.

The frame: origin in the middle of the tibial plateaus, x to the lateral side, y down (the femur
is up). Medial lies at negative x; mirroring and rotation happen when the knee is put on a slide.
Sizes after science.md section 2: hyaline cartilage 30–50 µm, a plateau 0.8–1.2 mm, both
epiphyses within 4–6 mm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from histoscore.geometry import Points, resampled
from histoscore.phantom.curves import Profile, normals, smoothed, through, wander
from histoscore.phantom.lesions import Disease, Lesions, draw_lesions
from histoscore.phantom.traits import Traits
from histoscore.vocabulary import Compartment

STEP_UM = 1.0
"""Distance between neighbouring points of a curve."""


@dataclass(frozen=True, slots=True)
class BoneEnd:
    """The joint end of femur or tibia.

    Attributes:
        tidemark: (n, 2) from the medial to the lateral side, `STEP_UM` apart; where there is no
            cartilage it is the bone's surface.
        outward: (n, 2) unit normals that point out of the bone.
        is_femur: the femur's shaft points to −y, the tibia's to +y.
        plate_x, plate_near, plate_far: the growth plate's two edges as y over x; `near` faces
            the joint.
    """

    tidemark: Points
    outward: Points
    is_femur: bool
    plate_x: Profile
    plate_near: Profile
    plate_far: Profile

    def outline(self, shaft_y: float) -> Points:
        """Closed ring of the bone as far as `shaft_y`; the shaft narrows away from the joint."""
        first, last = self.tidemark[0], self.tidemark[-1]
        waist = 0.16 * (last[0] - first[0])
        reach = abs(shaft_y - first[1])
        drawn_in = waist * min(1.0, reach / 900)
        mid = (first[1] + shaft_y) / 2
        sides = [
            (last[0] - 0.75 * drawn_in, mid),
            (last[0] - drawn_in, shaft_y),
            (first[0] + drawn_in, shaft_y),
            (first[0] + 0.75 * drawn_in, mid),
        ]
        return np.vstack([self.tidemark, np.array(sides)])


@dataclass(frozen=True, slots=True)
class CartilageBed:
    """The cartilage of one compartment, point by point along its tidemark.

    Attributes:
        compartment: whose cartilage this is.
        disease: the grade drawn.
        base: (n, 2) tidemark points, `STEP_UM` apart.
        outward: (n, 2) unit normals that point into the joint.
        intact: (n,) hyaline thickness before disease, µm.
        calcified: (n,) calcified thickness, µm.
        lesions: what the disease did, and how much Safranin it took.
    """

    compartment: Compartment
    disease: Disease
    base: Points
    outward: Points
    intact: Profile
    calcified: Profile
    lesions: Lesions

    @property
    def hyaline(self) -> Profile:
        """(n,) hyaline thickness that is left, µm."""
        return self.intact * self.lesions.remaining

    @property
    def smooth(self) -> Profile:
        """(n,) the same with clefts and fibrillation closed, µm."""
        return self.intact * self.lesions.remaining_smooth

    def hyaline_ring(self) -> Points:
        """Closed ring of the hyaline layer."""
        return np.vstack([self.base, (self.base + self.outward * self.hyaline[:, None])[::-1]])

    def calcified_ring(self) -> Points:
        """Closed ring of the calcified layer."""
        return np.vstack([self.base, (self.base - self.outward * self.calcified[:, None])[::-1]])

    def articular_surface(self) -> Points:
        """The joint side with clefts closed (n, 2)."""
        return self.base + self.outward * self.smooth[:, None]


@dataclass(frozen=True, slots=True)
class Knee:
    """One section through one knee."""

    traits: Traits
    femur: BoneEnd
    tibia: BoneEnd
    beds: tuple[CartilageBed, ...]


def build_knee(
    traits: Traits, disease: Mapping[Compartment, Disease], rng: np.random.Generator
) -> Knee:
    """A section of a knee with the given disease in each compartment."""
    tibia = _tibia(traits, rng)
    femur = _seated(_femur(traits, rng), tibia, traits, rng)
    beds = tuple(
        _bed(compartment, femur if compartment.is_femoral else tibia, traits, grade, rng)
        for compartment, grade in disease.items()
    )
    return Knee(traits, femur, tibia, beds)


def _tibia(t: Traits, rng: np.random.Generator) -> BoneEnd:
    half = t.eminence / 2
    left, right = -half - t.plateau_medial, half + t.plateau_lateral
    knots = [
        (left - 20, 520),
        (left - 45, 230),
        (left - 5, 75),
        (left + 110, 12),
        (-half - 0.55 * t.plateau_medial, t.concavity_medial),
        (-half - 90, 5),
        (-half + 70, -t.spine_medial),
        (0, -0.55 * t.spine_medial),
        (half - 80, -t.spine_lateral),
        (half + 90, -8),
        (half + 0.5 * t.plateau_lateral, -t.convexity_lateral + 0.3 * t.slope_lateral),
        (right - 120, 0.8 * t.slope_lateral + 10),
        (right - 5, t.slope_lateral + 75),
        (right + 40, t.slope_lateral + 240),
        (right + 15, 540),
    ]
    return _bone_end(knots, t.epiphysis_tibia, False, t, rng)


def _femur(t: Traits, rng: np.random.Generator) -> BoneEnd:
    half = t.notch / 2
    lift = t.hyaline_femur + t.hyaline_tibia + t.gap
    medial = _condyle(-half, -t.condyle_medial, t)
    lateral = _condyle(half, t.condyle_lateral, t)[::-1]
    # The lateral condyle sits on a convex plateau, the medial one in a hollow: the joint line
    # is followed so that both stay a gap's width from the tibia.
    knots = [
        *((x, y - lift + t.concavity_medial) for x, y in medial),
        (0.0, -t.notch_height - lift),
        *((x, y - lift - t.convexity_lateral + 0.2 * t.slope_lateral) for x, y in lateral),
    ]
    return _bone_end(knots, -t.epiphysis_femur - lift, True, t, rng)


def _seated(femur: BoneEnd, tibia: BoneEnd, t: Traits, rng: np.random.Generator) -> BoneEnd:
    """The femur lowered and tilted until each condyle stands a gap above its plateau."""
    lift = t.hyaline_femur + t.hyaline_tibia
    targets = [lift + t.gap * rng.uniform(0.6, 1.4) for _ in range(2)]
    centers = [-(t.notch + t.condyle_medial) / 2, (t.notch + t.condyle_lateral) / 2]
    for _ in range(3):  # tilting moves the closest point a little: three rounds settle it
        spare = [
            _clearance(femur, tibia, side) - target
            for side, target in zip((-1, 1), targets, strict=True)
        ]
        slope = (spare[1] - spare[0]) / (centers[1] - centers[0])
        offset = spare[0] - slope * centers[0]
        tilted = femur.tidemark + np.column_stack(
            [np.zeros(len(femur.tidemark)), offset + slope * femur.tidemark[:, 0]]
        )
        plates = [y + offset + slope * femur.plate_x for y in (femur.plate_near, femur.plate_far)]
        femur = replace(femur, tidemark=tilted, plate_near=plates[0], plate_far=plates[1])
    return femur


def _clearance(femur: BoneEnd, tibia: BoneEnd, side: int) -> float:
    """Smallest vertical distance between the tidemarks on one side of the joint, µm."""
    x = side * np.arange(150.0, 1150.0, 10.0)
    low = np.array([_facing(femur, xi, np.max) for xi in x])
    high = np.array([_facing(tibia, xi, np.min) for xi in x])
    return float(np.nanmin(high - low))


def _facing(bone: BoneEnd, x: float, pick: Callable[[Profile], float]) -> float:
    """y of the bone's joint side at x; nan beyond the bone."""
    near = np.abs(bone.tidemark[:, 0] - x) < 3
    return pick(bone.tidemark[near, 1]) if near.any() else float("nan")


def _condyle(inner: float, width: float, t: Traits) -> list[tuple[float, float]]:
    """Knots of a condyle from its outer side to the notch; y = 0 at its lowest point."""
    rise = t.condyle_rise
    return [
        (inner + 0.93 * width, -3.1 * rise),
        (inner + 1.00 * width, -2.0 * rise),
        (inner + 0.975 * width, -1.1 * rise),
        (inner + 0.83 * width, -0.44 * rise),
        (inner + 0.66 * width, -0.11 * rise),
        (inner + 0.48 * width, 0.0),
        (inner + 0.28 * width, -0.12 * rise),
        (inner + 0.09 * width, -0.55 * rise),
        (inner + 0.00 * width, -1.15 * rise),
    ]


def _bone_end(
    knots: list[tuple[float, float]],
    plate_y: float,
    is_femur: bool,
    t: Traits,
    rng: np.random.Generator,
) -> BoneEnd:
    points = np.array(knots, dtype=float) + rng.normal(0, 6, (len(knots), 2))
    line = smoothed(resampled(through(points), STEP_UM), 28 / STEP_UM)
    line = line + wander(len(line), 160, rng)[:, None] * [0.0, 2.5]
    line = resampled(line, STEP_UM)
    outward = normals(line, 12 / STEP_UM) * (1.0 if is_femur else -1.0)
    x = np.arange(line[:, 0].min() - 400, line[:, 0].max() + 400, 4.0)
    near, far = _growth_plate(x, plate_y, is_femur, t, rng)
    return BoneEnd(line, outward, is_femur, x, near, far)


def _growth_plate(
    x: Profile, y: float, is_femur: bool, t: Traits, rng: np.random.Generator
) -> tuple[Profile, Profile]:
    """y of the growth plate's edges over x, a waving band around `y`: towards the joint, away."""
    period, phase = rng.uniform(850, 1300), rng.uniform(-0.6, 0.6)
    slow = 0.7 * np.cos(2 * np.pi * x / period + phase) + 0.45 * wander(len(x), 55, rng)
    near = y + t.growth_plate_wave * slow + 3.0 * wander(len(x), 8, rng)
    thickness = t.growth_plate * np.clip(1 + 0.18 * wander(len(x), 45, rng), 0.35, 2)
    far = near + (-thickness if is_femur else thickness) + 5.0 * wander(len(x), 6, rng)
    return near, far


def _bed(
    compartment: Compartment, bone: BoneEnd, t: Traits, disease: Disease, rng: np.random.Generator
) -> CartilageBed:
    start, stop = _extent(compartment, bone, t)
    base, outward = bone.tidemark[start:stop], bone.outward[start:stop]
    n = len(base)
    u = np.linspace(0, 1, n)
    peak = t.hyaline_femur if compartment.is_femoral else t.hyaline_tibia
    arch = 1.0 - 0.28 * (2 * u - 1) ** 2
    margin = np.clip(np.minimum(u, 1 - u) * n * STEP_UM / 130, 0, 1) ** 0.6
    intact = peak * disease.thinning * arch * margin * (1 + 0.05 * wander(n, 90, rng))
    pegs = np.clip(wander(n, 12, rng) - 1.2, 0, 2) * rng.uniform(3, 14)
    calcified = t.calcified * margin * (1 + 0.22 * wander(n, 60, rng) + 0.10 * wander(n, 9, rng))
    calcified = np.clip(calcified + pegs * margin, 1.5 * margin, None)
    return CartilageBed(
        compartment,
        disease,
        base,
        outward,
        np.clip(intact, 0, None),
        calcified,
        draw_lesions(disease, intact, STEP_UM, rng),
    )


def _extent(compartment: Compartment, bone: BoneEnd, t: Traits) -> tuple[int, int]:
    """Index range of a compartment on its bone's tidemark."""
    if compartment.is_femoral:
        width = t.condyle_medial if compartment.is_medial else t.condyle_lateral
        inner, outer = t.notch / 2 + 0.06 * width, t.notch / 2 + 0.93 * width
    else:
        width = t.plateau_medial if compartment.is_medial else t.plateau_lateral
        inner, outer = t.eminence / 2 + 25, t.eminence / 2 + width - 25
    low, high = (-outer, -inner) if compartment.is_medial else (inner, outer)
    x = bone.tidemark[:, 0]
    # A condyle's side leans back under itself: keep the run of points around its lowest part.
    middle = int(np.argmin(np.abs(x - (low + high) / 2)))
    inside = (x >= low) & (x <= high)
    start, stop = middle, middle
    while start > 0 and inside[start - 1]:
        start -= 1
    while stop < len(x) and inside[stop]:
        stop += 1
    return start, stop
