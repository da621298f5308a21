"""The review as the page sees it: each scorer's queue, what may be shown, what was decided.

Everything that goes out is made here, so that blinding is decided in one place: while the review is
blinded nothing tells slide, animal or group, and what the model says is told only to those who may
know it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Literal

from histoscore.errors import ReviewError, SlideError, StoredResultError
from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.readings import OWN_NAMES
from histoscore.pipeline.recorded import counting_sections
from histoscore.pipeline.reviewed import SETTLED
from histoscore.records import CompartmentResult
from histoscore.review.bodies import Decide, Join, Verdict
from histoscore.review.contours import Contours
from histoscore.review.pyramid import TILE
from histoscore.review.shelf import Shelf
from histoscore.review.subjects import Subject, find_subjects, volumes
from histoscore.review.tiles import Tiles, label_classes
from histoscore.runs.review_log import Decision, Entry, Mode, ReviewLog, Scorer
from histoscore.slides.mpp import ASSUMED
from histoscore.study import Study
from histoscore.study.names import likeness
from histoscore.vocabulary import RUNG_WORDS, Compartment, Status, format_rung

Json = dict[str, Any]
Fixed = Literal["independent", "assist"] | None

_TOLD = (
    *("reason", "grade", "expected_grade", "grade_low", "grade_high", "lesion_extent"),
    *("implied_grade", "hyaline_area_um2", "calcified_area_um2", "surface_length_um"),
    *("mean_thickness_um", "safranin_fraction"),
)
"""Fields of a compartment's result that stand beside its picture."""


