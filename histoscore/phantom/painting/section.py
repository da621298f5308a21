"""Paints a knee: tissue labels, compartment zones and the amount of each dye in every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.phantom.grain import noise
from histoscore.phantom.knee.anatomy import BoneEnd, Knee
from histoscore.phantom.painting.bones import paint_bone, paint_osteophyte
from histoscore.phantom.painting.canvas import Canvas
from histoscore.phantom.painting.cartilage import LaidBed, paint_cartilage
from histoscore.phantom.painting.marrow import paint_ossicle
from histoscore.phantom.painting.menisci import paint_meniscus
from histoscore.phantom.painting.surroundings import (
    carve_cavity,
    open_notch,
    paint_band,
    paint_loose_tissue,
    paint_perichondrium,
)
from histoscore.phantom.raster import Field, Relief, View, blocks, enlarged, thinned
from histoscore.phantom.staining import DYE_STEP
from histoscore.records import LabelArray, Mask
from histoscore.vocabulary import Tissue

BLOCK_PX = 768
"""Side of the windows that are painted one after the other: what a processor's cache holds."""

TEXTURE_UM = 1.1
"""Textures are painted in pixels up to this large and enlarged by a whole number; cells and the
labels of cartilage are drawn in the picture's own pixels."""

_HALO_UM = 20.0
_RELIEF_UM = 8.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A painted section before it has a colour.

    Attributes:
        dyes: (rows, columns, 3) Safranin O, Fast Green, haematoxylin: optical density in steps
            of `DYE_STEP`, bytes.
        tissue: (rows, columns) `Tissue` values, `IGNORE` where no class is right.
        zones: (rows, columns) `Compartment.code` on cartilage and the bone under it, else 0.
        view: how the knee lies in these arrays.
    """

    dyes: LabelArray
    tissue: LabelArray
    zones: LabelArray
    view: View


def paint(knee: Knee, view: View) -> Scene:
    """The knee as tissue and dye amounts in a view, one window after the other."""
    scene = Scene(
        np.zeros((*view.shape, 3), np.uint8),
        np.zeros(view.shape, np.uint8),
        np.zeros(view.shape, np.uint8),
        view,
    )
    finer = max(1, int(TEXTURE_UM / view.mpp))
    coarse = view.coarser(finer)
    plan = _Plan.of(knee, coarse)
    halo = int(np.ceil(_HALO_UM / coarse.mpp)) + 3
    for rows, columns in blocks(coarse, BLOCK_PX):
        around = tuple(
            slice(max(0, part.start - halo), min(size, part.stop + halo))
            for part, size in zip((rows, columns), coarse.shape, strict=True)
        )
        canvas = _painted(knee, coarse.window(*around), plan, finer)
        if canvas is not None:
            target, source = _places((rows, columns), around, finer, view.shape)
            scene.dyes[target] = _dyes(canvas)[source]
            scene.tissue[target] = enlarged(canvas.tissue, finer)[source]
            scene.zones[target] = enlarged(canvas.zones, finer)[source]
            if finer > 1:
                _sharpen_cartilage(scene, knee, canvas, target, source)
    return scene


def _places(
    block: tuple[slice, slice], around: tuple[slice, ...], finer: int, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """A block in the picture's pixels, and the same place in the enlarged window around it."""
    target, source = [], []
    for part, whole, size in zip(block, around, shape, strict=True):
        first, last = part.start * finer, min(part.stop * finer, size)
        target.append(slice(first, last))
        source.append(slice(first - whole.start * finer, last - whole.start * finer))
    return (target[0], target[1]), (source[0], source[1])


