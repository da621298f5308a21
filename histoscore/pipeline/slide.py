"""From one slide to its result: the order of the stages, and nothing else.

    slide → sections → coarse map → joint → fine map → label map → measures → strips → grades

Runs in the worker process; a cluster's worker runs the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import UnsupportedSlideError
from histoscore.export.features import to_features, write_features
from histoscore.export.overlays import draw_overlay, write_overlay
from histoscore.export.pictures import write_small
from histoscore.export.zarr_labels import write_label_store
from histoscore.geojson import Feature
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.labels import around_compartments
from histoscore.image.quality import section_readouts
from histoscore.image.sections import chosen_sections, find_sections
from histoscore.image.stain import Rgb, stain_readouts, white_point
from histoscore.image.tissue import tissue_mask
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.models.reading import SectionReading, read_section
from histoscore.pipeline.damage import (
    HOLED,
    MOST_UNREADABLE,
    UNREADABLE,
    holed_compartments,
    lost_words,
    painted,
    unreadable_share,
    unreadable_tiles,
)
from histoscore.pipeline.messages import ReportTiles
from histoscore.pipeline.strip_readouts import growth_plate_density, with_readouts
from histoscore.pipeline.unscaled import without_scale
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
)
from histoscore.runs.folder import RunFolder
from histoscore.scoring.grades import compartment_result, excluded_by
from histoscore.slides.base import Slide
from histoscore.slides.mpp import ASSUMED
from histoscore.slides.open import open_slide
from histoscore.vocabulary import Compartment, Status

OVERLAY_WIDTH_PX = 2000
"""Overlays are read at a scale that gives about this width, never finer than the slide."""

NO_JOINT = "no joint found: femoral and tibial cartilage facing each other are not in this section"


@dataclass(frozen=True, slots=True)
class _Overview:
    """A slide seen from afar: picture, tissue, placement, the glass's colour, and where nothing
    could be read: tissue may be there."""

    picture: RgbImage
    tissue: Mask
    placement: Placement
    white: Rgb
    unread: Mask

    @property
    def perhaps_tissue(self) -> Mask:
        """Tissue, and whatever could not be read."""
        return self.tissue | self.unread

    def of(self, box: Box) -> tuple[RgbImage, Mask]:
        """Picture and tissue of a box."""
        where = box.slices(self.placement.downsample)
        return self.picture[where], self.tissue[where]


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open slide and how it looks from afar: all that needs no network."""

    slide: Slide
    overview: _Overview


