"""Curves across a picture: smoothed, and with the normals on which everything is measured."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from histoscore.geometry import Points

_STEADY = 12
"""Points over which a curve is smoothed before its direction is taken: pixels have stairs."""


def smoothed(line: Points, sigma: float) -> Points:
    """The line (n, 2) with its coordinates smoothed over `sigma` points."""
    return np.column_stack([gaussian_filter1d(c, sigma, mode="nearest") for c in line.T])


def normals_facing(line: Points, toward: Points) -> Points:
    """Unit normals (n, 2) of a line, all on the side to which `toward` mostly points.

    Args:
        line: (n, 2), evenly spaced.
        toward: one direction (2,), or one for each point (n, 2).
    """
    tangent = np.gradient(smoothed(line, _STEADY), axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    return normal * (1 if (normal * toward).sum() >= 0 else -1)
