"""Sections that are to be graded, under code names that tell nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from histoscore.geometry import Box
from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.recorded import counting_sections
from histoscore.records import CompartmentResult, SectionResult, SlideResult
from histoscore.review.pyramid import Pyramid
from histoscore.review.shelf import Volume
from histoscore.scoring.comparison import Item
from histoscore.study import Study
from histoscore.vocabulary import Compartment

MARGIN = 0.04
"""Of a section's longer side, shown around it."""

_LETTERS = "ACDEFGHJKLMNPQRTUVWXY34679"
"""Of code names: no two that are taken for each other."""
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """A section that is to be graded; `pyramid` is its picture: a margin around it, and nothing
    beyond the slide."""

    code: str
    slide: SlideResult
    section: SectionResult
    pyramid: Pyramid

    @property
    def place(self) -> tuple[str, int]:
        return self.slide.slide, self.section.section

    @property
    def parts(self) -> Mapping[Compartment, CompartmentResult]:
        return {part.compartment: part for part in self.section.compartments}

    def item(self, compartment: Compartment) -> Item:
        return Item(*self.place, compartment)


def find_subjects(run: GradedRun) -> dict[str, Subject]:
    """Code → section, for every section with tissue of the slides that could be read."""
    subjects: dict[str, Subject] = {}
    hashes = {entry.slide: entry.sha256 for entry in run.record.slides}
    for slide in run.results:
        for section in counting_sections(slide):
            if slide.width_px and slide.height_px:
                seed = f"{hashes[slide.slide]}/{slide.slide}/{section.section}"
                code = next(one for one in _codes(seed) if one not in subjects)
                picture = Pyramid(_shown(section, slide.width_px, slide.height_px))
                subjects[code] = Subject(code, slide, section, picture)
    return subjects


def volumes(run: GradedRun, study: Study) -> dict[str, Volume]:
    """Slide → where it lies now, its scale and its bytes, as they were scored."""
    hashes = {entry.slide: entry.sha256 for entry in run.record.slides}
    scales = {result.slide: result.mpp for result in run.results}
    return {
        row.slide: Volume(row.path, scales.get(row.slide), hashes.get(row.slide))
        for row in study.rows
    }


def _codes(seed: str) -> Iterator[str]:
    """Names to try, one after the other: of thousands of sections some share their first."""
    number = 0
    while True:
        digest = hashlib.sha256(f"review code/{seed}/{number}".encode()).digest()
        yield "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])
        number += 1


def _shown(section: SectionResult, width: int, height: int) -> Box:
    box = Box(section.x, section.y, section.width, section.height)
    grown = box.grown(round(MARGIN * max(box.width, box.height)))
    return grown.clipped(width, height) or box
