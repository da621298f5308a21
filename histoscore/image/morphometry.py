"""From a label map to areas, lengths and thickness of each compartment's cartilage.

Every measure hangs on one curve: the tidemark, which stays where the hyaline cartilage above it
thins and wears away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, grey_closing, map_coordinates, median_filter

from histoscore.geometry import Placement, Points, polyline_length, resampled
from histoscore.image.lines import normals_facing, smoothed
from histoscore.records import LabelMap, Mask, Morphometry, Surface
from histoscore.vocabulary import Compartment, Tissue

STEP_UM = 1.0
"""Distance between points along the tidemark."""
ABOVE_UM, BELOW_UM = 90.0, 90.0
"""How far normals reach into the joint and into the bone."""
GONE_UM = 3.0
"""Hyaline cartilage thinner than this counts as gone: about what ≤ 1 µm/px can still see."""
MIN_GAP_UM = 4.0
"""Narrower gaps are below resolution and do not count as lesions."""
MARGIN_UM = 30.0
"""At either end cartilage tapers by anatomy; lesions are not looked for there."""
TAIL_UM = 80.0
"""Calcified cartilage that runs out bare at an end over less than this is the margin, too."""
CLEFT_UM = 24.0
"""Gaps narrower than this are bridged when the surface's length is measured."""

_Floats = NDArray[np.float64]