@dataclass(frozen=True, slots=True)
class _Graded:
    """A section as read by the networks and its picture, and its grades; without a joint
    there are neither."""

    reading: SectionReading
    measures: tuple[Morphometry, ...]
    grades: tuple[GradePrediction, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """The slide at hand: opened, seen from afar, and whose row it is."""

    slide: Slide
    job: SlideJob
    overview: _Overview
    tiles: _TileCount


class SlideScorer:
    """Scores slides with one model bundle; overlays and label maps go into the run folder."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        self.config = config
        self.run = RunFolder(run_folder)
        self.bundle = find_bundle(config.model)
        self.predictor = Predictor.of(
            self.bundle, config.device, config.tiles, config.engine, config.precision
        )
        self._background = ThreadPoolExecutor(1)
        self._prepared: dict[str, Future[_Opened]] = {}

    def facts(self) -> Mapping[str, str | int]:
        """Device, engine and threads as they are used, for run.json."""
        return self.predictor.facts()

    def prepare(self, job: SlideJob) -> None:
        """Opens a slide and finds its tissue in the background; `score` takes it from there."""
        if job.key not in self._prepared:
            self._prepared[job.key] = self._background.submit(self._opened, job)

    def score(self, job: SlideJob, report_tiles: ReportTiles) -> SlideResult:
        """The slide's result; raises SlideError where it cannot be read or predicted."""
        row, tiles = job.row, _TileCount(report_tiles)
        prepared = self._prepared.pop(job.key, None)
        opened = prepared.result() if prepared else self._opened(job)
        with opened.slide as slide:
            info = slide.info
            subject = _Subject(slide, job, opened.overview, tiles)
            chosen = chosen_sections(self._sections(subject), row.sections)
            scored = [self._section(subject, section) for section in chosen]
            view = opened.overview
            lost = unreadable_tiles(slide, view.placement, view.perhaps_tissue)
        sections = tuple(result for result, _ in scored)
        features = [feature for _, objects in scored for feature in objects]
        if features:
            write_features(self.run.geojson_path(row.slide), features)
        status, reason = _slide_status(sections, lost)
        return SlideResult(
            slide=row.slide,
            animal=row.animal,
            status=status,
            reason=reason,
            warnings=info.notes + ((lost_words(lost),) if lost else ()) + self.predictor.remarks,
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

    def _opened(self, job: SlideJob) -> _Opened:
        with ExitStack() as refused:
            row, config = job.row, self.config
            slide = open_slide(row.path, row.mpp, config.limits, config.assume_mpp)
            refused.enter_context(slide)
            slide.pass_over_damage()
            opened = _Opened(slide, self._overview(slide))
            refused.pop_all()
        return opened

    def _overview(self, slide: Slide) -> _Overview:
        info = slide.info
        mpp = Mpp(max(self.config.sections.overview_mpp, info.mpp))
        rows, columns = info.whole.shape_at(mpp / info.mpp)
        if rows * columns > self.config.limits.max_picture_pixels:
            raise UnsupportedSlideError(
                f"too large: {info.width} × {info.height} pixels of {info.mpp:g} µm are "
                f"{info.width * info.mpp / 1e6:.2f} × {info.height * info.mpp / 1e6:.2f} m; "
                "correct the pixel size in the study sheet's mpp column"
            )
        picture = slide.read_at(info.whole, mpp)
        tissue = tissue_mask(picture, mpp)
        placement = Placement(0, 0, mpp / info.mpp, mpp)
        unread = painted(slide.unreadable, placement, tissue.shape)
        return _Overview(picture, tissue, placement, white_point(picture, tissue), unread)

    def _sections(self, subject: _Subject) -> tuple[Section, ...]:
        view, info = subject.overview, subject.slide.info
        size = (info.width, info.height)
        return find_sections(view.tissue, view.placement, size, self.config.sections)

    def _section(
        self, subject: _Subject, section: Section
    ) -> tuple[SectionResult, Sequence[Feature]]:
        """A section's result and its QuPath objects; overlay and label map are written."""
        readouts = _readouts(subject.overview, section)
        reason = self._foreign_stain(readouts)
        graded = None if reason else self._graded(subject, section)
        view = subject.overview
        missing = unreadable_share(subject.slide, view.placement, view.perhaps_tissue, section.box)
        flags = self._flags(section, readouts, graded) + ((UNREADABLE,) if missing else ())
        reason = reason or excluded_by(flags, self.config.quality)
        if missing > MOST_UNREADABLE:
            reason = reason or f"{missing:.1%} of the tissue could not be read: damaged tiles"
        if graded is None or graded.reading.joint is None:
            reason = reason or NO_JOINT
        if reason or not graded:
            compartments = _withheld(reason)
        else:
            compartments = self._compartments(subject, graded)
        status, reason = _section_status(compartments, flags, reason)
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
            flags=flags,
            readouts=readouts,
            compartments=compartments,
        )
        if subject.slide.info.mpp_source == ASSUMED:
            result = without_scale(result, subject.slide.info.mpp)
        return self._illustrated(subject, result, graded) if graded else (result, [])

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

    def _graded(self, subject: _Subject, section: Section) -> _Graded | None:
        reading = read_section(
            self.predictor,
            subject.slide,
            section.box,
            subject.job.row.medial,
            self.config.full_section,
            subject.tiles,
        )
        if reading is None:
            return None
        white = subject.overview.white
        reference = growth_plate_density(subject.slide, reading.coarse, white)
        measures = with_readouts(
            reading.measures, reading.strips, white, reference, self.config.chondrocytes
        )
        return _Graded(reading, measures, self.predictor.grade(reading.strips))

    def _compartments(self, subject: _Subject, graded: _Graded) -> tuple[CompartmentResult, ...]:
        grades = {g.compartment: g.probabilities for g in graded.grades}
        measures = {m.compartment: m for m in graded.measures}
        holed = holed_compartments(subject.slide, graded.measures)
        return tuple(
            CompartmentResult(compartment=c, status=Status.REVIEW, reason=HOLED)
            if c in holed
            else compartment_result(
                c,
                grades.get(c),
                measures.get(c),
                self.bundle.ladder,
                self.config.quality,
                self.bundle.calibration,
            )
            for c in Compartment
        )

    def _flags(
        self, section: Section, readouts: Mapping[str, float], graded: _Graded | None
    ) -> tuple[str, ...]:
        """What a person should look at in this section."""
        quality = self.config.quality
        joint = graded.reading.joint if graded else None
        found = {
            "out_of_focus": readouts.get("focus", 1.0) < quality.min_focus,
            "uneven_light": readouts.get("light_spread", 0.0) > quality.max_light_spread,
        }
        seen = tuple(name for name, is_so in found.items() if is_so)
        return section.flags + (joint.flags if joint else ()) + seen

    def _illustrated(
        self, subject: _Subject, result: SectionResult, graded: _Graded
    ) -> tuple[SectionResult, Sequence[Feature]]:
        """The result with how its joint lies and its overlay; writes overlay and label map.

        A section without a joint has both too: whoever reviews it sees what the networks saw.
        """
        row, slide, reading = subject.job.row, subject.slide, graded.reading
        box = Box(result.x, result.y, result.width, result.height)
        mpp = Mpp(slide.info.mpp * max(1.0, box.width / OVERLAY_WIDTH_PX))
        surfaces = [m.surface for m in graded.measures]
        demonstration = "" if self.bundle.validated_on_real_tissue else " (demonstration)"
        overlay = draw_overlay(
            slide.read_at(box, mpp),
            reading.labels,
            surfaces,
            result.compartments,
            box,
            mpp,
            footer=f"{row.slide} · section {result.section} · model {self.bundle.name}"
            + demonstration,
            scale_bar=slide.info.mpp_source != ASSUMED,
        )
        path = self.run.overlay_path(row.slide, result.section)
        write_overlay(path, overlay)
        write_small(path, overlay)
        write_label_store(self.run.label_path(row.slide, result.section), reading.labels)
        joint, names = reading.joint, ("medial_side", "medial_source", "medial_confidence")
        facts = {name: getattr(joint, name) if joint else None for name in names} | {
            "overlay": path.relative_to(self.run.path).as_posix()
        }
        near = around_compartments(reading.labels)
        features = to_features(subject.job.sha256, result, near, surfaces)
        return result.model_copy(update=facts), features


class _TileCount:
    """Tiles over the passes and sections of a slide, for the progress line."""

    def __init__(self, report: ReportTiles) -> None:
        self._report, self._before, self.total = report, 0, 0

    def __call__(self, done: int, of: int) -> None:
        self.total = self._before + of
        self._report(self._before + done, self.total)
        if done == of:
            self._before = self.total


def _readouts(overview: _Overview, section: Section) -> dict[str, float]:
    """Stain and quality of a section, from the overview."""
    picture, tissue = overview.of(section.box)
    stain = stain_readouts(picture[tissue], overview.white)
    return stain | section_readouts(picture, tissue, overview.placement.mpp, overview.white)


def _withheld(reason: str) -> tuple[CompartmentResult, ...]:
    return tuple(
        CompartmentResult(compartment=c, status=Status.REVIEW, reason=reason) for c in Compartment
    )


def _section_status(
    compartments: Sequence[CompartmentResult], flags: Sequence[str], reason: str
) -> tuple[Status, str]:
    statuses = {c.status for c in compartments}
    if not any(status.is_graded for status in statuses):
        return Status.REVIEW, reason or "no compartment could be graded"
    missing = [c.compartment.value for c in compartments if not c.status.is_graded]
    if missing:
        return Status.WARNED, f"no grade for {', '.join(missing)}"
    return (Status.WARNED if flags or Status.WARNED in statuses else Status.SCORED), ""


def _slide_status(sections: Sequence[SectionResult], lost: int) -> tuple[Status, str]:
    """Status and reason; `lost` tiles could not be read, and nobody knows what was on them."""
    if not sections and lost:
        return Status.REVIEW, lost_words(lost)
    if not sections:
        return Status.NO_TISSUE, "no tissue found on this slide"
    statuses = {section.status for section in sections}
    reasons = dict.fromkeys(s.reason for s in sections if s.reason)
    if lost:
        reasons[lost_words(lost)] = None
    if statuses == {Status.SCORED} and not lost:
        return Status.SCORED, ""
    if statuses <= {Status.REVIEW}:
        return Status.REVIEW, "; ".join(reasons)
    return Status.WARNED, "; ".join(reasons)
