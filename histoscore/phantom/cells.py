"""Cells as a section shows them: lacunae, nuclei, stained halos, fat and marrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Points
from histoscore.phantom.curves import Profile
from histoscore.phantom.raster import Field, draw_ellipses
from histoscore.records import LabelArray, Mask


@dataclass(frozen=True, slots=True)
class CellKind:
    """How one sort of cell looks.

    Attributes:
        nucleus: radius, µm.
        stretch: length ÷ width of the cell.
        lacuna: half width of the hole in the matrix around it, µm; 0 is none.
        halo: share of the cells with a stained rim of matrix around the hole.
    """

    nucleus: float
    stretch: float
    lacuna: float = 0.0
    halo: float = 0.0


FIBROBLAST = CellKind(nucleus=1.7, stretch=2.6)
MENISCAL = CellKind(nucleus=1.9, stretch=1.4, lacuna=3.0, halo=0.6)
OSTEOCYTE = CellKind(nucleus=1.6, stretch=1.9, lacuna=2.1)
FLAT_CHONDROCYTE = CellKind(nucleus=1.7, stretch=2.3, lacuna=2.2, halo=0.3)
DEEP_CHONDROCYTE = CellKind(nucleus=2.0, stretch=1.4, lacuna=3.6, halo=0.7)
CALCIFIED_CHONDROCYTE = CellKind(nucleus=2.0, stretch=1.2, lacuna=4.4, halo=0.5)
RESTING_CHONDROCYTE = CellKind(nucleus=2.0, stretch=1.3, lacuna=3.2, halo=0.4)
STACKED_CHONDROCYTE = CellKind(nucleus=1.7, stretch=2.2, lacuna=2.4, halo=0.25)
HYPERTROPHIC_CHONDROCYTE = CellKind(nucleus=2.0, stretch=1.2, lacuna=5.0, halo=0.2)


class Cells:
    """Four layers (rows, columns; 0–255) on which cells are drawn; points are picture (x, y).

    Args:
        shape: (rows, columns).
        px: pixels a µm.
        rng: the section's random numbers.
    """

    def __init__(self, shape: tuple[int, int], px: float, rng: np.random.Generator) -> None:
        self.px, self.rng = px, rng
        self.size = rng.uniform(0.85, 1.2)
        self.lacunae = np.zeros(shape, np.uint8)
        self.nuclei = np.zeros(shape, np.uint8)
        self.halos = np.zeros(shape, np.uint8)
        self.walls = np.zeros(shape, np.uint8)

    def draw(self, points: Points, kind: CellKind, angle: float | None = None) -> None:
        """Cells at points (n, 2), their long axes about `angle` degrees, or anyhow."""
        rng, n = self.rng, len(points)
        if not n:
            return
        width = kind.lacuna * self.size * self.px * rng.uniform(0.7, 1.3, n)
        stretch = 1 + (kind.stretch - 1) * rng.uniform(0.3, 1.7, n)
        turn = rng.uniform(0, 180, n) if angle is None else angle + rng.normal(0, 15, n)
        nucleus = kind.nucleus * self.px * rng.uniform(0.7, 1.25, n)
        x, y = points.T
        haloed, hollow, seen = rng.random(n) < kind.halo, rng.random(n) < 0.75, rng.random(n) < 0.82
        tone = rng.integers(110, 256, (3, n))
        _stamp(self.halos, haloed, x, y, width * stretch * 1.7, width * 1.7, turn, tone[0])
        if kind.lacuna:
            _stamp(self.lacunae, hollow, x, y, width * stretch, width, turn, tone[1])
        x, y = x + rng.normal(0, 0.2, n) * width, y + rng.normal(0, 0.2, n) * width
        _stamp(self.nuclei, seen, x, y, nucleus * np.sqrt(stretch), nucleus, turn, tone[2])

    def columns(self, points: Points) -> None:
        """Flat growth-plate chondrocytes, stacked like coins."""
        self.draw(points, STACKED_CHONDROCYTE, angle=0.0)

    def marrow(self, points: Points) -> None:
        """Blood-forming cells: nuclei side by side."""
        rng, n = self.rng, len(points)
        a, b = (rng.uniform(1.7, 3.3, n) * self.px for _ in range(2))
        tone = rng.integers(90, 256, n)
        draw_ellipses(self.nuclei, zip(*points.T, a, b, rng.uniform(0, 180, n), tone, strict=True))

    def fat(self, points: Points) -> None:
        """Fat cells: clear, with a thin wall."""
        rng, n = self.rng, len(points)
        a, b = (rng.uniform(8, 14, n) * self.px for _ in range(2))
        angle, full = rng.uniform(0, 180, n), np.full(n, 255)
        wall = 1.2 * self.px
        draw_ellipses(self.walls, zip(*points.T, a + wall, b + wall, angle, full, strict=True))
        draw_ellipses(self.walls, zip(*points.T, a, b, angle, np.zeros(n), strict=True))
        draw_ellipses(self.nuclei, zip(*points.T, a, b, angle, np.zeros(n), strict=True))
        draw_ellipses(self.lacunae, zip(*points.T, a, b, angle, full, strict=True))

    def erase(self, mask: Mask) -> None:
        """Removes what was drawn where another tissue now lies."""
        for layer in (self.lacunae, self.nuclei, self.halos, self.walls):
            layer[mask] = 0

    def fields(self) -> tuple[Field, Field, Field, Field]:
        """Lacunae, nuclei, halos and walls, 0–1."""
        lacunae, nuclei, halos, walls = (
            layer.astype(np.float32) / np.float32(255)
            for layer in (self.lacunae, self.nuclei, self.halos, self.walls)
        )
        return lacunae, nuclei, halos, walls


def _stamp(layer: LabelArray, chosen: Mask, *ellipses: Profile) -> None:
    """Draws the chosen ones of n ellipses, given as columns for `draw_ellipses`."""
    draw_ellipses(layer, zip(*(column[chosen] for column in ellipses), strict=True))
