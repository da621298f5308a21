"""From probabilities and measurements to one compartment's grade, or to a reason for none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from histoscore.config import QualitySettings
from histoscore.errors import PredictionError
from histoscore.records import CompartmentResult, Morphometry
from histoscore.scoring.calibration import Calibration, grade_set, tempered
from histoscore.vocabulary import Compartment, Ladder, Status

_SUM_TOLERANCE = 1e-3
_LEAST = 1e-12
"""Of a probability, before its logarithm is taken."""
_MEASURES = tuple(
    name
    for name in CompartmentResult.model_fields
    if name != "compartment" and hasattr(Morphometry, name)
)
"""Columns that a compartment's morphometry fills."""
_MAY_MISS = frozenset(
    (
        "safranin_fraction",
        "safranin_density",
        "growth_plate_safranin_density",
        "hc_cc_ratio",
        "focus",
        "obscured_fraction",
        "chondrocyte_count",
        "chondrocyte_density_per_mm2",
    )
)
"""Those that a good section may lack."""


def checked_probabilities(probabilities: Sequence[float], ladder: Ladder) -> NDArray[np.float64]:
    """(rungs,) probabilities that may be trusted.

    Raises:
        PredictionError: not finite, not one for each rung, negative, not summing to 1, or all
            equal. The first of a row of NaN or of equal numbers would be grade 0: a healthy
            knee made from nothing.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.shape != (len(ladder),):
        raise PredictionError(f"model output has {values.size} grades, {ladder.name} {len(ladder)}")
    if not np.isfinite(values).all():
        raise PredictionError("model output not finite")
    if values.min() < 0 or abs(values.sum() - 1) > _SUM_TOLERANCE:
        raise PredictionError("model output is not a set of probabilities")
    if len(ladder) > 1 and np.ptp(values) == 0:
        raise PredictionError("model output says nothing: all grades are equally probable")
    return values


def most_probable(probabilities: Sequence[float], ladder: Ladder) -> float:
    """The most probable rung; of equal ones the lower. Raises PredictionError."""
    return ladder.rungs[int(np.argmax(checked_probabilities(probabilities, ladder)))]


def expected_grade(probabilities: Sequence[float], ladder: Ladder) -> float:
    """Mean of the rungs weighted by their probabilities, in grades. Raises PredictionError."""
    values = checked_probabilities(probabilities, ladder)
    return float(values @ np.asarray(ladder.rungs) / values.sum())


def compartment_result(
    compartment: Compartment,
    probabilities: Sequence[float] | None,
    morphometry: Morphometry | None,
    ladder: Ladder,
    quality: QualitySettings,
    calibration: Calibration | None = None,
) -> CompartmentResult:
    """One compartment as the tables show it.

    With a calibration, probabilities are tempered and the set of rungs that holds a scorer's grade
    as often as was promised is given; without, its bounds stay empty. Without cartilage that was
    found and measured, or without probabilities, the grade is withheld (`needs_review`, with the
    reason); what was measured stays. What the configuration excludes has no numbers at all.

    Raises:
        PredictionError: there are probabilities, but not such as can be trusted.
    """
    measures = _measures(morphometry)
    reason = _why_withheld(probabilities, morphometry)
    if reason or probabilities is None:
        return CompartmentResult(
            compartment=compartment,
            status=Status.REVIEW,
            reason=reason,
            **measures,
            **_profiles(morphometry),
        )
    checked = checked_probabilities(probabilities, ladder)
    if calibration is not None:
        checked = tempered(np.log(np.maximum(checked, _LEAST))[None], calibration.temperature)[0]
    grade = most_probable(tuple(checked), ladder)
    low, high = grade_set(checked, calibration.threshold) if calibration else (None, None)
    implied = _implied_grade(measures["lesion_extent"], ladder)
    flags = _flags(grade, implied, measures, ladder, quality)
    if low is not None and high is not None and high - low + 1 > quality.max_set_rungs:
        flags += ("wide_set",)
    excluded = excluded_by(flags, quality)
    if excluded:
        return CompartmentResult(
            compartment=compartment, status=Status.REVIEW, reason=excluded, flags=flags
        )
    return CompartmentResult(
        compartment=compartment,
        status=Status.WARNED if flags else Status.SCORED,
        flags=flags,
        grade=grade,
        expected_grade=expected_grade(tuple(checked), ladder),
        probabilities=tuple(map(float, checked)),
        grade_low=None if low is None else ladder.rungs[low],
        grade_high=None if high is None else ladder.rungs[high],
        implied_grade=implied,
        **measures,
        **_profiles(morphometry),
    )


def excluded_by(flags: Sequence[str], quality: QualitySettings) -> str:
    """Why something with these flags is left out of the study; empty where it is not."""
    found = [flag.replace("_", " ") for flag in flags if flag in quality.exclude]
    return f"excluded: {', '.join(found)} (quality.exclude)" if found else ""


def _why_withheld(probabilities: Sequence[float] | None, morphometry: Morphometry | None) -> str:
    if morphometry is None:
        return "cartilage not found"
    return "" if probabilities is not None else "the model gave no grade"


def _measures(morphometry: Morphometry | None) -> dict[str, float | None]:
    """The measured numbers by column; one that is not finite is missing."""
    return {name: _finite(getattr(morphometry, name, None)) for name in _MEASURES}


def _profiles(morphometry: Morphometry | None) -> dict[str, tuple[float, ...]]:
    if morphometry is None:
        return {}
    profile = morphometry.profile
    return {
        "hyaline_profile_um": tuple(map(float, profile.hyaline_um.round(2))),
        "calcified_profile_um": tuple(map(float, profile.calcified_um.round(2))),
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _implied_grade(extent: float | None, ladder: Ladder) -> float | None:
    return None if extent is None else ladder.implied_by_extent(extent)


def _flags(
    grade: float,
    implied: float | None,
    measures: Mapping[str, float | None],
    ladder: Ladder,
    quality: QualitySettings,
) -> tuple[str, ...]:
    found = {
        "extent_disagrees": measures["lesion_extent"] is not None
        and _rungs_apart(grade, implied, ladder) > quality.extent_disagreement_rungs,
        "area_unusual": _is_unusual(measures["hyaline_area_um2"], quality),
        "thickness_unusual": _exceeds(measures["mean_thickness_um"], quality.max_thickness_um),
        "interrupted": _exceeds(measures["absent_fraction"], quality.max_absent_fraction),
        "obscured": _exceeds(measures["obscured_fraction"], quality.max_obscured_fraction),
        "blurred": _exceeds(quality.min_compartment_focus, measures["focus"]),
        "measure_missing": any(
            value is None for name, value in measures.items() if name not in _MAY_MISS
        ),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _rungs_apart(grade: float, implied: float | None, ladder: Ladder) -> int:
    """Rungs between a grade and what the measured extent allows.

    No measured extent allows every grade below the first that is defined by extent.
    """
    if implied is not None:
        return abs(ladder.index(grade) - ladder.index(implied))
    if not ladder.extent_rungs:
        return 0
    highest_allowed = ladder.index(ladder.extent_rungs[0][1]) - 1
    return max(0, ladder.index(grade) - highest_allowed)


def _is_unusual(area: float | None, quality: QualitySettings) -> bool:
    low, high = quality.min_compartment_area_um2, quality.max_compartment_area_um2
    return area is not None and not low <= area <= high


def _exceeds(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
