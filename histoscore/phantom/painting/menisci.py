"""Paints the menisci: fibrocartilage that Safranin stains, with an ossicle in some."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.knee.anatomy import Meniscus
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import FIBROBLAST, MENISCAL
from histoscore.phantom.painting.marrow import paint_ossicle
from histoscore.phantom.raster import step_up
from histoscore.records import Mask
from histoscore.vocabulary import Tissue


def paint_meniscus(canvas: Canvas, meniscus: Meniscus, free: Mask) -> None:
    """One meniscus, on pixels that no bone will take."""
    part = canvas.part(canvas.view.fill(meniscus.ring, finer=2) & free)
    if part is None:
        return
    name = f"meniscus {'medial' if meniscus.tip[0] < 0 else 'lateral'}"
    part.begin(Tissue.MENISCUS)
    _stain(canvas, part, meniscus, name)
    if meniscus.ossicle is not None:
        paint_ossicle(canvas, meniscus.ossicle, f"{name} ossicle")


def _stain(canvas: Canvas, part: Part, meniscus: Meniscus, name: str) -> None:
    inward = part.x * (-np.sign(meniscus.tip[0]))
    depth = (inward + abs(float(meniscus.tip[0]))) * (-1 / 340)
    edge = canvas.number(f"{name} stained", -0.9, 0.5)
    stained = step_up(depth + 0.35 * part.noise(f"{name} patches", 70) - edge, 3)
    stained *= 1 - 0.75 * meniscus.damage
    angle = canvas.number(f"{name} angle", -15, 15)
    fibres = part.fibres(f"{name} fibres", 3.2, angle)
    bundles = part.fibres(f"{name} bundles", 13.0, angle)
    split = step_up(bundles + (2.3 - 1.1 * meniscus.damage), 6)
    red = canvas.articular * canvas.number(f"{name} red", 0.35, 1.15)
    green = canvas.number(f"{name} green", 0.16, 0.42) * (1 - 0.85 * stained)
    part.lay(
        safranin=np.clip(red * stained * (1 + 0.13 * fibres), 0, 2) * split,
        green=np.clip(green * (1 + 0.25 * fibres), 0, 2) * split,
    )
    round_cells = part.scatter(f"{name} cells", part.mask & (stained > 0.35), 15.0, 0.8)
    canvas.cells.draw(round_cells, MENISCAL, canvas.view.turned(angle))
    flat = part.scatter(f"{name} flat", part.mask & (stained <= 0.35), (17.0, 9.0), 0.6)
    canvas.cells.draw(flat, FIBROBLAST, canvas.view.turned(angle))
