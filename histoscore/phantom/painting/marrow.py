"""Paints what bones hold: lamellar bone with osteocytes, marrow, and small bones whole."""

from __future__ import annotations

import cv2
import numpy as np

from histoscore.geometry import Points
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import MARROW_CELL, MEGAKARYOCYTE, OSTEOCYTE
from histoscore.phantom.raster import Field
from histoscore.records import Mask
from histoscore.vocabulary import Tissue


def stain_bone(canvas: Canvas, part: Part, name: str, angle: float) -> None:
    """Lamellae along an angle, osteocytes in them; Fast Green, here and there a little red."""
    lamellae = part.fibres(f"{name} lamellae", 4.5, angle, 0.8)
    patches = part.noise(f"{name} patches", 90)
    depth = canvas.number("bone green", 0.26, 0.56)
    texture = 0.15 * lamellae + 0.13 * patches + 0.10 * part.noise(f"{name} grain", 3.4)
    green = depth * (1 + texture + 0.10 * part.noise(f"{name} mottle", 20))
    pale = canvas.number("bone blush", 0.4, 2.2)
    blush = np.clip(-patches - pale, 0, 1) * 0.05
    part.lay(safranin=blush, green=np.clip(green, 0.02, 2))
    keep = canvas.number("osteocytes", 0.4, 0.8)
    cells = part.scatter(f"{name} osteocytes", part.mask, 17.0, keep)
    canvas.cells.draw(cells, OSTEOCYTE, canvas.view.turned(angle))


def paint_marrow(canvas: Canvas, part: Part | None, name: str) -> None:
    """Blood-forming cells side by side, sinusoids, fat and shrinkage gaps between them."""
    if part is None:
        return
    part.begin(Tissue.MARROW)
    inner = _to_edge(part.mask) * canvas.view.mpp
    gap = np.clip(canvas.number("marrow gap", 0, 6) * (1 + part.noise(f"{name} gap", 60)), 0, 12)
    sinus = part.fibres(f"{name} sinus", 11.0, 90, 0.5) + 0.4 * part.noise(f"{name} sinus", 9)
    vessels = sinus > canvas.number("sinusoids", 1.2, 2.2)
    fatty = part.noise(f"{name} fat", 110) > canvas.number("marrow fat", 0.7, 2.8)
    filled = part.mask & (inner > gap) & ~vessels
    plasm = 1 + 0.35 * part.noise(f"{name} plasm", 7)
    part.lay(
        safranin=canvas.number("marrow red", 0.0, 0.10) * plasm,
        green=canvas.number("marrow green", 0.02, 0.10) * plasm,
        haem=canvas.number("marrow haem", 0.02, 0.10) * plasm,
        where=filled,
    )
    keep = canvas.number("marrow keep", 0.82, 0.97)
    cells = part.scatter(f"{name} cells", filled, canvas.number("marrow pitch", 5.4, 6.6), keep)
    canvas.cells.draw(cells, MARROW_CELL)
    deep = filled & (inner > 12)
    giants = part.scatter(f"{name} giants", deep, 75.0, 0.5)
    canvas.cells.draw(giants, MEGAKARYOCYTE)
    canvas.cells.fat(part.scatter(f"{name} fat", deep & fatty, 27.0, 0.9, 0.5))


def paint_ossicle(canvas: Canvas, ring: Points, name: str) -> None:
    """A small bone whole: a shell around marrow."""
    part = canvas.part(canvas.view.fill(ring, finer=2) & (canvas.tissue > 0))
    if part is None:
        return
    part.begin(Tissue.BONE)
    stain_bone(canvas, part, name, 90)
    inside = canvas.view.fill(_shrunk(ring, canvas.number(f"{name} shell", 16, 45)), finer=2)
    struts = part.noise(f"{name} struts", 45) > -0.9
    paint_marrow(canvas, part.narrowed(inside[part.place] & struts & part.mask), name)


def _shrunk(ring: Points, by: float) -> Points:
    """A ring drawn in towards its middle by about `by` µm."""
    middle = ring.mean(0)
    away = ring - middle
    reach = np.hypot(*away.T)[:, None]
    return np.asarray(middle + away * np.clip(1 - by / np.maximum(reach, 1e-6), 0.05, 1))


def _to_edge(mask: Mask) -> Field:
    """Pixels to the nearest pixel outside; the mask goes on beyond the window's edge."""
    away = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.minimum(away, 1e6), np.float32)  # endless where the mask is everywhere
