"""The truth of a slide as objects for QuPath: outlines, edges, lesions, artefacts.

What is drawn comes from the curves in micrometres, never from pixels. Names, classes and colours
are those of a run's export, so that truth and prediction can be laid over each other; their ids
differ. No object tells whose knee it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.geojson import Feature, Rgb
from histoscore.geometry import Points, polygon_area, polyline_length
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import CartilageBed
from histoscore.phantom.knee.truth import CompartmentTruth, osteochondral_edge, runs
from histoscore.vocabulary import Tissue, format_rung

SURFACE_COLOR: Rgb = (0, 90, 160)
TIDEMARK_COLOR: Rgb = (70, 40, 130)
LESION_COLOR: Rgb = (200, 0, 60)
ARTEFACT_COLOR: Rgb = (110, 95, 80)

TOLERANCE_PX = 0.1
"""Points are left out while the line stays this close to where it was, in level-0 pixels."""

_AREA_KEPT = 5e-4
"""…and while an outline's area changes by less than this share."""

_GRID_PX = 1e-3  # GeoJSON is written with three decimals: outlines must be valid on that grid

_HYALINE = (
    "grade",
    "hyaline_area_um2",
    "mean_thickness_um",
    "median_thickness_um",
    "deepest_lesion",
    "safranin_loss",
)
_CALCIFIED = ("calcified_area_um2", "osteochondral_length_um")
_SURFACE = ("surface_length_um", "lesion_extent", "lesion_count")
_TIDEMARK = ("tidemark_length_um",)

Artefact = tuple[str, BaseGeometry, Mapping[str, float]]
"""Kind (`fold`), outline in level-0 pixels (centres at whole numbers), measurements."""


