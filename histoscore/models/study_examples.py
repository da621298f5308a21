"""A study of real slides → stored examples: pixels, a person's outlines, scorers' grades.

Nothing is stored before every slide has been opened and every grade has found its section: a
training on what happened to be readable would not be the study's.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from histoscore.config import SectionSettings, Settings
from histoscore.errors import UsageError
from histoscore.files import make_folder, sha256_of, slug
from histoscore.geometry import Mpp, Placement
from histoscore.image.glass import bare_glass
from histoscore.image.placed import grown, mask_through
from histoscore.models.annotations import Annotations, draw, read_annotations
from histoscore.models.duplicates import fingerprint
from histoscore.models.examples import (
    ExampleFacts,
    store_example,
    stored_names,
)
from histoscore.models.study_grades import SectionGrades, join_grades
from histoscore.models.study_sources import Sources, claim_sources, digest
from histoscore.models.survey import SurveyedSlide, survey
from histoscore.records import LabelArray, RgbImage, Section
from histoscore.slides.open import open_slide
from histoscore.study import read_study
from histoscore.study.names import suggestion
from histoscore.study.outline_files import find_outlines
from histoscore.vocabulary import IGNORE, OARSI_MOUSE, Ladder, Tissue, Zone

Report = Callable[[str], None]
Grades = Mapping[tuple[str, int], SectionGrades]

GLASS_UM = 60.0
"""What lies this far from all tissue is glass, whatever lies on it."""

EDGE_UM = 4.0
"""Between bare glass and a person's outline lie the half-covered pixels of the surface: they are
glass, unless the outline holds them."""

TISSUES = (*(tissue.name.lower() for tissue in Tissue), "ignore")
"""What a class may stand for."""


def _own_classes() -> dict[str, str]:
    return {t.title: t.name.lower() for t in Tissue} | {"artefact": "ignore", "Ignore*": "ignore"}


class StudyData(Settings):
    """Slides, grades and outlines to learn from; paths are relative to the configuration."""

    kind: Literal["study"] = "study"
    sheet: Path = Field(description="study sheet (.csv or .xlsx)")
    scorers: Path | None = Field(None, description="scorers' sheet; none: no grades")
    annotations: Path | None = Field(None, description="folder of NAME.geojson; none: no outlines")
    classes: Mapping[str, str] = Field(
        default_factory=_own_classes, description="QuPath class → tissue, or ignore"
    )
    unlabelled: Literal["ignore", "soft"] = Field(
        "ignore", description="tissue of an annotated section that nobody outlined"
    )
    sections: SectionSettings = Field(
        SectionSettings(), description="as for scoring: section numbers must mean the same"
    )

    @field_validator("classes")
    @classmethod
    def _known_tissues(cls, classes: Mapping[str, str]) -> Mapping[str, str]:
        for name, tissue in classes.items():
            if tissue not in TISSUES:
                near = difflib.get_close_matches(tissue.lower().replace(" ", "_"), TISSUES, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(TISSUES)}"
                raise ValueError(f"{name}: {tissue!r} is no tissue; {hint}")
        _check_spelt_once(classes)
        return classes


def prepare_study(
    data: StudyData,
    base: Path,
    out: Path,
    mpp: Mpp,
    report: Report,
    ladder: Ladder = OARSI_MOUSE,
) -> None:
    """Stores an example of every section that has an outline or a grade; the same call resumes.

    Args:
        data: what to learn from. base: folder that its paths are relative to.
        out: folder of the examples.
        mpp: µm per pixel they are stored at; a coarser slide is enlarged.
        report: told what was noticed, and a line after every slide.
        ladder: of the scorers' grades.

    Raises:
        ManifestError: a sheet is wrong, or grades belong to no slide or section.
        UsageError: slides or annotations cannot be read, or do not fit; lists them all.
        RunMismatchError: the folder holds examples of other slides, outlines, grades or settings.
    """
    study = read_study(base / data.sheet)
    slides = survey(study, data.sections, report)
    names = [slide.row.slide for slide in slides]
    files = find_outlines(base / data.annotations, names) if data.annotations else {}
    annotations = _annotations(files, data.classes, report)
    grades: Grades = {}
    if data.scorers:
        grades = join_grades(base / data.scorers, slides, study, ladder, report)
    materials = [
        _Material(
            slide,
            files.get(slide.row.slide),
            annotations.get(slide.row.slide, Annotations()),
            {n.number: grades.get((slide.row.slide, n.number), {}) for n in slide.sections},
        )
        for slide in slides
    ]
    folder = make_folder(out)
    claim_sources(folder, {m.slide.row.slide: _sources(m, data, mpp) for m in materials})
    for material in materials:
        _store_slide(material, data.unlabelled, mpp, folder, report)


def example_name(slide: str, section: int) -> str:
    """Name of a section's files, safe on every file system."""
    return f"{slug(slide)}-{section}"


