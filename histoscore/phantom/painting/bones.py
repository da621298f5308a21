"""Paints femur and tibia: plates and trabeculae, marrow, the growth plate, compartment zones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.phantom.curves import facing_edge
from histoscore.phantom.knee.anatomy import BoneEnd, Osteophyte
from histoscore.phantom.knee.soft_parts import COLUMNS_UM
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import (
    HYPERTROPHIC_CHONDROCYTE,
    MENISCAL,
    RESTING_CHONDROCYTE,
    STACKED_CHONDROCYTE,
)
from histoscore.phantom.painting.marrow import paint_marrow, stain_bone
from histoscore.phantom.raster import Field, Relief, at_pixels
from histoscore.records import Mask
from histoscore.vocabulary import IGNORE, Tissue

ZONE_DEPTH_UM = 260.0
"""How far into the bone a compartment's zone reaches."""


@dataclass(frozen=True, slots=True)
class _Regions:
    """A bone's pixels in a part: the growth `plate`, what lies `beyond` it, the `epiphysis`.

    `depth` is the distance into the growth plate from its joint side, `thickness` the plate's,
    `past` the distance beyond it, all µm along y.
    """

    plate: Mask
    beyond: Mask
    epiphysis: Mask
    depth: Field
    thickness: Field
    past: Field


def paint_bone(canvas: Canvas, bone: BoneEnd, inside: Mask, deep: Relief) -> None:
    """One bone over whatever was painted where it lies.

    Args:
        inside: the bone's pixels. deep: µm from its surface.
    """
    part = canvas.part(inside)
    if part is None:
        return
    name = "femur" if bone.is_femur else "tibia"
    regions = _regions(part, bone, name)
    part.begin(Tissue.BONE)
    np.copyto(canvas.zones[part.place], 0, where=part.mask)
    rough = 0.12 * part.noise(f"{name} trabecular edge", 7) + 0.1 * part.noise(f"{name} rough", 18)
    into = deep.at(part.view)
    epiphysis, beyond = part.narrowed(regions.epiphysis), part.narrowed(regions.beyond)
    marrow = np.zeros(part.shape, bool)
    if epiphysis is not None:
        here = epiphysis.within(part)
        stain_bone(canvas, epiphysis, f"{name} epiphysis", 0)
        spaces = _epiphyseal(epiphysis, bone, rough[here], into[here], name)
        marrow[here] |= spaces & (regions.depth[here] < -14)
    if beyond is not None:
        here = beyond.within(part)
        past = regions.past[here]
        stain_bone(canvas, beyond, f"{name} shaft", 90)
        hollow = _metaphyseal(beyond, past, rough[here], into[here], name)
        marrow[here] |= hollow
        _paint_cores(beyond, past, hollow, name)
    paint_marrow(canvas, part.narrowed(marrow), name)
    _paint_growth_plate(canvas, part.narrowed(regions.plate), part, regions, name)
    _mark_zones(canvas, part, bone, regions.epiphysis)


def _regions(part: Part, bone: BoneEnd, name: str) -> _Regions:
    near = at_pixels(part.x, bone.plate_x, bone.plate_near)
    far = at_pixels(part.x, bone.plate_x, bone.plate_far)
    depth, past = bone.away * (part.y - near), bone.away * (part.y - far)
    into, beyond = depth, past
    if depth.max() > -80 and past.min() < 80:  # elsewhere the edges' grain changes nothing
        ragged = part.canvas.number(f"{name} ragged", 5, 13)
        into = depth + 2.5 * part.noise(f"{name} near", 20)
        beyond = past + ragged * part.noise(f"{name} far", 14)
        beyond += 2.5 * part.noise(f"{name} far edge", 5)
    shaft = part.mask & (beyond > 0)
    plate = part.mask & (into > 0) & ~shaft
    thickness = bone.away * (far - near)
    return _Regions(plate, shaft, part.mask & ~plate & ~shaft, depth, thickness, past)


def _epiphyseal(part: Part, bone: BoneEnd, rough: Field, into: Field, name: str) -> Mask:
    """Wide marrow spaces, none near a surface: less still where the bone is sclerotic."""
    number = part.canvas.number
    wide = part.lasting(f"{name} wide", number("spaces", 80, 150)) + rough
    plate = number("subchondral", 40, 105) * _sclerotic(part, bone)
    shell = plate + 8 * part.noise(f"{name} plate", 60)
    spaces = wide > number("epiphysis bone", -0.75, 0.25)
    return np.asarray(part.mask & spaces & (into > shell))


def _metaphyseal(part: Part, past: Field, rough: Field, into: Field, name: str) -> Mask:
    """Slits between the trabeculae at the growth plate, one hollow in the shaft."""
    number, t = part.canvas.number, part.canvas.knee.traits
    # Trabeculae thin out: at the end of the metaphysis only marrow is left.
    fade = past * (1 / number(f"{name} metaphysis", 450, 1100))
    narrow = part.lasting(f"{name} narrow", number("slits", 30, 46), (2.6, 1.0)) + rough
    slits = narrow > number("metaphysis bone", -0.3, 0.3) - 2.2 * fade * fade
    shell = t.cortex * np.clip(0.35 + fade, 0.3, 1) + 8 * part.noise(f"{name} cortex", 60)
    return np.asarray(part.mask & slits & (into > shell) & (past > 4))


