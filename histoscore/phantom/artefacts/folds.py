"""Folds: narrow strips in which the section lies double."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Points
from histoscore.phantom.artefacts.layers import Layer, Pixels, box_around, filled
from histoscore.phantom.artefacts.shapes import Profile, cloud, rough, smoothstep, turned, wander
from histoscore.vocabulary import IGNORE, Tissue

_STEP_UM = 2.0
"""Between the points of a fold line."""
_CREASE_UM, _EDGE_UM = 5.0, 2.5
_CREASE, _EDGE = 0.6, 0.35
"""Where the sheet bends it stands on edge, and is so much denser: broad at the crease, fine where
it bends back."""
_PALE_UM = 3.0
"""Beyond the far edge the sheet does not lie flat, and is paler."""
_AROUND_PX = 2.0
"""An outline is so much wider than its ring: a filled ring reaches beyond its border."""
_LANES = 32
"""Places across a strip at which its density is drawn."""
_BATCH = 200_000
"""Pixels worked on at a time."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold before it is laid: a bent strip about a straight base line, all in µm.

    Attributes:
        start: picture point (µm) where the base line begins.
        along: unit vector (x, y) of the base line.
        crease: (n,) how far the crease runs from the base line, at every `_STEP_UM`.
        width: (n,) of the strip, from its crease on.
        thick: (n, m) how much denser than one layer the upper ones are, along and across.
    """

    start: Points
    along: Points
    crease: Profile
    width: Profile
    thick: NDArray[np.float64]

    @property
    def across(self) -> Points:
        return np.array([-self.along[1], self.along[0]])

    @property
    def length_um(self) -> float:
        return (len(self.crease) - 1) * _STEP_UM

    @property
    def width_um(self) -> float:
        return float(self.width.max())

    def ring(self, mpp: float) -> Points:
        """Its border in picture px: along the crease and back along the far edge."""
        s = np.arange(len(self.crease)) * _STEP_UM
        slant = np.sqrt(1 + np.gradient(self.crease, _STEP_UM) ** 2)
        far = self.crease + (self.width + _PALE_UM) * slant
        edges = [np.column_stack([s, v]) for v in (self.crease - 1, far)]
        local = np.vstack([edges[0], edges[1][::-1]])
        return np.asarray((self.start + local @ np.array([self.along, self.across])) / mpp)

    def outline(self, mpp: float) -> BaseGeometry:
        """Everything that it changes, in picture px."""
        return Polygon(self.ring(mpp)).buffer(_AROUND_PX)


def bent_fold(middle: Points, rng: np.random.Generator) -> Fold:
    """A bent fold of 300–2500 µm through a point (µm), uneven in width, running out at its ends."""
    length = 300 * (2500 / 300) ** rng.uniform(0, 1)
    n = round(length / _STEP_UM) + 1
    t = np.linspace(0, 1, n)
    angle = rng.uniform(0, 2 * np.pi)
    along = turned(np.array([1.0, 0.0]), angle)
    bow = rng.uniform(-0.16, 0.16) * length * (4 * t * (1 - t) - 0.66)
    crease = bow + min(0.02 * length, 14) * wander(n, 170, rng)
    taper = smoothstep(np.minimum(t, 1 - t) * length / rng.uniform(60, 160))
    width = rng.uniform(15, 60) * taper * np.clip(0.8 + 0.2 * rough(n, 60, rng), 0.3, 1.0)
    shape = (n, _LANES)
    thick = rng.uniform(0.9, 1.25) + 0.16 * cloud(shape, (160, 4), rng)
    thick += 0.12 * cloud(shape, (90, 1.2), rng) + 0.05 * cloud(shape, (6, 4), rng)
    start = middle - along * length / 2
    return Fold(start, along, crease, width, np.maximum(thick, 0.4))


def lay(fold: Fold, dyes: Pixels, tissue: Layer, mpp: float) -> None:
    """Adds the tissue beside the crease, mirrored, to the strip, in place; labels become unsure.

    What lies under the strip shows through it: densities add up.
    """
    ring = fold.ring(mpp)
    box = box_around(ring, 2, tissue.shape)
    if box is None:
        return
    within = np.argwhere(filled(box, ring))[:, ::-1] + (box.x, box.y)
    for pixels in np.array_split(within, len(within) // _BATCH + 1):
        _lay(fold, dyes, tissue, pixels, mpp)


def _lay(fold: Fold, dyes: Pixels, tissue: Layer, pixels: NDArray[np.intp], mpp: float) -> None:
    place = _placed(fold, np.asarray((pixels + 0.5) * mpp))
    columns, rows = pixels.T
    above = _read(dyes, place.mirrored / mpp)
    own, share = _shares(fold, place)
    dense = dyes[rows, columns] * own[:, None] + above * share[:, None]
    dyes[rows, columns] = np.clip(np.rint(dense), 0, 255).astype(np.uint8)
    double = (place.depth >= 0) & (place.depth <= place.width)
    double &= (tissue[rows, columns] != Tissue.BACKGROUND) | (above.sum(axis=1) > 0)
    tissue[rows[double], columns[double]] = IGNORE


@dataclass(frozen=True, slots=True)
class _Place:
    """Where points (n,) lie in a fold, µm.

    Attributes:
        step: index along the fold, a fraction; outside of it its ends.
        depth: distance from the crease, negative before it.
        width: of the strip there.
        mirrored: (n, 2) the points mirrored at the crease.
    """

    step: Profile
    depth: Profile
    width: Profile
    mirrored: Points


def _placed(fold: Fold, points: Points) -> _Place:
    s, v = ((points - fold.start) @ np.column_stack([fold.along, fold.across])).T
    n = len(fold.crease)
    step = np.clip(s / _STEP_UM, 0, n - 1)
    index = np.arange(n)
    slope = np.interp(step, index, np.gradient(fold.crease, _STEP_UM))
    length = np.sqrt(1 + slope**2)
    depth = (v - np.interp(step, index, fold.crease)) / length
    normal = (fold.across - slope[:, None] * fold.along) / length[:, None]
    mirrored = points - 2 * depth[:, None] * normal
    return _Place(step, depth, np.interp(step, index, fold.width), mirrored)


def _shares(fold: Fold, place: _Place) -> tuple[Profile, Profile]:
    """How much of the layer below and of those above each point shows."""
    part = np.clip(place.depth / np.maximum(place.width, 1e-6), 0, 1)
    bins = fold.thick.shape[1] - 1
    double = (place.depth >= 0) & (place.depth <= place.width)
    crease = 1 + _CREASE * np.clip(1 - place.depth / _CREASE_UM, 0, 1) ** 2
    crease += _EDGE * np.clip(1 - (place.width - place.depth) / _EDGE_UM, 0, 1)
    above = fold.thick[np.rint(place.step).astype(int), np.rint(part * bins).astype(int)]
    beyond = (place.depth - place.width) / _PALE_UM
    pale = 1 - 0.3 * np.clip(1 - beyond, 0, 1) * (beyond > 0) * (place.width > _PALE_UM)
    return np.where(double, crease, pale), np.where(double, above * crease, 0.0)


def _read(dyes: Pixels, points: Points) -> NDArray[np.float64]:
    """Dyes (n, 3) at points (x, y) in px, none beyond the section's array."""
    columns, rows = np.floor(points).astype(np.intp).T
    inside = (rows >= 0) & (rows < dyes.shape[0]) & (columns >= 0) & (columns < dyes.shape[1])
    found = np.zeros((len(points), 3))
    found[inside] = dyes[rows[inside], columns[inside]]
    return found
