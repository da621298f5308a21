"""A section's picture with its cartilage outlined and its grades beside the compartments."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from histoscore.export import lettering
from histoscore.export.callouts import Callout, Rectangle, place_callouts
from histoscore.export.outlines import mask_outline
from histoscore.files import write_atomic
from histoscore.geojson import Rgb
from histoscore.geometry import Box, Mpp, Placement, Points
from histoscore.records import (
    CompartmentResult,
    LabelMap,
    Mask,
    RgbImage,
    Surface,
)
from histoscore.vocabulary import Compartment, Tissue, format_rung

MIN_WIDTH, MAX_WIDTH = 1600, 2400
"""Width of the picture in pixels: sharp at 15–20 cm in print."""

SURFACE_COLOR: Rgb = (0, 90, 160)
ERODED_COLOR: Rgb = (214, 0, 70)

_WHITE, _AMBER = (255, 255, 255), (150, 70, 0)
_SUBPIXEL_BITS = 4
_NOWHERE = (0.0, 0.0)
_DRAWN_TISSUES = (Tissue.CALCIFIED, Tissue.HYALINE)
_LEGEND = (
    (Tissue.HYALINE.title, Tissue.HYALINE.color, 5),
    (Tissue.CALCIFIED.title, Tissue.CALCIFIED.color, 5),
    ("articular surface", SURFACE_COLOR, 5),
    ("eroded to calcified cartilage", ERODED_COLOR, 10),
)
"""What a line means, its colour, and its width in the legend."""


@dataclass(frozen=True, slots=True)
class _Canvas:
    """The picture being drawn on; `unit` is a line width's measure (1 at 1800 px)."""

    pixels: RgbImage
    placement: Placement

    @property
    def unit(self) -> float:
        return float(self.pixels.shape[1] / 1800)

    def line(self, points: Points, width: float, color: Rgb, closed: bool = False) -> None:
        """An anti-aliased line through level-0 points, `width` units wide."""
        local = self.placement.from_slide(points) * (1 << _SUBPIXEL_BITS)
        cv2.polylines(
            self.pixels,
            [np.rint(local).astype(np.int32)],
            closed,
            color,
            max(1, round(width * self.unit)),
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )


def draw_overlay(
    rgb: RgbImage,
    labels: LabelMap,
    surfaces: Sequence[Surface],
    results: Sequence[CompartmentResult],
    box: Box,
    mpp: float,
    footer: str = "",
    scale_bar: bool = True,
) -> RgbImage:
    """The section with outlines, grades, scale bar and a line of text below it.

    Args:
        rgb: the section's picture, filling `box`.
        labels: tissue and compartments, anywhere on the slide.
        surfaces: of the compartments that have one; eroded parts are marked.
        results: grades; a compartment without one is shown as withheld.
        box: where `rgb` lies, in level-0 px.
        mpp: µm per pixel of `rgb`.
        footer: one line under the picture. scale_bar: False where the scale is not known.

    Returns:
        (rows, columns, 3), 1600–2400 px wide, as high as the picture and a strip below it.
    """
    canvas = _canvas(rgb, box, mpp)
    _draw_tissue(canvas, labels)
    for surface in surfaces:
        _draw_surface(canvas, surface)
    pictured = _with_callouts(canvas, labels, surfaces, results)
    scale = canvas.placement.mpp if scale_bar else None
    strip = lettering.strip(canvas.pixels.shape[1], scale, _LEGEND, footer)
    return np.concatenate([pictured, strip])


