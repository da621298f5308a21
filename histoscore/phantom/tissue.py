"""Paints a knee: tissue labels, compartment zones and the amount of each dye in every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.phantom.anatomy import Knee
from histoscore.phantom.bones import paint_bone
from histoscore.phantom.canvas import Canvas
from histoscore.phantom.cartilage import paint_cartilage
from histoscore.phantom.raster import Field, View
from histoscore.phantom.surroundings import paint_menisci, paint_soft_tissue
from histoscore.records import LabelArray
from histoscore.vocabulary import Tissue

MAX_DENSITY = 2.5
"""No dye is denser than this (optical density)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A painted section before it has a colour.

    Attributes:
        dyes: (rows, columns, 3) optical density of Safranin O, Fast Green, haematoxylin.
        tissue: (rows, columns) `Tissue` values, `IGNORE` where no class is right.
        zones: (rows, columns) `Compartment.code` on cartilage and the bone under it, else 0.
        view: how the knee lies in these arrays.
    """

    dyes: Field
    tissue: LabelArray
    zones: LabelArray
    view: View


def paint(knee: Knee, view: View, rng: np.random.Generator) -> Scene:
    """The knee as tissue and dye amounts in a view; what comes later lies on top."""
    canvas = Canvas(knee, view, rng)
    paint_soft_tissue(canvas)
    paint_menisci(canvas)
    for bone in (knee.femur, knee.tibia):
        paint_bone(canvas, bone)
    for bed in knee.beds:
        paint_cartilage(canvas, bed)
    return Scene(_dyes(canvas), canvas.tissue, canvas.zones, view)


def _dyes(canvas: Canvas) -> Field:
    """The three dyes with the cells in them, none on glass; as soft as a section is thick."""
    rng = canvas.rng
    lacunae, nuclei, halos, walls = canvas.cells.fields()
    clear = canvas.clear * (1 - 0.9 * lacunae)
    fine = 1 + 0.05 * canvas.noise(2.0) + 0.05 * canvas.noise(6)
    slow = 1 + 0.06 * canvas.noise(500)
    safranin = canvas.safranin * (1 + rng.uniform(0, 0.6) * halos) * clear
    green = canvas.green * clear + walls * rng.uniform(0.1, 0.3)
    haem = canvas.haem * clear + nuclei * rng.uniform(0.35, 0.9)
    present = canvas.tissue != Tissue.BACKGROUND
    dyes = np.stack([safranin, green, haem], -1) * (fine * slow * present)[..., None]
    soft = cv2.GaussianBlur(dyes, (0, 0), max(0.35, 0.45 * canvas.px))
    return np.asarray(np.clip(soft, 0, MAX_DENSITY))