def _sharpen_cartilage(
    scene: Scene,
    knee: Knee,
    canvas: Canvas,
    target: tuple[slice, slice],
    source: tuple[slice, slice],
) -> None:
    """Labels of cartilage in the picture's own pixels, over what lies beneath it."""
    view = scene.view.window(*target)
    tissue, zones = scene.tissue[target], scene.zones[target]
    coarse = (tissue == Tissue.HYALINE) | (tissue == Tissue.CALCIFIED)
    if not coarse.any():
        return
    for labels, beneath in ((tissue, canvas.beneath), (zones, canvas.zones_beneath)):
        np.copyto(labels, enlarged(beneath, canvas.finer)[source], where=coarse)
    for bed in knee.beds:
        for ring, kind in (
            (bed.calcified_ring(), Tissue.CALCIFIED),
            (bed.hyaline_ring(), Tissue.HYALINE),
        ):
            mask = view.fill(ring, finer=2)
            tissue[mask] = kind
            zones[mask] = bed.compartment.code


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is worked out once for a whole frame, coarsely: distances (µm) and laid beds."""

    into_femur: Relief
    into_tibia: Relief
    off_bone: Relief
    off_cavity: Relief
    beds: tuple[LaidBed, ...]

    @classmethod
    def of(cls, knee: Knee, view: View) -> _Plan:
        step = max(1, round(_RELIEF_UM / view.mpp))
        coarse = thinned(view, step)
        femur, tibia = (coarse.fill(b.outline(), finer=1) for b in (knee.femur, knee.tibia))
        cavity = np.any([coarse.fill(ring, finer=1) for ring in knee.soft.cavities], axis=0)

        def distance(mask: Mask) -> Relief:
            return Relief(_distance(mask) * coarse.mpp, step)

        own = knee.at.own
        return cls(
            distance(femur),
            distance(tibia),
            distance(~(femur | tibia)),
            distance(~cavity),
            tuple(
                LaidBed.of(bed, view, own.of("cells", bed.compartment.value)) for bed in knee.beds
            ),
        )


def _distance(mask: Mask) -> np.ndarray:
    """Pixels to the nearest pixel outside of a mask, which goes on beyond the array's edge."""
    return np.asarray(
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), float
    )


def _painted(knee: Knee, view: View, plan: _Plan, finer: int) -> Canvas | None:
    """A window of the section, painted from the outside in; None where there is only glass."""
    outline = view.fill(knee.soft.outline, finer=1)
    if not outline.any():
        return None
    canvas = Canvas(knee, view, finer)
    femur, tibia = (view.fill(b.outline(), finer=1) & outline for b in (knee.femur, knee.tibia))
    _paint_soft_parts(canvas, outline & ~femur & ~tibia, plan)
    _paint_hard_parts(canvas, outline, femur, tibia, plan)
    for labels in (canvas.tissue, canvas.beneath, canvas.zones, canvas.zones_beneath):
        labels[~outline] = Tissue.BACKGROUND
    canvas.cells.erase(~outline, (slice(0, view.shape[0]), slice(0, view.shape[1])))
    return canvas


def _paint_soft_parts(canvas: Canvas, free: Mask, plan: _Plan) -> None:
    """All that is no bone: loose tissue, muscle, cavity, capsule and ligaments, menisci."""
    if not free.any():
        return
    soft, view = canvas.knee.soft, canvas.view
    bellies = [(n, band) for n, band in enumerate(soft.bands) if band.kind == "muscle"]
    muscles = [(n, band, view.fill(band.ring, finer=1) & free) for n, band in bellies]
    covered = np.any([mask for *_, mask in muscles], axis=0)
    paint_loose_tissue(canvas, free & ~covered)
    for number, band, mask in muscles:
        paint_band(canvas, band, number, mask)
    cavity = np.any([view.fill(ring, finer=1) for ring in soft.cavities], axis=0) & free
    carve_cavity(canvas, cavity, plan.off_cavity)
    open_notch(canvas, view.fill(soft.notch, finer=1) & free)
    for number, band in enumerate(soft.bands):
        if band.kind != "muscle":
            paint_band(canvas, band, number, view.fill(band.ring, finer=1) & free)
    for meniscus in soft.menisci:
        paint_meniscus(canvas, meniscus, free)
    for ossicle in soft.ossicles:
        if ossicle.cap is not None:
            _paint_cap(canvas, view.fill(ossicle.cap, finer=1) & free, ossicle.name)
        paint_ossicle(canvas, ossicle.ring, ossicle.name)
    paint_perichondrium(canvas, free, plan.off_bone)


