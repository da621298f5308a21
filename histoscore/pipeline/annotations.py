"""People's outlines of cartilage against a run's label maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from histoscore.export.zarr_labels import read_label_store
from histoscore.geojson import of_class, read_features
from histoscore.geometry import Placement
from histoscore.image.filled import filled
from histoscore.pipeline.graded import GradedRun
from histoscore.records import LabelMap, Mask, SectionResult, SlideResult
from histoscore.scoring.areas import OutlineOverlap, mask_overlap
from histoscore.study.outline_files import find_outlines
from histoscore.vocabulary import Tissue

CARTILAGE = "cartilage"
"""Both layers together."""

CLASSES = {
    "hyaline cartilage": Tissue.HYALINE,
    "hyaline": Tissue.HYALINE,
    "calcified cartilage": Tissue.CALCIFIED,
    "calcified": Tissue.CALCIFIED,
}
"""Classes of outlines that are read, whatever their capitals and subclass (`: MFC`)."""

Outlines = Mapping[Tissue, BaseGeometry]
"""What a person drew of one section, in level-0 pixel corners."""


@dataclass(frozen=True, slots=True)
class OutlineFindings:
    """Overlaps by section, how many outlined sections have no label map, and remarks."""

    overlaps: tuple[OutlineOverlap, ...]
    n_missing: int
    notices: tuple[str, ...]


def compare_outlines(run: GradedRun, folder: Path) -> OutlineFindings:
    """Every slide that has a `NAME.geojson` in the folder, NAME the slide's file name or its stem.

    A tissue of a section counts where a person outlined some of it.

    Raises:
        UsageError: the folder's files do not fit the run's slides.
        StoredResultError: a label map of the run is damaged.
    """
    slides = [slide for slide in run.places if (slide, None) not in run.left_out]
    files = find_outlines(folder, slides)
    overlaps: list[OutlineOverlap] = []
    notices: list[str] = []
    missing = 0
    for slide, path in files.items():
        outlines, remarks = _outlines(path)
        notices += remarks
        result = next(result for result in run.results if result.slide == slide)
        for section, drawn in _by_section(result, outlines):
            labels = _labels(run, slide, section)
            if labels is None or section is None:
                missing += 1
                continue
            overlaps += _overlaps(slide, section.section, labels, drawn)
    without = [slide for slide in run.places if slide not in files]
    if without:
        notices.append(f"{len(without)} slides have no outlines in {folder.name}")
    return OutlineFindings(tuple(overlaps), missing, tuple(notices))


def rasterised(outline: BaseGeometry, placement: Placement, shape: tuple[int, int]) -> Mask:
    """Pixels of an array on the slide whose centre lies in an outline (level-0 pixel corners)."""
    mask = np.zeros(shape, dtype=bool)
    corner, scale = (placement.x, placement.y), placement.downsample
    found = filled(shapely.transform(outline, lambda points: (points - corner) / scale), shape)
    if found:
        window, inside = found
        mask[window] = inside
    return mask


def _outlines(path: Path) -> tuple[list[tuple[Tissue, BaseGeometry]], list[str]]:
    features, rejected = read_features(path)
    named = [(of_class(feature.classification, CLASSES), feature.geometry) for feature in features]
    outlines = [(tissue, outline) for tissue, outline in named if tissue is not None]
    lines = [reason for reason in rejected if "is not an outline" not in reason]
    return outlines, [f"{path.name}: {reason}, left out" for reason in lines]


def _by_section(
    slide: SlideResult, outlines: Sequence[tuple[Tissue, BaseGeometry]]
) -> Iterator[tuple[SectionResult | None, Outlines]]:
    """Each outline goes to the section whose box it covers most of; None is no section."""
    drawn: dict[int | None, dict[Tissue, list[BaseGeometry]]] = {}
    for tissue, outline in outlines:
        shares = {s.section: outline.intersection(_box(s)).area for s in slide.sections}
        best = max(shares, key=lambda number: shares[number], default=None)
        place = best if best is not None and shares[best] > 0 else None
        drawn.setdefault(place, {}).setdefault(tissue, []).append(outline)
    sections = {section.section: section for section in slide.sections}
    for number, tissues in drawn.items():
        united = {tissue: shapely.union_all(parts) for tissue, parts in tissues.items()}
        yield (None if number is None else sections[number]), united


def _box(section: SectionResult) -> BaseGeometry:
    return box(section.x, section.y, section.x + section.width, section.y + section.height)


def _labels(run: GradedRun, slide: str, section: SectionResult | None) -> LabelMap | None:
    if section is None or not (run.folder.path / "labels").is_dir():
        return None
    store = run.folder.label_path(slide, section.section)
    return read_label_store(store) if store.is_dir() else None


def _overlaps(
    slide: str, section: int, labels: LabelMap, drawn: Outlines
) -> Iterator[OutlineOverlap]:
    """Overlap of each tissue that was drawn, and of both layers where both were."""
    articular = labels.compartments > 0
    masks = {tissue: articular & (labels.tissue == tissue) for tissue in drawn}
    pairs = [(tissue.title, masks[tissue], outline) for tissue, outline in drawn.items()]
    if len(drawn) > 1:
        both = np.logical_or.reduce(list(masks.values()))
        pairs.append((CARTILAGE, both, shapely.union_all(list(drawn.values()))))
    for title, mask, outline in pairs:
        person = rasterised(outline, labels.placement, mask.shape)
        model, seen, common = mask_overlap(mask, person)
        beyond = _area_outside(outline, labels.placement, mask.shape)
        yield OutlineOverlap(slide, section, title, model, seen + beyond, common)


def _area_outside(outline: BaseGeometry, placement: Placement, shape: tuple[int, int]) -> float:
    """Pixels of the outline that lie beyond the array: cartilage that the model did not look at."""
    rows, columns = shape
    right = placement.x + columns * placement.downsample
    bottom = placement.y + rows * placement.downsample
    outside = outline.difference(box(placement.x, placement.y, right, bottom))
    return float(outside.area / placement.downsample**2)
