"""Outlines as a person would draw them in QuPath, written as GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def rectangle(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def write_outlines(
    path: Path, outlines: Sequence[tuple[str, str, list[list[list[float]]]]]
) -> Path:
    """A GeoJSON file of (class, name, rings)."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {"objectType": "annotation", "classification": name, "name": called},
        }
        for name, called, rings in outlines
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
