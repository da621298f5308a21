"""Lines in the plane, smooth noise along them, and soft steps; lengths in micrometres."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from histoscore.geometry import Points

Profile = NDArray[np.float64]
"""(n,) values along a line."""

_Real = TypeVar("_Real", np.float32, np.float64)


def through(knots: Points) -> Points:
    """A smooth line through knots (k, 2), points about 1 apart, monotone between the knots.

    Piecewise cubic (Fritsch & Carlson 1980): no coordinate overshoots its knots.
    """
    chord = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(knots, axis=0).T))])
    fine = np.linspace(0, chord[-1], int(chord[-1]))
    return np.column_stack([PchipInterpolator(chord, column)(fine) for column in knots.T])


def smoothed(line: Points, sigma: float) -> Points:
    """The line with each coordinate blurred by a Gaussian of `sigma` points."""
    return np.asarray(gaussian_filter1d(line, sigma, axis=0, mode="nearest"))


def normals(line: Points, sigma: float) -> Points:
    """(n, 2) unit normals of a line blurred by `sigma` points, a quarter turn from x towards y."""
    tangent = np.gradient(smoothed(line, sigma), axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return np.column_stack([-tangent[:, 1], tangent[:, 0]])


def facing_edge(line: Points, columns: Profile, lowest: bool) -> Profile:
    """y of a bone's joint side over evenly spaced x, gaps filled from their neighbours.

    Args:
        line: (n, 2) tidemark or surface, which may lean back under itself.
        columns: (k,) evenly spaced x.
        lowest: the greatest y counts (the femur faces down), else the smallest (the tibia).
    """
    step = columns[1] - columns[0]
    index = np.rint((line[:, 0] - columns[0]) / step).astype(int)
    ok = (index >= 0) & (index < len(columns))
    edge = np.full(len(columns), -np.inf if lowest else np.inf)
    (np.maximum if lowest else np.minimum).at(edge, index[ok], line[ok, 1])
    known = np.isfinite(edge)
    return np.asarray(np.interp(columns, columns[known], edge[known]))


def wander(n: int, scale: float, rng: np.random.Generator) -> Profile:
    """Smooth noise (n,) with a grain of `scale` points, cut from a longer line.

    That longer line has mean about 0 and standard deviation 1; a short piece may lie to one side.
    """
    noise = gaussian_filter1d(rng.normal(size=n + int(8 * scale)), scale, mode="wrap")
    noise = noise / max(float(noise.std()), 1e-9)
    start = int(4 * scale)
    return np.asarray(noise[start : start + n])


def ripple(n: int, scale: float, rng: np.random.Generator) -> Profile:
    """Smooth noise (n,) with a grain of `scale` points; its own mean is 0, its deviation 1."""
    scale = max(scale, 0.5)
    noise = gaussian_filter1d(rng.normal(size=n + int(6 * scale) + 8), scale, mode="wrap")[:n]
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-9))


def soft_step(x: NDArray[_Real], steepness: float) -> NDArray[_Real]:
    """0 far below x = 0, 1 far above it, 1/2 at it (logistic)."""
    return np.asarray(1 / (1 + np.exp(-steepness * x)))
