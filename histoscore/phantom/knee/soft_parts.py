"""The parts around bones and cartilage, as rings: outline, cavity, menisci, ligaments, muscle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from histoscore.geometry import Points, resampled
from histoscore.phantom.chance import Slice
from histoscore.phantom.curves import Profile, facing_edge, normals, smoothed, through
from histoscore.phantom.knee.anatomy import (
    Band,
    BoneEnd,
    CartilageBed,
    Meniscus,
    Ossicle,
    Osteophyte,
    SoftParts,
)
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.traits import Traits
from histoscore.vocabulary import Compartment

COLUMNS_UM = np.arange(-1800.0, 1800.0, 4.0)
"""Knee-frame x (µm) at which joint surfaces are held as heights."""

Size = tuple[float, float]
"""Width and height of the piece of tissue, µm."""


def draw_soft_parts(
    size: Size,
    femur: BoneEnd,
    tibia: BoneEnd,
    beds: Sequence[CartilageBed],
    t: Traits,
    at: Slice,
) -> SoftParts:
    """Everything of a section that is neither femur, tibia nor their cartilage."""
    disease = {bed.compartment: bed.disease for bed in beds}
    capsules = [_capsule(femur, tibia, side, t, disease, at) for side in (-1, 1)]
    return SoftParts(
        outline=_outline(size, max(np.abs(b.tidemark[:, 0]).max() for b in (femur, tibia)), at),
        cavities=tuple(
            _cavity(capsule, side) for capsule, side in zip(capsules, (-1, 1), strict=True)
        ),
        notch=_notch(femur, t),
        menisci=_menisci(femur, tibia, beds, disease, t, at),
        bands=(
            *_muscles(size, femur, tibia, at),
            *(
                _strip(line, t.capsule, "capsule", f"capsule {i}", at)
                for i, line in enumerate(capsules)
            ),
            *_collaterals(capsules, t, at),
            *_cruciates(femur, t, at),
        ),
        osteophytes=tuple(_osteophytes(beds, at)),
        ossicles=tuple(_ossicles(tibia, at)),
    )


def _outline(size: Size, widest: float, at: Slice) -> Points:
    """A rounded rectangle with a wavy edge, as a knee is trimmed; it spares the joint."""
    width, height = size
    angle = np.linspace(0, 2 * np.pi, 2400, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    bend = at.between("outline bend", 3.0, 5.0)
    x = np.sign(c) * np.abs(c) ** (2 / bend) * width / 2
    y = np.sign(s) * np.abs(s) ** (2 / (bend + 2)) * height / 2
    wave = 0.02 * min(size) * at.wander("outline", len(x), 70) + 5 * at.wander(
        "edge", len(x), 5, 50
    )
    seam = np.clip(np.minimum(np.arange(len(x)), np.arange(len(x))[::-1]) / 200, 0, 1)
    reach = 1 + (wave * seam - 25) / np.hypot(x, y)
    x, y = x * reach, y * reach - 60
    spared = np.where(np.abs(y) < 650, widest + 40, 0)
    return np.column_stack([np.sign(x) * np.maximum(np.abs(x), spared), y])


def _capsule(
    femur: BoneEnd,
    tibia: BoneEnd,
    side: int,
    t: Traits,
    disease: Mapping[Compartment, Disease],
    at: Slice,
) -> Points:
    """The inner line of the capsule, from the femur's side over the meniscus to the tibia's."""
    name = f"capsule {side}"
    up, down = (max(side * bone.tidemark[:, 0]) for bone in (femur, tibia))
    plateau = Compartment.MTP if side < 0 else Compartment.LTP
    bulge = 60 + 80 * disease[plateau].meniscus + 25 * at.slow(f"{name} bulge")
    top = -t.condyle_rise * at.between(f"{name} top", 1.5, 2.2) - 90
    knots = np.array(
        [
            (up - 40, top - 120),
            (up + 25, top),
            (max(up, down) + 0.6 * bulge, -170),
            (down + bulge, -20),
            (down + 35, 130),
            (down - 40, 260),
        ]
    )
    line = smoothed(resampled(through(knots), 2.0), 30)
    line = line + 6 * at.wander(name, len(line), 30)[:, None] * [1.0, 0.0]
    return line * [side, 1.0]


def _cavity(capsule: Points, side: int) -> Points:
    """The joint's cavity within the capsule; it reaches under bones, which lie above it."""
    return np.vstack([capsule, [(side * 230.0, 200.0), (side * 230.0, -260.0)]])


def _notch(femur: BoneEnd, t: Traits) -> Points:
    half, top = 0.75 * t.notch, float(femur.tidemark[:, 1].min())
    return np.array([(-half, 80.0), (half, 80.0), (half, top), (-half, top)])


