"""A review is its audit trail: what was decided stays, in order, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.errors import (
    EnvironmentStopError,
    MissingReasonError,
    ReviewError,
    StaleDecisionError,
)
from histoscore.runs import audit
from histoscore.runs.audit import AuditTrail
from histoscore.runs.review_log import DECIDED, Decision, Mode, ReviewLog
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Compartment

MFC = Item("a.svs", 1, Compartment.MFC)


def begun(folder: Path, **scorers: str) -> ReviewLog:
    log = ReviewLog(AuditTrail(folder / "events.jsonl"))
    for name, mode in (scorers or {"ann": "assist"}).items():
        log.join(name, Mode(mode))
    return log


def said(
    grade: float | None,
    scorer: str = "ann",
    compartment: Compartment = Compartment.MFC,
    **more: object,
) -> Decision:
    mode = more.pop("mode", Mode.ASSIST)
    return Decision(
        scorer=scorer, mode=mode, slide="a.svs", section=1, compartment=compartment, grade=grade,
        **more,
    )  # fmt: skip


def seen(log: ReviewLog, item: Item = MFC, scorer: str = "ann") -> int:
    entry = log.scorer(scorer).newest.get(item)
    return entry.number if entry else 0


def decide(log: ReviewLog, decision: Decision) -> int:
    return log.decide(decision, seen(log, decision.item, decision.scorer)).number


def test_a_decision_says_who_when_old_new_and_why(tmp_path: Path) -> None:
    log = begun(tmp_path)
    decide(log, said(2, model_grade=2, model_shown=True))
    decide(log, said(3, model_grade=2, model_shown=True, reason="a cleft at the margin"))
    *_, event = AuditTrail(tmp_path / "events.jsonl").events()
    told = event.details
    assert event.what == DECIDED
    assert event.time.endswith("+00:00")
    assert (told["scorer"], told["old_grade"], told["grade"]) == ("ann", 2, 3)
    assert (told["model_grade"], told["model_shown"], told["mode"]) == (2, True, "assist")
    assert told["reason"] == "a cleft at the margin"
    assert AuditTrail(tmp_path / "events.jsonl").problems() == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    log = begun(tmp_path)
    for grade in (1, 2, 3):
        decide(log, said(grade))
    log.undo("ann")
    grades = [
        event.details["grade"]
        for event in AuditTrail(tmp_path / "events.jsonl").events()
        if event.what == DECIDED
    ]
    assert grades == [1, 2, 3, 2]


@given(st.lists(st.sampled_from(["decide", "undo", "other", "flag"]), max_size=14))
def test_the_trail_read_again_is_the_same_review(steps: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = begun(Path(folder), ann="independent", bob="assist")
        for number, step in enumerate(steps):
            if step == "decide":
                decide(log, said(number % 7, "ann", list(Compartment)[number % 4]))
            elif step == "other":
                decide(log, said(number % 3, "bob"))
            elif step == "flag":
                before = log.scorer("ann").newest.get(MFC)
                grade = before.decision.grade if before else None
                decide(log, said(grade, "ann", flagged=True))
            elif log.scorer("ann").undoable:
                log.undo("ann")
        again = ReviewLog(AuditTrail(Path(folder) / "events.jsonl"))
        assert again.scorers == log.scorers
        assert again.consensus == log.consensus


def test_undo_goes_back_step_by_step_to_nothing(tmp_path: Path) -> None:
    log = begun(tmp_path)
    decide(log, said(1))
    decide(log, said(2, comment="cleft"))
    decide(log, said(0, compartment=Compartment.LTP))
    assert log.undo("ann").decision.compartment is Compartment.LTP
    assert log.undo("ann").decision.grade == 1
    last = log.undo("ann").decision
    assert (last.grade, last.gradable, last.is_decided) == (None, True, False)
    with pytest.raises(ReviewError, match="nothing to take back"):
        log.undo("ann")


def test_undo_never_takes_back_another_persons_grade(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="assist", bob="assist")
    decide(log, said(1, "ann"))
    decide(log, said(4, "bob"))
    assert log.undo("ann").decision.scorer == "ann"
    assert log.scorer("bob").newest[MFC].decision.grade == 4


@pytest.mark.fault(55)
def test_a_stale_tab_decides_nothing(tmp_path: Path) -> None:
    log = begun(tmp_path)
    first = decide(log, said(1))
    with pytest.raises(StaleDecisionError, match="changed elsewhere"):
        log.decide(said(2), 0)
    assert log.scorer("ann").newest[MFC].number == first


def test_a_grade_changed_in_sight_of_the_model_needs_a_reason(tmp_path: Path) -> None:
    log = begun(tmp_path)
    with pytest.raises(MissingReasonError, match="model's grade"):
        decide(log, said(4, model_grade=2, model_shown=True))
    decide(log, said(4, model_grade=2, model_shown=True, reason="deep cleft"))
    with pytest.raises(MissingReasonError, match="your earlier grade"):
        decide(log, said(5, model_grade=2, model_shown=True))
    decide(log, said(4, model_grade=2, model_shown=True, flagged=True))  # a flag changes no grade


def test_accepting_the_model_and_grading_what_it_withheld_need_none(tmp_path: Path) -> None:
    log = begun(tmp_path)
    decide(log, said(2, model_grade=2, model_shown=True))
    decide(log, said(3, compartment=Compartment.LTP, model_grade=None, model_shown=True))
    newest = log.scorer("ann").newest.values()
    assert [(entry.decision.grade, entry.decision.reason) for entry in newest] == [(2, ""), (3, "")]


def test_what_cannot_be_graded_says_why(tmp_path: Path) -> None:
    log = begun(tmp_path)
    with pytest.raises(MissingReasonError, match="cannot be graded"):
        decide(log, said(None, gradable=False))
    decide(log, said(None, gradable=False, comment="torn"))
    assert log.scorer("ann").newest[MFC].decision.is_decided


def test_the_model_is_shown_once_all_four_are_decided_and_stays_so(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="independent")
    for number, compartment in enumerate(Compartment):
        assert not log.scorer("ann").sees_model("a.svs", 1)
        decide(log, said(number, "ann", compartment, mode=Mode.INDEPENDENT))
    assert log.scorer("ann").sees_model("a.svs", 1)
    assert not log.scorer("ann").sees_model("a.svs", 2)
    taken = log.undo("ann").decision
    assert log.scorer("ann").sees_model("a.svs", 1)
    assert taken.model_shown


def test_an_independent_grade_is_the_last_one_before_the_model_was_shown(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="independent")
    decide(log, said(5, mode=Mode.INDEPENDENT))
    decide(log, said(3, mode=Mode.INDEPENDENT))
    decide(log, said(2, mode=Mode.INDEPENDENT, model_shown=True, reason="second look"))
    assert log.scorer("ann").unseen[MFC].decision.grade == 3
    assert log.scorer("ann").newest[MFC].decision.grade == 2


def test_who_saw_the_model_cannot_become_independent(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="assist", bob="independent")
    with pytest.raises(ReviewError, match="cannot grade independently"):
        log.join("ann", Mode.INDEPENDENT)
    assert log.join("bob", Mode.ASSIST).mode is Mode.ASSIST


def test_signing_off_ends_a_scorers_work_and_unblinding_everybodys(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="assist", bob="assist")
    log.sign("ann")
    with pytest.raises(ReviewError, match="signed off"):
        decide(log, said(1))
    with pytest.raises(ReviewError, match="bob must sign off first"):
        log.unblind("ann")
    decide(log, said(1, "bob"))
    log.sign("bob")
    log.unblind("bob")
    with pytest.raises(ReviewError, match="unblinded"):
        log.settle(said(1, mode=Mode.CONSENSUS, reason="talked"), 0)
    with pytest.raises(ReviewError, match="unblinded"):
        log.join("eve", Mode.ASSIST)


def test_differences_are_settled_with_a_reason_when_all_have_signed(tmp_path: Path) -> None:
    log = begun(tmp_path, ann="assist", bob="assist")
    settled = said(2, "bob", mode=Mode.CONSENSUS, reason="looked at it together")
    log.sign("ann")
    with pytest.raises(ReviewError, match="all scorers have signed"):
        log.settle(settled, 0)
    log.sign("bob")
    with pytest.raises(MissingReasonError):
        log.settle(said(2, "bob", mode=Mode.CONSENSUS), 0)
    entry = log.settle(settled, 0)
    assert log.consensus[MFC] == entry
    assert MFC not in log.scorer("bob").newest
    with pytest.raises(StaleDecisionError):
        log.settle(settled, 0)


def test_a_disk_that_refuses_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = begun(tmp_path)

    def full(path: Path, line: str) -> None:
        raise EnvironmentStopError("no space left")

    monkeypatch.setattr(audit, "append_line", full)
    with pytest.raises(EnvironmentStopError):
        decide(log, said(1))
    monkeypatch.undo()
    assert log.scorer("ann").newest == {}
    assert decide(log, said(2)) == seen(log)


def test_a_changed_decision_and_all_behind_it_do_not_count(tmp_path: Path) -> None:
    log = begun(tmp_path)
    decide(log, said(1))
    decide(log, said(2, compartment=Compartment.LTP))
    decide(log, said(3, compartment=Compartment.LFC))
    path = tmp_path / "events.jsonl"
    path.write_text(path.read_text().replace('"grade": 2.0', '"grade": 6.0'))
    kept = ReviewLog(AuditTrail(path)).scorer("ann").newest
    assert {item.compartment: entry.decision.grade for item, entry in kept.items()} == {
        Compartment.MFC: 1.0
    }


@pytest.mark.fault(55)
def test_a_clock_that_goes_back_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = begun(tmp_path)
    times = iter(["2031-01-01T00:00:00+00:00", "2001-01-01T00:00:00+00:00"])
    monkeypatch.setattr(audit, "now", lambda: next(times))
    first, second = decide(log, said(1)), decide(log, said(2))
    assert second > first
    again = ReviewLog(AuditTrail(tmp_path / "events.jsonl"))
    assert again.scorer("ann").newest[MFC].decision.grade == 2
