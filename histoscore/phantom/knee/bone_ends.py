"""The joint ends of tibia and femur, from traits to curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from histoscore.geometry import Points, resampled
from histoscore.phantom.chance import Slice
from histoscore.phantom.curves import Profile, normals, smoothed, through
from histoscore.phantom.knee.anatomy import STEP_UM, BoneEnd
from histoscore.phantom.knee.traits import Traits

SHAFT_UM = 3200.0
"""How far from the joint the shafts are drawn; a section is trimmed before."""


def draw_tibia(t: Traits, at: Slice) -> BoneEnd:
    """Tibia: two plateaus, the eminence between them, growth plate and shaft."""
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
    return _bone_end("tibia", knots, t.epiphysis_tibia, t.shaft_tibia, t, at)


def draw_femur(t: Traits, tibia: BoneEnd, at: Slice) -> BoneEnd:
    """Femur: two condyles and the notch, seated on a tibia."""
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
    roofed = t.notch_height + t.growth_plate_wave + 50  # bone between the notch and the plate
    plate_y = -max(t.epiphysis_femur, roofed) - lift
    femur = _bone_end("femur", knots, plate_y, t.shaft_femur, t, at)
    return _seated(femur, tibia, t, at)


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
    name: str, knots: list[tuple[float, float]], plate_y: float, shaft: float, t: Traits, at: Slice
) -> BoneEnd:
    is_femur = name == "femur"
    moved = [[6 * at.slow(f"{name} knot {i} {axis}") for axis in "xy"] for i in range(len(knots))]
    points = np.array(knots, dtype=float) + np.array(moved)
    line = smoothed(resampled(through(points), STEP_UM), 28 / STEP_UM)
    line = line + at.wander(f"{name} surface", len(line), 160)[:, None] * [0.0, 2.5]
    line = resampled(line, STEP_UM)
    outward = _outward(line, is_femur)
    x = np.arange(line[:, 0].min() - 400, line[:, 0].max() + 400, 4.0)
    near, far = _growth_plate(name, x, plate_y, t, at)
    return BoneEnd(line, outward, is_femur, x, near, far, _shaft(name, line, shaft, at))


def _outward(line: Points, is_femur: bool) -> Points:
    return normals(line, 12 / STEP_UM) * (1.0 if is_femur else -1.0)


def _shaft(name: str, line: Points, width: float, at: Slice) -> Points:
    """The sides of the shaft: flared at the growth plate, slender half-way along (m, 2)."""
    away = -1 if name == "femur" else 1
    first, last = line[0], line[-1]
    middle = (first[0] + last[0]) / 2 + 60 * at.slow(f"{name} shaft lean")
    sides = []
    for end, sign in ((last, 1), (first, -1)):
        reach = np.array([0.0, 250, 700, 1250, 2000, SHAFT_UM])
        slender = np.array([0.0, 0.05, 0.42, 0.8, 1.0, 1.0])
        x = end[0] + (middle + sign * width / 2 - end[0]) * slender
        y = end[1] + away * reach
        side = resampled(through(np.column_stack([x, y])), 4.0)
        wobble = at.wander(f"{name} shaft {sign}", len(side), 40)
        sides.append(side + np.column_stack([7 * wobble, np.zeros(len(side))]))
    return np.vstack([sides[0], sides[1][::-1]])


def _growth_plate(name: str, x: Profile, y: float, t: Traits, at: Slice) -> tuple[Profile, Profile]:
    """y of the growth plate's edges over x, a waving band around `y`: towards the joint, away."""
    period = at.between(f"{name} plate period", 850, 1300)
    phase = at.between(f"{name} plate phase", -0.6, 0.6)
    n = len(x)
    slow = 0.7 * np.cos(2 * np.pi * x / period + phase) + 0.45 * at.wander(f"{name} plate", n, 55)
    near = y + t.growth_plate_wave * slow + 3.0 * at.wander(f"{name} plate near", n, 8, 60)
    spread = 1 + 0.18 * at.wander(f"{name} plate thickness", n, 45)
    thickness = t.growth_plate * np.clip(spread, 0.35, 2)
    away = -1 if name == "femur" else 1
    far = near + away * thickness + 5.0 * at.wander(f"{name} plate far", n, 6, 60)
    return near, far


def _seated(femur: BoneEnd, tibia: BoneEnd, t: Traits, at: Slice) -> BoneEnd:
    """The femur lowered and tilted until each condyle stands a gap above its plateau."""
    lift = t.hyaline_femur + t.hyaline_tibia
    least = 0.15 * lift  # cartilage is uneven: closer than this it might touch
    gaps = [t.gap * at.between(f"gap {side}", 0.6, 1.4) for side in "ml"]
    targets = [lift + max(gap, least) for gap in gaps]
    centers = [-(t.notch + t.condyle_medial) / 2, (t.notch + t.condyle_lateral) / 2]
    for _ in range(3):  # tilting moves the closest point a little: three rounds settle it
        spare = [
            _clearance(femur, tibia, side) - target
            for side, target in zip((-1, 1), targets, strict=True)
        ]
        slope = (spare[1] - spare[0]) / (centers[1] - centers[0])
        offset = spare[0] - slope * centers[0]
        plates = [y + offset + slope * femur.plate_x for y in (femur.plate_near, femur.plate_far)]
        femur = replace(
            femur,
            tidemark=_lowered(femur.tidemark, offset, slope),
            shaft=_lowered(femur.shaft, offset, slope),
            plate_near=plates[0],
            plate_far=plates[1],
        )
    return replace(femur, outward=_outward(femur.tidemark, is_femur=True))


def _lowered(points: Points, offset: float, slope: float) -> Points:
    return points + np.column_stack([np.zeros(len(points)), offset + slope * points[:, 0]])


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
