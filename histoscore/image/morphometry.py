"""From a label map to areas, lengths and thickness of each compartment's cartilage.

Every measure hangs on one curve: the tidemark, which stays where the hyaline cartilage above it
thins and wears away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    gaussian_filter1d,
    grey_closing,
    map_coordinates,
    median_filter,
    uniform_filter1d,
)
from scipy.spatial import cKDTree

from histoscore.geometry import Placement, Points, polyline_length, resampled
from histoscore.image.lines import gone_on, normals_facing, smoothed
from histoscore.records import PROFILE_STEP_UM, LabelMap, Mask, Morphometry, Profile, Surface
from histoscore.vocabulary import Compartment, Tissue

STEP_UM = 1.0
"""Distance between points along the tidemark."""
COLUMN_UM = 2.0
"""Width of the columns in which the border of the layers is looked for."""
EXTENDED_UM = 60.0
"""A curve that is followed anew is gone on with straight by this much, to find the tips."""
CORNER_UM, CORNER_DEGREES = 40.0, 50.0
"""A bare end that turns by more than this over that length has left the joint side."""
ABOVE_UM, BELOW_UM = 90.0, 90.0
"""How far normals reach into the joint and into the bone."""
GONE_UM = 2.0
"""Hyaline cartilage thinner than this counts as gone: about what ≤ 1 µm/px can still see."""
MIN_GAP_UM = 4.0
"""Narrower gaps are below resolution and do not count as lesions."""
MARGIN_UM = 12.0
"""At either end cartilage tapers by anatomy; lesions are not looked for there."""
TAIL_UM = 80.0
"""Calcified cartilage that is bare only this near to an end is the margin, too."""
END_UM = 100.0
"""What is asked of the layer's thinnest place is not asked this near to its ends."""
AROUND_UM = 150.0
"""Width in which the highest place tells how thick a layer was before a lesion."""
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
    bone = curve.points - curve.outward * layers.under[:, None]
    inner = _inner(len(curve.points))
    bare = [int(stop - start) for start, stop in _runs(eroded)]
    return Morphometry(
        compartment=compartment,
        hyaline_area_um2=area,
        calcified_area_um2=float(calcified.sum()) * pixel,
        surface_length_um=length,
        mean_thickness_um=area / length,
        lesion_extent=float(eroded.mean()),
        surface=Surface(
            compartment,
            outer=place.to_slide(outer / place.mpp),
            tidemark=place.to_slide(curve.points / place.mpp),
            bone=place.to_slide(bone / place.mpp),
            eroded=eroded,
        ),
        profile=_profile(layers, _begins_inside(curve.points, labels, compartment)),
        tidemark_length_um=_smooth_length(curve.points),
        osteochondral_length_um=_smooth_length(bone),
        median_thickness_um=float(np.median(layers.hyaline)),
        min_thickness_um=_min_thickness(layers.hyaline[inner]),
        total_thickness_um=float((layers.hyaline + layers.calcified).mean()),
        lesion_count=len(bare),
        widest_lesion_um=max(bare, default=0) * STEP_UM,
        deepest_lesion=1.0 if bare else _deepest(layers.hyaline, inner),
        roughness_um=_roughness(layers.crest[inner], eroded[inner]),
        absent_fraction=float((layers.hyaline + layers.calcified == 0).mean()),
    )


@dataclass(frozen=True, slots=True)
class _Curve:
    """Points (n, 2) and unit normals toward the joint, in µm from the label map's corner."""

    points: Points
    outward: Points


@dataclass(frozen=True, slots=True)
class _Layers:
    """Along a tidemark, in µm: hyaline and calcified cartilage, how high and how low they reach;
    `top` is `crest` with clefts closed."""

    hyaline: _Floats
    calcified: _Floats
    crest: _Floats
    top: _Floats
    under: _Floats


