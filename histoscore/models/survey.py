"""Every slide of a study opened once before anything is learnt from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from histoscore.config import SectionSettings
from histoscore.errors import SlideError, UsageError
from histoscore.files import sha256_of
from histoscore.geometry import Mpp, Placement
from histoscore.image.sections import chosen_sections, find_sections
from histoscore.image.tissue import tissue_mask
from histoscore.records import Mask, Section
from histoscore.slides.open import open_slide
from histoscore.study import Study, StudyRow

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SurveyedSlide:
    """A slide seen from afar.

    Attributes:
        row: of the study sheet. sha256: of the file's bytes. mpp: µm per pixel of level 0.
        found: every section on the slide. sections: those that the sheet asks for.
        tissue: (rows, columns) of the overview, lying at `placement`.
    """

    row: StudyRow
    sha256: str
    mpp: Mpp
    found: tuple[Section, ...]
    sections: tuple[Section, ...]
    tissue: Mask
    placement: Placement


def survey(study: Study, settings: SectionSettings, report: Report) -> tuple[SurveyedSlide, ...]:
    """The slides that the sheet does not exclude, in its order; a file given twice is taken once.

    Raises:
        UsageError: lists every slide that cannot be read, lacks a section that the sheet asks
            for, or is given to two animals.
    """
    slides: dict[str, SurveyedSlide] = {}
    problems = []
    for row in (row for row in study.rows if not row.exclude):
        try:
            slide = _surveyed(row, settings)
        except (SlideError, OSError) as error:
            problems.append(f"{row.slide}: {error}")
            continue
        first = slides.setdefault(slide.sha256, slide)
        if first is not slide and first.row.animal == row.animal:
            report(f"{row.slide}: left out, it is the same file as {first.row.slide}")
        elif first is not slide:
            animals = f"{first.row.animal} and {row.animal}"
            problems.append(f"{row.slide}: the same file as {first.row.slide}, of {animals}")
    if problems:
        raise UsageError(
            f"{study.path}: {len(problems)} of {len(study.rows)} slides cannot be learnt from; "
            "nothing was stored. Mend them, or exclude them in the sheet\n"
            + "\n".join(f"  {problem}" for problem in problems)
        )
    return tuple(slides.values())


def _surveyed(row: StudyRow, settings: SectionSettings) -> SurveyedSlide:
    with open_slide(row.path, row.mpp) as slide:
        info = slide.info
        mpp = Mpp(max(settings.overview_mpp, info.mpp))
        tissue = tissue_mask(slide.read_at(info.whole, mpp), mpp)
    placement = Placement(0, 0, mpp / info.mpp, mpp)
    found = find_sections(tissue, placement, (info.width, info.height), settings)
    chosen = chosen_sections(found, row.sections)
    sha256 = sha256_of(row.path)
    return SurveyedSlide(row, sha256, info.mpp, found, chosen, tissue, placement)