def _sclerotic(part: Part, bone: BoneEnd) -> Field:
    """Factor on the subchondral plate over the two compartments of a bone."""
    factor = np.ones(part.shape, np.float32)
    for bed in part.canvas.knee.beds:
        if bed.compartment.is_femoral == bone.is_femur:
            side = part.x < 0 if bed.compartment.is_medial else part.x >= 0
            factor[side] += 1.6 * bed.disease.sclerosis
    return factor


def _paint_cores(part: Part, past: Field, hollow: Mask, name: str) -> None:
    """Trabeculae below a growth plate keep cores of calcified cartilage: no class is right."""
    canvas = part.canvas
    reach = canvas.number(f"{name} cores", 120, 480)
    streaks = part.noise(f"{name} cores", 13, (3.5, 1))
    rare = canvas.number(f"{name} core share", 0.6, 1.6) + 1.4 * past / reach
    core = part.mask & ~hollow & (streaks > rare)
    red = canvas.number(f"{name} core red", 0.15, 0.6) * canvas.articular
    part.lay(IGNORE, red * (1 + 0.2 * streaks), 0.12, where=core)


def _paint_growth_plate(
    canvas: Canvas, part: Part | None, whole: Part, regions: _Regions, name: str
) -> None:
    if part is None:
        return
    number = canvas.number
    here = part.within(whole)
    across = regions.depth[here] / np.maximum(regions.thickness[here], 8)
    across = np.clip(across, 0, 1)
    part.begin(Tissue.GROWTH_PLATE)
    # The growth plate stains as strong as articular cartilage or stronger (science.md section 2).
    strength = min(1.6, max(canvas.articular * number("plate red", 1.0, 1.9), 0.25))
    septa = part.noise(f"{name} septa", 7, (5, 1))
    mottle = 1 + 0.10 * part.noise(f"{name} mottle", 60) + 0.12 * septa + 0.04 * part.noise("m", 4)
    fade = mottle - number("plate fade", -0.15, 0.35) * across
    rim = np.clip(across * (1 / number("plate rim", 0.03, 0.22)), 0.25, 1)
    part.lay(
        safranin=np.clip(strength * fade * rim, 0.05, 2),
        green=number("plate green", 0, 0.05),
        haem=number("plate haem", 0, 0.08),
    )
    resting, hypertrophic = part.mask & (across < 0.22), part.mask & (across > 0.66)
    stacked = part.mask & ~resting & ~hypertrophic
    draw, view = canvas.cells.draw, canvas.view
    draw(part.scatter(f"{name} resting", resting, 15.0, 0.65), RESTING_CHONDROCYTE)
    coins = part.scatter(f"{name} stacked", stacked, (13.0, 5.2), 0.9, 0.35)
    draw(coins, STACKED_CHONDROCYTE, view.turned(0))
    draw(
        part.scatter(f"{name} large", hypertrophic, (13.0, 11.0), 0.9, 0.5),
        HYPERTROPHIC_CHONDROCYTE,
    )


def _mark_zones(canvas: Canvas, part: Part, bone: BoneEnd, epiphysis: Mask) -> None:
    """The bone under each compartment's cartilage belongs to the compartment's zone."""
    surface = facing_edge(bone.tidemark, COLUMNS_UM, lowest=bone.is_femur)
    height = part.y - at_pixels(part.x, COLUMNS_UM, surface)
    zone = epiphysis & (height * bone.away < ZONE_DEPTH_UM)
    for bed in canvas.knee.beds:
        if bed.compartment.is_femoral == bone.is_femur:
            side = part.x < 0 if bed.compartment.is_medial else part.x >= 0
            canvas.zones[part.place][zone & side] = bed.compartment.code


def paint_osteophyte(canvas: Canvas, growth: Osteophyte, number: int, outline: Mask) -> None:
    """An outgrowth: a cap of cartilage that is not articular, bone within."""
    name = f"osteophyte {number}"
    part = canvas.part(canvas.view.fill(growth.cap, finer=2) & outline)
    if part is None:
        return
    part.begin(Tissue.BONE)
    red = canvas.articular * canvas.number(f"{name} red", 0.6, 1.2)
    patches = np.clip(0.8 + 0.35 * part.noise(f"{name} patches", 40), 0.1, 1.4)
    part.lay(Tissue.OTHER_CARTILAGE, red * patches, 0.06)
    canvas.cells.draw(part.scatter(f"{name} cells", part.mask, 13.0, 0.75), MENISCAL)
    core = canvas.part(canvas.view.fill(growth.bone, finer=2) & outline)
    if core is not None:
        core.begin(Tissue.BONE)
        stain_bone(canvas, core, name, 45)
        spaces = core.mask & (core.noise(f"{name} spaces", 34) > 0.5)
        paint_marrow(canvas, core.narrowed(spaces), name)
