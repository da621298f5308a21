"""The edge of the coverslip: cut glass, the rim of the mounting medium, and dirt between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.geometry import Points
from histoscore.phantom.artefacts.dust import hazy_speck, sharp_speck
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactKind
from histoscore.phantom.artefacts.layers import (
    UNITY,
    Layer,
    Pixels,
    gain,
    ink,
    outline_in,
)
from histoscore.phantom.artefacts.margins import Side
from histoscore.phantom.artefacts.shapes import Profile, rough, smoothstep, turned, wander
from histoscore.phantom.artefacts.sheets import Sheet

_FINEST_UM = 1.0
_INSIDE_UM = 60.0
"""So much of the slide inside the edge belongs to it: the rim of the medium may lie there."""
_RIM_FROM_UM = -48.0
_CLEAR_UM = 130.0
"""Left between the edge and tissue: what lies closer looks like a part of the section."""
_LEAST_UM, _MOST_UM, _TILT, _CARELESS = 20.0, 260.0, 0.02, 0.2
"""How far inside the picture the edge runs, how much it may lean, how often it minds no tissue."""
_STEP_UM = 0.25
"""Of the tables across a line."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line along the edge.

    Attributes:
        place: (columns,) where it runs, µm outward of the edge's mean.
        width: of the line, µm, dark.
        dark: light that passes in its middle, 0–1.
        bright: gain of the bright fringes beside it, 1 or a little more.
        shade: light that passes just outside of it, returning to 1 over `fade` µm.
        fade: µm; outward.
    """

    place: Profile
    width: float
    dark: float
    bright: float
    shade: float = 1.0
    fade: float = 1.0


def add_coverslip_edge(
    picture: Pixels, sides: Sequence[Side], mpp: float, rng: np.random.Generator
) -> Artefact | None:
    """The coverslip ends along one side of the picture, in place: lines, and bare glass beyond.

    Where a side has room the edge keeps off the tissue, but for one in five; where none has, it
    runs along the picture's border.
    """
    side, inside, tilt = _placed(sides, min(picture.shape[:2]) * mpp, mpp, rng)
    sheet = _sheet(side, inside, tilt, mpp)
    um = sheet.px * mpp
    lines = _lines(sheet.shape[1], um, rng)
    layer = _drawn(sheet.shape, lines, um)
    beyond = _beyond(sheet.shape, lines[0].place, um)
    tint = np.array([0.010, 0.012, 0.020]) * max(rng.uniform(-0.3, 5.0), 0)
    for box in sheet.bands(picture.shape):
        window = picture[box.slices()]
        gain(window, sheet.laid(layer, box, cv2.BORDER_REPLICATE))
        ink(window, sheet.laid(beyond, box, cv2.BORDER_REPLICATE), tint)
    shapes = [sheet.frame(), *_dirt(picture, sheet, lines[0].place, mpp, rng)]
    outline = outline_in(shapes, picture.shape)
    return outline and Artefact(ArtefactKind.COVERSLIP, outline, {"from_border_um": inside})


def _placed(
    sides: Sequence[Side], shortest_um: float, mpp: float, rng: np.random.Generator
) -> tuple[Side, float, float]:
    """A side, how far inside it the edge runs (µm), and its tilt (radians)."""
    roomy = [s for s in sides if s.clear_um > _CLEAR_UM + _LEAST_UM]
    roomy = roomy or [max(sides, key=lambda s: s.clear_um)]
    choice, careless = rng.random(), rng.random() < _CARELESS
    among = sides if careless else roomy
    side = among[int(choice * len(among))]
    most = 0.12 * shortest_um if careless else side.clear_um - _CLEAR_UM
    inside = rng.uniform(_LEAST_UM, max(_LEAST_UM, min(_MOST_UM, most)))
    steepest = _TILT if careless else min(_TILT, max(0, most - inside) / (side.length * mpp / 2))
    return side, inside, rng.uniform(-steepest, steepest)


def _sheet(side: Side, inside: float, tilt: float, mpp: float) -> Sheet:
    """Along the edge and out to the picture's border everywhere."""
    um = max(mpp, _FINEST_UM)
    along = turned(side.along, tilt)
    across = np.array([-along[1], along[0]])
    middle = side.at(side.length / 2, inside / mpp)
    half = side.length / 2 * mpp * 1.01 + inside + 2 * _INSIDE_UM
    reach = inside + abs(tilt) * half * 1.05 + _INSIDE_UM + 10
    shape = (round(reach / um), round(2 * half / um))
    return Sheet(shape, middle - (half * along + _INSIDE_UM * across) / mpp, along, um / mpp)


