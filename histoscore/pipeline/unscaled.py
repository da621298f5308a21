"""Results of a slide whose pixel size nobody knows: pixels and fractions, no micrometre.

The networks have to be shown some scale, so the user says what to assume (`assume_mpp`). What is
found is told in pixels of the slide's full resolution; what would be µm or µm² stays empty.
"""

from __future__ import annotations

from typing import Any

from histoscore.records import CompartmentResult, SectionResult

FLAG = "pixel_size_assumed"

_IN_PIXELS = {
    "hyaline_area_px": "hyaline_area_um2",
    "calcified_area_px": "calcified_area_um2",
    "surface_length_px": "surface_length_um",
    "mean_thickness_px": "mean_thickness_um",
    "median_thickness_px": "median_thickness_um",
}
_PROFILES = ("hyaline_profile_um", "calcified_profile_um")
_OF_UM = ("area_unusual", "thickness_unusual")
"""Flags that compare micrometres."""


def without_scale(section: SectionResult, mpp: float) -> SectionResult:
    """A section's result without micrometres; `mpp` is what was assumed while it was measured."""
    return section.model_copy(
        update={
            "area_um2": None,
            "flags": (*section.flags, FLAG),
            "compartments": tuple(_in_pixels(one, mpp) for one in section.compartments),
        }
    )


def _in_pixels(result: CompartmentResult, mpp: float) -> CompartmentResult:
    changes: dict[str, Any] = {
        name: None for name in CompartmentResult.model_fields if _is_physical(name)
    }
    for name, source in _IN_PIXELS.items():
        value = getattr(result, source)
        pixel = mpp**2 if source.endswith("_um2") else mpp
        changes[name] = None if value is None else value / pixel
    changes |= dict.fromkeys(_PROFILES, ())
    changes["flags"] = tuple(flag for flag in result.flags if flag not in _OF_UM)
    return result.model_copy(update=changes)


def _is_physical(name: str) -> bool:
    """Whether a column's name says that it holds micrometres, or something per area."""
    return name.endswith(("_um", "_um2", "_per_mm2"))