class Desk:
    """The sections of one finished run, its slides, and its review so far."""

    def __init__(self, run: GradedRun, study: Study, log: ReviewLog, fixed: Fixed = None) -> None:
        """`fixed` is the mode that every scorer works in; None: each chooses."""
        self.run, self.log, self.fixed = run, log, fixed
        self.subjects = find_subjects(run)
        self.shelf = Shelf(volumes(run, study))
        self.tiles = Tiles(self.shelf, run.folder)
        keys = {entry.slide: entry.key for entry in run.record.slides}
        self._contours = Contours(run.folder, keys)
        self._codes = {subject.place: code for code, subject in self.subjects.items()}

    def overview(self) -> Json:
        """What the page begins with."""
        record, ladder = self.run.record, self.run.ladder
        return {
            "histoscore": record.histoscore,
            "model": {"name": record.model.name, "banner": record.model.banner or None},
            "ladder": {
                "name": ladder.name,
                "rungs": list(ladder.rungs),
                "words": {format_rung(r): w for r, w in RUNG_WORDS.get(ladder.name, {}).items()},
            },
            "blinded": not self.log.unblinded,
            "closed": self.log.unblinded,
            "mode": self.fixed,
            "scorers": self.scorers(),
            "sections": len(self.subjects),
            "left_out": dict(self._left_out()),
        }

    def scorers(self) -> list[Json]:
        return [self._told_scorer(one) for one in self.log.scorers.values()]

    def join(self, body: Join) -> Json:
        """Raises ReviewError: a name or a mode that cannot be taken."""
        name = " ".join(body.name.split())
        if not name or not name.isprintable():
            raise ReviewError("give a name, in letters that can be printed")
        if name.casefold() in (*OWN_NAMES, SETTLED):
            raise ReviewError(f"{name}: the agreement tables use this word; take another name")
        alike = [
            one for one in self.log.scorers if likeness(one).casefold() == likeness(name).casefold()
        ]
        if alike and name not in alike:
            raise ReviewError(f"there is {alike[0]} already; take that name, or another one")
        if self.fixed not in (None, body.mode):
            raise ReviewError(f"this review was opened in {self.fixed} mode")
        return self._told_scorer(self.log.join(name, Mode(body.mode)))

    def queue(self, name: str) -> Json:
        """A scorer's sections in the order they come up, and the first with something to do."""
        scorer = self.log.scorer(name)
        order = [self._told_place(self.subjects[code], scorer) for code in self._order(name)]
        undone = (one["code"] for one in order if one["decided"] < one["expected"])
        return {"order": order, "next": next(undone, None)}

    def section(self, subject: Subject, name: str) -> Json:
        """All that this scorer may see of a section."""
        scorer, order = self.log.scorer(name), self._order(name)
        place = order.index(subject.code)
        return {
            "code": subject.code,
            "position": place + 1,
            "of": len(order),
            "previous": order[place - 1] if place else None,
            "next": order[place + 1] if place + 1 < len(order) else None,
            **self._picture(subject),
            "medial_side": subject.section.medial_side,
            "flags": list(subject.section.flags),
            "slide": self._origin(subject) if self.log.unblinded else None,
            "compartments": self._compartments(subject, scorer),
        }

    def overlay(self, subject: Subject, name: str) -> Json:
        """What the networks outlined, where this scorer may see it.

        Raises:
            StoredResultError: the outlines are not those that were committed.
        """
        shown = self.sees_model(subject, name)
        outlines = self._contours.of(subject) if shown else {}
        labelled = self.run.folder.label_path(*subject.place).exists()
        return {
            "compartments": {c.value: parts for c, parts in outlines.items()},
            "labels": shown and labelled,
            "classes": label_classes(),
        }

    def sees_model(self, subject: Subject, name: str) -> bool:
        return self.log.scorer(name).sees_model(*subject.place)

    def decide(self, body: Decide) -> Json:
        """Decide; the answer is for the page. Raises as `ReviewLog.decide`."""
        scorer = self.log.scorer(body.scorer)
        shown = self.sees_model(self.subjects[body.code], scorer.name)
        said = self._said(body, scorer.mode, shown)
        said = said.model_copy(update={"flagged": body.flagged, "comment": _tidy(body.comment)})
        return self._after(self.log.decide(said, body.seen))

    def settle(self, body: Verdict) -> None:
        """Decide a difference between scorers. Raises as `ReviewLog.settle`."""
        self.log.settle(self._said(body, Mode.CONSENSUS, model_shown=True), body.seen)

    def undo(self, name: str) -> Json:
        """Take the scorer's newest decision back. Raises ReviewError."""
        return self._after(self.log.undo(name))

    def now(self, body: Verdict) -> Json:
        """What stands where a decision was meant to go."""
        subject, scorer = self.subjects[body.code], self.log.scorer(body.scorer)
        return {"compartment": self._compartments(subject, scorer)[body.compartment.value]}

    def code_of(self, place: tuple[str, int]) -> str | None:
        return self._codes.get(place)

    def _said(self, body: Verdict, mode: Mode, model_shown: bool) -> Decision:
        """A verdict in words of the run. Raises ReviewError: one that cannot be."""
        subject = self.subjects[body.code]
        part = subject.parts.get(body.compartment)
        self._check_grade(body)
        self._check_slide(subject.slide.slide)
        slide, section = subject.place
        return Decision(
            scorer=body.scorer,
            mode=mode,
            slide=slide,
            section=section,
            compartment=body.compartment,
            grade=body.grade,
            gradable=body.gradable,
            reason=_tidy(body.reason),
            model_grade=part.grade if part else None,
            model_shown=model_shown,
        )

    def _check_grade(self, body: Verdict) -> None:
        rungs = self.run.ladder.rungs
        if body.grade is not None and body.grade not in rungs:
            known = ", ".join(map(format_rung, rungs))
            raise ReviewError(f"{body.grade:g} is no grade here; the grades are {known}")
        if body.grade is not None and not body.gradable:
            raise ReviewError("what cannot be graded has no grade")

    def _check_slide(self, slide: str) -> None:
        """A grade of another file than was scored must not stand beside the model's."""
        try:
            self.shelf.check(slide)
        except SlideError as error:
            raise ReviewError(f"not saved: {error}") from None

    def _after(self, entry: Entry) -> Json:
        """What the page is told once a decision is on the disk."""
        decision = entry.decision
        subject = self.subjects[self._codes[decision.slide, decision.section]]
        scorer = self.log.scorer(decision.scorer)
        parts = self._compartments(subject, scorer)
        return {
            "code": subject.code,
            "name": decision.compartment.value,
            "compartment": parts[decision.compartment.value],
            "compartments": parts,
            "queue": self._told_place(subject, scorer),
        }

    def _order(self, name: str) -> list[str]:
        """Another order for each scorer, the same each time."""
        record = self.run.record
        codes = sorted(self.subjects)
        seed = f"{record.config.statistics.seed}/{record.study_sha256}/{name}"
        random.Random(seed).shuffle(codes)
        return codes

    def _picture(self, subject: Subject) -> Json:
        slide, box = subject.slide, subject.pyramid.box
        try:
            with self.shelf.reading(slide.slide):
                pass
        except SlideError as error:
            return {"image": None, "image_problem": str(error)}
        image = {
            "width": box.width,
            "height": box.height,
            "mpp": None if slide.mpp_source == ASSUMED else slide.mpp,
            "tile": TILE,
            "overlap": 0,
            "levels": subject.pyramid.top + 1,
        }
        return {"image": image, "image_problem": ""}

    def _compartments(self, subject: Subject, scorer: Scorer) -> Json:
        shown = self.sees_model(subject, scorer.name)
        try:
            boxes = self._contours.boxes(subject)
        except StoredResultError:
            boxes = {}
        told = {}
        for compartment in Compartment:
            entry = scorer.newest.get(subject.item(compartment))
            told[compartment.value] = {
                "box": boxes.get(compartment),
                "model": _told_model(subject, compartment) if shown else None,
                "mine": _told_entry(entry) if entry else None,
                "seen": entry.number if entry else 0,
            }
        return told

    def _told_scorer(self, scorer: Scorer) -> Json:
        return {
            "name": scorer.name,
            "mode": scorer.mode.value,
            "signed": scorer.signed,
            "decided": scorer.n_decided,
            "expected": len(self.subjects) * len(Compartment),
        }

    def _told_place(self, subject: Subject, scorer: Scorer) -> Json:
        newest = [scorer.newest.get(subject.item(compartment)) for compartment in Compartment]
        return {
            "code": subject.code,
            "decided": scorer.decided(*subject.place),
            "expected": len(Compartment),
            "flagged": any(entry.decision.flagged for entry in newest if entry),
        }

    def _origin(self, subject: Subject) -> Json:
        slide, section = subject.place
        place = self.run.places[slide]
        return {"slide": slide, "section": section, "animal": place.animal, "group": place.group}

    def _left_out(self) -> Iterator[tuple[str, int]]:
        """Status → slides of which nothing is to be graded."""
        for status in Status:
            slides = [one for one in self.run.results if one.status is status]
            number = sum(not counting_sections(one) for one in slides)
            if number:
                yield status.value, number


def _told_model(subject: Subject, compartment: Compartment) -> Json:
    part = subject.parts.get(compartment)
    if part is None:
        section = subject.section
        part = CompartmentResult(
            compartment=compartment, status=section.status, reason=section.reason
        )
    return {
        "status": part.status.value,
        "flags": list(part.flags),
        "probabilities": None if part.probabilities is None else list(part.probabilities),
        **{name: getattr(part, name) for name in _TOLD},
    }


def _told_entry(entry: Entry) -> Json:
    names = ("grade", "gradable", "flagged", "comment", "reason")
    told = {name: getattr(entry.decision, name) for name in names}
    return {"number": entry.number, "time": entry.time, **told}


def _tidy(words: str) -> str:
    return " ".join(words.split())
