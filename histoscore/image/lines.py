"""Curves across a picture: smoothed, and with the normals on which everything is measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from histoscore.geometry import Points

_STEADY = 12
"""Points over which a curve is smoothed before its direction is taken: pixels have stairs."""


def smoothed(line: Points, sigma: float) -> Points:
    """The line (n, 2) with its coordinates smoothed over `sigma` points; its ends keep their place
    and direction."""
    reach = int(4 * sigma) + 1
    return gone_on(line, reach, lambda longer: gaussian_filter1d(longer, sigma, axis=0))


def gone_on(
    values: NDArray[np.float64],
    count: int,
    work: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """What `work` makes of values (n, …) that go on at both ends as they came: turned by half a
    turn about the end point, so that a slope stays a slope."""
    count = min(count, len(values) - 1)
    pad = [(count, count)] + [(0, 0)] * (values.ndim - 1)
    longer = np.pad(values, pad, mode="reflect", reflect_type="odd")
    return work(longer)[count : count + len(values)]


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
