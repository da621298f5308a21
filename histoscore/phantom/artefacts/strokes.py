"""How ink lies in a stroke of a felt pen: wet, drying out, or opaque."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from histoscore.phantom.artefacts.shapes import (
    Profile,
    Texture,
    cloud,
    rough,
    smoothstep,
    wander,
)


@dataclass(frozen=True, slots=True)
class Stroke:
    """Where the px of a texture lie in a stroke.

    Attributes:
        along: (columns,) µm from where the pen was set down.
        across: (rows, columns) 0 in the middle, ±1 at the edges.
        length, width: µm.
        um: side of a px of the texture, µm.
    """

    along: Profile
    across: Texture
    length: float
    width: float
    um: float


Draw = Callable[[Stroke, np.random.Generator], Texture]
"""Amount of ink on every px of a stroke; 1 is what a quick stroke of a fresh pen leaves."""


def bent_stroke(
    shape: tuple[int, int],
    size: tuple[float, float],
    sag: float,
    um: float,
    rng: np.random.Generator,
) -> Stroke:
    """A stroke of (length, width) µm in the middle of a texture, bent by `sag` µm."""
    rows, columns = shape
    length, width = size
    along = np.asarray((np.arange(columns) + 0.5 - columns / 2) * um + length / 2, np.float64)
    place = along / length
    middle = sag * (4 * place * (1 - place) - 0.66) + 14 * wander(columns, 900 / um, rng)
    half = width / 2 * (1 + 0.08 * wander(columns, 700 / um, rng))
    half = half * _capped(np.minimum(along, length - along) / (width / 2))
    y = (np.arange(rows) + 0.5 - rows / 2) * um
    return Stroke(along, (y[:, None] - middle) / np.maximum(half, 1e-3), length, width, um)


def _capped(from_end: Profile) -> Profile:
    """Half width near a round end, as a share: `from_end` is 0 at the middle of the cap."""
    return np.asarray(np.sqrt(1 - np.clip(-from_end, 0, 1) ** 2))


def wet(stroke: Stroke, rng: np.random.Generator) -> Texture:
    """Ink that ran to the edges of the stroke, a blob where the pen was set down."""
    edge = np.abs(stroke.across)
    body = smoothstep((1 - edge) / 0.12)
    n = len(stroke.along)
    hollow = smoothstep(0.5 + 0.6 * wander(n, 1400 / stroke.um, rng))
    ridge = np.maximum(0, 1 - ((edge - 0.72) / 0.3) ** 2)
    load = 0.9 * (1 + 0.25 * rough(n, 1500 / stroke.um, rng)) + 1.2 * _blob(stroke, rng)
    spread = (1 - hollow * 0.6) + hollow * 0.75 * ridge
    return body * spread * _streaks(stroke, 0.16, rng) * np.clip(load, 0.35, 2.2) * _tail(stroke)


def _blob(stroke: Stroke, rng: np.random.Generator) -> Profile:
    return smoothstep(1 - stroke.along / (stroke.width * rng.uniform(0.4, 0.9)))


def _tail(stroke: Stroke) -> Texture:
    """The last width of a stroke, where the pen was lifted."""
    left = (stroke.length - stroke.along) / stroke.width
    return np.asarray(0.35 + 0.65 * smoothstep(left / 1.5)) * np.ones_like(stroke.across)


def _streaks(stroke: Stroke, depth: float, rng: np.random.Generator) -> Texture:
    """Lines that the felt drew along the stroke."""
    um = stroke.um
    fine = cloud(stroke.across.shape, (18 / um, 1800 / um), rng)
    broad = cloud(stroke.across.shape, (60 / um, 2500 / um), rng)
    return np.asarray(np.clip(1 + depth * (fine + broad), 0.1, None))


def dry(stroke: Stroke, rng: np.random.Generator) -> Texture:
    """A pen running dry: gaps across the stroke where it chattered, and rags along it."""
    um, shape = stroke.um, stroke.across.shape
    edge = np.abs(stroke.across) + 0.025 * wander(shape[1], 14 / um, rng)
    body = smoothstep((1 - edge) / 0.06)
    wide = stroke.width
    chatter = cloud(shape, (0.7 * wide / um, 26 / um), rng)
    chatter += 0.8 * cloud(shape, (0.25 * wide / um, 11 / um), rng)
    rags = cloud(shape, (40 / um, 900 / um), rng) + 0.6 * cloud(shape, (16 / um, 40 / um), rng)
    place = np.clip(stroke.along / stroke.length, 0, 1)
    wetness = rng.uniform(1.8, 3.0) - rng.uniform(3.0, 5.0) * place
    wetness = wetness + 0.8 * wander(len(place), 900 / um, rng)
    held = smoothstep((0.8 * chatter + 0.7 * rags + wetness) / 0.9 + 0.5)
    thick = 1 + 0.5 * smoothstep(wetness - 1) + 0.12 * cloud(shape, (60 / um, 300 / um), rng)
    return np.asarray(body * held * thick)


def opaque(stroke: Stroke, rng: np.random.Generator) -> Texture:
    """Black ink that lets light through only where it thins out, at the edges and the end."""
    body = smoothstep((1 - np.abs(stroke.across)) / 0.35)
    n = len(stroke.along)
    load = 1.35 * (1 + 0.08 * wander(n, 2500 / stroke.um, rng))
    lifted = smoothstep((stroke.length - stroke.along) / (stroke.width * rng.uniform(1.0, 2.5)))
    return np.asarray(body * load * (0.3 + 0.7 * lifted) * _streaks(stroke, 0.05, rng))
