"""Paints what lies around the bones: capsule, ligaments, muscle, fat, and the menisci."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.anatomy import BoneEnd, CartilageBed
from histoscore.phantom.canvas import Canvas
from histoscore.phantom.cells import FIBROBLAST, MENISCAL
from histoscore.phantom.curves import Profile, facing_edge, soft_step
from histoscore.phantom.raster import Field, at_pixels, scatter
from histoscore.records import Mask
from histoscore.vocabulary import Tissue

COLUMNS_UM = np.arange(-1700.0, 1700.0, 4.0)
"""Knee-frame x (µm) at which joint surfaces are held as heights."""


def paint_soft_tissue(canvas: Canvas) -> None:
    """Fibrous tissue to both sides of the joint and in the notch."""
    rng = canvas.rng
    soft = _beside(canvas) | _in_the_notch(canvas)
    fibres = _woven(canvas)
    dense = soft_step(canvas.noise(130) + rng.uniform(-0.3, 1.0), 2.5)
    gaps = soft & (fibres > rng.uniform(1.3, 2.4))
    canvas.tissue[soft] = Tissue.SOFT
    _stain_soft_tissue(canvas, soft, fibres, dense)
    canvas.clear[gaps] = rng.uniform(0.0, 0.5)
    _settle_soft_tissue(canvas, soft, dense)


def _woven(canvas: Canvas) -> Field:
    """Upright fibres, crossed by lying ones in places."""
    fibres = canvas.fibres(4, 8, upright=True)
    lying = canvas.fibres(5, 6, upright=False)
    return np.where(canvas.noise(160) > 0.5, lying, fibres)


def _stain_soft_tissue(canvas: Canvas, soft: Mask, fibres: Field, dense: Field) -> None:
    rng = canvas.rng
    green = rng.uniform(0.14, 0.5) * (0.35 + 0.65 * dense) * (1 + 0.28 * fibres)
    canvas.green[soft] = np.clip(green + 0.1 * canvas.noise(70), 0.02, 2)[soft]
    # Ligament insertions and scars hold some Safranin too.
    blush = np.clip(canvas.noise(90) - rng.uniform(0.8, 2.0), 0, 1) * rng.uniform(0.1, 0.5)
    canvas.safranin[soft] = blush[soft]


def _settle_soft_tissue(canvas: Canvas, soft: Mask, dense: Field) -> None:
    """Fat cells where the tissue is loose, fibroblasts elsewhere."""
    rng, px = canvas.rng, canvas.px
    fat = soft & (canvas.noise(110) > rng.uniform(0.7, 1.8)) & (dense < 0.7)
    canvas.cells.fat(scatter(fat, rng.uniform(20, 32) * px, rng, jitter=0.35))
    keep = rng.uniform(0.15, 0.7)
    canvas.cells.draw(scatter(soft & ~fat, 13 * px, rng, keep), FIBROBLAST)


def _beside(canvas: Canvas) -> Mask:
    """Capsule, collateral ligaments and muscle to both sides of the joint."""
    rng = canvas.rng
    wobble = 18 * canvas.noise(140) + 4 * canvas.noise(25)
    mask = np.zeros(canvas.shape, bool)
    for sign in (-1, 1):
        edge = _outermost(canvas, sign) + rng.uniform(-40, 70)
        outward = sign * canvas.x - edge + wobble
        reach = 0.0
        for _ in range(rng.integers(1, 5)):
            thickness, gap = rng.uniform(50, 260), rng.uniform(0, 60)
            mask |= (outward > reach) & (outward < reach + thickness)
            reach += thickness + gap
    return mask | _along_the_shafts(canvas)


def _outermost(canvas: Canvas, sign: int) -> float:
    """How far the bones reach to one side, µm."""
    bones = (canvas.knee.tibia, canvas.knee.femur)
    return max(float((sign * bone.tidemark[:, 0]).max()) for bone in bones)


def _along_the_shafts(canvas: Canvas) -> Mask:
    """Muscle and capsule keep close to the shafts, above and below the joint."""
    far = np.abs(canvas.y + 50) > 420 + 60 * canvas.noise(200)
    free = ~canvas.femur & ~canvas.tibia
    return np.asarray(free & far & (canvas.noise(170) > canvas.rng.uniform(-1.0, 0.4)))


def _in_the_notch(canvas: Canvas) -> Mask:
    """Cruciate ligaments and synovium between the condyles."""
    width = canvas.knee.traits.notch * 0.75
    inside = (np.abs(canvas.x) < width) & (canvas.y < 40) & (canvas.y > -1400)
    patchy = canvas.fibres(30, 3.5, upright=True) + 0.5 * canvas.noise(70)
    free = ~canvas.femur & ~canvas.tibia
    return np.asarray(inside & free & (patchy > canvas.rng.uniform(-1.2, 0.3)))


def paint_menisci(canvas: Canvas) -> None:
    """The medial and the lateral meniscus; now and then a section misses one."""
    for sign in (-1, 1):
        if canvas.rng.random() < 0.94:
            _paint_meniscus(canvas, _meniscus(canvas, sign))


def _meniscus(canvas: Canvas, sign: int) -> Mask:
    """A wedge between the bones whose thin tip points inward and may touch the cartilage."""
    rng, t = canvas.rng, canvas.knee.traits
    upper, lower = (
        _surface(canvas, bone, COLUMNS_UM) for bone in (canvas.knee.femur, canvas.knee.tibia)
    )
    width = t.meniscus_width * rng.uniform(0.75, 1.25)
    plateau = t.plateau_medial if sign < 0 else t.plateau_lateral
    outer = t.eminence / 2 + plateau + rng.uniform(-30, 90)
    along = (sign * COLUMNS_UM - (outer - width)) / width
    half = t.meniscus_height * rng.uniform(0.8, 1.2) / 2 * np.clip(along, 0, 1) ** 0.8
    middle = (upper + lower) / 2 + rng.uniform(-12, 12)
    top = np.maximum(upper + rng.uniform(1, 12), middle - half)
    bottom = np.minimum(lower - rng.uniform(1, 10), middle + half)
    edge = 3.5 * canvas.noise(40)
    between = (canvas.y > at_pixels(canvas.x, COLUMNS_UM, top) + edge) & (
        canvas.y < at_pixels(canvas.x, COLUMNS_UM, bottom) + edge
    )
    within = sign * canvas.x < outer + 10 * canvas.noise(60)
    wedge = at_pixels(canvas.x, COLUMNS_UM, along) > 0.02
    return np.asarray(between & within & wedge & ~canvas.femur & ~canvas.tibia)


def _surface(canvas: Canvas, bone: BoneEnd, columns: Profile) -> Profile:
    """y of a bone's healthy cartilage surface over x."""
    lift = np.zeros(len(bone.tidemark))
    for bed in canvas.knee.beds:
        if bed.compartment.is_femoral == bone.is_femur:
            start = _first_point(bed, bone)
            lift[start : start + len(bed.base)] = bed.intact
    return facing_edge(bone.tidemark + bone.outward * lift[:, None], columns, bone.is_femur)


def _first_point(bed: CartilageBed, bone: BoneEnd) -> int:
    """Index of the bed's first point on its bone's tidemark."""
    return int(np.argmin(np.hypot(*(bone.tidemark - bed.base[0]).T)))


def _paint_meniscus(canvas: Canvas, mask: Mask) -> None:
    rng = canvas.rng
    stained = soft_step(canvas.noise(70) + rng.uniform(-1.5, 1.5), 3)
    fibres = canvas.fibres(4, 6, upright=False)
    safranin = canvas.articular * rng.uniform(0.15, 1.1)
    canvas.begin(mask, Tissue.MENISCUS)
    canvas.safranin[mask] = (safranin * stained * (1 + 0.15 * fibres)).clip(0, 2)[mask]
    green = (1 - 0.8 * stained) * rng.uniform(0.12, 0.4) * (1 + 0.2 * fibres)
    canvas.green[mask] = green.clip(0, 2)[mask]
    canvas.cells.draw(scatter(mask, 14 * canvas.px, rng, 0.8), MENISCAL)
