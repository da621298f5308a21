"""The arrays of one window of a section while it is painted, from the outside in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoscore.phantom import grain
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.painting.cells import Cells
from histoscore.phantom.raster import Field, Relief, Scattered, View, scatter
from histoscore.records import LabelArray, Mask
from histoscore.vocabulary import Tissue

Amount = NDArray[np.floating[Any]] | float
"""A dye in every pixel of a part, or the same everywhere."""


class Canvas:
    """What is known of every pixel of a window so far; all arrays are (rows, columns).

    Textures and cells come from named streams of the section: a window shows what the whole
    section would show there.

    Attributes:
        knee, view: what is painted, how it lies.
        px: pixels a µm.
        tissue, zones: `Tissue` values and `Compartment.code`, bytes.
        beneath, zones_beneath: both as they were before the articular cartilage.
        safranin, green, haem: optical density of the dyes.
        clear: 1 where there is tissue, towards 0 in tears and gaps.
        finer: cells are drawn in this many pixels for each of the canvas's.
        cells: the cells drawn so far.
        x, y: knee-frame µm.
        articular: optical density of Safranin in this section's healthy hyaline cartilage.
    """

    def __init__(self, knee: Knee, view: View, finer: int = 1) -> None:
        self.knee, self.view, self.finer = knee, view, finer
        self.shape, self.px = view.shape, 1 / view.mpp
        self.tissue: LabelArray = np.zeros(self.shape, np.uint8)
        self.beneath: LabelArray = np.zeros(self.shape, np.uint8)
        self.zones_beneath: LabelArray = np.zeros(self.shape, np.uint8)
        self.zones: LabelArray = np.zeros(self.shape, np.uint8)
        self.safranin, self.green, self.haem = (np.zeros(self.shape, np.float32) for _ in "sgh")
        self.clear: Field = np.ones(self.shape, np.float32)
        self.cells = Cells(self.shape, self.px, knee.at.between("cell size", 0.85, 1.2), finer)
        self.x, self.y = view.coordinates()
        self.articular = self.number("articular", 0.32, 0.85)

    def part(self, mask: Mask) -> Part | None:
        """The smallest rectangle around a mask; None where the mask is empty."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        high, wide = (slice(int(line[0]), int(line[-1]) + 1) for line in (rows, columns))
        return Part(self, (high, wide), mask)

    def near(self, off: Relief, reach_um: float, among: Mask) -> Part | None:
        """The part of `among` that lies nearer than `reach_um` by a relief of distances."""
        if not off.reaches(self.view, reach_um):
            return None
        around = self.part(among)
        if around is None:
            return None
        close = np.zeros(self.shape, bool)
        close[around.place] = around.mask & (off.at(around.view) < reach_um)
        return self.part(close)

    def number(self, name: str, low: float, high: float) -> float:
        """A number of this knee, a little different in every section."""
        return self.knee.at.between(f"paint {name}", low, high)


class Part:
    """A rectangle of a canvas in which one tissue is laid; arrays are views of the canvas's.

    Attributes:
        mask: the tissue's pixels in the rectangle.
    """

    def __init__(self, canvas: Canvas, place: tuple[slice, slice], mask: Mask) -> None:
        self.canvas, self.place = canvas, place
        self.mask: Mask = mask[place]
        self.view = canvas.view.window(*place)
        self.x, self.y = canvas.x[place], canvas.y[place]
        self.shape = self.view.shape

    def narrowed(self, mask: Mask) -> Part | None:
        """The smallest part around a mask of this one's rectangle; None where it is empty."""
        whole = np.zeros(self.canvas.shape, bool)
        whole[self.place] = mask
        return self.canvas.part(whole)

    def within(self, other: Part) -> tuple[slice, slice]:
        """Where this part lies in a larger one of the same canvas."""
        rows, columns = (
            slice(mine.start - whole.start, mine.stop - whole.start)
            for mine, whole in zip(self.place, other.place, strict=True)
        )
        return rows, columns

    def noise(self, name: str, scale_um: float, stretch: tuple[float, float] = (1, 1)) -> Field:
        """Smooth noise of deviation about 1; `stretch` (rows, columns) lengthens its grain."""
        return grain.noise(self.view, scale_um, self._salt(name), stretch)

    def lasting(self, name: str, scale_um: float, stretch: tuple[float, float] = (1, 1)) -> Field:
        """Noise that neighbouring sections of the animal share."""
        at = self.canvas.knee.at
        phase = 2 * np.pi * at.depth_um / 700
        both = [
            grain.noise(self.view, scale_um, at.animal.salt("field", name, wave), stretch)
            for wave in (0, 1)
        ]
        return np.asarray(np.float32(np.cos(phase)) * both[0] + np.float32(np.sin(phase)) * both[1])

    def fibres(self, name: str, width_um: float, angle: float, length: float = 1.0) -> Field:
        """Wavy fibres along `angle` degrees from the knee's x."""
        return grain.fibres(self.view, width_um, self._salt(name), angle, length)

    def walls(self, name: str, cell_um: float, stretch: float = 1.0) -> Field:
        """µm from the walls between close-packed cells."""
        return grain.walls(self.view, cell_um, self._salt(name), stretch)

    def scatter(
        self,
        name: str,
        mask: Mask,
        spacing_um: float | tuple[float, float],
        keep: float = 1.0,
        jitter: float = 0.9,
        angle: float = 0.0,
    ) -> Scattered:
        """Places in a mask of the rectangle, as points of the canvas."""
        places = scatter(self.view, mask, spacing_um, self._salt(name), keep, jitter, angle)
        corner = (self.place[1].start, self.place[0].start)
        return Scattered(places.points + corner, places.luck)

    def lay(
        self,
        tissue: int | None = None,
        safranin: Amount | None = None,
        green: Amount | None = None,
        haem: Amount | None = None,
        clear: Amount | None = None,
        where: Mask | None = None,
    ) -> None:
        """Writes what is given over what lay there, in the mask (or `where`, a part of it)."""
        mask = self.mask if where is None else where
        canvas = self.canvas
        layers = (
            (canvas.tissue, tissue),
            (canvas.safranin, safranin),
            (canvas.green, green),
            (canvas.haem, haem),
            (canvas.clear, clear),
        )
        for layer, value in layers:
            if value is not None:
                np.copyto(layer[self.place], value, where=mask, casting="unsafe")

    def begin(self, tissue: Tissue) -> None:
        """A new tissue over whatever was painted here: no dye yet, no cells, nothing torn."""
        self.lay(tissue, 0.0, 0.0, 0.0, 1.0)
        self.canvas.cells.erase(self.mask, self.place)

    def _salt(self, name: str) -> int:
        return self.canvas.knee.at.own.salt("texture", name)
