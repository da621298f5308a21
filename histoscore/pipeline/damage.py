"""What tiles that could not be read cost: of a section's tissue, and which compartments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histoscore.geometry import Box, Placement
from histoscore.records import Mask, Morphometry
from histoscore.slides.base import Slide
from histoscore.vocabulary import Compartment

UNREADABLE = "unreadable_tiles"
MOST_UNREADABLE = 0.01
"""Share of a section's tissue that may be missing; of more the grade is withheld."""

HOLE_MARGIN_UM = 150.0
"""Cartilage this near a tile that could not be read may have gone on in it."""

HOLED = "a damaged tile lies in its cartilage"


def painted(boxes: Sequence[Box], placement: Placement, shape: tuple[int, ...]) -> Mask:
    """True in the boxes, in an array (rows, columns) of the whole slide."""
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box.slices(placement.downsample)] = True
    return mask


def unreadable_share(slide: Slide, placement: Placement, tissue: Mask, box: Box) -> float:
    """Share (0–1) of a section's tissue in tiles that could not be read, on whatever level.

    Args:
        tissue: (rows, columns) of the whole slide, lying at `placement`. box: of the section.
    """
    where = box.slices(placement.downsample)
    unread = painted(slide.unreadable, placement, tissue.shape)[where]
    return float((unread & tissue[where]).sum() / max(1, int(tissue[where].sum())))


def holed_compartments(slide: Slide, measures: Sequence[Morphometry]) -> set[Compartment]:
    """Compartments whose cartilage a tile that could not be read may hide in part: however small,
    it would be measured as a lesion."""
    margin = round(HOLE_MARGIN_UM / slide.info.mpp)
    holes = [lost.grown(margin) for lost in slide.unreadable]
    return {
        m.compartment for m in measures if any(hole.holds_any(m.surface.tidemark) for hole in holes)
    }


def unreadable_tiles(slide: Slide, placement: Placement, tissue: Mask) -> int:
    """How many tiles with tissue (rows, columns of the whole slide) could not be read."""
    places = (box.slices(placement.downsample) for box in slide.unreadable)
    return sum(bool(tissue[where].any()) for where in places)


def lost_words(tiles: int) -> str:
    """That so many tiles could not be read."""
    return f"{tiles} tile{'s' * (tiles > 1)} with tissue could not be read: the file is damaged"