def _tidemark(
    hyaline: Mask,
    calcified: Mask,
    place: Placement,
    compartment: Compartment,
    up: tuple[float, float],
) -> _Curve | None:
    """The hyaline–calcified border as a smooth curve from tip to tip.

    First as heights over the compartment's long axis, then, because condyles are steep at their
    ends, as heights over the curve found so far.
    """
    rows, columns = np.nonzero(hyaline | calcified)
    if len(rows) * place.mpp**2 < 1_500:
        return None
    points = np.column_stack([columns, rows]).astype(np.float64) * place.mpp
    center = points.mean(0)
    _, axes = np.linalg.eigh(np.cov((points - center).T))
    along = axes[:, 1]
    toward = np.array(up) * (-1 if compartment.is_femoral else 1)
    height: _Floats = np.array([-along[1], along[0]])
    height = height * (1 if height @ toward > 0 else -1)
    u, v = (points - center) @ along, (points - center) @ height
    is_calcified = calcified[rows, columns]
    border = _border(u - u.min(), v, is_calcified, place.mpp)
    if border is None:
        return None
    position = u.min() + np.arange(len(border)) * COLUMN_UM
    line = resampled(center + position[:, None] * along + border[:, None] * height, STEP_UM)
    bearing = points[~is_calcified]
    for _ in range(2):
        line = _followed(line, height, points, is_calcified, place.mpp)
        line = _without_flanks(line, bearing)
    return _Curve(line, normals_facing(line, height))


def _followed(
    line: Points, height: Points, points: Points, is_calcified: Mask, mpp: float
) -> Points:
    """The border over a curve that is near it already."""
    base = _longer(line)
    normals = normals_facing(base, height)
    distance, nearest = cKDTree(base).query(points)
    near = distance < ABOVE_UM
    nearest, points, is_calcified = nearest[near], points[near], is_calcified[near]
    aside = points - base[nearest]
    along = np.column_stack([normals[:, 1], -normals[:, 0]])
    along *= np.sign((along[:-1] * np.diff(base, axis=0)).sum())
    place = nearest * STEP_UM + (aside * along[nearest]).sum(1)
    start = place.min()
    border = _border(place - start, (aside * normals[nearest]).sum(1), is_calcified, mpp)
    if border is None:
        return line
    at = (start + np.arange(len(border)) * COLUMN_UM) / STEP_UM
    found = _at(base, at) + _at(normals, at) * border[:, None]
    return resampled(found, STEP_UM)


def _without_flanks(line: Points, hyaline: Points) -> Points:
    """The line without bare ends that turn a corner: there calcified cartilage goes down the
    bone's flank, and the joint side has ended."""
    if not len(hyaline):
        return line
    bears = cKDTree(hyaline).query(line, distance_upper_bound=2 * GONE_UM)[0] < np.inf
    if not bears.any():
        return line
    steady = np.gradient(smoothed(line, CORNER_UM / 4 / STEP_UM), axis=0)
    angle = np.unwrap(np.arctan2(steady[:, 1], steady[:, 0]))
    half = int(CORNER_UM / 2 / STEP_UM)
    turn = np.zeros(len(line))
    turn[half:-half] = np.abs(angle[2 * half :] - angle[: -2 * half])
    corners = np.flatnonzero(turn > np.deg2rad(CORNER_DEGREES))
    first, last = np.flatnonzero(bears)[[0, -1]]
    before, after = corners[corners < first], corners[corners > last]
    start = int(before.max()) if len(before) else 0
    stop = int(after.min()) + 1 if len(after) else len(line)
    return line[start:stop]


def _longer(line: Points) -> Points:
    """The line gone on straight at both ends."""
    count, over = int(EXTENDED_UM / STEP_UM), int(15 / STEP_UM)
    ways = [(line[0] - line[over]) / over, (line[-1] - line[-1 - over]) / over]
    before, after = (
        end + np.arange(1, count + 1)[:, None] * way
        for end, way in zip((line[0], line[-1]), ways, strict=True)
    )
    return np.vstack([before[::-1], line, after])


def _at(values: Points, at: _Floats) -> Points:
    """Values (n, 2) at fractional indices."""
    index = np.arange(len(values))
    return np.column_stack([np.interp(at, index, column) for column in values.T])


def _border(along: _Floats, v: _Floats, is_calcified: Mask, mpp: float) -> _Floats | None:
    """Height of the border, every `COLUMN_UM` from 0; gaps bridged, single wrong pixels ignored."""
    column = np.rint(along / COLUMN_UM).astype(int)
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
    if len(known) * COLUMN_UM < 120:
        return None
    filled = np.interp(np.arange(n), known, border[known])
    steady = median_filter(filled, size=15, mode="reflect")
    return gone_on(steady, 20, lambda longer: gaussian_filter1d(longer, 5))


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
    crest = np.where(any_, np.maximum(top, 0), 0)
    return _Layers(
        is_h.sum(1) * step,
        is_c.sum(1) * step,
        crest,
        grey_closing(crest, size=int(CLEFT_UM / STEP_UM)),
        np.where(any_, np.maximum(under, 0), 0),
    )


