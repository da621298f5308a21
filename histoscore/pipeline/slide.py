"""From one slide to its result: the order of the stages, and nothing else.

    slide → sections → coarse map → joint → fine map → label map → measures → strips → grades

Runs in the worker process; a cluster's worker runs the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from histoscore.config import ScoreConfig
from histoscore.export.features import to_features, write_features
from histoscore.export.overlays import draw_overlay, write_overlay
from histoscore.export.zarr_labels import write_label_store
from histoscore.geojson import Feature
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.quality import section_readouts
from histoscore.image.sections import chosen_sections, find_sections
from histoscore.image.stain import Rgb, safranin_positive, stain_readouts, white_point
from histoscore.image.tissue import tissue_mask
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.models.reading import JointReading, read_joint
from histoscore.pipeline.messages import ReportTiles
from histoscore.records import (
    CompartmentResult,
    GradePrediction,
    Mask,
    Morphometry,
    RgbImage,
    Section,
    SectionResult,
    SlideJob,
    SlideResult,
    Strip,
)
from histoscore.runs.folder import RunFolder
from histoscore.scoring.grades import compartment_result
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide
from histoscore.vocabulary import Compartment, Status

OVERLAY_WIDTH_PX = 2000
"""Overlays are read at a scale that gives about this width, never finer than the slide."""

NO_JOINT = "no joint found: femoral and tibial cartilage facing each other are not in this section"


@dataclass(frozen=True, slots=True)
class _Overview:
    """A slide seen from afar: picture, tissue, placement, and the glass's colour."""

    picture: RgbImage
    tissue: Mask
    placement: Placement
    white: Rgb

    def of(self, box: Box) -> tuple[RgbImage, Mask]:
        """Picture and tissue of a box."""
        where = box.slices(self.placement.downsample)
        return self.picture[where], self.tissue[where]


@dataclass(frozen=True, slots=True)
class _Graded:
    """A section's joint as read by the networks, with safranin measured, and its grades."""

    reading: JointReading
    measures: tuple[Morphometry, ...]
    grades: tuple[GradePrediction, ...]