def _strip(line: Points, width: float, kind: str, name: str, at: Slice) -> Band:
    """A band of tissue along a line; outwards of it, its thickness uneven."""
    n = len(line)
    out = normals(line, 8) * (1 if line[:, 0].mean() < 0 else -1)
    uneven = np.clip(1 + 0.25 * at.wander(f"{name} width", n, 60), 0.3, 2)
    ends = np.clip(np.minimum(np.arange(n), np.arange(n)[::-1]) / 40, 0.3, 1)
    outer = line - out * (width * uneven * ends)[:, None]
    if np.abs(outer[:, 0]).mean() < np.abs(line[:, 0]).mean():
        outer = line + out * (width * uneven * ends)[:, None]
    along = line[-1] - line[0]
    ring = _rounded(np.vstack([line, outer[::-1]]), 5, at, name, 1.0)
    return Band(ring, float(np.degrees(np.arctan2(*along[::-1]))), kind)


def _collaterals(capsules: Sequence[Points], t: Traits, at: Slice) -> list[Band]:
    """Medial and lateral collateral ligament, outside the capsule."""
    bands = []
    for side, capsule in zip((-1, 1), capsules, strict=True):
        name = f"collateral {side}"
        widest = float(np.abs(capsule[:, 0]).max())
        offset = t.capsule + at.between(f"{name} gap", 5, 60)
        x = np.array([widest - 130, widest - 20, widest + offset, widest - 10, widest - 90])
        y = np.array([-950, -560, -60, 380, 850]) + 60 * at.slow(f"{name} shift")
        line = smoothed(resampled(through(np.column_stack([x, y])), 3.0), 40)
        bands.append(_strip(line * [side, 1], at.between(name, 60, 150), "ligament", name, at))
    return bands


def _cruciates(femur: BoneEnd, t: Traits, at: Slice) -> list[Band]:
    """Anterior and posterior cruciate ligament in the notch, crossing."""
    roof = float(femur.tidemark[np.abs(femur.tidemark[:, 0]) < 60, 1].min())
    bands = []
    for name, lean in (("acl", 1), ("pcl", -1)):
        top = np.array([lean * 0.30 * t.notch, roof * at.between(f"{name} top", 0.62, 0.95)])
        foot = np.array([-lean * at.between(f"{name} foot", 0, 90), -0.4 * t.spine_medial + 60])
        line = resampled(np.array([top, (top + foot) / 2 + [lean * 12, 0], foot]), 3.0)
        width = at.between(f"{name} width", 45, 110)
        half = np.column_stack([np.full(len(line), width / 2), np.zeros(len(line))])
        frayed = 1 + 0.25 * at.wander(f"{name} edge", len(line), 12)[:, None]
        ring = np.vstack([line - half * frayed, (line + half * frayed)[::-1]])
        ring = _rounded(ring, 8, at, name, 1.5)
        angle = float(np.degrees(np.arctan2(*(foot - top)[::-1])))
        bands.append(Band(ring, angle, "ligament"))
    return bands


def _muscles(size: Size, femur: BoneEnd, tibia: BoneEnd, at: Slice) -> list[Band]:
    """Bellies along the shafts: quadriceps and hamstrings above, calf and shin below."""
    bands = []
    for bone in (femur, tibia):
        for side in (-1, 1):
            name = f"muscle {bone.away} {side}"
            off = at.between(f"{name} off", 20, 160)
            count = int(at.animal.of(name).integers(1, 4))
            for i in range(count):
                lane = (i / count, (i + 1) / count)
                bands.append(_belly(bone, side, off, size[0] / 2 + 60, lane, f"{name} {i}", at))
    return bands


def _belly(
    bone: BoneEnd, side: int, off: float, outer: float, lane: Size, name: str, at: Slice
) -> Band:
    """One belly beside a shaft, rounded off towards the joint.

    Args:
        off: how far from the bone the innermost belly lies.
        outer: distance from the knee's axis of the outermost one's far side.
        lane: the belly's share (0–1) of the way between these two.
    """
    along = np.arange(0, 3200, 8.0)
    reach = at.between(f"{name} start", 480, 1150) + along
    inner = _flank(bone, side, reach) + off
    near, far = (inner + share * (outer - inner) for share in lane)
    far = far - at.between(f"{name} gap", 6, 50)
    taper = np.sqrt(np.clip(along / at.between(f"{name} taper", 250, 700), 0, 1))
    lean = at.between(f"{name} lean", -0.02, 0.12)
    middle = (near + far) / 2 + lean * along + 25 * at.wander(f"{name} line", len(along), 60)
    half = (far - near) / 2 * taper * (1 + 0.1 * at.wander(f"{name} width", len(along), 50))
    left, right = (side * (middle + sign * half) for sign in (-1, 1))
    y = bone.away * reach
    ring = np.vstack([np.column_stack([left, y]), np.column_stack([right, y])[::-1]])
    ring = _rounded(ring, 16, at, name, 1.2)
    turned = side * bone.away * float(np.degrees(np.arctan(lean)))
    return Band(ring, 90 - turned + 8 * at.slow(f"{name} fibres"), "muscle")


