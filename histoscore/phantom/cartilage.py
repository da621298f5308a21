"""Paints one compartment's cartilage: the hyaline layer, the tidemark, the calcified layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histoscore.phantom.anatomy import CartilageBed
from histoscore.phantom.canvas import Canvas
from histoscore.phantom.cells import CALCIFIED_CHONDROCYTE, DEEP_CHONDROCYTE, FLAT_CHONDROCYTE
from histoscore.phantom.curves import Profile, soft_step
from histoscore.phantom.raster import draw_line, scatter
from histoscore.records import Mask
from histoscore.vocabulary import Tissue


def paint_cartilage(canvas: Canvas, bed: CartilageBed) -> None:
    """Both layers of a compartment, over bone and soft tissue."""
    hyaline = canvas.view.fill(bed.hyaline_ring())
    calcified = canvas.view.fill(bed.calcified_ring()) & ~hyaline
    both = hyaline | calcified
    canvas.begin(calcified, Tissue.CALCIFIED)
    canvas.begin(hyaline, Tissue.HYALINE)
    canvas.zones[both] = bed.compartment.code
    canvas.haem[both] = canvas.rng.uniform(0, 0.08)
    _paint_hyaline(canvas, bed, hyaline)
    _paint_calcified(canvas, calcified)
    _paint_tidemark(canvas, bed)


def _paint_hyaline(canvas: Canvas, bed: CartilageBed, mask: Mask) -> None:
    rng = canvas.rng
    if not mask.any():
        return
    depth, at = _depth(canvas, bed, mask)
    profile = np.interp(
        depth, [0, 0.1, 0.3, 0.8, 1], [rng.uniform(0.65, 1), 0.95, 1, 1, rng.uniform(0.8, 1.1)]
    )
    lost = soft_step(bed.lesions.stain_depth[at] - depth, 18)
    left = 1 - lost * (1 - bed.lesions.stain_left[at])
    grain = 1 + 0.10 * canvas.noise(16)[mask] + 0.05 * canvas.noise(5)[mask]
    patches = 1 + 0.10 * canvas.noise(140)[mask]
    canvas.safranin[mask] = np.clip(canvas.articular * profile * left * grain * patches, 0, 2)
    green = (1 - left) * rng.uniform(0.06, 0.28) + rng.uniform(0, 0.05)
    canvas.green[mask] = np.clip(green, 0, 1)
    _settle_hyaline(canvas, mask, depth)


def _depth(canvas: Canvas, bed: CartilageBed, mask: Mask) -> tuple[Profile, NDArray[np.intp]]:
    """Of the mask's pixels (n,): depth below the intact surface, and index along the tidemark.

    Depth is 0 at the surface that was there before disease and 1 at the tidemark.
    """
    rows, columns = np.nonzero(mask)
    points = canvas.view.to_knee(np.column_stack([columns, rows]).astype(float))
    height, at = cKDTree(bed.base).query(points)
    return 1 - np.clip(height / np.maximum(bed.intact[at], 6), 0, 1), at


def _settle_hyaline(canvas: Canvas, mask: Mask, depth: Profile) -> None:
    """Flat cells along the surface, round ones in upright rows below."""
    rng, px, angle = canvas.rng, canvas.px, canvas.view.angle
    zone = np.zeros(canvas.shape, np.float32)
    zone[mask] = depth + 0.01
    flat, deep = mask & (zone < 0.2), mask & (zone >= 0.2)
    canvas.cells.draw(scatter(flat, 11 * px, rng, 0.6), FLAT_CHONDROCYTE, angle)
    canvas.cells.draw(scatter(deep, 14 * px, rng, 0.75), DEEP_CHONDROCYTE, angle + 90)


def _paint_calcified(canvas: Canvas, mask: Mask) -> None:
    rng = canvas.rng
    grain = 1 + 0.13 * canvas.noise(14)[mask]
    canvas.safranin[mask] = canvas.articular * rng.uniform(0.45, 1.05) * grain
    canvas.green[mask] = rng.uniform(0.02, 0.16)
    canvas.cells.draw(scatter(mask, 17 * canvas.px, rng, 0.6), CALCIFIED_CHONDROCYTE)


def _paint_tidemark(canvas: Canvas, bed: CartilageBed) -> None:
    """The blue line between the layers, as thin as it is."""
    line = np.zeros(canvas.shape, np.uint8)
    draw_line(line, canvas.view.to_pixels(bed.base), max(1, round(1.2 * canvas.px)))
    tidemark = line.astype(np.float32) / 255 * (canvas.tissue != Tissue.BACKGROUND)
    canvas.haem += tidemark * canvas.rng.uniform(0.03, 0.3)