def is_bare(hyaline: _Floats, calcified: _Floats) -> Mask:
    """Where the hyaline layer (µm) is gone and calcified cartilage (µm) lies under it."""
    return np.asarray((hyaline < GONE_UM) & (calcified > 2))


def _eroded(layers: _Layers) -> Mask:
    """Where hyaline cartilage is gone and calcified cartilage lies bare."""
    bare = is_bare(layers.hyaline, layers.calcified)
    tail, margin = int(TAIL_UM / STEP_UM), int(MARGIN_UM / STEP_UM)
    for start, stop in _runs(bare):
        if stop < tail or start >= len(bare) - tail:
            bare[start:stop] = False
    bare[:margin] = bare[-margin:] = False
    size = int(MIN_GAP_UM / STEP_UM)
    opened = cv2.morphologyEx(
        bare.astype(np.uint8)[None], cv2.MORPH_OPEN, np.ones((1, size), np.uint8)
    )
    return np.asarray(opened[0] > 0)


def _begins_inside(line: Points, labels: LabelMap, compartment: Compartment) -> bool:
    """Whether a tidemark begins at the middle of the joint: nearer than its end to the cartilage
    of the same bone on the other side, or where there is none, to that of all the others."""
    same = labels.compartments == compartment.mirrored.code
    others = (
        same
        if same.any()
        else (labels.compartments > 0) & (labels.compartments != compartment.code)
    )
    if not others.any():
        return False
    moments = cv2.moments(others.astype(np.uint8), binaryImage=True)
    middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"] * labels.placement.mpp
    first, last = np.linalg.norm(line[[0, -1]] - middle, axis=1)
    return bool(first < last)


def _profile(layers: _Layers, is_backward: bool) -> Profile:
    """Means over stretches of the tidemark, the last one as long as there is tidemark left."""
    way = slice(None, None, -1) if is_backward else slice(None)
    starts = np.arange(0, len(layers.hyaline), int(PROFILE_STEP_UM / STEP_UM))
    counts = np.diff(np.append(starts, len(layers.hyaline)))
    hyaline, calcified = (
        np.add.reduceat(layer[way], starts) / counts for layer in (layers.hyaline, layers.calcified)
    )
    return Profile(hyaline, calcified)


def _inner(count: int) -> slice:
    """The part of a curve away from its tapering ends: at most a quarter is left out at each."""
    margin = min(int(END_UM / STEP_UM), count // 4)
    return slice(margin, count - margin)


def _runs(mask: Mask) -> NDArray[np.intp]:
    """(k, 2) start and end (exclusive) of each stretch of True."""
    steps = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.column_stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)])


def _min_thickness(hyaline: _Floats) -> float:
    means = uniform_filter1d(hyaline, int(10 / STEP_UM), mode="nearest")
    return max(0.0, float(means.min()))  # sums of a moving window are not exact


def _deepest(hyaline: _Floats, inner: slice) -> float:
    """Largest share that is missing of the layer as it stands around a lesion."""
    around = grey_closing(hyaline, size=int(AROUND_UM / STEP_UM), mode="nearest")
    return float(1 - (hyaline / np.maximum(around, GONE_UM))[inner].min())


def _roughness(crest: _Floats, eroded: Mask) -> float:
    """Root mean square of the surface's height over its own course, seen at 25 µm."""
    rough = crest - gaussian_filter1d(crest, 25 / STEP_UM, mode="nearest")
    return float(np.sqrt((rough[~eroded] ** 2).mean())) if (~eroded).any() else 0.0


def _smooth_length(outer: Points) -> float:
    """Length of the surface with clefts closed, seen at 5 µm: pixel steps are not surface.

    Where clefts are closed the shallow roughness between them goes too; at 10 µm, the step of the
    drawn truth, a surface would come out 0.8 % short.
    """
    smooth = smoothed(outer, 1.5 / STEP_UM)
    return polyline_length(np.vstack([smooth[: -1 : int(5 / STEP_UM)], smooth[-1:]]))
