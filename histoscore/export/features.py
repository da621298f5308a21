"""A section's cartilage as objects for QuPath."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import shapely

from histoscore.export.outlines import mask_outline
from histoscore.files import write_atomic
from histoscore.geojson import Feature, Rgb, dumps
from histoscore.records import CompartmentResult, LabelMap, SectionResult, Surface
from histoscore.vocabulary import Compartment, Tissue

SECTION_COLOR: Rgb = (90, 105, 115)
SURFACE_COLOR: Rgb = (0, 90, 160)
LESION_COLOR: Rgb = (200, 20, 60)

_MEASURES = {
    Tissue.HYALINE: (
        "grade",
        "expected_grade",
        "hyaline_area_um2",
        "mean_thickness_um",
        "median_thickness_um",
        "min_thickness_um",
        "safranin_fraction",
        "safranin_density",
        "hyaline_area_px",
        "mean_thickness_px",
    ),
    Tissue.CALCIFIED: ("calcified_area_um2", "calcified_area_px"),
}
_ALONG = (
    "surface_length_um",
    "surface_length_px",
    "tidemark_length_um",
    "osteochondral_length_um",
    "lesion_extent",
    "lesion_count",
    "widest_lesion_um",
    "deepest_lesion",
    "roughness_um",
)


def to_features(
    slide_sha: str, section: SectionResult, labels: LabelMap, surfaces: Sequence[Surface]
) -> list[Feature]:
    """A section's box, the cartilage of each compartment, and the articular surfaces as lines.

    Grades and areas are measurements of the objects; what is missing is left out. Ids derive from
    slide, section and object, so that an export made again replaces the objects of the first.
    """
    results = {r.compartment: r for r in section.compartments}
    features = [_section_box(slide_sha, section)]
    for compartment in Compartment:
        features += _cartilage(slide_sha, section, labels, compartment, results.get(compartment))
    for surface in surfaces:
        result = results.get(surface.compartment)
        features.append(_surface_line(slide_sha, section, surface, result))
        features += _lesions(slide_sha, section, surface, result)
    return features


def write_features(path: Path, features: Iterable[Feature]) -> None:
    """Writes a FeatureCollection that QuPath opens when it is dropped on the slide."""
    write_atomic(path, dumps(features))


def _section_box(slide_sha: str, section: SectionResult) -> Feature:
    right, bottom = section.x + section.width, section.y + section.height
    name = f"section {section.section}"
    return Feature(
        geometry=shapely.box(section.x, section.y, right, bottom),
        name=name,
        classification="section",
        color=SECTION_COLOR,
        measurements={} if section.area_um2 is None else {"area_um2": section.area_um2},
        metadata=_metadata(section, section),
        key=_key(slide_sha, section, name),
    )


def _cartilage(
    slide_sha: str,
    section: SectionResult,
    labels: LabelMap,
    compartment: Compartment,
    result: CompartmentResult | None,
) -> Iterator[Feature]:
    for tissue, measures in _MEASURES.items():
        mask = (labels.compartments == compartment.code) & (labels.tissue == tissue)
        if not mask.any():
            continue
        name = f"{compartment.value} {tissue.title}"
        yield Feature(
            geometry=mask_outline(mask, labels.placement),
            name=name,
            classification=f"{tissue.title}: {compartment.value}",
            color=tissue.color,
            measurements=_measured(result, measures),
            metadata=_metadata(section, result or section),
            key=_key(slide_sha, section, name),
        )


def _surface_line(
    slide_sha: str, section: SectionResult, surface: Surface, result: CompartmentResult | None
) -> Feature:
    name = f"{surface.compartment.value} articular surface"
    return Feature(
        geometry=shapely.LineString(surface.outer + 0.5),  # pixel centres → pixel corners
        name=name,
        classification="articular surface",
        color=SURFACE_COLOR,
        measurements=_measured(result, _ALONG),
        metadata=_metadata(section, result or section),
        key=_key(slide_sha, section, name),
    )


def _lesions(
    slide_sha: str, section: SectionResult, surface: Surface, result: CompartmentResult | None
) -> Iterator[Feature]:
    """Stretches of the tidemark that lie bare: what the lesion extent is the share of."""
    steps = np.diff(surface.eroded.astype(np.int8), prepend=0, append=0)
    stretches = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
    lines = [surface.tidemark[start:stop] + 0.5 for start, stop in stretches if stop - start > 1]
    for number, line in enumerate(lines, start=1):
        name = f"{surface.compartment.value} lesion {number}"
        yield Feature(
            geometry=shapely.LineString(line),
            name=name,
            classification="lesion",
            color=LESION_COLOR,
            metadata=_metadata(section, result or section),
            key=_key(slide_sha, section, name),
        )


def _measured(result: CompartmentResult | None, names: Sequence[str]) -> Mapping[str, float]:
    values = {name: getattr(result, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _metadata(
    section: SectionResult, about: CompartmentResult | SectionResult
) -> Mapping[str, str]:
    values = {
        "section": str(section.section),
        "status": about.status.value,
        "reason": about.reason,
        "flags": "; ".join(about.flags),
    }
    return {name: text for name, text in values.items() if text}


def _key(slide_sha: str, section: SectionResult, name: str) -> str:
    return f"{slide_sha}/{section.section}/{name}"
