"""Paints one compartment's cartilage: the hyaline layer, the tidemark, the calcified layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from histoscore.geometry import Points
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import CartilageBed
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import (
    CALCIFIED_CHONDROCYTE,
    DEEP_CHONDROCYTE,
    FLAT_CHONDROCYTE,
    CellKind,
)
from histoscore.phantom.raster import Field, Relief, Scattered, View, draw_line, thinned
from histoscore.vocabulary import Tissue

_STEP_UM = 4.0
_REACH_UM = 120.0


@dataclass(frozen=True, slots=True)
class LaidBed:
    """A bed as it lies in a frame: where along it and how high above its tidemark pixels are.

    Attributes:
        bed: the cartilage.
        along: point of the tidemark nearest to a pixel. height: µm above it, below negative.
        flat, deep, calcified: cells by zone, knee-frame points (n, 2); turn: degrees of the
            tidemark at each from the knee's x; luck: of each (n, 12).
    """

    bed: CartilageBed
    along: Relief
    height: Relief
    cells: tuple[tuple[CellKind, Points, Profile, Field], ...]

    @classmethod
    def of(cls, bed: CartilageBed, frame: View, own: np.random.Generator) -> LaidBed:
        """Lays a bed into a whole frame."""
        step = max(1, round(_STEP_UM / frame.mpp))
        coarse = thinned(frame, step)
        reach = np.vstack(
            [bed.at_height(np.full(len(bed.base), h)) for h in (-_REACH_UM, _REACH_UM)]
        )
        place = coarse.bounds(reach, margin=2)
        if place is None or min(p.stop - p.start for p in place) < 2:
            place = (slice(0, 2), slice(0, 2))
        rows, columns = place
        y, x = np.mgrid[place].astype(float)
        points = coarse.to_knee(np.column_stack([x.ravel(), y.ravel()]))
        at = cKDTree(bed.base).query(points)[1]
        height = ((points - bed.base[at]) * bed.outward[at]).sum(1)
        corner = (columns.start * step, rows.start * step)
        reliefs = [Relief(v.reshape(x.shape).astype(float), step, corner) for v in (at, height)]
        return cls(bed, reliefs[0], reliefs[1], _settled(bed, own))


def paint_cartilage(canvas: Canvas, laid: LaidBed) -> None:
    """Both layers of a compartment, over bone and soft tissue."""
    bed, name = laid.bed, laid.bed.compartment.value
    hyaline = canvas.view.fill(bed.hyaline_ring())
    calcified = canvas.view.fill(bed.calcified_ring()) & ~hyaline
    for mask, tissue, stain in (
        (calcified, Tissue.CALCIFIED, _stain_calcified),
        (hyaline, Tissue.HYALINE, _stain_hyaline),
    ):
        part = canvas.part(mask)
        if part is not None:
            part.begin(tissue)
            np.copyto(canvas.zones[part.place], bed.compartment.code, where=part.mask)
            stain(canvas, part, laid, name)
    if hyaline.any() or calcified.any():
        _draw_cells(canvas, laid)
        _draw_tidemark(canvas, bed)


def _stain_hyaline(canvas: Canvas, part: Part, laid: LaidBed, name: str) -> None:
    """Safranin by depth, less where disease took it; the matrix between cells is uneven."""
    bed, number = laid.bed, canvas.number
    at = np.clip(np.rint(laid.along.at(part.view)), 0, len(bed.base) - 1).astype(np.int32)
    thickness = np.maximum(bed.intact, 6).astype(np.float32)[at]
    depth = 1 - np.clip(laid.height.at(part.view) / thickness, 0, 1)
    surface, bottom = number(f"{name} surface", 0.55, 0.95), number(f"{name} deep", 0.8, 1.1)
    profile = _by_depth(depth, (0.0, 0.12, 0.35, 0.8, 1.0), (surface, 0.9, 1.0, 1.0, bottom))
    rugged = depth + 0.05 * part.noise(f"{name} front", 14)
    front = bed.lesions.stain_depth.astype(np.float32)[at]
    lost = np.clip((front - rugged) * 5 + 0.5, 0, 1)
    kept = 1 - lost * (1 - bed.lesions.stain_left.astype(np.float32)[at])
    grain = 1 + 0.09 * part.noise(f"{name} grain", 13) + 0.10 * part.noise(f"{name} fine", 4)
    patches = 1 + 0.09 * part.noise(f"{name} patches", 120)
    # Where Safranin is lost, Fast Green shows.
    green = (1 - kept) * number(f"{name} green", 0.08, 0.28) * grain
    part.lay(
        safranin=np.clip(canvas.articular * profile * kept * grain * patches, 0, 2),
        green=green + number(f"{name} pale green", 0, 0.05),
        haem=number(f"{name} haem", 0, 0.06),
    )


def _by_depth(depth: Field, places: tuple[float, ...], values: tuple[float, ...]) -> Field:
    """Values between given depths (0–1), by a table of 1024 steps."""
    table = np.interp(np.linspace(0, 1, 1025), places, values).astype(np.float32)
    return np.asarray(np.take(table, (depth * 1024).astype(np.int32)))


def _stain_calcified(canvas: Canvas, part: Part, laid: LaidBed, name: str) -> None:
    number = canvas.number
    grain = 1 + 0.12 * part.noise(f"{name} lime", 14) + 0.09 * part.noise(f"{name} lime fine", 4)
    red = canvas.articular * number("calcified red", 0.45, 1.05)
    part.lay(
        safranin=red * grain,
        green=number("calcified green", 0.02, 0.15),
        haem=number("calcified haem", 0.0, 0.10) * grain,
    )


def _settled(
    bed: CartilageBed, rng: np.random.Generator
) -> tuple[tuple[CellKind, Points, Profile, Field], ...]:
    """Flat cells along the surface, round ones in upright rows below, large ones in the lime."""
    n = len(bed.base)
    turn = np.degrees(np.arctan2(bed.outward[:, 1], bed.outward[:, 0]))
    loss = rng.uniform(0.0, 0.12) + 0.05 * bed.disease.grade
    left = bed.hyaline
    groups = []
    for kind, spacing, upright, low, high, share in (
        (FLAT_CHONDROCYTE, (12.0, 7.0), 0.0, bed.intact * 0.80, bed.intact - 2.5, 0.8),
        (DEEP_CHONDROCYTE, (12.5, 10.0), 90.0, np.full(n, 4.0), bed.intact * 0.80, 0.85),
        (CALCIFIED_CHONDROCYTE, (17.0, 14.0), 0.0, -bed.calcified + 3, np.full(n, -4.0), 0.75),
    ):
        s, h, luck = _rows(n, spacing, rng)
        fits = (h > low[s]) & (h < high[s]) & (h < np.maximum(left[s] - 2.0, 0) + 400 * (h < 0))
        fits &= luck[:, 7] < share - loss * (h > 0)
        s, h, luck = s[fits], h[fits], luck[fits]
        points = bed.base[s] + bed.outward[s] * h[:, None]
        groups.append((kind, points, turn[s] + 90.0 - upright, luck))
    return tuple(groups)


def _rows(
    n: int, spacing: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, Profile, Field]:
    """A staggered lattice in (along, height): index along, height µm, luck."""
    i, j = np.meshgrid(np.arange(0, n, spacing[0]), np.arange(-150, 150, spacing[1]))
    count = i.size
    luck = np.column_stack([rng.random((count, 8)), rng.normal(size=(count, 4))]).astype(np.float32)
    column = np.repeat(rng.uniform(-0.3, 0.3, i.shape[1])[None], len(i), 0).ravel() * spacing[0]
    s = i.ravel() + 0.5 * spacing[0] * (np.arange(len(j)) % 2).repeat(i.shape[1]) + column
    s += (luck[:, 0] - 0.5) * 0.5 * spacing[0]
    h = j.ravel() + (luck[:, 1] - 0.5) * 0.8 * spacing[1]
    return np.clip(s, 0, n - 1).astype(int), h, luck


def _draw_cells(canvas: Canvas, laid: LaidBed) -> None:
    for kind, points, turn, luck in laid.cells:
        pixels = canvas.view.to_pixels(points)
        near = ((pixels > -20) & (pixels < np.array(canvas.shape[::-1]) + 20)).all(1)
        angle = np.array([canvas.view.turned(a) for a in turn[near]])
        canvas.cells.draw(Scattered(pixels[near], luck[near]), kind, angle)


def _draw_tidemark(canvas: Canvas, bed: CartilageBed) -> None:
    """The blue line between the layers, as thin as it is."""
    line = np.zeros(canvas.shape, np.uint8)
    draw_line(line, canvas.view.to_pixels(bed.base), max(1, round(1.2 * canvas.px)))
    tidemark = line.astype(np.float32) * (1 / 255) * (canvas.tissue > 0)
    amount = canvas.number("tidemark", 0.03, 0.3) * min(1.0, 1.2 * canvas.px)
    canvas.haem += tidemark * amount