def measure(
    labels: LabelMap, compartment: Compartment, up: tuple[float, float]
) -> Morphometry | None:
    """Cartilage of one compartment; None where there is no layer to measure.

    Args:
        labels: the fine label map of a section.
        compartment: which of the four.
        up: unit vector (x, y) in the picture from tibia to femur.
    """
    mine = labels.compartments == compartment.code
    hyaline = mine & (labels.tissue == Tissue.HYALINE)
    calcified = mine & (labels.tissue == Tissue.CALCIFIED)
    curve = _tidemark(hyaline, calcified, labels.placement, compartment, up)
    if curve is None:
        return None
    layers = _layers(hyaline, calcified, curve, labels.placement)
    outer = curve.points + curve.outward * layers.top[:, None]
    eroded = _eroded(layers)
    length = _smooth_length(outer)
    pixel = labels.placement.mpp**2
    area = float(hyaline.sum()) * pixel
    place = labels.placement
    return Morphometry(
        compartment=compartment,
        hyaline_area_um2=area,
        calcified_area_um2=float(calcified.sum()) * pixel,
        surface_length_um=length,
        mean_thickness_um=area / length,
        lesion_extent=float(eroded.mean()),
        safranin_fraction=None,
        surface=Surface(
            compartment,
            outer=place.to_slide(outer / place.mpp),
            tidemark=place.to_slide(curve.points / place.mpp),
            bone=place.to_slide((curve.points - curve.outward * layers.under[:, None]) / place.mpp),
            eroded=eroded,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Curve:
    """Points (n, 2) and unit normals toward the joint, in µm from the label map's corner."""

    points: Points
    outward: Points


@dataclass(frozen=True, slots=True)
class _Layers:
    """Along a tidemark: µm of hyaline and calcified cartilage, upper and lower reach."""

    hyaline: _Floats
    calcified: _Floats
    top: _Floats
    under: _Floats


def _tidemark(
    hyaline: Mask,
    calcified: Mask,
    place: Placement,
    compartment: Compartment,
    up: tuple[float, float],
) -> _Curve | None:
    """The hyaline–calcified border as a smooth curve along the compartment's long axis."""
    rows, columns = np.nonzero(hyaline | calcified)
    if len(rows) * place.mpp**2 < 1_500:
        return None
    points = np.column_stack([columns, rows]) * place.mpp
    center = points.mean(0)
    _, axes = np.linalg.eigh(np.cov((points - center).T))
    along = axes[:, 1]
    toward = np.array(up) * (-1 if compartment.is_femoral else 1)
    height = np.array([-along[1], along[0]])
    height = height * (1 if height @ toward > 0 else -1)
    u, v = (points - center) @ along, (points - center) @ height
    is_calcified = calcified[rows, columns]
    column = np.rint((u - u.min()) / STEP_UM / 2).astype(int)
    border = _border(column, v, is_calcified, place.mpp)
    if border is None:
        return None
    position = u.min() + np.arange(len(border)) * STEP_UM * 2
    line = center + position[:, None] * along + border[:, None] * height
    line = resampled(line, STEP_UM)
    return _Curve(line, normals_facing(line, height))


def _border(column: NDArray[np.int_], v: _Floats, is_calcified: Mask, mpp: float) -> _Floats | None:
    """Height of the border over the columns, gaps bridged, single wrong pixels ignored."""
    n = int(column.max()) + 1
    top_calcified = np.full(n, -np.inf)
    low_hyaline = np.full(n, np.inf)
    np.maximum.at(top_calcified, column[is_calcified], v[is_calcified] + mpp / 2)
    np.minimum.at(low_hyaline, column[~is_calcified], v[~is_calcified] - mpp / 2)
    has_c, has_h = np.isfinite(top_calcified), np.isfinite(low_hyaline)
    border = np.where(
        has_c & has_h,
        (np.where(has_c, top_calcified, 0) + np.where(has_h, low_hyaline, 0)) / 2,
        np.where(has_c, top_calcified, low_hyaline),
    )
    known = np.flatnonzero(has_c | has_h)
    if len(known) * 2 * STEP_UM < 120:
        return None
    filled = np.interp(np.arange(n), known, border[known])
    steady = median_filter(filled, size=15, mode="nearest")
    return np.asarray(gaussian_filter1d(steady, 5, mode="nearest"))


def _layers(hyaline: Mask, calcified: Mask, curve: _Curve, place: Placement) -> _Layers:
    """What lies on each normal: the labels are sampled every half pixel."""
    step = place.mpp / 2
    reach = np.arange(-BELOW_UM, ABOVE_UM, step)
    at = (curve.points[:, None] + curve.outward[:, None] * reach[None, :, None]) / place.mpp
    where = [at[..., 1], at[..., 0]]
    is_h, is_c = (
        map_coordinates(m.astype(np.uint8), where, order=0, mode="constant") > 0
        for m in (hyaline, calcified)
    )
    either = is_h | is_c
    any_ = either.any(1)
    top = reach[either.shape[1] - 1 - either[:, ::-1].argmax(1)] + step / 2
    under = -(reach[either.argmax(1)] - step / 2)
    top = grey_closing(np.where(any_, np.maximum(top, 0), 0), size=int(CLEFT_UM / STEP_UM))
    return _Layers(
        is_h.sum(1) * step,
        is_c.sum(1) * step,
        top,
        np.where(any_, np.maximum(under, 0), 0),
    )


def is_bare(hyaline: _Floats, calcified: _Floats) -> Mask:
    """Where the hyaline layer (µm) is gone and calcified cartilage (µm) lies under it."""
    return np.asarray((hyaline < GONE_UM) & (calcified > 2))


def _eroded(layers: _Layers) -> Mask:
    """Where hyaline cartilage is gone and calcified cartilage lies bare."""
    bare = is_bare(layers.hyaline, layers.calcified)
    for way in (bare, bare[::-1]):
        run = len(way) if way.all() else int(np.argmin(way))
        if run * STEP_UM < TAIL_UM:
            way[:run] = False
        way[: int(MARGIN_UM / STEP_UM)] = False
    size = int(MIN_GAP_UM / STEP_UM)
    opened = cv2.morphologyEx(
        bare.astype(np.uint8)[None], cv2.MORPH_OPEN, np.ones((1, size), np.uint8)
    )
    return np.asarray(opened[0] > 0)


def _smooth_length(outer: Points) -> float:
    """Length of the surface with clefts closed, seen at 10 µm: pixel steps are not surface."""
    smooth = smoothed(outer, 5)
    return polyline_length(np.vstack([smooth[: -1 : int(10 / STEP_UM)], smooth[-1:]]))
