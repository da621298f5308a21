"""Paints femur and tibia: plates and trabeculae, marrow, the growth plate, compartment zones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.phantom.anatomy import BoneEnd
from histoscore.phantom.canvas import Canvas
from histoscore.phantom.cells import HYPERTROPHIC_CHONDROCYTE, OSTEOCYTE, RESTING_CHONDROCYTE
from histoscore.phantom.curves import facing_edge
from histoscore.phantom.raster import Field, at_pixels, scatter, warped
from histoscore.phantom.surroundings import COLUMNS_UM
from histoscore.records import Mask
from histoscore.vocabulary import IGNORE, Tissue

ZONE_DEPTH_UM = 260.0
"""How far into the bone a compartment's zone reaches."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """A bone's pixels: the growth `plate`, what lies `beyond` it, the `epiphysis` at the joint.

    `depth` is the distance into the growth plate from its joint side, `thickness` the plate's,
    both µm along y.
    """

    plate: Mask
    beyond: Mask
    epiphysis: Mask
    depth: Field
    thickness: Field


def paint_bone(canvas: Canvas, bone: BoneEnd) -> None:
    """One bone over whatever was painted where it lies."""
    inside = canvas.femur if bone.is_femur else canvas.tibia
    parts = _parts(canvas, bone, inside)
    canvas.begin(inside, Tissue.BONE)
    canvas.zones[inside] = 0
    canvas.wash(inside)
    marrow = _cavities(canvas, bone, parts)
    _paint_trabeculae(canvas, inside & ~parts.plate & ~marrow, parts.beyond)
    _paint_marrow(canvas, marrow)
    _paint_growth_plate(canvas, parts)
    _mark_zones(canvas, bone, parts.epiphysis)


def _parts(canvas: Canvas, bone: BoneEnd, inside: Mask) -> _Parts:
    sign = -1 if bone.is_femur else 1
    near = at_pixels(canvas.x, bone.plate_x, bone.plate_near) + 3.0 * canvas.noise(20)
    ragged = canvas.rng.uniform(4, 12)
    far = at_pixels(canvas.x, bone.plate_x, bone.plate_far) + ragged * canvas.noise(14)
    depth = sign * (canvas.y - near)
    beyond = inside & (sign * (canvas.y - far) > 0)
    plate = inside & (depth > 0) & ~beyond
    return _Parts(plate, beyond, inside & ~plate & ~beyond, depth, sign * (far - near))


def _cavities(canvas: Canvas, bone: BoneEnd, parts: _Parts) -> Mask:
    """Marrow spaces: wide in the epiphysis, narrow beyond the plate, none near a surface."""
    rng, px = canvas.rng, canvas.px
    solid = (canvas.femur if bone.is_femur else canvas.tibia).astype(np.uint8)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5) * canvas.view.mpp
    subchondral = rng.uniform(45, 130) + 12 * canvas.noise(80)
    cortex = rng.uniform(20, 90)
    side = np.abs(canvas.x) > 0.72 * np.abs(bone.tidemark[:, 0]).max()
    spaces = warped(canvas.noise(rng.uniform(70, 150)), rng, 18 * px, 50 * px)
    fine = canvas.noise(rng.uniform(28, 48), (rng.uniform(1.2, 3), 1.0))
    narrow, wide = fine > rng.uniform(-0.6, 0.4), spaces > rng.uniform(-0.6, 0.5)
    hollow = np.where(parts.beyond, narrow, wide) & (depth > np.where(side, cortex, subchondral))
    return np.asarray((parts.epiphysis | parts.beyond) & hollow)


def _paint_trabeculae(canvas: Canvas, bone: Mask, beyond: Mask) -> None:
    rng = canvas.rng
    lamellae = canvas.fibres(5, 6, upright=False)
    green = rng.uniform(0.25, 0.55) * (1 + 0.10 * lamellae + 0.12 * canvas.noise(70))
    canvas.green[bone] = np.clip(green, 0.02, 2)[bone]
    blush = np.clip(canvas.noise(45) - rng.uniform(1.2, 2.4), 0, 1) * 0.1 + rng.uniform(0, 0.05)
    canvas.safranin[bone] = blush[bone]
    canvas.cells.draw(scatter(bone, 18 * canvas.px, rng, rng.uniform(0.15, 0.6)), OSTEOCYTE)
    # Trabeculae below a growth plate keep cores of calcified cartilage: no class is right.
    core = bone & beyond & (canvas.noise(14, (3, 1)) > rng.uniform(1.1, 2.0))
    canvas.safranin[core] += rng.uniform(0.1, 0.6)
    canvas.green[core] *= 0.4
    canvas.tissue[core] = IGNORE


def _paint_marrow(canvas: Canvas, marrow: Mask) -> None:
    rng = canvas.rng
    canvas.tissue[marrow] = Tissue.MARROW
    inner = cv2.distanceTransform(marrow.astype(np.uint8), cv2.DIST_L2, 3) * canvas.view.mpp
    clump = 0.8 * canvas.noise(40) + 0.5 * canvas.noise(14) > rng.uniform(-1.6, 0.4)
    filled = marrow & (inner > rng.uniform(0, 12)) & clump
    canvas.green[marrow] = (rng.uniform(0.0, 0.12) * filled)[marrow]
    canvas.safranin[marrow] = (rng.uniform(0, 0.18) * filled)[marrow]
    canvas.cells.marrow(scatter(filled, rng.uniform(5.2, 7.0) * canvas.px, rng, 0.85))
    fat = marrow & (canvas.noise(90) > rng.uniform(1.0, 2.4))
    canvas.cells.fat(scatter(fat, 26 * canvas.px, rng, jitter=0.5))


def _paint_growth_plate(canvas: Canvas, parts: _Parts) -> None:
    rng, plate = canvas.rng, parts.plate
    across: Field = np.clip(parts.depth / np.maximum(parts.thickness, 8), 0, 1)
    # The growth plate stains as strong as articular cartilage or stronger (science.md section 2).
    strength = min(1.6, max(canvas.articular * rng.uniform(0.95, 2.0), 0.25))
    mottle = 1 + 0.10 * canvas.noise(60) + 0.06 * canvas.noise(6)
    fade = mottle - rng.uniform(-0.15, 0.4) * across
    rim = np.clip(across / rng.uniform(0.03, 0.22), 0.25, 1)
    canvas.tissue[plate] = Tissue.GROWTH_PLATE
    canvas.safranin[plate] = np.clip(strength * fade * rim, 0.05, 2)[plate]
    canvas.green[plate] = rng.uniform(0, 0.06)
    canvas.haem[plate] = rng.uniform(0, 0.10)
    _settle_growth_plate(canvas, plate, across)


def _settle_growth_plate(canvas: Canvas, plate: Mask, across: Field) -> None:
    """Resting cells at the joint side, stacked ones, then hypertrophic ones."""
    rng, px, cells = canvas.rng, canvas.px, canvas.cells
    resting, hypertrophic = plate & (across < 0.25), plate & (across > 0.68)
    stacked = plate & ~resting & ~hypertrophic
    cells.draw(scatter(resting, 16 * px, rng, 0.6), RESTING_CHONDROCYTE)
    cells.columns(scatter(stacked, 9 * px, rng, 0.85, 0.4))
    cells.draw(scatter(hypertrophic, 12 * px, rng, 0.8), HYPERTROPHIC_CHONDROCYTE)


def _mark_zones(canvas: Canvas, bone: BoneEnd, epiphysis: Mask) -> None:
    """The bone under each compartment's cartilage belongs to the compartment's zone."""
    surface = facing_edge(bone.tidemark, COLUMNS_UM, lowest=bone.is_femur)
    height = canvas.y - at_pixels(canvas.x, COLUMNS_UM, surface)
    zone = epiphysis & (height * (-1 if bone.is_femur else 1) < ZONE_DEPTH_UM)
    for bed in canvas.knee.beds:
        if bed.compartment.is_femoral == bone.is_femur:
            side = canvas.x < 0 if bed.compartment.is_medial else canvas.x >= 0
            canvas.zones[zone & side] = bed.compartment.code
