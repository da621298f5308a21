"""Lines, rings and textures that wander: what artefacts are drawn from.

Double precision and plain arithmetic throughout, so that they are the same on every processor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points

Profile = NDArray[np.float64]
"""(n,) values along a line."""
Texture = NDArray[np.float64]
"""(rows, columns) values."""


def smoothstep(values: Texture) -> Texture:
    """0 below 0, 1 above 1, and an S between."""
    t = np.clip(values, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def wander(n: int, grain: float, rng: np.random.Generator) -> Profile:
    """Smooth noise (n,) of deviation about 1 that changes over `grain` samples."""
    grain = max(grain, 1.0)
    low, part = _places(n, grain)
    knots = rng.standard_normal(int(low[-1]) + 2)
    return np.asarray((knots[low] * (1 - part) + knots[low + 1] * part) * 1.16)


def rough(n: int, grain: float, rng: np.random.Generator, octaves: int = 4) -> Profile:
    """Noise (n,) of deviation about 1 with ever finer detail below `grain` samples."""
    total = sum(wander(n, grain / 2**k, rng) / 2**k for k in range(octaves))
    return np.asarray(total / 1.15)


def cloud(shape: tuple[int, int], grain: tuple[float, float], rng: np.random.Generator) -> Texture:
    """Smooth noise of deviation about 1; `grain` in samples along rows' and columns' index."""
    (top, down), (left, across) = (
        _places(n, max(g, 1.0)) for n, g in zip(shape, grain, strict=True)
    )
    knots = rng.standard_normal((int(top[-1]) + 2, int(left[-1]) + 2))
    wide = knots[:, left] * (1 - across) + knots[:, left + 1] * across
    return np.asarray((wide[top] * (1 - down[:, None]) + wide[top + 1] * down[:, None]) * 1.35)


def _places(n: int, grain: float) -> tuple[NDArray[np.intp], Profile]:
    place = np.arange(n) / grain
    low = place.astype(np.intp)
    return low, smoothstep(place - low)


def ring(
    center: Points, radius: float, rng: np.random.Generator, lobes: int, depth: float, n: int = 180
) -> Points:
    """A closed wavy ring (n, 2) round a centre (2,), `depth` the deviation of its radius.

    Its waves are finer than a turn by up to `lobes`, the finer the lower.
    """
    turn = np.arange(n) * (2 * np.pi / n)
    wave = np.zeros(n)
    for order in range(2, lobes + 2):
        a, b = rng.standard_normal(2) / order
        wave += a * np.cos(order * turn) + b * np.sin(order * turn)
    distance = radius * np.clip(1 + depth * wave, 0.3, 2.5)
    stretch = 1 + depth * rng.uniform(-1, 1)
    unit = np.column_stack([np.cos(turn) * stretch, np.sin(turn) / stretch])
    return np.asarray(center + turned(unit * distance[:, None], rng.uniform(0, 2 * np.pi)))


def ripple(n: int, waves: int, rng: np.random.Generator) -> Profile:
    """Smooth noise (n,) of deviation about 1 round a closed ring, with that many knots."""
    knots = rng.standard_normal(waves)
    place = np.arange(n) * (waves / n)
    low = np.floor(place).astype(np.intp)
    part = smoothstep(np.asarray(place - low))
    return np.asarray((knots[low] * (1 - part) + knots[(low + 1) % waves] * part) * 1.16)


def splinter(place: Points, radius: float, rng: np.random.Generator) -> list[Points]:
    """A crumb: a few angular chips (n, 2) stuck together within about a radius."""
    chips = []
    for _ in range(int(rng.integers(2, 7))):
        corners = int(rng.integers(4, 9))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        size = radius * rng.uniform(0.25, 0.8) * rng.uniform(0.5, 1, corners)
        flat = np.column_stack([np.cos(turn) * size, np.sin(turn) * size * rng.uniform(0.3, 1)])
        away = radius * rng.uniform(-0.6, 0.6, 2)
        chips.append(np.asarray(place + away + turned(flat, rng.uniform(0, np.pi))))
    return chips


def turned(points: Points, angle: float) -> Points:
    """Points turned about the origin, radians, clockwise as seen."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[c, s], [-s, c]]))


def curl(
    start: Points, length: float, bend: float, rng: np.random.Generator, n: int = 48
) -> Points:
    """A line (n, 2) of that length from a point on, whose direction wanders by `bend` radians."""
    heading = rng.uniform(0, 2 * np.pi) + bend * wander(n, n / 3, rng)
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * (length / n)
    return np.asarray(start + np.cumsum(steps, axis=0))


def crack(
    start: Points, end: Points, jag: float, rng: np.random.Generator, halvings: int = 6
) -> Points:
    """A jagged line (2**halvings + 1, 2) between two points, `jag` a share of their distance."""
    line = np.array([start, end], np.float64)
    along = line[1] - line[0]
    across = np.array([-along[1], along[0]]) * jag
    for _ in range(halvings):
        middle = (line[1:] + line[:-1]) / 2
        middle += across * rng.standard_normal((len(middle), 1))
        longer = np.empty((len(line) + len(middle), 2))
        longer[::2], longer[1::2] = line, middle
        line, across = longer, across * 0.55
    return line


def normals(line: Points) -> Points:
    """Unit vectors (n, 2) across a line, 90° clockwise of its direction as seen."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.sqrt((along**2).sum(axis=1, keepdims=True)), 1e-12)
    return np.column_stack([-along[:, 1], along[:, 0]])
