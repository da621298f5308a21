"""Paints what lies around the bones: fat and loose tissue, muscle, capsule, ligaments, synovium."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.knee.anatomy import Band
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import FIBROBLAST, LINING, MYONUCLEUS, SYNOVIOCYTE
from histoscore.phantom.raster import Relief, step_up
from histoscore.records import Mask
from histoscore.vocabulary import Tissue

_LINING_UM = 16.0


def paint_loose_tissue(canvas: Canvas, outline: Mask) -> None:
    """Fat and loose connective tissue wherever nothing else will lie."""
    part = canvas.part(outline)
    if part is None:
        return
    part.begin(Tissue.SOFT)
    share = part.noise("fatty", 260) + 0.4 * part.noise("fatty edge", 40)
    fatty = step_up(share + canvas.number("fat", -0.6, 1.4), 1.5)
    away = part.walls("fat cells", canvas.number("fat cell", 34, 52))
    wall = 1 - step_up(away - 1.0, 1.6)
    strands = part.fibres("strands", 5.0, canvas.number("strands", 60, 120))
    loose = np.clip(0.35 + 0.5 * strands + 0.3 * part.noise("loose", 30), 0, 1.2)
    depth = canvas.number("loose green", 0.12, 0.30)
    fat = wall * canvas.number("fat green", 0.10, 0.24)
    green = fatty * fat + (1 - fatty) * loose * depth
    blush = np.clip(-share - 1.3, 0, 1) * canvas.number("blush", 0.02, 0.2)
    part.lay(safranin=blush * np.minimum(green * 5, 1), green=green)
    open_loose = part.mask & (fatty < 0.5) & (green > 0.05)
    cells = part.scatter("fibroblasts", open_loose, 15.0, canvas.number("fibroblasts", 0.35, 0.8))
    canvas.cells.draw(cells, FIBROBLAST, canvas.view.turned(90))
    rim = part.mask & (fatty >= 0.5) & (wall > 0.5)
    canvas.cells.draw(part.scatter("fat nuclei", rim, 9.0, 0.16), FIBROBLAST)


def carve_cavity(canvas: Canvas, cavity: Mask, off: Relief) -> None:
    """Empties the joint's cavity and lines it with synovium.

    Args:
        cavity: pixels of the cavity.
        off: distance to the cavity, µm.
    """
    thickness = canvas.number("synovium", 10, 34)
    part = canvas.near(off, 60, (canvas.tissue == Tissue.SOFT) & ~cavity)
    if part is not None:
        near = off.at(part.view)
        depth = thickness * (1 + 0.6 * part.noise("synovium", 50))
        lined = part.mask & (near < depth)
        part.lay(green=0.16 + 0.05 * part.noise("lining", 6), safranin=0.0, clear=1.0, where=lined)
        canvas.cells.draw(part.scatter("synoviocytes", lined, 7.5, 0.85), SYNOVIOCYTE)
    part = canvas.part(cavity)
    if part is not None:
        part.begin(Tissue.BACKGROUND)


def open_notch(canvas: Canvas, notch: Mask) -> None:
    """Between the condyles much is torn or empty."""
    part = canvas.part(notch & (canvas.tissue == Tissue.SOFT))
    if part is None:
        return
    patchy = part.fibres("notch", 26.0, 90, 1.5) + 0.6 * part.noise("notch", 70)
    empty = part.mask & (patchy > canvas.number("notch", -0.2, 1.2))
    part.lay(Tissue.BACKGROUND, 0.0, 0.0, 0.0, 1.0, where=empty)
    canvas.cells.erase(empty, part.place)


def paint_band(canvas: Canvas, band: Band, number: int, mask: Mask) -> None:
    """A muscle belly, a ligament or a piece of capsule, on a mask."""
    part = canvas.part(mask)
    if part is None:
        return
    part.begin(Tissue.SOFT)
    paint = {"muscle": _paint_muscle}.get(band.kind, _paint_fibrous)
    paint(canvas, part, band, f"{band.kind} {number}")


def _paint_muscle(canvas: Canvas, part: Part, band: Band, name: str) -> None:
    """Fibres 25–50 µm thick with pale gaps, cut along or across, nuclei at their borders."""
    green = canvas.number("muscle green", 0.34, 0.62)
    thick = canvas.number(f"{name} thick", 24, 44)
    across = canvas.number(f"{name} cut", 0, 1) < 0.3
    if across:
        away = part.walls(f"{name} fibres", thick, canvas.number(f"{name} oblique", 1.0, 2.2))
        split = step_up(away - canvas.number(f"{name} gap", 0.4, 1.4), 1.8)
        body = 1 + 0.12 * part.noise(f"{name} grain", 3.4)
    else:
        lines = part.fibres(f"{name} fibres", thick / 3, band.angle, 2.5)
        split = step_up(lines + canvas.number(f"{name} gap", 1.0, 1.9), 4)
        body = 1 + 0.10 * lines + 0.12 * part.fibres(f"{name} fibrils", 2.2, band.angle, 2.0)
    fascicle = part.fibres(f"{name} fascicles", 62, band.angle, 1.6)
    split = split * step_up(fascicle + 1.9, 6)
    patches = 1 + 0.10 * part.noise(f"{name} patches", 120)
    part.lay(green=green * body * patches * split, safranin=0.012, clear=0.12 + 0.88 * split)
    nuclei = part.scatter(
        f"{name} nuclei",
        part.mask & (split < 0.9) & (split > 0.1),
        (26.0, 8.0),
        0.4,
        0.9,
        band.angle,
    )
    canvas.cells.draw(nuclei, MYONUCLEUS, canvas.view.turned(band.angle))


def _paint_fibrous(canvas: Canvas, part: Part, band: Band, name: str) -> None:
    """Dense wavy collagen with flat cells between the fibres."""
    green = canvas.number(f"{name} green", 0.28, 0.6)
    fibres = part.fibres(f"{name} fibres", 3.2, band.angle, 1.4)
    bundles = part.fibres(f"{name} bundles", 14.0, band.angle, 1.6)
    split = step_up(bundles + canvas.number(f"{name} gap", 1.2, 2.2), 5)
    body = np.clip(1 + 0.22 * fibres + 0.12 * bundles, 0.2, 2) * split
    # Insertions and scars hold some Safranin.
    blush = np.clip(part.noise(f"{name} blush", 90) - canvas.number(f"{name} pale", 0.3, 1.8), 0, 1)
    part.lay(green=green * body, safranin=blush * canvas.number(f"{name} red", 0.05, 0.35) * split)
    keep = canvas.number(f"{name} cells", 0.35, 0.85)
    cells = part.scatter(f"{name} cells", part.mask, (19.0, 7.0), keep, 0.9, band.angle)
    canvas.cells.draw(cells, FIBROBLAST, canvas.view.turned(band.angle))


def paint_perichondrium(canvas: Canvas, free: Mask, off: Relief) -> None:
    """A thin fibrous sheath around the bones where soft tissue meets them."""
    part = canvas.near(off, 18, free & (canvas.tissue == Tissue.SOFT))
    if part is None:
        return
    part.lay(green=0.30 + 0.06 * part.noise("sheath", 5), clear=1.0)
    canvas.cells.draw(part.scatter("sheath", part.mask, 9.0, 0.5), LINING)