def _flank(bone: BoneEnd, side: int, reach: Profile) -> Profile:
    """Distance of a shaft's side from the knee's axis, over the distance from the joint."""
    edge = bone.shaft[side * bone.shaft[:, 0] > 0]
    edge = edge[np.argsort(bone.away * edge[:, 1])]
    return np.asarray(np.interp(reach, bone.away * edge[:, 1], side * edge[:, 0]))


def _menisci(
    femur: BoneEnd,
    tibia: BoneEnd,
    beds: Sequence[CartilageBed],
    disease: Mapping[Compartment, Disease],
    t: Traits,
    at: Slice,
) -> tuple[Meniscus, ...]:
    """The medial and the lateral meniscus; now and then a section misses one."""
    upper, lower = _surface(femur, beds), _surface(tibia, beds)
    menisci = []
    for side, plateau in ((-1, Compartment.MTP), (1, Compartment.LTP)):
        name = f"meniscus {side}"
        if at.own.uniform(name, 0, 1) < 0.95:
            menisci.append(_meniscus(name, side, upper, lower, disease[plateau].meniscus, t, at))
    return tuple(menisci)


def _meniscus(
    name: str, side: int, upper: Profile, lower: Profile, damage: float, t: Traits, at: Slice
) -> Meniscus:
    """A wedge whose thin tip points inward; it may touch the cartilage. Damage pushes it out."""
    width = t.meniscus_width * at.between(f"{name} width", 0.75, 1.25)
    plateau = t.plateau_medial if side < 0 else t.plateau_lateral
    outer = t.eminence / 2 + plateau + at.between(f"{name} place", -40, 50) + 110 * damage
    along = np.clip((side * COLUMNS_UM - (outer - width)) / width, 0, 1)
    inside = (along > 0.01) & (along < 1)
    order = np.flatnonzero(inside)[::side]
    x, a, n = COLUMNS_UM[order], along[order], len(order)
    height = t.meniscus_height * at.between(f"{name} height", 0.8, 1.2) * (1 - 0.25 * damage)
    profile = height / 2 * a**0.75 * np.sqrt(np.clip((1 - a) * 7, 0, 1))
    frayed = 1.0 + 4.0 * damage
    edge = [frayed * at.wander(f"{name} {e}", n, 3, 60) for e in "ab"]
    # It rests on the plateau, and beyond the plateau's rim goes straight on.
    rim = lower[int(np.argmin(np.abs(COLUMNS_UM - side * (outer - 0.45 * width))))]
    rest = np.minimum(lower[order], rim + 25) - at.between(f"{name} below", 2, 14)
    middle = rest - profile
    top = np.maximum(upper[order] + at.between(f"{name} above", 2, 14), rest - 2 * profile)
    top = np.minimum(top + edge[0], rest - 1)
    bottom = np.maximum(rest + edge[1], top + 1)
    ring = np.vstack([np.column_stack([x, top]), np.column_stack([x, bottom])[::-1]])
    ring = _rounded(ring, 14, at, name, 0.9 + 1.5 * damage)
    ossicle = None
    if at.animal.uniform(f"{name} ossicle", 0, 1) < 0.4 + 0.3 * damage:
        k = n * 11 // 20
        shrink = 0.62 * np.clip(np.sin(np.linspace(0, np.pi, n - k)), 0, 1) ** 0.5
        center = (top[k:] + bottom[k:]) / 2
        half = (bottom[k:] - top[k:]) / 2 * shrink
        ossicle = np.vstack(
            [np.column_stack([x[k:], center - half]), np.column_stack([x[k:], center + half])[::-1]]
        )
        ossicle = _rounded(ossicle, 12, at, f"{name} ossicle", 1.0)
    return Meniscus(ring, np.array([x[0], middle[0]]), damage, ossicle)


def _rounded(ring: Points, reach_um: float, at: Slice, name: str, rough_um: float) -> Points:
    """A closed ring with its corners rounded off and its edge a little rough, points 2 µm apart."""
    closed = resampled(np.vstack([ring, ring[:1]]), 2.0)
    soft = gaussian_filter1d(closed, reach_um / 2.0, axis=0, mode="wrap")
    grain = rough_um * at.wander(f"{name} rough", len(soft), 3, 60)
    return np.asarray(soft + normals(soft, 3) * grain[:, None])


