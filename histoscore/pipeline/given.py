"""People's grades that were given to a run: kept in it, agreed with, and counted where asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histoscore.errors import UsageError
from histoscore.files import sha256_of
from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.readings import Readings, readings_of
from histoscore.pipeline.recorded import counting_sections
from histoscore.records import Record
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.scoring.comparison import Item
from histoscore.study import ScorerGrade, read_scorers

Counting = Literal["model", "person"]
"""Whose grades make animals and groups: the model's, or a person's where there is one."""


class GivenGrades(Record):
    """`scorers.json`: a scorers' sheet as it was read, and whose grades count."""

    sheet: str
    sha256: str
    given: str
    counting: Counting
    grades: tuple[ScorerGrade, ...]


@dataclass(frozen=True, slots=True)
class People:
    """A run's given grades on its compartments; `counted` are those that count, none where the
    model's do."""

    given: GivenGrades
    readings: Readings
    counted: dict[Item, float]


def keep_grades(run: GradedRun, sheet: Path | None, counting: Counting | None) -> None:
    """Keep a scorers' sheet, and the choice whose grades count, in the run and in its trail.

    What is None stays as it was kept before; without any choice the model's grades count.

    Raises:
        ManifestError: the sheet is wrong, or contradicts the run.
        UsageError: none of its slides is in the run, or people's grades shall count and there
            are none.
    """
    folder, before = run.folder, given_grades(run.folder)
    kept = _read(run, sheet, before) if sheet is not None else before
    if kept is None:
        if counting == "person":
            raise UsageError(
                f"{folder.path}: has no grades by people that could count; "
                "give them with --scorers SHEET"
            )
        return
    kept = kept.model_copy(update={"counting": counting or kept.counting})
    if before is None or before.sha256 != kept.sha256:
        folder.trail.append("scorers' grades given", sheet=kept.sheet, sha256=kept.sha256)
    if kept.counting != (before.counting if before else "model"):
        folder.trail.append("grades that count chosen", counting=kept.counting)
    if kept != before:
        folder.write(folder.scorers_path, kept)


def given_grades(run: RunFolder) -> GivenGrades | None:
    """The grades that were given to a run, None where none were."""
    return run.read(run.scorers_path, GivenGrades) if run.scorers_path.exists() else None


def people_of(run: GradedRun) -> People | None:
    """The given grades on a run's compartments, None where none were given."""
    given = given_grades(run.folder)
    if given is None:
        return None
    readings = readings_of(given.grades, Path(given.sheet), run)
    reference = readings.reference() if given.counting == "person" else {}
    found = {
        (slide.slide, part.section) for slide in run.results for part in counting_sections(slide)
    }
    counted = {item: grade for item, grade in reference.items() if item[:2] in found}
    return People(given, readings, counted)


def told(people: People, run: GradedRun) -> str:
    """Whose grades count, and how many, in a sentence or two."""
    names = ", ".join(people.readings.scorers)
    sheet = f"{people.given.sheet} (sha256 {people.given.sha256[:12]})"
    if people.given.counting == "model":
        return f"The model's grades count; those of {sheet}, by {names}, are held against them."
    ours, alone = people.counted, set(run.grades) - people.counted.keys()
    lost = len(people.readings.reference()) - len(ours)
    words = (
        f"People's grades count where there are any: {len(ours)} compartments of {sheet}, the "
        f"lower median of {names}. {len(alone)} compartments that nobody graded have the model's."
    )
    left = f" {lost} compartments are of sections that the run did not find, and do not count."
    return words + left if lost else words


def _read(run: GradedRun, sheet: Path, before: GivenGrades | None) -> GivenGrades:
    sha256 = sha256_of(sheet) if sheet.is_file() else ""
    if before and before.sha256 == sha256:
        return before
    grades = read_scorers(sheet, run.ladder)
    readings_of(grades, sheet, run)  # refused before it is kept
    counting = before.counting if before else "model"
    return GivenGrades(
        sheet=sheet.name, sha256=sha256, given=now(), counting=counting, grades=grades
    )
