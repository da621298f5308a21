"""Every slide of a study opened once before anything is learnt from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.config import SectionSettings
from histoscore.errors import ConfigError, SlideError, UsageError
from histoscore.files import sha256_of
from histoscore.geometry import Box, Mpp, Placement
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


def find_annotations(folder: Path, slides: Sequence[SurveyedSlide]) -> Mapping[str, Path]:
    """Slide → its GeoJSON file, called after the slide with or without its ending.

    Raises:
        ConfigError: the folder is missing or fits no slide, a slide has two files, or two slides
            have the same.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is not there; give the folder of GeoJSON files")
    problems, taken = [], dict[Path, str]()
    for slide in (slide.row for slide in slides):
        files = [file for file in _candidates(folder, slide) if file.is_file()]
        if len(files) > 1:
            problems.append(f"{slide.slide} has {' and '.join(f.name for f in files)}; keep one")
        for file in files[:1]:
            other = taken.setdefault(file, slide.slide)
            if other != slide.slide:
                problems.append(f"{file.name} fits {other} and {slide.slide}; rename one slide")
    if not taken:
        problems.append("no file is called after a slide of the sheet (SLIDE.geojson)")
    if problems:
        raise ConfigError(f"{folder}: " + "\n  ".join(problems))
    return {slide: file for file, slide in taken.items()}


def _candidates(folder: Path, row: StudyRow) -> tuple[Path, ...]:
    """QuPath exports by the whole name; people drop the ending, or both parts of `.ome.tif`."""
    stem = row.path.stem
    names = dict.fromkeys((row.path.name, stem, stem.removesuffix(".ome")))
    return tuple(folder / f"{name}.geojson" for name in names)


def _surveyed(row: StudyRow, settings: SectionSettings) -> SurveyedSlide:
    with open_slide(row.path, row.mpp) as slide:
        info = slide.info
        mpp = Mpp(max(settings.overview_mpp, info.mpp))
        tissue = tissue_mask(slide.read_at(Box(0, 0, info.width, info.height), mpp), mpp)
    placement = Placement(0, 0, mpp / info.mpp, mpp)
    found = find_sections(tissue, placement, (info.width, info.height), settings)
    chosen = chosen_sections(found, row.sections)
    sha256 = sha256_of(row.path)
    return SurveyedSlide(row, sha256, info.mpp, found, chosen, tissue, placement)
