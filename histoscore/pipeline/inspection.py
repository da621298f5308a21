"""Looking before scoring: what one slide is, and what is wrong with a whole study's slides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import SlideError
from histoscore.geometry import Mpp, Placement
from histoscore.records import Section, SlideInfo
from histoscore.slides.open import open_slide, read_info
from histoscore.study import Study, StudyRow, read_study
from histoscore.study.remarks import scale_outliers, unlisted


@dataclass(frozen=True, slots=True)
class CheckedSlide:
    """A row of the sheet and what its file's header says, or why it cannot be scored."""

    row: StudyRow
    info: SlideInfo | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CheckedStudy:
    """A study that was looked at and not scored."""

    study: Study
    slides: tuple[CheckedSlide, ...]
    notes: tuple[str, ...]

    @property
    def failing(self) -> tuple[CheckedSlide, ...]:
        """Slides that could not be scored."""
        return tuple(slide for slide in self.slides if slide.reason)


def describe_slide(
    path: Path, config: ScoreConfig, sheet_mpp: float | None = None
) -> tuple[SlideInfo, tuple[Section, ...]]:
    """A slide's header, and the sections found on its overview. Raises SlideError."""
    from histoscore.image.sections import find_sections
    from histoscore.image.tissue import tissue_mask

    with open_slide(path, sheet_mpp, config.limits, config.assume_mpp) as slide:
        info = slide.info
        mpp = Mpp(config.sections.overview_mpp)
        overview = slide.read_at(info.whole, mpp)
    placement = Placement(0.0, 0.0, mpp / info.mpp, mpp)
    mask = tissue_mask(overview, mpp)
    return info, find_sections(mask, placement, (info.width, info.height), config.sections)


def check_study(sheet: Path, config: ScoreConfig) -> CheckedStudy:
    """Read a sheet and the header of every slide in it. Raises ManifestError.

    Slides that are not on disk are listed with the others that cannot be scored.
    """
    study = read_study(sheet, allow_missing=True)
    slides = tuple(_checked(row, config) for row in study.rows)
    scales = {slide.row.slide: slide.info.mpp for slide in slides if slide.info}
    notes = (*study.notes, *scale_outliers(scales), *unlisted(study))
    return CheckedStudy(study, slides, notes)


def _checked(row: StudyRow, config: ScoreConfig) -> CheckedSlide:
    if row.exclude:
        return CheckedSlide(row, None)
    if not row.path.exists():
        return CheckedSlide(row, None, "no such file")
    try:
        return CheckedSlide(row, read_info(row.path, row.mpp, config.limits, config.assume_mpp))
    except SlideError as error:
        return CheckedSlide(row, None, str(error))