class SlideScorer:
    """Scores slides with one model bundle; overlays and label maps go into the run folder."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        self.config = config
        self.run = RunFolder(run_folder)
        self.bundle = find_bundle(config.model)
        self.predictor = Predictor.of(self.bundle, config.device, config.tiles)

    def facts(self) -> Mapping[str, str | int]:
        return self.predictor.facts()

    def score(self, job: SlideJob, report_tiles: ReportTiles) -> SlideResult:
        """The slide's result; raises SlideError where it cannot be read or predicted."""
        row = job.row
        with open_slide(row.path, row.mpp, self.config.limits) as slide:
            overview = self._overview(slide)
            info = slide.info
            found = find_sections(
                overview.tissue,
                overview.placement,
                (info.width, info.height),
                self.config.sections,
            )
            tiles = _TileCount(report_tiles)
            chosen = chosen_sections(found, row.sections)
            features: list[Feature] = []
            sections = tuple(
                self._section(slide, overview, section, job, tiles, features) for section in chosen
            )
        if features:
            write_features(self.run.geojson_path(row.slide), features)
        status, reason = _slide_status(sections)
        return SlideResult(
            slide=row.slide,
            animal=row.animal,
            status=status,
            reason=reason,
            warnings=info.notes,
            reader=info.reader,
            width_px=info.width,
            height_px=info.height,
            mpp=info.mpp,
            mpp_source=info.mpp_source,
            sha256=job.sha256,
            tiles=tiles.total,
            engine=self.predictor.engine,
            sections=sections,
        )

    def _overview(self, slide: Slide) -> _Overview:
        info = slide.info
        mpp = Mpp(max(self.config.sections.overview_mpp, info.mpp))
        picture = slide.read_at(Box(0, 0, info.width, info.height), mpp)
        tissue = tissue_mask(picture, mpp)
        placement = Placement(0, 0, mpp / info.mpp, mpp)
        return _Overview(picture, tissue, placement, white_point(picture, tissue))

    def _section(
        self,
        slide: Slide,
        overview: _Overview,
        section: Section,
        job: SlideJob,
        tiles: _TileCount,
        features: list[Feature],
    ) -> SectionResult:
        picture, tissue = overview.of(section.box)
        readouts = stain_readouts(picture[tissue], overview.white)
        readouts |= section_readouts(picture, tissue, overview.placement.mpp, overview.white)
        reason = self._foreign_stain(readouts)
        graded = None
        if not reason:
            graded = self._graded(slide, section, job, overview.white, tiles)
            reason = "" if graded else NO_JOINT
        compartments = self._compartments(graded) if graded else _withheld(reason)
        status, reason = _section_status(compartments, reason)
        box = section.box
        result = SectionResult(
            section=section.number,
            x=box.x,
            y=box.y,
            width=box.width,
            height=box.height,
            area_um2=section.area,
            status=status,
            reason=reason,
            medial_side=graded.reading.joint.medial_side if graded else None,
            medial_source=graded.reading.joint.medial_source if graded else None,
            flags=self._flags(section, readouts, graded),
            readouts=readouts,
            compartments=compartments,
        )
        if graded is None:
            return result
        features += self._pictures(slide, job, result, graded)
        return result.model_copy(update={"overlay": self._overlay_name(job, section.number)})

    def _flags(
        self, section: Section, readouts: Mapping[str, float], graded: _Graded | None
    ) -> tuple[str, ...]:
        """What a person should look at in this section."""
        blurred = readouts.get("focus", 1.0) < self.config.quality.min_focus
        joint = graded.reading.joint.flags if graded else ()
        return section.flags + joint + (("out_of_focus",) if blurred else ())

    def _foreign_stain(self, readouts: Mapping[str, float]) -> str:
        """Why this is not the stain that the model knows; empty where it is."""
        for name, (low, high) in self.bundle.details.appearance.items():
            value = readouts.get(name)
            if value is not None and not low <= value <= high:
                return (
                    f"stain outside the training range: {name.replace('_', ' ')} {value:.2f}, "
                    f"the model knows {low:.2f}–{high:.2f}; is this {self.bundle.details.stain}?"
                )
        return ""

    def _graded(
        self, slide: Slide, section: Section, job: SlideJob, white: Rgb, tiles: _TileCount
    ) -> _Graded | None:
        reading = read_joint(
            self.predictor,
            slide,
            section.box,
            job.row.medial,
            self.config.full_section,
            tiles,
        )
        if reading is None:
            return None
        measures = tuple(
            replace(m, safranin_fraction=_safranin_fraction(strip, white))
            for m, strip in zip(reading.measures, reading.strips, strict=True)
        )
        return _Graded(reading, measures, self.predictor.grade(reading.strips))

    def _compartments(self, graded: _Graded) -> tuple[CompartmentResult, ...]:
        grades = {g.compartment: g.probabilities for g in graded.grades}
        measures = {m.compartment: m for m in graded.measures}
        return tuple(
            compartment_result(
                c, grades.get(c), measures.get(c), self.bundle.ladder, self.config.quality
            )
            for c in Compartment
        )

    def _pictures(
        self, slide: Slide, job: SlideJob, result: SectionResult, graded: _Graded
    ) -> list[Feature]:
        """Overlay, label map and QuPath objects of a section."""
        box = Box(result.x, result.y, result.width, result.height)
        mpp = Mpp(slide.info.mpp * max(1.0, box.width / OVERLAY_WIDTH_PX))
        surfaces = [m.surface for m in graded.measures]
        overlay = draw_overlay(
            slide.read_at(box, mpp),
            graded.reading.labels,
            surfaces,
            result.compartments,
            box,
            mpp,
            footer=f"{job.row.slide} · section {result.section} · model {self.bundle.name}"
            + ("" if self.bundle.validated_on_real_tissue else " (demonstration)"),
        )
        write_overlay(self.run.overlay_path(job.row.slide, result.section), overlay)
        write_label_store(self.run.label_path(job.row.slide, result.section), graded.reading.labels)
        return to_features(job.sha256, result, graded.reading.labels, surfaces)

    def _overlay_name(self, job: SlideJob, section: int) -> str:
        path = self.run.overlay_path(job.row.slide, section)
        return path.relative_to(self.run.path).as_posix()


class _TileCount:
    """Tiles over the passes and sections of a slide, for the progress line."""

    def __init__(self, report: ReportTiles) -> None:
        self._report, self._before, self.total = report, 0, 0

    def __call__(self, done: int, of: int) -> None:
        self.total = self._before + of
        self._report(self._before + done, self.total)
        if done == of:
            self._before = self.total


def _safranin_fraction(strip: Strip, white: Rgb) -> float | None:
    """Share of the hyaline layer that holds Safranin; None where there is no layer."""
    hyaline = strip.pixels[..., 3] > 127
    if not hyaline.any():
        return None
    positive = safranin_positive(np.ascontiguousarray(strip.pixels[..., :3]), white)
    return float(positive[hyaline].mean())


def _withheld(reason: str) -> tuple[CompartmentResult, ...]:
    return tuple(
        CompartmentResult(compartment=c, status=Status.REVIEW, reason=reason) for c in Compartment
    )


def _section_status(compartments: Sequence[CompartmentResult], reason: str) -> tuple[Status, str]:
    statuses = {c.status for c in compartments}
    if statuses == {Status.SCORED}:
        return Status.SCORED, ""
    if any(status.is_graded for status in statuses):
        missing = [c.compartment.value for c in compartments if not c.status.is_graded]
        return Status.WARNED, f"no grade for {', '.join(missing)}" if missing else ""
    return Status.REVIEW, reason or "no compartment could be graded"


def _slide_status(sections: Sequence[SectionResult]) -> tuple[Status, str]:
    if not sections:
        return Status.NO_TISSUE, "no tissue found on this slide"
    statuses = {section.status for section in sections}
    reasons = dict.fromkeys(s.reason for s in sections if s.reason)
    if statuses == {Status.SCORED}:
        return Status.SCORED, ""
    if statuses <= {Status.REVIEW}:
        return Status.REVIEW, "; ".join(reasons)
    return Status.WARNED, "; ".join(reasons)
