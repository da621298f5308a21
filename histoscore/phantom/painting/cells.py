"""Cells as a section shows them: lacunae, nuclei, stained halos, marrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.phantom.raster import Numbers, Scattered, draw_ellipses, enlarged
from histoscore.records import LabelArray, Mask


@dataclass(frozen=True, slots=True)
class CellKind:
    """How one sort of cell looks.

    Attributes:
        nucleus: radius, µm.
        stretch: length ÷ width of the cell.
        lacuna: half width of the hole in the matrix around it, µm; 0 is none.
        halo: share of the cells with a stained rim of matrix around the hole.
        seen: share of the cells whose nucleus the section met.
    """

    nucleus: float
    stretch: float
    lacuna: float = 0.0
    halo: float = 0.0
    seen: float = 0.82


FIBROBLAST = CellKind(nucleus=1.6, stretch=3.6)
MYONUCLEUS = CellKind(nucleus=1.8, stretch=3.2)
SYNOVIOCYTE = CellKind(nucleus=2.6, stretch=1.4, seen=0.95)
MENISCAL = CellKind(nucleus=2.3, stretch=1.4, lacuna=3.4, halo=0.6)
OSTEOCYTE = CellKind(nucleus=1.8, stretch=2.0, lacuna=2.4)
LINING = CellKind(nucleus=1.7, stretch=2.6)
FLAT_CHONDROCYTE = CellKind(nucleus=1.9, stretch=2.3, lacuna=2.5, halo=0.3)
DEEP_CHONDROCYTE = CellKind(nucleus=2.6, stretch=1.35, lacuna=4.1, halo=0.7)
CALCIFIED_CHONDROCYTE = CellKind(nucleus=2.4, stretch=1.2, lacuna=4.7, halo=0.5, seen=0.6)
RESTING_CHONDROCYTE = CellKind(nucleus=2.3, stretch=1.3, lacuna=3.5, halo=0.4)
STACKED_CHONDROCYTE = CellKind(nucleus=1.9, stretch=2.4, lacuna=2.5, halo=0.25)
HYPERTROPHIC_CHONDROCYTE = CellKind(nucleus=2.4, stretch=1.15, lacuna=5.6, halo=0.2, seen=0.55)
MARROW_CELL = CellKind(nucleus=2.7, stretch=1.25, seen=1.0)
MEGAKARYOCYTE = CellKind(nucleus=6.0, stretch=1.3, lacuna=9.9, seen=1.0)


class Cells:
    """Three layers of bytes on which cells are drawn, finer than the canvas they belong to.

    Args:
        shape: (rows, columns) of the canvas.
        px: the canvas's pixels a µm.
        size: factor on all cells of the section.
        finer: pixels of the layers for each of the canvas's, each way.
    """

    def __init__(
        self, shape: tuple[int, int], px: float, size: float = 1.0, finer: int = 1
    ) -> None:
        self.px, self.size, self.finer = px * finer, size, finer
        fine = (shape[0] * finer, shape[1] * finer)
        self.lacunae, self.nuclei, self.halos = (np.zeros(fine, np.uint8) for _ in "lnh")

    def draw(self, places: Scattered, kind: CellKind, angle: float | Numbers | None = None) -> None:
        """Cells at places (n, 2) of the canvas, long axes about `angle` degrees, or anyhow."""
        luck, n = places.luck, len(places)
        if not n:
            return
        scale = self.size * self.px
        width = kind.lacuna * scale * (0.7 + 0.6 * luck[:, 2])
        stretch = 1 + (kind.stretch - 1) * (0.3 + 1.4 * luck[:, 3])
        turn = 180 * luck[:, 4] if angle is None else angle + 14 * luck[:, 8]
        nucleus = kind.nucleus * scale * (0.75 + 0.5 * luck[:, 5])
        tone = 120 + 135 * luck[:, 6]
        x, y = ((places.points + 0.5) * self.finer - 0.5).T
        haloed, hollow = luck[:, 5] < kind.halo, luck[:, 4] < 0.8
        if kind.halo:
            _stamp(self.halos, haloed, x, y, 1.7 * width * stretch, 1.7 * width, turn, tone)
        if kind.lacuna:
            _stamp(self.lacunae, hollow, x, y, width * stretch, width, turn, 0.5 * tone + 127)
        seen = luck[:, 2] < kind.seen
        x, y = x + 0.22 * luck[:, 9] * width, y + 0.22 * luck[:, 10] * width
        root = np.sqrt(stretch)
        _stamp(self.nuclei, seen, x, y, nucleus * root, nucleus / np.sqrt(root), turn, tone)

    def fat(self, places: Scattered) -> None:
        """Fat cells among marrow: clear and round, whatever lay there pushed aside."""
        x, y = ((places.points + 0.5) * self.finer - 0.5).T
        points = np.column_stack([x, y]).astype(float)
        a, b = ((9 + 8 * places.luck[:, k]) * self.px for k in (2, 3))
        turn, full = 180 * places.luck[:, 4], np.full(len(places), 255.0)
        draw_ellipses(self.lacunae, points, a, b, turn, full)
        for layer in (self.nuclei, self.halos):
            draw_ellipses(layer, points, a, b, turn, 0 * full)

    def erase(self, mask: Mask, place: tuple[slice, slice]) -> None:
        """Removes what was drawn in a mask, which lies at `place` of the canvas."""
        if not mask.any():
            return
        rows, columns = (slice(p.start * self.finer, p.stop * self.finer) for p in place)
        for layer in (self.lacunae, self.nuclei, self.halos):
            part = layer[rows, columns]
            if part.any():
                part[enlarged(mask.view(np.uint8), self.finer) > 0] = 0


def _stamp(
    layer: LabelArray,
    chosen: Mask,
    x: Numbers,
    y: Numbers,
    a: Numbers,
    b: Numbers,
    angle: Numbers,
    tone: Numbers,
) -> None:
    """Draws the chosen ones of n ellipses."""
    points = np.column_stack([x, y])[chosen].astype(float)
    draw_ellipses(layer, points, *(column[chosen] for column in (a, b, angle, tone)))
