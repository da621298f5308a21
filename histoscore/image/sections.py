"""Tissue → sections: the slices on a slide, numbered as one reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.config import SectionSettings
from histoscore.errors import SlideError
from histoscore.geometry import Box, Placement, Um2
from histoscore.records import Mask, Section

MARGIN_UM = 50.0
"""Glass left around a section's tissue."""

TOUCHES_EDGE = "touches_edge"
MANY_SECTIONS = "many_sections"

_ROW_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class _Piece:
    """Tissue that belongs together, in mask pixels; right and bottom are one past the last."""

    left: int
    top: int
    right: int
    bottom: int
    pixels: int
    center_x: float

    @property
    def height(self) -> int:
        return self.bottom - self.top


def find_sections(
    mask: Mask, placement: Placement, slide_size: tuple[int, int], settings: SectionSettings
) -> tuple[Section, ...]:
    """The sections in a tissue mask, in reading order.

    Pieces nearer than `join_gap_um` are one section (a knee is femur, tibia and muscle). Rows are
    formed by overlap of vertical extent and read left to right by centroid. Boxes have a margin
    of `MARGIN_UM` and are clipped to the slide.

    Args:
        mask: (rows, columns) of the overview, on the slide at `placement`.
        slide_size: (width, height) of level 0.
        settings: gap, least area, and how many sections are believed.

    Returns:
        Sections flagged `touches_edge` (tissue reaches the slide's border, some may be missing)
        and `many_sections` (more than `max_sections`: the slide is broken up or dirty).
    """
    labels = _joined(mask, settings.join_gap_um / placement.mpp)
    pieces = [
        piece
        for piece in _pieces(mask, labels)
        if piece.pixels * placement.mpp**2 >= settings.min_area_um2
    ]
    common = (MANY_SECTIONS,) if len(pieces) > settings.max_sections else ()
    return tuple(
        Section(
            number=number,
            box=_box(piece, placement, slide_size),
            area=Um2(piece.pixels * placement.mpp**2),
            flags=common + _edge_flag(piece, placement, slide_size),
        )
        for number, piece in enumerate(_reading_order(pieces), start=1)
    )


def chosen_sections(
    sections: tuple[Section, ...], choice: Literal["all", "first"] | tuple[int, ...]
) -> tuple[Section, ...]:
    """The sections that a row of the study sheet asks for, by number.

    Raises:
        SlideError: a section is named that was not found.
    """
    if choice == "all":
        return sections
    if choice == "first":
        return sections[:1]
    missing = sorted(set(choice) - {section.number for section in sections})
    if missing:
        raise SlideError(
            f"the study sheet asks for section {', '.join(map(str, missing))}, "
            f"but {len(sections)} found; correct the sections column"
        )
    return tuple(section for section in sections if section.number in choice)


def _joined(mask: Mask, gap_px: float) -> NDArray[np.int32]:
    """Labels from 1, equal for pixels that a chain of gaps below `gap_px` connects."""
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    # A border of glass, as wide as half the gap, so that joining may go around the outside.
    border = int(np.ceil(gap_px / 2)) + 1
    glass = np.pad(~mask, border, constant_values=True).astype(np.uint8)
    distance = cv2.distanceTransform(glass, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = (distance <= max(gap_px / 2, 0.5)).astype(np.uint8)
    labels = cv2.connectedComponents(near, connectivity=8)[1]
    inner = labels[border : border + mask.shape[0], border : border + mask.shape[1]]
    return np.where(mask, inner, 0).astype(np.int32)


def _pieces(mask: Mask, labels: NDArray[np.int32]) -> list[_Piece]:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return []
    groups = labels[rows, columns]
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return [_piece(rows[members], columns[members]) for members in np.split(order, starts)]


def _piece(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> _Piece:
    return _Piece(
        left=int(columns.min()),
        top=int(rows.min()),
        right=int(columns.max()) + 1,
        bottom=int(rows.max()) + 1,
        pixels=len(rows),
        center_x=float(columns.mean()),
    )


def _reading_order(pieces: list[_Piece]) -> list[_Piece]:
    """Row by row: a piece joins the row whose first member it overlaps by half of the lower one."""
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.top, piece.left)):
        row = next((row for row in rows if _side_by_side(row[0], piece)), None)
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    return [piece for row in rows for piece in sorted(row, key=lambda piece: piece.center_x)]


def _side_by_side(one: _Piece, other: _Piece) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    return overlap >= _ROW_OVERLAP * min(one.height, other.height)


def _box(piece: _Piece, placement: Placement, slide_size: tuple[int, int]) -> Box:
    scale = placement.downsample
    margin = MARGIN_UM / placement.mpp * scale
    left, top = placement.x + piece.left * scale - margin, placement.y + piece.top * scale - margin
    right = placement.x + piece.right * scale + margin
    bottom = placement.y + piece.bottom * scale + margin
    x, y = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    width = min(slide_size[0], int(np.ceil(right))) - x
    height = min(slide_size[1], int(np.ceil(bottom))) - y
    return Box(x, y, max(1, width), max(1, height))


def _edge_flag(piece: _Piece, placement: Placement, slide_size: tuple[int, int]) -> tuple[str, ...]:
    scale = placement.downsample
    left, top = placement.x + piece.left * scale, placement.y + piece.top * scale
    right, bottom = placement.x + piece.right * scale, placement.y + piece.bottom * scale
    inside = (
        left > 0.5 * scale
        and top > 0.5 * scale
        and right < slide_size[0] - 0.5 * scale
        and bottom < slide_size[1] - 0.5 * scale
    )
    return () if inside else (TOUCHES_EDGE,)
