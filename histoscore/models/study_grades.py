"""Scorers' grades beside the sections that they were given to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from histoscore.models.survey import SurveyedSlide
from histoscore.study import ScorerGrade, Study, read_scorers
from histoscore.study.names import tidy
from histoscore.study.sheet import raise_problems
from histoscore.vocabulary import Compartment, Ladder

SectionGrades = Mapping[Compartment, Mapping[str, float]]
"""Compartment → scorer → grade; a missing grade has no entry."""


def join_grades(
    path: Path,
    slides: Sequence[SurveyedSlide],
    study: Study,
    ladder: Ladder,
    report: Callable[[str], None],
) -> Mapping[tuple[str, int], SectionGrades]:
    """(slide as in the study sheet, section) → its grades.

    Grades of slides and sections that the study sheet leaves out are counted and not used.

    Raises:
        ManifestError: lists every row whose slide, section or animal does not exist, and every
            grade that one scorer gave twice in one read.
    """
    sheet = {tidy(row.slide): row.animal for row in study.rows}
    taken = {tidy(slide.row.slide): slide for slide in slides}
    grades: dict[tuple[str, int], dict[Compartment, dict[str, float]]] = {}
    problems, unused = [], 0
    for grade in read_scorers(path, ladder):
        slide = taken.get(tidy(grade.slide))
        if wrong := _wrong(grade, sheet, slide):
            problems.append(f"row {grade.row}: {wrong}")
        elif slide is None or grade.section not in {s.number for s in slide.sections}:
            unused += 1
        elif grade.grade is not None:
            place = grades.setdefault((slide.row.slide, grade.section), {})
            given = place.setdefault(grade.compartment, {})
            if given.setdefault(_reading(grade), grade.grade) != grade.grade:
                problems.append(f"row {grade.row}: {_reading(grade)} graded this twice")
    raise_problems(path, problems)
    if unused:
        report(f"{path.name}: {unused} grades of slides or sections that the study leaves out")
    return grades


def _wrong(grade: ScorerGrade, sheet: Mapping[str, str], slide: SurveyedSlide | None) -> str:
    """What ties this grade to nothing; empty where it has its section or was left out."""
    animal = sheet.get(tidy(grade.slide))
    if animal is None:
        return f"the slide {grade.slide!r} is not in the study sheet"
    if grade.animal is not None and grade.animal != animal:
        return f"{grade.slide} is of {animal} in the study sheet, not of {grade.animal}"
    if slide is not None and grade.section > len(slide.found):
        return f"{grade.slide} has no section {grade.section}; {len(slide.found)} found"
    return ""


def _reading(grade: ScorerGrade) -> str:
    """The scorer; of later reads with their number."""
    return grade.scorer if grade.read in (None, "1") else f"{grade.scorer} (read {grade.read})"