@dataclass(frozen=True, slots=True)
class _Material:
    """A slide, a person's outlines on it, and the grades of its sections by their number."""

    slide: SurveyedSlide
    annotations_file: Path | None
    annotations: Annotations
    grades: Mapping[int, SectionGrades]

    @property
    def learnable(self) -> tuple[Section, ...]:
        """Sections that somebody outlined or graded."""
        return tuple(
            section
            for section in self.slide.sections
            if self.grades[section.number] or self.annotations.of(section.box)
        )


def _check_spelt_once(classes: Mapping[str, str]) -> None:
    for name, count in Counter(name.casefold() for name in classes).items():
        if count > 1:
            raise ValueError(f"the class {name} stands twice; capitals do not tell classes apart")


def _annotations(
    files: Mapping[str, Path], classes: Mapping[str, str], report: Report
) -> dict[str, Annotations]:
    """Slide → its outlines. Raises UsageError that lists every file that cannot be read."""
    read, problems = {}, []
    for slide, file in files.items():
        try:
            read[slide] = read_annotations(file, classes)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError(
            "annotations cannot be read; nothing was stored\n  " + "\n  ".join(problems)
        )
    for note in (note for one in read.values() for note in one.notes):
        report(note)
    _report_unknown(read.values(), classes, report)
    return read


def _report_unknown(
    read: Iterable[Annotations], classes: Mapping[str, str], report: Report
) -> None:
    unknown = sum((Counter(one.unknown) for one in read), Counter[str]())
    for name, count in sorted(unknown.items()):
        hint = suggestion(name, list(classes))
        report(f"{count} outlines left out: the class {name!r} is not in `classes`{hint}")


def _sources(material: _Material, data: StudyData, mpp: Mpp) -> Sources:
    row, file = material.slide.row, material.annotations_file
    settings = data.model_dump(mode="json", include={"classes", "unlabelled", "sections"})
    grades = {
        str(section): {c.value: dict(by) for c, by in given.items()}
        for section, given in material.grades.items()
    }
    return {
        "slide": material.slide.sha256,
        "annotations": sha256_of(file) if file else "",
        "grades": digest(grades),
        "sheet row": digest([row.animal, row.batch, row.medial, row.mpp, row.sections]),
        "settings": digest([settings, mpp]),
    }


def _store_slide(
    material: _Material, unlabelled: str, mpp: Mpp, folder: Path, report: Report
) -> None:
    """Stores those sections of a slide that are not stored yet."""
    row, learnable = material.slide.row, material.learnable
    stored = set(stored_names(folder))
    missing = [s for s in learnable if example_name(row.slide, s.number) not in stored]
    if missing:
        with open_slide(row.path, row.mpp) as slide:
            for section in missing:
                picture = slide.read_at(section.box, mpp)
                pixels = np.dstack([picture, *_labels(material, section, picture, unlabelled, mpp)])
                facts = _facts(material, section, picture, mpp)
                store_example(folder, example_name(row.slide, section.number), pixels, facts)
    report(
        f"{row.slide}: {len(learnable)} of {len(material.slide.sections)} sections to learn from"
    )


def _facts(material: _Material, section: Section, picture: RgbImage, mpp: Mpp) -> ExampleFacts:
    row = material.slide.row
    return ExampleFacts(
        colours="rgb",
        mpp=mpp,
        animal=row.animal,
        slide=row.slide,
        section=section.number,
        batch=row.batch,
        sha256=material.slide.sha256,
        fingerprint=fingerprint(picture),
        medial=row.medial,
        annotated=bool(material.annotations.of(section.box)),
        grades=material.grades[section.number],
    )


def _labels(
    material: _Material, section: Section, picture: RgbImage, unlabelled: str, mpp: Mpp
) -> tuple[LabelArray, LabelArray]:
    """Tissue and zone (rows, columns) of a section; nothing but `IGNORE` where nobody outlined.

    In an annotated section glass is background, also without an outline: around the section,
    and in it where the picture shows it bare, or nothing would tell where a surface ends.
    """
    shape = picture.shape[:2]
    tissue, zone = (np.full(shape, IGNORE, np.uint8) for _ in range(2))
    if not material.annotations.of(section.box):
        return tissue, zone
    slide, box = material.slide, section.box
    place = Placement(box.x, box.y, mpp / slide.mpp, mpp)
    near = grown(slide.tissue, GLASS_UM / slide.placement.mpp)
    tissue[mask_through(~near, slide.placement, place, shape)] = Tissue.BACKGROUND
    if unlabelled == "soft":
        tissue[mask_through(slide.tissue, slide.placement, place, shape)] = Tissue.SOFT
    tissue[grown(bare_glass(picture, mpp), EDGE_UM / mpp)] = Tissue.BACKGROUND
    zone[tissue != IGNORE] = Zone.NONE
    draw(material.annotations.outlines, box, tissue, zone)
    return tissue, zone
