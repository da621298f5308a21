"""What was outlined in a section, as the run's GeoJSON has it, in pixels of the shown picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from histoscore.errors import StoredResultError
from histoscore.files import sha256_of
from histoscore.geometry import Box
from histoscore.review.subjects import Subject
from histoscore.runs.folder import RunFolder
from histoscore.vocabulary import Compartment, Tissue

Line = list[list[float]]

_AREAS = {Tissue.HYALINE.title: "hyaline", Tissue.CALCIFIED.title: "calcified"}
_DECIMALS = 1


class Contours:
    """The outlines of a run's sections; those of a few are kept, for every decision asks again."""

    def __init__(self, run: RunFolder, keys: Mapping[str, str]) -> None:
        """`keys`: slide → the content key its result is committed under."""
        self._run, self._keys = run, keys
        self._features = lru_cache(maxsize=8)(self._read)
        self._outlines = lru_cache(maxsize=16)(self._outlined)

    def of(self, subject: Subject) -> dict[Compartment, dict[str, Any]]:
        """By compartment: `hyaline` and `calcified` as closed rings, `surface` and `lesions` as
        lines; coordinates are pixels of the section's picture, pixel corners at whole numbers.

        Raises:
            StoredResultError: the file is gone, or not the one that was committed.
        """
        return self._outlines(*subject.place, subject.pyramid.box)

    def boxes(self, subject: Subject) -> dict[Compartment, list[int]]:
        """Where each compartment's cartilage lies: (x, y, width, height) in the picture."""
        return {
            compartment: around
            for compartment, parts in self.of(subject).items()
            if (around := _around([*parts["hyaline"], *parts["calcified"]]))
        }

    def _outlined(self, slide: str, section: int, box: Box) -> dict[Compartment, dict[str, Any]]:
        found: dict[Compartment, dict[str, Any]] = {}
        for feature in self._features(slide):
            properties = feature["properties"]
            if properties.get("metadata", {}).get("section") != str(section):
                continue
            name, _, what = properties["name"].partition(" ")
            if name in Compartment.__members__:
                mine = found.setdefault(Compartment(name), _empty())
                _add(mine, what, list(_lines(feature["geometry"], box)))
        return found

    def _read(self, slide: str) -> list[Any]:
        committed = self._run.recorded(self._keys[slide])
        path = self._run.geojson_path(slide)
        name = path.relative_to(self._run.path).as_posix()
        if committed is None or name not in committed.files:
            return []
        if sha256_of(path) != committed.files[name]:
            raise StoredResultError("the outlines were changed since the slide was scored")
        features: list[Any] = json.loads(path.read_text(encoding="utf-8"))["features"]
        return features


def _empty() -> dict[str, Any]:
    return {"hyaline": [], "calcified": [], "surface": [], "lesions": []}


def _add(mine: dict[str, Any], what: str, lines: list[Line]) -> None:
    if what in _AREAS:
        mine[_AREAS[what]] += lines
    elif what == "articular surface":
        mine["surface"] = lines[0]
    elif what.startswith("lesion"):
        mine["lesions"] += lines


def _lines(geometry: Any, box: Box) -> Iterator[Line]:
    """Every ring or line of a geometry, moved into the picture."""
    depth = {"LineString": 0, "Polygon": 1, "MultiPolygon": 2}[geometry["type"]]
    lines = [geometry["coordinates"]]
    for _ in range(depth):
        lines = [line for several in lines for line in several]
    for line in lines:
        moved = np.asarray(line, dtype=np.float64)[:, :2] - (box.x, box.y)
        points: Line = np.round(moved, _DECIMALS).tolist()
        yield points


def _around(rings: list[Line]) -> list[int] | None:
    if not rings:
        return None
    points = np.concatenate([np.asarray(ring) for ring in rings])
    left, top = np.floor(points.min(axis=0)).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    return [int(left), int(top), int(right - left), int(bottom - top)]