def write_overlay(path: Path, overlay: RgbImage) -> None:
    """Writes an overlay as PNG; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(overlay).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())


def _canvas(rgb: RgbImage, box: Box, mpp: float) -> _Canvas:
    """A copy of the picture, enlarged or reduced to a printable width."""
    width = int(np.clip(rgb.shape[1], MIN_WIDTH, MAX_WIDTH))
    height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
    shrinks = width < rgb.shape[1]
    pixels = cv2.resize(
        rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    placement = Placement(box.x, box.y, box.width / width, Mpp(mpp * rgb.shape[1] / width))
    return _Canvas(np.ascontiguousarray(pixels, dtype=np.uint8), placement)


def _draw_tissue(canvas: _Canvas, labels: LabelMap) -> None:
    """Outlines of calcified and hyaline cartilage, each with a thin white casing."""
    for tissue in _DRAWN_TISSUES:
        rings = list(_rings(labels.tissue == tissue, labels.placement))
        for width, color in ((4.5, _WHITE), (2.5, tissue.color)):
            for ring in rings:
                canvas.line(ring, width, color, closed=True)


def _rings(mask: Mask, placement: Placement) -> Iterator[Points]:
    """Outer and inner rings of a mask in level-0 pixel centres, stairs taken off."""
    outline = mask_outline(mask, placement).simplify(0.75 * placement.downsample)
    for polygon in getattr(outline, "geoms", [outline]):
        for ring in (polygon.exterior, *polygon.interiors):
            if not ring.is_empty:
                yield shapely.get_coordinates(ring)[:-1] - 0.5


def _draw_surface(canvas: _Canvas, surface: Surface) -> None:
    canvas.line(surface.outer, 2.5, SURFACE_COLOR)
    for part in _eroded_parts(surface):
        canvas.line(part, 11, _WHITE)
        canvas.line(part, 7, ERODED_COLOR)


def _eroded_parts(surface: Surface) -> Iterator[Points]:
    """Runs of eroded points of the surface; a single point becomes a line to its neighbour."""
    steps = np.diff(np.concatenate(([0], surface.eroded.astype(np.int8), [0])))
    for start, end in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
        yield surface.outer[max(0, min(start, len(surface.outer) - 2)) : max(end, start + 2)]


def _with_callouts(
    canvas: _Canvas,
    labels: LabelMap,
    surfaces: Sequence[Surface],
    results: Sequence[CompartmentResult],
) -> RgbImage:
    """The picture with a box for each compartment: its name and grade, or that it is withheld."""
    font = lettering.font(round(34 * canvas.unit), bold=True)
    texts = [_callout_text(result) for result in results]
    callouts = [
        _callout(canvas, labels, surfaces, result.compartment, _text_size(text, font))
        for result, text in zip(results, texts, strict=True)
    ]
    boxes = place_callouts(callouts, _occupied(canvas, labels))
    picture = Image.fromarray(canvas.pixels)
    draw = ImageDraw.Draw(picture)
    for callout, place in zip(callouts, boxes, strict=True):
        if callout.direction != _NOWHERE:
            _leader(draw, callout, place, canvas.unit)
    for text, place, result in zip(texts, boxes, results, strict=True):
        _text_box(draw, place, text, font, _AMBER if result.grade is None else lettering.INK)
    return np.asarray(picture)


def _callout_text(result: CompartmentResult) -> str:
    grade = "withheld" if result.grade is None else format_rung(result.grade)
    return f"{result.compartment.value}  {grade}"


def _callout(
    canvas: _Canvas,
    labels: LabelMap,
    surfaces: Sequence[Surface],
    compartment: Compartment,
    size: tuple[int, int],
) -> Callout:
    """Anchored on the bone side of the cartilage; in a corner where the compartment is unseen."""
    for surface in surfaces:
        if surface.compartment is compartment and len(surface.bone):
            middle = len(surface.bone) // 2
            away = (surface.bone - surface.outer).mean(axis=0)
            return _anchored(canvas, surface.bone[middle], away, size)
    ours = _center(labels, labels.compartments == compartment.code)
    joint = _center(labels, labels.compartments > 0)
    if ours is not None and joint is not None:
        return _anchored(canvas, ours, ours - joint, size)
    return Callout((size[0] * 0.6, size[1] * 0.8), _NOWHERE, size)


def _anchored(
    canvas: _Canvas, point: NDArray[np.float64], away: NDArray[np.float64], size: tuple[int, int]
) -> Callout:
    x, y = canvas.placement.from_slide(point[None])[0]
    length = float(np.hypot(*away)) or 1.0
    return Callout((float(x), float(y)), (float(away[0]) / length, float(away[1]) / length), size)


def _center(labels: LabelMap, mask: Mask) -> NDArray[np.float64] | None:
    """Centroid of a mask in level-0 pixels; None for an empty one."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    center: NDArray[np.float64] = labels.placement.to_slide(
        np.array([[columns.mean(), rows.mean()]])
    )[0]
    return center


def _occupied(canvas: _Canvas, labels: LabelMap) -> Mask:
    """Canvas pixels that a text box must not cover: the cartilage and a margin around it."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    there = canvas.placement.from_slide(labels.placement.to_slide(corners))
    matrix = cv2.getAffineTransform(corners.astype(np.float32), there.astype(np.float32))
    height, width = canvas.pixels.shape[:2]
    tissue = cv2.warpAffine(labels.tissue, matrix, (width, height), flags=cv2.INTER_NEAREST)
    drawn = np.isin(tissue, _DRAWN_TISSUES).astype(np.uint8)
    margin = 2 * round(10 * canvas.unit) + 1
    return cv2.dilate(drawn, np.ones((margin, margin), np.uint8)).astype(np.bool_)


def _leader(draw: ImageDraw.ImageDraw, callout: Callout, place: Rectangle, unit: float) -> None:
    """A line from the box to what it names, ending in a dot."""
    ends = [place.center, callout.anchor]
    draw.line(ends, fill=_WHITE, width=max(3, round(5 * unit)))
    draw.line(ends, fill=lettering.INK, width=max(1, round(2 * unit)))
    draw.circle(
        callout.anchor, 6 * unit, fill=lettering.INK, outline=_WHITE, width=max(1, round(2 * unit))
    )


def _text_box(
    draw: ImageDraw.ImageDraw, place: Rectangle, text: str, font: ImageFont.FreeTypeFont, ink: Rgb
) -> None:
    corners = (place.x, place.y, place.x + place.width, place.y + place.height)
    draw.rounded_rectangle(corners, radius=place.height // 5, fill=_WHITE, outline=ink, width=2)
    draw.text(place.center, text, fill=ink, font=font, anchor="mm")


def _text_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Width and height of the box around a text."""
    return round(font.getlength(text) + font.size * 0.8), round(font.size * 1.5)
