"""The exact measures of a drawn compartment, from its geometry and never from pixels.

Heights run along the tidemark's normals. Whatever is an area is a sum of the quadrilaterals that
two heights cut from the normals of neighbouring points, so that the areas of parts add up to the
area of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Points, polygon_area, polyline_length
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import STEP_UM, CartilageBed
from histoscore.records import Mask
from histoscore.vocabulary import Compartment

SURFACE_STEP_UM = 10.0
"""Lengths of edges are measured at this step: like a coast, a surface has a length only at a
scale."""

MARGIN_UM = 100.0
"""At either end cartilage tapers by anatomy, and a fray of a few µm is much of what there is: how
deep a lesion reaches is not asked there."""


@dataclass(frozen=True, slots=True)
class CompartmentTruth:
    """One compartment of one drawn section; a row of truth.csv.

    Attributes:
        compartment: which of the four.
        grade: the rung drawn.
        hyaline_area_um2: area of the hyaline layer that is left, clefts and fibrillation taken off.
        calcified_area_um2: area of the calcified layer.
        surface_length_um: length of the joint side at `SURFACE_STEP_UM`, clefts and fibrillation
            closed; where the hyaline layer is gone, it follows the tidemark.
        mean_thickness_um: hyaline area ÷ surface length.
        lesion_extent: share (0–1) of the tidemark above which the hyaline layer is gone.
        tidemark_length_um: length of the border of the two layers at `SURFACE_STEP_UM`.
        osteochondral_length_um: length of the calcified layer's lower edge at `SURFACE_STEP_UM`.
        median_thickness_um: median over the tidemark of the hyaline height that is left, measured
            along the normals; ends and bare stretches count, so it is 0 where more than half is
            bare.
        deepest_lesion: share (0–1) of the height before lesions that is lost where most is lost,
            by erosion, cleft or fibrillation, `MARGIN_UM` from the ends. Thinning of the whole
            layer is no lesion.
        lesion_count: bare stretches of the tidemark that are not joined.
        safranin_loss: share (0–1) of its Safranin that the hyaline tissue still there has lost to
            disease (see `safranin_loss`).
    """

    compartment: Compartment
    grade: float
    hyaline_area_um2: float
    calcified_area_um2: float
    surface_length_um: float
    mean_thickness_um: float
    lesion_extent: float
    tidemark_length_um: float
    osteochondral_length_um: float
    median_thickness_um: float
    deepest_lesion: float
    lesion_count: int
    safranin_loss: float


def compartment_truth(bed: CartilageBed) -> CompartmentTruth:
    """Areas by the shoelace formula, lengths along the curves, thickness = area ÷ length."""
    area = polygon_area(bed.hyaline_ring())
    length = edge_length(bed.articular_surface())
    return CompartmentTruth(
        compartment=bed.compartment,
        grade=bed.disease.grade,
        hyaline_area_um2=area,
        calcified_area_um2=polygon_area(bed.calcified_ring()),
        surface_length_um=length,
        mean_thickness_um=area / length,
        lesion_extent=bed.lesions.extent,
        tidemark_length_um=edge_length(bed.base),
        osteochondral_length_um=edge_length(osteochondral_edge(bed)),
        median_thickness_um=float(np.median(bed.hyaline)),
        deepest_lesion=_deepest_lesion(bed.lesions.remaining),
        lesion_count=len(runs(bed.lesions.gone)),
        safranin_loss=safranin_loss(bed),
    )


def edge_length(edge: Points) -> float:
    """Length (µm) at `SURFACE_STEP_UM` of a line with points `STEP_UM` apart, to its very end."""
    coarse = edge[:: int(SURFACE_STEP_UM / STEP_UM)]
    return polyline_length(np.vstack([coarse, edge[-1:]]))


def osteochondral_edge(bed: CartilageBed) -> Points:
    """(n, 2) the lower edge of the calcified layer, where bone begins."""
    return bed.base - bed.outward * bed.calcified[:, None]


def runs(mask: Mask) -> NDArray[np.intp]:
    """(k, 2) start and end (exclusive) of each stretch of True in a mask (n,)."""
    steps = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.column_stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)])


def safranin_loss(bed: CartilageBed) -> float:
    """Share (0–1) of its Safranin that the hyaline tissue still there has lost to disease.

    The loss reaches from where the surface was before lesions (height T above the tidemark) down
    to the front at height T · (1 − stain_depth), and leaves the share stain_left behind it. Of
    tissue that is left up to height h:

        loss = ∫ (1 − stain_left) · area between front and h  ÷  ∫ area between tidemark and h

    Every µm² counts the same: that healthy cartilage is itself paler at its surface is left out,
    and the front is sharp, where the painter softens it. 1 where no tissue is left.
    """
    lesions, left = bed.lesions, bed.hyaline
    tissue = abs(_between(bed, np.zeros_like(left), left).sum())
    if tissue == 0:
        return 1.0
    front = np.minimum(bed.intact * np.clip(1 - lesions.stain_depth, 0, 1), left)
    taken = 1 - (lesions.stain_left[1:] + lesions.stain_left[:-1]) / 2
    return float(abs((taken * _between(bed, front, left)).sum()) / tissue)


def _between(bed: CartilageBed, low: Profile, high: Profile) -> Profile:
    """(n − 1,) µm² between two heights (n,) above the tidemark, from each point to the next.

    Half the cross product of a quadrilateral's diagonals; the sign, which tells the side that the
    normals lie on, is the same all along a bed.
    """
    lower, upper = (bed.base + bed.outward * height[:, None] for height in (low, high))
    (ax, ay), (bx, by) = (upper[1:] - lower[:-1]).T, (upper[:-1] - lower[1:]).T
    return np.asarray((ax * by - ay * bx) / 2)


def _deepest_lesion(remaining: Profile) -> float:
    """Largest share lost, ends apart: at most a quarter of the bed each."""
    margin = min(int(MARGIN_UM / STEP_UM), len(remaining) // 4)
    return float(np.clip(1 - remaining[margin : len(remaining) - margin].min(), 0, 1))
