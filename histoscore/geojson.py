"""GeoJSON as QuPath writes and reads it.

Coordinates are level-0 pixels as (x, y), y down, pixel *corners* at whole numbers: the upper left
pixel of the slide spans 0–1. (Elsewhere in histoscore pixel centres lie at whole numbers.)
The rules follow QuPath's own adapters: a class has a name and a colour, or it is a plain string;
measurements are finite numbers; metadata are strings.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.errors import UsageError
from histoscore.geometry import Points

Rgb = tuple[int, int, int]

NAMESPACE = uuid.UUID("6f1d2f0e-9c1b-5a57-8f0e-6a5a0c7f4c21")
"""Object ids are UUIDv5 in this namespace: the same object has the same id in every export."""

MAX_BYTES = 256 * 2**20
"""Larger files are refused unread."""

_DECIMALS = 3

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Feature:
    """One object on a slide.

    Attributes:
        geometry: a shapely Polygon, MultiPolygon or LineString in level-0 pixel corners.
        name: what the object is called (`MFC hyaline cartilage`).
        classification: QuPath class (`hyaline cartilage`; subclasses as `A: B`); may be empty.
        color: RGB of the class; needed where a class is given and the file is for QuPath.
        measurements: finite numbers. metadata: strings.
        key: what the object's id is derived from (slide, section, object).

    Raises:
        ValueError: an empty or foreign geometry, a measurement that is not finite.
    """

    geometry: BaseGeometry
    name: str
    classification: str = ""
    color: Rgb | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    object_type: str = "annotation"
    key: str = ""

    def __post_init__(self) -> None:
        if self.geometry.geom_type not in ("Polygon", "MultiPolygon", "LineString"):
            raise ValueError(f"{self.name}: a {self.geometry.geom_type} is neither area nor line")
        if self.geometry.is_empty:
            raise ValueError(f"{self.name}: the outline is empty")
        for measure, value in self.measurements.items():
            if not math.isfinite(value):
                raise ValueError(f"{self.name}: {measure} is {value}, not a finite number")

    @property
    def id(self) -> str:
        """The key itself where it is a UUID (an object read from a file), else its UUIDv5."""
        try:
            return str(uuid.UUID(self.key))
        except ValueError:
            return str(uuid.uuid5(NAMESPACE, self.key or self.name))


def dumps(features: Iterable[Feature]) -> str:
    """A FeatureCollection as text, the same for the same features; QuPath opens it by a drop."""
    collection = {"type": "FeatureCollection", "features": [_as_json(f) for f in features]}
    return json.dumps(collection, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def read_features(
    path: Path, max_bytes: int = MAX_BYTES
) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    """The usable outlines of a GeoJSON file, and a reason for every object left out.

    Outlines that cross themselves are repaired where that leaves an area; open rings are closed;
    measurements that are not finite are dropped.

    Raises:
        UsageError: the file is too large, cannot be read, or is not GeoJSON.
    """
    objects = _objects(_load(path, max_bytes), path)
    features, rejected = [], []
    for number, item in enumerate(objects, start=1):
        try:
            features.append(_from_json(item))
        except ValueError as problem:
            rejected.append(f"object {number}: {problem}")
    return tuple(features), tuple(rejected)


def of_class(classification: str, known: Mapping[str, _T]) -> _T | None:
    """What is known of a QuPath class: of the whole name, else of the part before its subclasses.

    Args:
        classification: `hyaline cartilage: MFC`; capitals do not matter.
        known: class in lower case → anything.
    """
    name = classification.strip().casefold()
    return known.get(name, known.get(name.partition(":")[0].strip()))


def _as_json(feature: Feature) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": feature.object_type, "name": feature.name}
    if feature.classification and feature.color is not None:
        properties["classification"] = {
            "name": feature.classification,
            "color": [int(c) for c in feature.color],
        }
    elif feature.classification:
        properties["classification"] = feature.classification
    if feature.measurements:
        properties["measurements"] = {k: float(v) for k, v in feature.measurements.items()}
    if feature.metadata:
        properties["metadata"] = dict(feature.metadata)
    return {
        "type": "Feature",
        "id": feature.id,
        "geometry": _geometry_as_json(feature.geometry),
        "properties": properties,
    }


def _geometry_as_json(geometry: BaseGeometry) -> dict[str, Any]:
    if geometry.geom_type == "LineString":
        return {"type": "LineString", "coordinates": _coordinates(geometry)}
    parts = [_rings(p) for p in getattr(geometry, "geoms", [geometry])]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _rings(polygon: Polygon) -> list[list[list[float]]]:
    return [_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]


def _coordinates(line: BaseGeometry) -> list[list[float]]:
    points: list[list[float]] = np.round(shapely.get_coordinates(line), _DECIMALS).tolist()
    return points


def _load(path: Path, max_bytes: int) -> Any:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise UsageError(f"{path}: {size} bytes of GeoJSON; the limit is {max_bytes}")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"{path}: is not GeoJSON; export it again from QuPath") from None


def _objects(data: Any, path: Path) -> Sequence[Any]:
    if isinstance(data, dict) and data.get("type") == "FeatureCollection":
        data = data.get("features")
    elif isinstance(data, dict) and data.get("type") == "Feature":
        data = [data]
    if not isinstance(data, list):
        raise UsageError(f"{path}: holds no GeoJSON features; export it again from QuPath")
    return data


def _from_json(item: Any) -> Feature:
    if not isinstance(item, dict):
        raise ValueError("is not a feature")
    properties = _mapping(item.get("properties"))
    name, color = _classification(properties.get("classification"))
    return Feature(
        geometry=_geometry(item.get("geometry")),
        name=str(properties.get("name") or name),
        classification=name,
        color=color,
        measurements=_finite(_mapping(properties.get("measurements"))),
        metadata={str(k): str(v) for k, v in _mapping(properties.get("metadata")).items()},
        object_type=str(properties.get("objectType") or "annotation"),
        key=str(item.get("id") or ""),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {k: v for k, v in values.items() if isinstance(v, int | float)}
    return {k: float(v) for k, v in numbers.items() if math.isfinite(v)}


def _classification(value: Any) -> tuple[str, Rgb | None]:
    if isinstance(value, str):
        return value, None
    fields = _mapping(value)
    name = fields.get("name") or ": ".join(str(n) for n in fields.get("names") or ())
    color = fields.get("color")
    if isinstance(color, list) and len(color) == 3 and all(isinstance(c, int) for c in color):
        return str(name), (color[0], color[1], color[2])
    return str(name), None


def _geometry(data: Any) -> BaseGeometry:
    fields = _mapping(data)
    kind, coordinates = fields.get("type"), fields.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"{kind or 'no geometry'} is not an outline")
    if not isinstance(coordinates, list):
        raise ValueError("the outline has no coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return _repaired(MultiPolygon([_polygon(rings) for rings in polygons]))


def _polygon(rings: Any) -> Polygon:
    if not isinstance(rings, list) or not rings:
        raise ValueError("the outline is empty")
    shell, *holes = [_ring(points) for points in rings]
    return Polygon(shell, holes)


def _ring(points: Any) -> Points:
    try:
        ring = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("the coordinates are not numbers") from None
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3:
        raise ValueError("an outline needs three points or more")
    if not np.isfinite(ring).all():
        raise ValueError("the coordinates are not finite")
    return ring[:, :2]


def _repaired(geometry: BaseGeometry) -> BaseGeometry:
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = [p for p in getattr(geometry, "geoms", [geometry]) if p.geom_type == "Polygon"]
    parts = [p for p in parts if p.area > 0]
    if not parts:
        raise ValueError("the outline encloses nothing")
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