def _surface(bone: BoneEnd, beds: Sequence[CartilageBed]) -> Profile:
    """y of a bone's healthy cartilage surface over `COLUMNS_UM`."""
    lift = np.zeros(len(bone.tidemark))
    for bed in beds:
        if bed.compartment.is_femoral == bone.is_femur:
            start = int(np.argmin(np.hypot(*(bone.tidemark - bed.base[0]).T)))
            lift[start : start + len(bed.base)] = bed.intact
    return facing_edge(bone.tidemark + bone.outward * lift[:, None], COLUMNS_UM, bone.is_femur)


def _osteophytes(beds: Sequence[CartilageBed], at: Slice) -> list[Osteophyte]:
    """Outgrowths at the outer margins of ill compartments."""
    grown = []
    for bed in beds:
        if bed.disease.osteophyte <= 0:
            continue
        name = f"osteophyte {bed.compartment.value}"
        size = bed.disease.osteophyte * at.between(name, 45, 85)
        end = 0 if bed.compartment.is_medial else -1
        corner = bed.base[end]
        tangent = bed.base[end] - bed.base[20 if end == 0 else -21]
        tangent /= np.linalg.norm(tangent)
        lean = at.between(f"{name} lean", 0.15, 0.7)
        axis = tangent + lean * bed.outward[end]
        axis /= np.linalg.norm(axis)
        grown.append(
            Osteophyte(*(_bump(corner, axis, s, name, at) for s in (size, size * 1.3 + 22)))
        )
    return grown


def _bump(corner: Points, axis: Points, size: float, name: str, at: Slice) -> Points:
    """A rounded ring around a point that reaches `size` along an axis."""
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    across = np.array([-axis[1], axis[0]])
    wave = 1 + 0.08 * np.cos(3 * angle + at.slow(f"{name} wave")) + 0.05 * np.cos(5 * angle)
    reach = size * wave
    ring = np.outer(np.cos(angle) * reach, axis) + np.outer(0.85 * np.sin(angle) * reach, across)
    return np.asarray(corner - 0.35 * size * axis + ring)


def _ossicles(tibia: BoneEnd, at: Slice) -> list[Ossicle]:
    """Fibula, patella and fabella, on the sections that meet them."""
    found = [_fibula(float(tibia.tidemark[:, 0].max()), at)] if _met("fibula", 0.45, at) else []
    if _met("fabella", 0.22, at):
        found.append(_sesamoid("fabella", (1450, 1650), (-1250, -700), at))
    if _met("patella", 0.12, at):
        found.append(_sesamoid("patella", (1280, 1500), (-1900, -1300), at))
    return found


def _met(name: str, chance: float, at: Slice) -> bool:
    return at.between(name, 0, 1) < chance


def _fibula(beside: float, at: Slice) -> Ossicle:
    """Head and shaft of the fibula, lateral of the tibia."""
    top = at.between("fibula top", 380, 700)
    x = beside + at.between("fibula off", 130, 260)
    half = at.between("fibula width", 90, 170)
    below = np.arange(0, 2600, 6.0)
    head = 1 + 0.35 * np.exp(-((below / 320) ** 2))
    reach = half * np.sqrt(np.clip(below / 160, 0, 1)) * head
    line = x + 25 * at.wander("fibula line", len(below), 90)
    sides = [np.column_stack([line + sign * reach, top + below]) for sign in (-1, 1)]
    cap = _oval(np.array([x, top + 45]), half, 58, 0.0, "fibula cap", at)
    return Ossicle("fibula", np.vstack([sides[0], sides[1][::-1]]), cap)


def _sesamoid(name: str, x: Size, y: Size, at: Slice) -> Ossicle:
    """A small round bone within a shell of cartilage, to one side; x and y are ranges."""
    side = -1 if at.animal.uniform(f"{name} side", 0, 1) < 0.5 else 1
    center = np.array([side * at.between(f"{name} x", *x), at.between(f"{name} y", *y)])
    a, b = at.between(f"{name} a", 140, 260), at.between(f"{name} b", 110, 170)
    turn = at.between(f"{name} turn", 0, 180)
    ring = _oval(center, a, b, turn, name, at)
    return Ossicle(name, ring, _oval(center, a + 28, b + 32, turn, name, at))


def _oval(center: Points, a: float, b: float, turn: float, name: str, at: Slice) -> Points:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    wave = 1 + 0.05 * np.cos(2 * angle + at.slow(f"{name} w2")) + 0.04 * np.cos(3 * angle)
    t = np.deg2rad(turn)
    x, y = a * np.cos(angle) * wave, b * np.sin(angle) * wave
    ring = np.column_stack([x * np.cos(t) - y * np.sin(t), x * np.sin(t) + y * np.cos(t)])
    return np.asarray(center + ring)
