"""The audit trail shows every change to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from histoscore.runs.audit import FIRST, AuditTrail


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    """Three events, one with a line separator and quotes in its text."""
    trail = AuditTrail(tmp_path / "events.jsonl")
    trail.append("run started", study_sha256="ab")
    trail.append("slide committed", slide='knee\u2028 "7".svs', status="scored")
    trail.append("tables written", files={"slides.csv": "cd"})
    return trail


def rewrite(trail: AuditTrail, lines: list[str]) -> None:
    trail.path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def lines_of(trail: AuditTrail) -> list[str]:
    return trail.path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_events_follow_one_another(trail: AuditTrail) -> None:
    events = list(trail.events())
    assert [event.number for event in events] == [1, 2, 3]
    assert [event.previous for event in events] == [FIRST, events[0].hash, events[1].hash]
    assert all("@" in event.who and event.time.endswith("+00:00") for event in events)
    assert events[1].details["slide"] == 'knee\u2028 "7".svs'
    assert trail.problems() == []


def test_no_events_are_no_problem(tmp_path: Path) -> None:
    assert AuditTrail(tmp_path / "events.jsonl").problems() == []


def test_the_newest_event_of_a_kind_is_found(trail: AuditTrail) -> None:
    trail.append("tables written", files={"slides.csv": "ef"})
    newest = trail.last("tables written")
    assert newest is not None
    assert newest.details["files"] == {"slides.csv": "ef"}
    assert trail.last("key opened") is None


@pytest.mark.parametrize("field", ["time", "who", "what", "details"])
def test_a_changed_event_is_told(trail: AuditTrail, field: str) -> None:
    lines = lines_of(trail)
    event = json.loads(lines[1])
    event[field] = {"status": "failed"} if field == "details" else "someone else"
    rewrite(trail, [lines[0], json.dumps(event), lines[2]])
    assert trail.problems() == ["events.jsonl line 2: changed after it was written"]


def test_a_changed_event_with_a_new_hash_breaks_the_chain(trail: AuditTrail) -> None:
    lines = lines_of(trail)
    event = list(trail.events())[1].model_copy(update={"who": "somebody", "hash": ""})
    forged = event.model_copy(update={"hash": event.seal()})
    rewrite(trail, [lines[0], forged.model_dump_json(), lines[2]])
    assert any("line 3: does not follow" in problem for problem in trail.problems())


@pytest.mark.parametrize("removed", [0, 1])
def test_a_removed_event_is_told(trail: AuditTrail, removed: int) -> None:
    lines = lines_of(trail)
    rewrite(trail, [line for place, line in enumerate(lines) if place != removed])
    assert any("does not follow" in problem for problem in trail.problems())


def test_swapped_events_are_told(trail: AuditTrail) -> None:
    first, second, third = lines_of(trail)
    rewrite(trail, [second, first, third])
    assert trail.problems()


def test_a_line_that_is_no_event_is_told(trail: AuditTrail) -> None:
    rewrite(trail, [*lines_of(trail), '{"what": "nothing"}'])
    assert trail.problems() == ["events.jsonl line 4: not an event"]


def test_what_a_power_cut_left_of_a_line_is_dropped_and_told(trail: AuditTrail) -> None:
    with trail.path.open("a") as file:
        file.write('{"number": 4, "wh')
    trail.append("run resumed")
    assert [event.what for event in trail.events()][3:] == [
        "incomplete event dropped",
        "run resumed",
    ]
    assert trail.problems() == []


@pytest.mark.parametrize("length", [10, 8191, 8192, 9000, 40_000])
def test_a_line_of_any_length_is_followed(trail: AuditTrail, length: int) -> None:
    """Only the file's end is read to find the last event."""
    trail.append("long", words="x" * length)
    trail.append("after")
    assert [event.number for event in trail.events()] == [1, 2, 3, 4, 5]
    assert trail.problems() == []


@pytest.mark.parametrize("length", [1, 8191, 9000, 40_000])
def test_a_torn_line_of_any_length_is_cut_off(trail: AuditTrail, length: int) -> None:
    with trail.path.open("ab") as file:
        file.write(b"{" * length)
    trail.append("after")
    *_, told, after = trail.events()
    assert (told.what, told.details) == ("incomplete event dropped", {"bytes": length})
    assert (after.what, after.number) == ("after", 5)
    assert trail.problems() == []
