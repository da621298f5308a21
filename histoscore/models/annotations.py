"""A person's outlines of tissue, from QuPath, as label maps.

Outlines are drawn the largest first, so that a small one inside a large one is seen; what is to
be ignored is drawn last. A pixel belongs to an outline that holds its middle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from histoscore.geojson import Feature, of_class, read_features
from histoscore.geometry import Box
from histoscore.image.filled import filled
from histoscore.models.examples import EITHER_BONE
from histoscore.records import LabelArray
from histoscore.vocabulary import IGNORE, Compartment, Tissue, Zone

_CARTILAGE = (Tissue.HYALINE, Tissue.CALCIFIED)


@dataclass(frozen=True, slots=True)
class Outline:
    """One area that a person drew.

    Attributes:
        geometry: Polygon or MultiPolygon in level-0 pixel corners.
        label: a `Tissue` value, or `IGNORE`.
        zone: a `Zone` value; `EITHER_BONE` of cartilage that nobody named; `IGNORE` where the
            outline does not tell.
    """

    geometry: BaseGeometry
    label: int
    zone: int

    def lies_in(self, box: Box) -> bool:
        """Whether its middle lies in a box of the slide."""
        x, y = self.geometry.centroid.coords[0]
        return bool(box.x <= x <= box.right and box.y <= y <= box.bottom)


@dataclass(frozen=True, slots=True)
class Annotations:
    """The outlines of a slide in the order in which they are drawn, and what was left out."""

    outlines: tuple[Outline, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Classes that no tissue is given for → how many outlines of theirs were left out."""
    notes: tuple[str, ...] = ()

    def of(self, box: Box) -> tuple[Outline, ...]:
        """Outlines that label tissue and whose middle lies in the box."""
        return tuple(o for o in self.outlines if o.label != IGNORE and o.lies_in(box))


def read_annotations(path: Path, classes: Mapping[str, str]) -> Annotations:
    """The outlines of a GeoJSON file whose class stands in `classes`.

    A compartment may stand in the subclass (`hyaline cartilage: MFC`) or in the object's name
    (`MFC hyaline cartilage`). Capitals do not matter.

    Args:
        path: the file; coordinates are level-0 pixel corners.
        classes: QuPath class → tissue in lower case, or `ignore`.

    Raises:
        UsageError: the file cannot be read as GeoJSON.
    """
    features, rejected = read_features(path)
    known = {name.casefold(): label_of(tissue) for name, tissue in classes.items()}
    outlines, unknown = [], Counter[str]()
    for feature in features:
        label = of_class(feature.classification, known)
        if label is None:
            unknown[feature.classification or "(no class)"] += 1
        else:
            outlines.append(Outline(feature.geometry, label, _zone(feature, label)))
    ordered = sorted(outlines, key=lambda o: (o.label == IGNORE, -o.geometry.area))
    return Annotations(tuple(ordered), unknown, _left_out(path, rejected))


def label_of(tissue: str) -> int:
    """The label that a tissue's name stands for; KeyError for a name that is none."""
    return IGNORE if tissue == "ignore" else Tissue[tissue.upper()].value


def draw(outlines: Sequence[Outline], box: Box, tissue: LabelArray, zone: LabelArray) -> None:
    """Draws outlines into two label maps (rows, columns) that show `box`."""
    for outline in outlines:
        geometry = _in_pixels(outline.geometry, box, tissue.shape)
        found = filled(geometry, tissue.shape)
        if found is None:
            continue
        window, inside = found
        tissue[window][inside] = outline.label
        zone[window][inside] = outline.zone


def _zone(feature: Feature, label: int) -> int:
    """Bone may lie under articular cartilage or far from it, so it does not tell."""
    if label in (IGNORE, Tissue.BONE, Tissue.MARROW):
        return IGNORE
    if label not in _CARTILAGE:
        return Zone.NONE
    words = f"{feature.classification} {feature.name}".replace(":", " ").upper().split()
    zones = {Zone.of(c) for c in Compartment if c.value in words}
    return zones.pop() if len(zones) == 1 else EITHER_BONE


def _left_out(path: Path, rejected: Sequence[str]) -> tuple[str, ...]:
    reasons = Counter(reason.partition(": ")[2] for reason in rejected)
    return tuple(f"{path.name}: {n} objects left out, {why}" for why, n in reasons.items())


def _in_pixels(geometry: BaseGeometry, box: Box, shape: tuple[int, ...]) -> BaseGeometry:
    """Level-0 corners → corners of the pixels of an array that shows the whole of `box`."""
    scale = np.array([shape[1] / box.width, shape[0] / box.height])
    return shapely.transform(geometry, lambda points: (points - (box.x, box.y)) * scale)
