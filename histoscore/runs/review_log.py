"""What a review of a run decided: who graded what, when, instead of what, and why.

Decisions are events of the run's audit trail and nothing else: appended, sealed by the hash chain,
on the disk before anybody is told that they are. This is the trail read as a review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from threading import RLock
from typing import Any

from histoscore.errors import MissingReasonError, ReviewError, StaleDecisionError
from histoscore.records import Record
from histoscore.runs.audit import AuditTrail, Event
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Compartment

DECIDED = "review: decided"
JOINED = "review: scorer joined"
SIGNED = "review: signed off"
UNBLINDED = "review: unblinded"

_TAKEN_BACK = "taken back"


class Mode(StrEnum):
    """How a scorer grades: before seeing what the model says, beside it, or to settle differences
    between scorers."""

    INDEPENDENT = "independent"
    ASSIST = "assist"
    CONSENSUS = "consensus"


class Decision(Record):
    """What one scorer says of one compartment, as a whole: a later one takes its place.

    Attributes:
        grade: a rung; None where `gradable` is false, or nothing is decided (yet, or any more).
        gradable: false: a person finds that it cannot be graded.
        reason: why something was changed.
        old_grade: what was said before. model_grade: what the model says.
        model_shown: whether the scorer could see that before.
        follows: number of the decision on the compartment before it, 0 for the first.
        undoes: number of the decision that this one takes back.
    """

    scorer: str
    mode: Mode
    slide: str
    section: int
    compartment: Compartment
    grade: float | None = None
    gradable: bool = True
    flagged: bool = False
    comment: str = ""
    reason: str = ""
    old_grade: float | None = None
    model_grade: float | None = None
    model_shown: bool = False
    follows: int = 0
    undoes: int | None = None

    @property
    def item(self) -> Item:
        return Item(self.slide, self.section, self.compartment)

    @property
    def verdict(self) -> tuple[float | None, bool]:
        return self.grade, self.gradable

    @property
    def is_decided(self) -> bool:
        """Graded, or found not gradable."""
        return self.grade is not None or not self.gradable


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision with its place in the trail: a number that only grows, and the time in UTC."""

    number: int
    time: str
    decision: Decision


@dataclass(slots=True)
class Scorer:
    """One person's work.

    Attributes:
        newest: the newest decision by compartment.
        unseen: the newest that was made before the model's side was shown: an independent grade.
        complete: (slide, section) of which every compartment was decided at some time; from then
            on the model's side of it is shown.
        undoable: what can be taken back, oldest first.
    """

    name: str
    mode: Mode
    signed: bool = False
    newest: dict[Item, Entry] = field(default_factory=dict)
    unseen: dict[Item, Entry] = field(default_factory=dict)
    complete: set[tuple[str, int]] = field(default_factory=set)
    undoable: list[Entry] = field(default_factory=list)

    @property
    def n_decided(self) -> int:
        """Compartments that are decided, in all sections."""
        return sum(entry.decision.is_decided for entry in self.newest.values())

    def sees_model(self, slide: str, section: int) -> bool:
        """Whether the model's side of a section may be shown."""
        independent = self.mode is Mode.INDEPENDENT and not self.signed
        return not independent or (slide, section) in self.complete

    def decided(self, slide: str, section: int) -> int:
        """How many compartments of a section are decided."""
        items = (Item(slide, section, compartment) for compartment in Compartment)
        return sum(item in self.newest and self.newest[item].decision.is_decided for item in items)

    def take(self, entry: Entry) -> None:
        decision = entry.decision
        self.newest[decision.item] = entry
        if not decision.model_shown:
            self.unseen[decision.item] = entry
        if decision.undoes is None:
            self.undoable.append(entry)
        else:
            self.undoable = [one for one in self.undoable if one.number != decision.undoes]
        if self.decided(decision.slide, decision.section) == len(Compartment):
            self.complete.add((decision.slide, decision.section))


