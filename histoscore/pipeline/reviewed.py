"""A run's review as grades: for its tables, for agreement, and as a scorers' sheet."""

from __future__ import annotations

from collections.abc import Container

from histoscore.export.additions import ReviewRow
from histoscore.runs.review_log import Decision, Entry, Mode, ReviewLog
from histoscore.scoring.agreement import lower_median
from histoscore.scoring.comparison import Item
from histoscore.study import ScorerGrade, Study, StudyRow

REVIEW_READ = "review"
"""Names the reading of a scorer who is in the run's sheet, too."""

SETTLED = "consensus"
"""Stands for the scorer where a difference was settled; no person can have the name."""


def review_verdicts(review: ReviewLog) -> dict[Item, float | None]:
    """What the review says of each compartment; None: it cannot be graded.

    A settled difference is as it was settled. Else it is the lower median of the scorers who
    graded, and None where no fewer of them found that it cannot be graded.
    """
    said: dict[Item, list[Decision]] = {}
    for entry in review.entries():
        if entry.decision.is_decided:
            said.setdefault(entry.decision.item, []).append(entry.decision)
    settled = {i: e.decision.grade for i, e in review.consensus.items() if e.decision.is_decided}
    return {item: _verdict(decisions) for item, decisions in said.items()} | settled


def independent_rows(review: ReviewLog, in_sheet: Container[str]) -> tuple[ScorerGrade, ...]:
    """What was graded before the model's grade was shown; the rest says nothing on the model.

    `in_sheet` are scorers who graded in a sheet, too: theirs is another reading.
    """
    return tuple(
        _row(number, entry.decision, REVIEW_READ if scorer.name in in_sheet else None)
        for scorer in review.scorers.values()
        for number, entry in enumerate(scorer.unseen.values(), start=1)
        if entry.decision.grade is not None
    )


def review_rows(review: ReviewLog, study: Study) -> tuple[ReviewRow, ...]:
    """What each scorer says now, and the settled differences, slides in the order of the sheet."""
    places = {row.slide: (number, row) for number, row in enumerate(study.rows)}
    found = [
        (places[entry.decision.slide], entry)
        for entry in (*review.entries(), *review.consensus.values())
        if entry.decision.is_decided and entry.decision.slide in places
    ]
    found.sort(key=lambda one: (one[0][0], one[1].decision.section))
    return tuple(_review_row(entry, row) for (_, row), entry in found)


def _review_row(entry: Entry, row: StudyRow) -> ReviewRow:
    said = entry.decision
    return ReviewRow(
        slide=said.slide,
        section=said.section,
        compartment=said.compartment,
        scorer=SETTLED if said.mode is Mode.CONSENSUS else said.scorer,
        grade=said.grade,
        animal=row.animal,
        side=row.side,
        mode=said.mode.value,
        gradable=said.gradable,
        model_grade=said.model_grade,
        model_shown=said.model_shown,
        flagged=said.flagged,
        comment=said.comment,
        reason=said.reason,
        time=entry.time,
    )


def _verdict(decisions: list[Decision]) -> float | None:
    grades = [one.grade for one in decisions if one.grade is not None]
    return lower_median(grades) if len(grades) * 2 > len(decisions) else None


def _row(number: int, decision: Decision, read: str | None) -> ScorerGrade:
    return ScorerGrade(
        row=number,
        slide=decision.slide,
        section=decision.section,
        compartment=decision.compartment,
        scorer=decision.scorer,
        grade=decision.grade,
        read=read,
    )