def _lines(n: int, um: float, rng: np.random.Generator) -> list[_Line]:
    """The cut edge of the glass first, then the rim of the medium and fainter lines."""
    cut = 2.0 * wander(n, 1500 / um, rng)
    rim = rng.uniform(-45, -8) if rng.random() < 0.5 else rng.uniform(12, 90)
    crept = np.maximum(rim + 5 * rough(n, 700 / um, rng) + _notches(n, um, rng), _RIM_FROM_UM)
    lines = [
        _Line(
            cut,
            rng.uniform(7, 18),
            rng.uniform(0.06, 0.35),
            rng.uniform(1.0, 1.08),
            rng.uniform(0.45, 0.85),
            rng.uniform(50, 220),
        ),
        _Line(crept, rng.uniform(3, 5), rng.uniform(0.3, 0.6), rng.uniform(1.0, 1.06)),
    ]
    for _ in range(int(rng.integers(0, 3))):
        place = rng.uniform(15, 160) + 3 * wander(n, 1200 / um, rng)
        lines.append(_Line(place, rng.uniform(4, 14), rng.uniform(0.82, 0.96), 1.04))
    return lines


def _notches(n: int, um: float, rng: np.random.Generator) -> Profile:
    """Short nicks in the rim of the medium, µm."""
    nicks = np.zeros(n)
    x = np.arange(n) * um
    for _ in range(int(rng.poisson(n * um / 1200))):
        place, half = rng.uniform(0, n * um), rng.uniform(5, 18)
        nicks += rng.uniform(-9, 9) * smoothstep(1 - np.abs(x - place) / half)
    return nicks


def _drawn(shape: tuple[int, int], lines: list[_Line], um: float) -> Layer:
    """Gains of all lines together."""
    layer = np.full(shape, UNITY, np.uint8)
    y = ((np.arange(shape[0]) + 0.5) * um - _INSIDE_UM)[:, None]
    for line in lines:
        table = _table(line, shape[0] * um)
        index = ((y - line.place) / _STEP_UM).astype(np.int32) + len(table) // 2
        np.clip(index, 0, len(table) - 1, out=index)
        cv2.multiply(layer, table[index], layer, scale=1 / UNITY)
    return layer


def _table(line: _Line, reach: float) -> Layer:
    """Gain across a line, in steps of `_STEP_UM` from -reach to reach."""
    half = int(reach / _STEP_UM)
    u = np.arange(-half, half + 1) * _STEP_UM
    away = np.abs(u) / (line.width / 2)
    core = np.maximum(0, 1 - away**2)
    fringe = np.maximum(0, 1 - ((away - 1.7) / 0.7) ** 2)
    outside = (u > 0) * np.maximum(0, 1 - u / line.fade) ** 2
    gains = (1 - (1 - line.shade) * outside) * (1 - (1 - line.dark) * core)
    return np.asarray(np.rint(UNITY * (gains + (line.bright - 1) * fringe)), np.uint8)


def _beyond(shape: tuple[int, int], place: Profile, um: float) -> Layer:
    """255 where there is no coverslip any more."""
    y = ((np.arange(shape[0]) + 0.5) * um - _INSIDE_UM)[:, None]
    layer = np.zeros(shape, np.uint8)
    layer[y > place] = 255
    return layer


def _dirt(
    picture: Pixels, sheet: Sheet, edge: Profile, mpp: float, rng: np.random.Generator
) -> list[Points]:
    """Crumbs along the cut edge, most of them close to it on the outer side."""
    um = sheet.px * mpp
    outlines = []
    for _ in range(int(rng.poisson(len(edge) * um / 1000 * rng.uniform(1, 12)))):
        column = int(rng.integers(len(edge)))
        away = rng.exponential(25) if rng.random() < 0.6 else rng.uniform(0, 150)
        local = np.array([column + 0.5, (edge[column] + away + _INSIDE_UM) / um])
        speck = sharp_speck if rng.random() < 0.8 else hazy_speck
        outlines.append(speck(picture, sheet.to_picture(local[None])[0], mpp, rng))
    return [o for o in outlines if o is not None]
