"""What happens to a section between the knife and the glass: folds, tears, missing pieces."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Points
from histoscore.phantom.artefacts import cuts, folds
from histoscore.phantom.artefacts.cuts import Cut
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind, ArtefactRates
from histoscore.phantom.artefacts.layers import Layer, Pixels, outline_in, traced
from histoscore.records import LabelArray, Mask
from histoscore.vocabulary import Tissue

_TRIES = 16
"""Places tried before a section gets away unharmed."""
_OVERVIEW_UM = 16.0
_BAY_UM = 250.0
"""Narrower bays (the joint space) do not belong to a section's rim."""
_ON_TISSUE = 0.6


def damage(
    dyes: NDArray[np.uint8],
    tissue: LabelArray,
    mpp: float,
    rates: ArtefactRates,
    rng: np.random.Generator,
    keep: Points | None = None,
) -> tuple[Artefact, ...]:
    """Damages one section in place.

    No cut parts a piece of tissue in two. Where no place is found that does no more harm than
    asked, the section stays whole.

    Args:
        dyes: (rows, columns, 3) optical density of the dyes in steps of 0.01.
        tissue: (rows, columns) `Tissue` values; background where tissue is lost, `IGNORE` where
            it lies double.
        mpp: µm per pixel.
        rates: how often what comes.
        rng: the section's random numbers.
        keep: points (x, y) in px, pixel corners at whole numbers, that nothing may cover.
    """
    streams = [np.random.default_rng(s) for s in rng.integers(2**63, size=3)]
    section = _Section(dyes, tissue, mpp, keep)
    kinds: tuple[tuple[float, Callable[[np.random.Generator], Artefact | None]], ...] = (
        (rates.missing, section.lose_piece),
        (rates.tear, section.tear),
        (rates.fold, section.fold),
    )
    found = [
        spoil(stream)
        for stream, (rate, spoil) in zip(streams, kinds, strict=True)
        if stream.random() < rate
    ]
    return tuple(artefact for artefact in found if artefact is not None)


class _Section:
    """A section's arrays while they are damaged."""

    def __init__(self, dyes: Pixels, tissue: Layer, mpp: float, keep: Points | None) -> None:
        self._dyes, self._tissue, self._mpp = dyes, tissue, mpp
        self._keep = np.empty((0, 2)) if keep is None else keep
        self._step = max(1, round(_OVERVIEW_UM / mpp))

    def fold(self, rng: np.random.Generator) -> Artefact | None:
        """One fold, most of it on tissue."""
        for place in self._places(self._overview(), rng):
            fold = folds.bent_fold(place * self._mpp, rng)
            outline = fold.outline(self._mpp)
            if self._spares(outline) and self._share(fold.ring(self._mpp)) >= _ON_TISSUE:
                folds.lay(fold, self._dyes, self._tissue, self._mpp)
                facts = {"length_um": fold.length_um, "width_um": fold.width_um}
                return self._artefact(ArtefactKind.FOLD, outline, facts)
        return None

    def tear(self, rng: np.random.Generator) -> Artefact | None:
        """One crack with its branches."""
        for place in self._places(self._overview(), rng):
            cut = cuts.tear(place, self._mpp, self._tissue.shape, rng)
            artefact = cut and self._cut(ArtefactKind.TEAR, cut)
            if artefact:
                return artefact
        return None

    def lose_piece(self, rng: np.random.Generator) -> Artefact | None:
        """A bite out of the rim, or a hole of 100–500 µm."""
        overview = self._overview()
        at_rim = rng.random() < 0.65
        most = 0.35 * float(np.sqrt(overview.sum())) * self._step * self._mpp
        low, high = (150.0, 600.0) if at_rim else (100.0, 500.0)
        across = low * max(1.0, min(high, most) / low) ** rng.uniform(0, 1)
        where = _rim(overview, self._step * self._mpp) if at_rim else overview
        for place in self._places(where, rng):
            cut = cuts.piece(place, across, self._mpp, self._tissue.shape, rng)
            artefact = cut and self._cut(ArtefactKind.MISSING, cut)
            if artefact:
                return artefact
        return None

    def _cut(self, kind: ArtefactKind, cut: Cut) -> Artefact | None:
        """Makes the cut, unless it parts the tissue, covers what is kept, or misses the tissue."""
        cut = cuts.without_shreds(cut, self._tissue, self._mpp)
        outline = traced(cuts.changed_by(cut, self._mpp), cut.box)
        lost = (cut.gone > 127) & (self._tissue[cut.box.slices()] != Tissue.BACKGROUND)
        if not lost.any() or not self._spares(outline):
            return None
        if cuts.parts_tissue(cut, self._tissue, self._mpp):
            return None
        cuts.take_away(cut, self._dyes, self._tissue, self._mpp)
        facts = {"area_um2": float(lost.sum()) * self._mpp**2}
        if kind is ArtefactKind.TEAR:
            facts |= {"length_um": cut.length_um, "width_um": cut.width_um}
        return self._artefact(kind, outline, facts)

    def _artefact(
        self, kind: ArtefactKind, outline: BaseGeometry, facts: dict[str, float]
    ) -> Artefact:
        return Artefact(kind, outline_in(outline, self._tissue.shape), facts)

    def _overview(self) -> Mask:
        return np.asarray(self._tissue[:: self._step, :: self._step] != Tissue.BACKGROUND)

    def _places(self, mask: Mask, rng: np.random.Generator) -> Points:
        """Up to `_TRIES` points (x, y) in px in a mask of the overview's shape."""
        found = np.argwhere(mask)[:, ::-1]
        if not len(found):
            return np.empty((0, 2))
        chosen = found[rng.integers(len(found), size=_TRIES)]
        return np.asarray((chosen + rng.uniform(0, 1, (_TRIES, 2))) * self._step)

    def _spares(self, outline: BaseGeometry) -> bool:
        return not shapely.contains_xy(outline, *self._keep.T).any()

    def _share(self, points: Points) -> float:
        """Of points in px, the share that lies on tissue."""
        columns, rows = np.floor(points).astype(int).T
        inside = (rows >= 0) & (columns >= 0)
        inside &= (rows < self._tissue.shape[0]) & (columns < self._tissue.shape[1])
        labels = self._tissue[rows[inside], columns[inside]]
        return float((labels != Tissue.BACKGROUND).sum() / len(points))


def _rim(overview: Mask, px_um: float) -> Mask:
    """Tissue along the outer border of the section, the joint space not counting as outside."""
    side = 2 * max(1, round(_BAY_UM / 2 / px_um)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = np.pad(overview, side).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = np.zeros_like(closed)
    cv2.drawContours(rim, contours, -1, 1, 3)
    return np.asarray((rim[side:-side, side:-side] > 0) & overview)
