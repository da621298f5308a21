"""People's grades of a run: from a sheet that was given to it, and from its review."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histoscore.errors import UsageError
from histoscore.files import sha256_of
from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.readings import Readings, readings_of
from histoscore.pipeline.recorded import counting_sections
from histoscore.pipeline.reviewed import independent_rows, review_verdicts
from histoscore.records import Record
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.review_log import ReviewLog
from histoscore.scoring.comparison import Item
from histoscore.study import ScorerGrade, read_scorers

Counting = Literal["model", "person"]
"""Whose grades make animals and groups: the model's, or a person's where there is one."""

CHOSEN = "grades that count chosen"


class GivenGrades(Record):
    """`scorers.json`: a scorers' sheet as it was read."""

    sheet: str
    sha256: str
    given: str
    grades: tuple[ScorerGrade, ...]


@dataclass(frozen=True, slots=True)
class People:
    """People's grades on a run's compartments.

    Attributes:
        counting: whose grades make animals and groups.
        given: the sheet, None where none was given.
        review: what was decided in the run's review; it may be nothing.
        readings: what the model is held against: the sheet, and what was graded in the review
            without seeing the model's grade. None where there is nothing of it.
        sheet: the sheet's reference by compartment.
        decided: the review's verdict by compartment; None: it cannot be graded.
        lost: compartments of the sheet in sections that the run did not find.
    """

    counting: Counting
    given: GivenGrades | None
    review: ReviewLog
    readings: Readings | None
    sheet: dict[Item, float]
    decided: dict[Item, float | None]
    lost: int = 0

    @property
    def counted(self) -> dict[Item, float | None]:
        """The grades that stand in for the model's in animals and groups."""
        return {**self.sheet, **self.decided} if self.counting == "person" else {}

    @property
    def final(self) -> dict[Item, float | None]:
        """The grades that stand as final: whoever decided in the review did so for good."""
        return {**self.counted, **self.decided}


def keep_grades(run: GradedRun, sheet: Path | None, counting: Counting | None) -> None:
    """Keep a scorers' sheet, and the choice whose grades count, in the run and in its trail.

    What is None stays as it was kept before; without any choice the model's grades count.

    Raises:
        ManifestError: the sheet is wrong, or contradicts the run.
        UsageError: none of its slides is in the run, or people's grades shall count and there
            are none.
    """
    if sheet is not None:
        _keep_sheet(run, sheet)
    if counting is None:
        return
    if counting == "person" and people_of(run) is None:
        raise UsageError(
            f"{run.folder.path}: has no grades by people that could count; give them with "
            "--scorers SHEET, or in histoscore review"
        )
    choose_counting(run.folder, counting)


def choose_counting(run: RunFolder, counting: Counting) -> None:
    """Say whose grades make animals and groups, from now on."""
    if counting != chosen_counting(run):
        run.trail.append(CHOSEN, counting=counting)


def chosen_counting(run: RunFolder) -> Counting:
    """What was chosen last; the model's where nothing was."""
    chosen = [event for event in run.trail.sound() if event.what == CHOSEN]
    return "person" if chosen and chosen[-1].details["counting"] == "person" else "model"


def given_grades(run: RunFolder) -> GivenGrades | None:
    """The grades that were given to a run in a sheet, None where none were."""
    return run.read(run.scorers_path, GivenGrades) if run.scorers_path.exists() else None


def people_of(run: GradedRun) -> People | None:
    """People's grades on a run's compartments, None where there are none."""
    given, review = given_grades(run.folder), ReviewLog(run.folder.trail)
    verdicts = review_verdicts(review)
    if given is None and not verdicts:
        return None
    from_sheet = readings_of(given.grades, Path(given.sheet), run) if given else None
    known = given.grades if given else ()
    rows = (*known, *independent_rows(review, {row.scorer for row in known}))
    found = {
        (slide.slide, part.section) for slide in run.results for part in counting_sections(slide)
    }
    reference = from_sheet.reference() if from_sheet else {}
    known_places = {item: grade for item, grade in reference.items() if item[:2] in found}
    return People(
        counting=chosen_counting(run.folder),
        given=given,
        review=review,
        readings=readings_of(rows, Path(given.sheet if given else "review"), run) if rows else None,
        sheet=known_places,
        decided={item: grade for item, grade in verdicts.items() if item[:2] in found},
        lost=len(reference) - len(known_places),
    )


def told(people: People, run: GradedRun) -> str:
    """Whose grades count, and how many, in a few sentences."""
    words = [*_sheet_words(people), *_review_words(people)]
    if people.counting == "model":
        return " ".join(("The model's grades count for animals and groups.", *words))
    counted = people.counted
    alone = set(run.grades) - counted.keys()
    first = (
        f"People's grades count where there are any: {len(counted)} compartments. {len(alone)} "
        "compartments that nobody graded have the model's."
    )
    return " ".join((first, *words))


def _sheet_words(people: People) -> list[str]:
    if people.given is None:
        return []
    names = ", ".join(dict.fromkeys(row.scorer for row in people.given.grades))
    words = [
        f"{people.given.sheet} (sha256 {people.given.sha256[:12]}), by {names}, is held against "
        "the model's grades; its grade of a compartment is the lower median of first readings."
    ]
    if people.lost:
        words.append(
            f"{people.lost} compartments of it are of sections that the run did not find, and do "
            "not count."
        )
    return words


def _review_words(people: People) -> list[str]:
    from histoscore.export.wording import counted

    if not people.decided:
        return []
    scorers = people.review.scorers.values()
    names = ", ".join(f"{one.name} ({one.mode.value})" for one in scorers)
    signed = "signed off" if people.review.all_signed else "not signed off yet"
    words = [
        f"{len(people.decided)} compartments were decided in the review by {names}, {signed}: "
        "their final grade is the settled one, else the lower median of those who graded."
    ]
    before = sum(len(scorer.unseen) for scorer in scorers)
    if after := sum(len(scorer.newest) for scorer in scorers) - before:
        words.append(
            f"Not held against the model, for its own was in sight: {counted(after, 'grade')}."
        )
    return words


def _keep_sheet(run: GradedRun, sheet: Path) -> None:
    folder, before = run.folder, given_grades(run.folder)
    sha256 = sha256_of(sheet) if sheet.is_file() else ""
    if before and before.sha256 == sha256:
        return
    grades = read_scorers(sheet, run.ladder)
    readings_of(grades, sheet, run)  # refused before it is kept
    folder.trail.append("scorers' grades given", sheet=sheet.name, sha256=sha256)
    kept = GivenGrades(sheet=sheet.name, sha256=sha256, given=now(), grades=grades)
    folder.write(folder.scorers_path, kept)
