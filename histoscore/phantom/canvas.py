"""The arrays of one section while it is painted, from the outside in."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.anatomy import Knee
from histoscore.phantom.cells import Cells
from histoscore.phantom.raster import Field, View, noise, warped
from histoscore.records import Mask
from histoscore.vocabulary import Tissue

FEMUR_SHAFT_Y, TIBIA_SHAFT_Y = -2600.0, 2400.0
"""Knee-frame y (µm) as far as which the shafts are drawn."""


class Canvas:
    """What is known of every pixel so far; all arrays are (rows, columns).

    Attributes:
        knee, view, rng: what is painted, how it lies, the section's random numbers.
        px: pixels a µm.
        tissue, zones: `Tissue` values and `Compartment.code`, bytes.
        safranin, green, haem: optical density of the dyes.
        clear: 1 where there is tissue, towards 0 in tears and gaps.
        cells: the cells drawn so far.
        x, y: knee-frame µm.
        articular: optical density of Safranin in this section's healthy hyaline cartilage.
        femur, tibia: the pixels of the bones, shafts and growth plates included.
    """

    def __init__(self, knee: Knee, view: View, rng: np.random.Generator) -> None:
        self.knee, self.view, self.rng = knee, view, rng
        self.shape, self.px = view.shape, 1 / view.mpp
        self.tissue = np.zeros(self.shape, np.uint8)
        self.zones = np.zeros(self.shape, np.uint8)
        self.safranin = np.zeros(self.shape, np.float32)
        self.green = np.zeros(self.shape, np.float32)
        self.haem = np.zeros(self.shape, np.float32)
        self.clear = np.ones(self.shape, np.float32)
        self.cells = Cells(self.shape, self.px, rng)
        self.x, self.y = view.coordinates()
        self.articular = rng.uniform(0.3, 0.85)
        self.femur = view.fill(knee.femur.outline(FEMUR_SHAFT_Y))
        self.tibia = view.fill(knee.tibia.outline(TIBIA_SHAFT_Y))

    def noise(self, scale_um: float, stretch: tuple[float, float] = (1, 1)) -> Field:
        """Smooth noise of deviation about 1; `stretch` (rows, columns) lengthens its grain."""
        return noise(self.shape, max(1.0, scale_um * self.px), self.rng, stretch)

    def fibres(self, scale_um: float, length: float, upright: bool) -> Field:
        """Wavy fibres `scale_um` wide and `length` times as long, down or across the picture."""
        stretch = (length, 1.0) if upright else (1.0, length)
        return warped(self.noise(scale_um, stretch), self.rng, 12 * self.px, max(8.0, 45 * self.px))

    def begin(self, mask: Mask, tissue: Tissue) -> None:
        """Lays a new tissue over whatever was painted in a mask; dyes stay until painted."""
        self.tissue[mask] = tissue
        self.clear[mask] = 1
        self.cells.erase(mask)

    def wash(self, mask: Mask) -> None:
        """Takes all dye out of a mask."""
        for dye in (self.safranin, self.green, self.haem):
            dye[mask] = 0
