"""The exact measures of a drawn compartment, from its geometry and never from pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Points, polygon_area, polyline_length
from histoscore.phantom.anatomy import STEP_UM, CartilageBed
from histoscore.vocabulary import Compartment

SURFACE_STEP_UM = 10.0
"""The articular surface is measured at this step, with clefts closed: like a coast, a surface has
a length only at a scale."""


@dataclass(frozen=True, slots=True)
class CompartmentTruth:
    """One compartment of one drawn section; a row of truth.csv."""

    compartment: Compartment
    grade: float
    hyaline_area_um2: float
    calcified_area_um2: float
    surface_length_um: float
    mean_thickness_um: float
    lesion_extent: float


def compartment_truth(bed: CartilageBed) -> CompartmentTruth:
    """Areas by the shoelace formula, lengths along the curves, thickness = area ÷ length."""
    area = polygon_area(bed.hyaline_ring())
    length = surface_length(bed.articular_surface())
    return CompartmentTruth(
        compartment=bed.compartment,
        grade=bed.disease.grade,
        hyaline_area_um2=area,
        calcified_area_um2=polygon_area(bed.calcified_ring()),
        surface_length_um=length,
        mean_thickness_um=area / length,
        lesion_extent=bed.lesions.extent,
    )


def surface_length(surface: Points) -> float:
    """Length (µm) at `SURFACE_STEP_UM` of a line with points `STEP_UM` apart, to its very end."""
    coarse = surface[:: int(SURFACE_STEP_UM / STEP_UM)]
    return polyline_length(np.vstack([coarse, surface[-1:]]))