@dataclass(frozen=True, slots=True)
class SectionOutlines:
    """A section's curves, what is true of them, and where they lie on the slide.

    Attributes:
        number: of the section on its slide, from 1.
        beds: the cartilage of each compartment.
        truth: of the same compartments in the same order.
        to_slide: knee-frame (x, y) in µm → level-0 (x, y), pixel centres at whole numbers.
        other: further tissues (bone, growth plate, meniscus) as closed rings in knee-frame µm.
    """

    number: int
    beds: Sequence[CartilageBed]
    truth: Sequence[CompartmentTruth]
    to_slide: Callable[[Points], Points]
    other: Mapping[Tissue, Sequence[Points]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        drawn, told = ([one.compartment for one in many] for many in (self.beds, self.truth))
        if drawn != told:
            raise ValueError(f"section {self.number}: beds {drawn}, but truth of {told}")


def truth_features(
    slide: str, sections: Sequence[SectionOutlines], artefacts: Sequence[Artefact] = ()
) -> tuple[Feature, ...]:
    """Every outline of a slide, in level-0 pixel corners.

    Of each compartment the two layers of cartilage as areas; articular surface, tidemark and each
    bare stretch of the tidemark (`MFC lesion 1`, in the order of the curve) as lines. A layer of
    which nothing is left has no object. Ids derive from slide, section and name.

    Args:
        slide: its name in the study sheet.
        sections: in reading order.
        artefacts: numbered by kind, in the order given.

    Raises:
        ValueError: an outline of another tissue or of an artefact is empty or a point.
    """
    features: list[Feature] = []
    for section in sections:
        for bed, truth in zip(section.beds, section.truth, strict=True):
            features += _compartment(_Frame.of(slide, section, truth), bed, truth)
        features += _other(_Frame.of(slide, section), section.other)
    return (*features, *_artefacts(slide, artefacts))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a section's objects lie, what their ids begin with, and what their metadata say."""

    key: str
    to_slide: Callable[[Points], Points]
    metadata: Mapping[str, str]

    @classmethod
    def of(
        cls, slide: str, section: SectionOutlines, truth: CompartmentTruth | None = None
    ) -> _Frame:
        metadata = {"slide": slide, "section": str(section.number)}
        if truth is not None:
            metadata["compartment"] = truth.compartment.value
            metadata["grade"] = format_rung(truth.grade)
        return cls(f"truth/{slide}/{section.number}", section.to_slide, metadata)

    def area(self, rings: Sequence[Points]) -> BaseGeometry:
        """Polygon or MultiPolygon in pixel corners of rings in knee-frame µm; empty for none."""
        return _thinned(_polygons([Polygon(self.to_slide(ring) + 0.5) for ring in rings]))

    def line(self, points: Points) -> LineString:
        """A knee-frame line in pixel corners."""
        return LineString(self.to_slide(points) + 0.5).simplify(
            TOLERANCE_PX, preserve_topology=False
        )

    def feature(
        self,
        name: str,
        geometry: BaseGeometry,
        classification: str,
        color: Rgb,
        measurements: Mapping[str, float],
    ) -> Feature:
        return Feature(
            geometry=geometry,
            name=name,
            classification=classification,
            color=color,
            measurements=measurements,
            metadata=self.metadata,
            key=f"{self.key}/{name}",
        )


def _compartment(frame: _Frame, bed: CartilageBed, truth: CompartmentTruth) -> Iterator[Feature]:
    yield from _layers(frame, bed, truth)
    yield from _edges(frame, bed, truth)
    yield from _lesions(frame, bed)


def _layers(frame: _Frame, bed: CartilageBed, truth: CompartmentTruth) -> Iterator[Feature]:
    """The hyaline and the calcified layer, as far as there is one."""
    surface = bed.base + bed.outward * bed.hyaline[:, None]
    for tissue, edge, thickness, names in (
        (Tissue.HYALINE, surface, bed.hyaline, _HYALINE),
        (Tissue.CALCIFIED, osteochondral_edge(bed), bed.calcified, _CALCIFIED),
    ):
        geometry = frame.area(list(layer_rings(bed.base, edge, thickness)))
        if geometry.is_empty:
            continue
        yield frame.feature(
            f"{bed.compartment.value} {tissue.title}",
            geometry,
            f"{tissue.title}: {bed.compartment.value}",
            tissue.color,
            _measured(truth, names),
        )


def _edges(frame: _Frame, bed: CartilageBed, truth: CompartmentTruth) -> Iterator[Feature]:
    for title, line, color, names in (
        ("articular surface", bed.articular_surface(), SURFACE_COLOR, _SURFACE),
        ("tidemark", bed.base, TIDEMARK_COLOR, _TIDEMARK),
    ):
        name = f"{bed.compartment.value} {title}"
        yield frame.feature(name, frame.line(line), title, color, _measured(truth, names))


def _lesions(frame: _Frame, bed: CartilageBed) -> Iterator[Feature]:
    for index, (start, stop) in enumerate(runs(bed.lesions.gone), 1):
        line = stretch(bed.base, start, stop)
        yield frame.feature(
            f"{bed.compartment.value} lesion {index}",
            frame.line(line),
            "lesion",
            LESION_COLOR,
            {"length_um": polyline_length(line)},
        )


def _other(frame: _Frame, tissues: Mapping[Tissue, Sequence[Points]]) -> Iterator[Feature]:
    for tissue, rings in tissues.items():
        for index, ring in enumerate(rings, 1):
            yield frame.feature(
                f"{tissue.title} {index}",
                frame.area([ring]),
                tissue.title,
                tissue.color,
                {"area_um2": polygon_area(ring)},
            )


def _artefacts(slide: str, artefacts: Sequence[Artefact]) -> Iterator[Feature]:
    seen: dict[str, int] = {}
    for kind, outline, measurements in artefacts:
        seen[kind] = seen.get(kind, 0) + 1
        name = f"{kind} {seen[kind]}"
        moved = translate(outline, 0.5, 0.5)
        yield Feature(
            geometry=moved if moved.geom_type == "LineString" else _on_grid(_polygons([moved])),
            name=name,
            classification=f"artefact: {kind}",
            color=ARTEFACT_COLOR,
            measurements=measurements,
            metadata={"slide": slide},
            key=f"truth/{slide}/artefact/{name}",
        )


def _measured(truth: CompartmentTruth, names: Sequence[str]) -> Mapping[str, float]:
    return {name: getattr(truth, name) for name in names}


def layer_rings(base: Points, edge: Points, thickness: Profile) -> Iterator[Points]:
    """Closed rings of a layer from its base (n, 2) to its edge (n, 2), one for each part of it.

    A layer with stretches of no thickness (n,) is no simple ring: it is parted there, each part
    reaching to the points at which it has run out.
    """
    for start, stop in runs(thickness > 0):
        part = slice(max(start - 1, 0), stop + 1)
        yield np.vstack([base[part], edge[part][::-1]])


def stretch(line: Points, start: int, stop: int) -> Points:
    """The line around its points `start` to `stop` (exclusive), half a step more at either end."""
    index = np.arange(len(line))
    places = np.clip([start - 0.5, *range(start, stop), stop - 0.5], 0, len(line) - 1)
    return np.column_stack([np.interp(places, index, column) for column in line.T])


def _polygons(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    """What the shapes cover, as a valid Polygon or MultiPolygon; empty where they cover nothing.

    Where normals cross over rough cartilage an outline crosses itself by a hair.
    """
    valid = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    return _areas(shapely.union_all(valid))


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry."""
    parts = [p for p in getattr(geometry, "geoms", [geometry]) if p.geom_type == "Polygon"]
    parts = [p for p in parts if p.area > 0]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _thinned(geometry: BaseGeometry) -> BaseGeometry:
    """The outline with fewer points, valid as it will be written, its area kept."""
    for tolerance in (TOLERANCE_PX, TOLERANCE_PX / 3, TOLERANCE_PX / 10):
        thin = _on_grid(geometry.simplify(tolerance))
        if abs(thin.area - geometry.area) <= _AREA_KEPT * geometry.area:
            return thin
    return _on_grid(geometry)


def _on_grid(geometry: BaseGeometry) -> BaseGeometry:
    return _areas(shapely.set_precision(geometry, _GRID_PX))
