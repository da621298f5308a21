"""Felt-pen strokes on the glass, as people mark slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely.geometry.base import BaseGeometry

from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import (
    Absorbance,
    Pixels,
    as_bytes,
    ink,
    outline_in,
    softened,
)
from histoscore.phantom.artefacts.margins import Side
from histoscore.phantom.artefacts.shapes import turned
from histoscore.phantom.artefacts.sheets import Sheet
from histoscore.phantom.artefacts.strokes import Draw, bent_stroke, dry, opaque, wet

_PAD_UM = 80.0
"""Clear sheet around a stroke, for its blur."""
_DENSEST = 2.5
"""Amount of ink at a layer's 255."""
_LONGEST_UM = 12_000.0
_LEAN, _CARELESS = 0.04, 0.25
"""How much a stroke may lean (radians), and how often it minds no tissue."""


@dataclass(frozen=True, slots=True)
class _Pen:
    """A pen.

    Attributes:
        draw: how its ink lies.
        absorbance: optical density in R, G, B of amount 1.
        soft: µm; ink lies on top of the coverslip, out of focus.
        finest: µm; side of a texture's px, as fine as the blur can show.
    """

    draw: Draw
    absorbance: Absorbance
    soft: float
    finest: float

    def loaded(self, share: float) -> _Pen:
        """The same pen with that much more or less colour in its ink."""
        return replace(self, absorbance=self.absorbance * share)


_PENS = (
    _Pen(wet, np.array([0.50, 0.13, 0.17]), 9, 5),
    _Pen(wet, np.array([0.62, 0.36, 0.08]), 9, 5),
    _Pen(wet, np.array([0.06, 0.60, 0.42]), 9, 5),
    _Pen(dry, np.array([0.06, 0.78, 0.58]), 4, 3),
    _Pen(opaque, np.array([0.95, 1.02, 1.12]), 22, 8),
)
"""Green, blue, red, red drying out, black.

Read off real slides (HistoQC's pen marks), blue off a dot beside the green ones.
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """How a stroke runs: how wide, how far inside the picture its middle lies (µm), how much it
    may lean and bend (radians)."""

    width: float
    inside: float
    lean: float


def add_pen(
    picture: Pixels, sides: Sequence[Side], mpp: float, rng: np.random.Generator
) -> Artefact | None:
    """One to three strokes of one pen along one side of the glass, in place.

    They run along the picture's border, partly cut off by it, and keep off the tissue as far as
    there is room; one mark in four lies further in, where it may reach tissue.
    """
    side = _roomy(sides, rng)
    pen = _PENS[int(rng.integers(len(_PENS)))].loaded(rng.uniform(0.85, 1.15))
    width = min(rng.uniform(250, 800), 0.2 * min(picture.shape[:2]) * mpp)
    careless = rng.random() < _CARELESS
    count = int(rng.choice(3, p=(0.55, 0.3, 0.15))) + 1
    shapes = []
    for _ in range(count):
        inside = width * (rng.uniform(0.7, 2.4) if careless else rng.uniform(-0.25, 0.6))
        lean = _LEAN
        if not careless:
            inside = max(min(inside, side.clear_um - 0.6 * width), -0.3 * width)
            lean = min(lean, 0.2 * max(side.clear_um, 0.3 * width) / (side.length * mpp))
        shapes.append(_stroke(picture, side, pen, _Way(width, inside, lean), mpp, rng))
    outline = outline_in(shapes, picture.shape)
    facts = {"width_um": width, "strokes": float(count)}
    return outline and Artefact(ArtefactKind.PEN, outline, facts)


def _roomy(sides: Sequence[Side], rng: np.random.Generator) -> Side:
    """A side, rather one with much clear glass."""
    room = np.array([side.clear_um + 40 for side in sides])
    return sides[int(rng.choice(len(sides), p=room / room.sum()))]


def _stroke(
    picture: Pixels, side: Side, pen: _Pen, way: _Way, mpp: float, rng: np.random.Generator
) -> BaseGeometry:
    """Draws one stroke; its outline."""
    um = max(mpp, pen.finest)
    length = min(side.length * mpp * rng.uniform(0.25, 0.95), _LONGEST_UM)
    sag = rng.uniform(-1, 1) * min(way.lean * length, 0.45 * way.width)
    rows = round((1.5 * way.width + 2 * abs(sag) + 2 * _PAD_UM) / um)
    columns = round((length + way.width + 2 * _PAD_UM) / um)
    free = side.length - length / mpp
    middle = side.at(rng.uniform(0, 1) * free + length / mpp / 2, way.inside / mpp)
    along = turned(side.along, rng.uniform(-way.lean, way.lean))
    sheet = Sheet.about(middle, along, (rows, columns), um / mpp)
    amount = pen.draw(bent_stroke(sheet.shape, (length, way.width), sag, um, rng), rng)
    layer = softened(as_bytes(amount / _DENSEST), pen.soft / um)
    for box in sheet.bands(picture.shape):
        ink(picture[box.slices()], sheet.laid(layer, box), pen.absorbance * _DENSEST)
    return sheet.outline(layer).buffer(1)