def _paint_hard_parts(canvas: Canvas, outline: Mask, femur: Mask, tibia: Mask, plan: _Plan) -> None:
    """Osteophytes, the bones they grow from, and the cartilage last."""
    knee = canvas.knee
    for number, growth in enumerate(knee.soft.osteophytes):
        paint_osteophyte(canvas, growth, number, outline)
    parts: tuple[tuple[BoneEnd, Mask, Relief], ...] = (
        (knee.femur, femur, plan.into_femur),
        (knee.tibia, tibia, plan.into_tibia),
    )
    for bone, inside, deep in parts:
        paint_bone(canvas, bone, inside, deep)
    canvas.beneath[:], canvas.zones_beneath[:] = canvas.tissue, canvas.zones
    for laid in plan.beds:
        paint_cartilage(canvas, laid)


def _paint_cap(canvas: Canvas, mask: Mask, name: str) -> None:
    """Cartilage of a small bone, which is of no compartment."""
    part = canvas.part(mask)
    if part is None:
        return
    part.begin(Tissue.SOFT)
    red = np.float32(canvas.articular * canvas.number(f"{name} cap", 0.5, 1.1))
    part.lay(Tissue.OTHER_CARTILAGE, red * (1 + 0.12 * part.noise(f"{name} cap", 13)), 0.03)


def _dyes(canvas: Canvas) -> LabelArray:
    """The three dyes with the cells in them, none on glass; as soft as a section is thick.

    In the picture's own pixels, in whole numbers: levels of `DYE_STEP`.
    """
    number, own, cells = canvas.number, canvas.knee.at.own, canvas.cells
    present = canvas.clear * (canvas.tissue > 0) / DYE_STEP
    present *= 1 + 0.06 * noise(canvas.view, 5, own.salt("grain"))
    uptake = 1 + 0.06 * noise(canvas.view, 800, own.salt("uptake"))
    # Fast Green goes where Safranin does not: one is strong where the other is weak.
    matrix = [
        _levels(canvas.safranin * present * uptake),
        _levels(canvas.green * present * (2 - uptake)),
        _levels(canvas.haem * present),
    ]
    size = cells.nuclei.shape[::-1]
    red, green, haem = (cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in matrix)
    hole = 255 - _scaled(cells.lacunae, 0.93)
    halo = _scaled(cells.halos, number("halo", 0, 0.6) / 2)
    red = cv2.add(red, cv2.multiply(red, halo, scale=2 / 255))
    dyes = [cv2.multiply(dye, hole, scale=1 / 255) for dye in (red, green, haem)]
    dyes[1] = cv2.add(dyes[1], _scaled(cells.nuclei, number("plasm green", 0.04, 0.2) / 2.55))
    dyes[2] = cv2.add(dyes[2], _scaled(cells.nuclei, number("chromatin", 0.35, 0.8) / 2.55))
    grain = _grain(canvas)
    dyes = [cv2.multiply(dye, grain, scale=1 / 128) for dye in dyes]
    return np.asarray(cv2.GaussianBlur(cv2.merge(dyes), (0, 0), max(0.35, 0.45 * cells.px)))


def _levels(amount: Field) -> LabelArray:
    return np.asarray(np.clip(amount + 0.5, 0, 250).astype(np.uint8))


def _scaled(layer: LabelArray, by: float) -> LabelArray:
    """A layer of bytes times a factor below 1, by a table."""
    return np.asarray(cv2.LUT(layer, np.rint(np.arange(256) * by).astype(np.uint8)))


def _grain(canvas: Canvas) -> LabelArray:
    """The finest unevenness of stain as a factor: 128 is 1."""
    rows, columns = canvas.cells.nuclei.shape
    view = canvas.view
    fine = View(
        (rows, columns),
        view.mpp / canvas.finer,
        corner=(view.corner[0] * canvas.finer, view.corner[1] * canvas.finer),
    )
    field = 0.13 * noise(fine, 2.2, canvas.knee.at.own.salt("fine"))
    return np.asarray(np.clip(field * 128 + 128.5, 0, 255), np.uint8)