class ReviewLog:
    """The review of one run, for many threads. Only the process that holds the run's lock may add
    to it. Of a damaged trail it is what stands before the damage."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._lock = RLock()
        self._numbered: dict[int, Decision] = {}
        self.scorers: dict[str, Scorer] = {}
        self.consensus: dict[Item, Entry] = {}
        self.unblinded = False
        self.additions = 0
        for event in trail.sound():
            self._take(event)

    @property
    def all_signed(self) -> bool:
        return bool(self.scorers) and all(one.signed for one in self.scorers.values())

    def entries(self) -> Iterator[Entry]:
        """What every scorer says of each compartment now, scorer by scorer."""
        for scorer in self.scorers.values():
            yield from scorer.newest.values()

    def scorer(self, name: str) -> Scorer:
        """Raises ReviewError for a name that has not joined."""
        if name not in self.scorers:
            raise ReviewError("nobody of this name has begun here; start again with a name")
        return self.scorers[name]

    def join(self, name: str, mode: Mode) -> Scorer:
        """A scorer begins, or comes back.

        Raises:
            ReviewError: who has seen what the model says cannot grade independently of it.
        """
        with self._lock:
            known = self.scorers.get(name)
            if known and known.mode is Mode.ASSIST and mode is Mode.INDEPENDENT:
                raise ReviewError(
                    f"{name} has graded beside the model and cannot grade independently of it any "
                    "more; go on in assist mode, or take another name for another person"
                )
            if known is None or known.mode is not mode:
                self._check_blinded()
                self._add(JOINED, scorer=name, mode=mode.value)
            return self.scorers[name]

    def decide(self, decision: Decision, seen: int) -> Entry:
        """Put a decision on the disk; when this returns it is there.

        Args:
            decision: what is said now; what was said before is filled in.
            seen: number of the newest decision on the compartment that the scorer knew of.

        Raises:
            StaleDecisionError: there is a newer one.
            MissingReasonError: a grade is changed, and nothing says why.
            ReviewError: the scorer has signed off, or the review is unblinded.
            EnvironmentStopError: the disk refuses; nothing is decided.
        """
        with self._lock:
            scorer = self._still_open(decision.scorer)
            return self._decide(decision, scorer.newest.get(decision.item), seen)

    def settle(self, decision: Decision, seen: int) -> Entry:
        """Decide a difference between scorers. Raises as `decide`."""
        with self._lock:
            self._check_blinded()
            if len(self.scorers) < 2 or not self.all_signed:
                raise ReviewError("differences are settled when all scorers have signed off")
            if not decision.reason:
                raise MissingReasonError("say in a few words how the difference was settled")
            return self._decide(decision, self.consensus.get(decision.item), seen)

    def undo(self, name: str) -> Entry:
        """Take back a scorer's newest decision: what stood before it is decided again.

        Raises:
            ReviewError: there is none, or the scorer may not decide any more.
        """
        with self._lock:
            scorer = self._still_open(name)
            if not scorer.undoable:
                raise ReviewError("there is nothing to take back")
            last = scorer.undoable[-1]
            before = self._numbered.get(last.decision.follows) or _nothing_of(last.decision)
            update = {
                "mode": scorer.mode,
                "reason": _TAKEN_BACK,
                "old_grade": last.decision.grade,
                "model_shown": scorer.sees_model(last.decision.slide, last.decision.section),
                "follows": last.number,
                "undoes": last.number,
            }
            return self._put(before.model_copy(update=update))

    def sign(self, name: str) -> None:
        """A scorer's last word. Raises ReviewError where it was said before."""
        with self._lock:
            scorer = self._still_open(name)
            self._add(SIGNED, scorer=name, decided=scorer.n_decided)

    def unblind(self, name: str) -> None:
        """Show whose slides these are; after that nothing is decided any more.

        Raises:
            ReviewError: not everybody has signed off.
        """
        with self._lock:
            self.scorer(name)
            waiting = [one.name for one in self.scorers.values() if not one.signed]
            if waiting:
                raise ReviewError(f"{', '.join(waiting)} must sign off first")
            if not self.unblinded:
                self._add(UNBLINDED, scorer=name)

    def _decide(self, decision: Decision, before: Entry | None, seen: int) -> Entry:
        number = before.number if before else 0
        if seen != number:
            raise StaleDecisionError(
                "changed elsewhere, in another tab or window; look at what stands there now"
            )
        old = before.decision if before else _nothing_of(decision)
        _check_reason(decision, old)
        return self._put(decision.model_copy(update={"follows": number, "old_grade": old.grade}))

    def _still_open(self, name: str) -> Scorer:
        self._check_blinded()
        scorer = self.scorer(name)
        if scorer.signed:
            raise ReviewError(f"{name} has signed off and can decide no more")
        return scorer

    def _check_blinded(self) -> None:
        if self.unblinded:
            raise ReviewError("the review was unblinded: nothing can be decided any more")

    def _put(self, decision: Decision) -> Entry:
        event = self._add(DECIDED, **decision.model_dump(mode="json"))
        return Entry(event.number, event.time, decision)

    def _add(self, what: str, **details: Any) -> Event:
        event = self._trail.append(what, **details)
        self._take(event)
        self.additions += 1
        return event

    def _take(self, event: Event) -> None:
        name = event.details.get("scorer", "")
        if event.what == DECIDED:
            self._take_decision(event)
        elif event.what == JOINED:
            mode = Mode(event.details["mode"])
            self.scorers.setdefault(name, Scorer(name, mode)).mode = mode
        elif event.what == SIGNED:
            self.scorers[name].signed = True
        elif event.what == UNBLINDED:
            self.unblinded = True

    def _take_decision(self, event: Event) -> None:
        entry = Entry(event.number, event.time, Decision.model_validate(event.details))
        self._numbered[entry.number] = entry.decision
        if entry.decision.mode is Mode.CONSENSUS:
            self.consensus[entry.decision.item] = entry
        else:
            self.scorers[entry.decision.scorer].take(entry)


def _nothing_of(decision: Decision) -> Decision:
    """What is said of a compartment before anything is said."""
    return Decision(
        scorer=decision.scorer,
        mode=decision.mode,
        slide=decision.slide,
        section=decision.section,
        compartment=decision.compartment,
        model_grade=decision.model_grade,
    )


def _check_reason(decision: Decision, old: Decision) -> None:
    """A change says why: of the model's grade where that is in sight, and of one's own after it."""
    if not decision.gradable:
        if not (decision.reason or decision.comment):
            raise MissingReasonError("say in a few words why this compartment cannot be graded")
        return
    if decision.reason or not decision.model_shown or decision.verdict == old.verdict:
        return
    if old.is_decided:
        raise MissingReasonError("say in a few words why your earlier grade is changed")
    if decision.model_grade is not None and decision.grade != decision.model_grade:
        raise MissingReasonError("say in a few words why the model's grade is changed")
