"""The audit trail of a run: `events.jsonl`, append-only, each line sealed by the one before it.

Every event carries the SHA-256 of its own content, which includes the hash of the event before
it. An event that is changed, removed from the middle or slipped in breaks the chain. Events cut
off at the end show in `verify`: the tables on disk are then not the ones sealed last.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from histoscore.errors import EnvironmentStopError
from histoscore.files import append_line, json_text

FIRST = "0" * 64
"""What the first event names as its predecessor's hash."""
_END_BYTES = 8192
"""Of the trail that are read to find its last line; more where that is longer."""

_APPENDING = Lock()
"""Threads of the one process that may append do so one after the other."""


class Event(BaseModel):
    """One line of the trail: who did what, when (UTC, ISO 8601), with details."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    time: str
    who: str
    what: str
    details: dict[str, Any]
    previous: str
    hash: str = ""

    def seal(self) -> str:
        """SHA-256 over everything but the hash itself."""
        content = json_text(self.model_dump(exclude={"hash"}))
        return hashlib.sha256(content.encode("utf-8")).hexdigest()


class AuditTrail:
    """The events of one run. Only the process that holds the run's lock may append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, what: str, **details: Any) -> Event:
        """Write one event to the disk and return it. Details are plain JSON values."""
        with _APPENDING:
            dropped = _drop_torn_line(self.path)
            if dropped:
                self._append("incomplete event dropped", {"bytes": dropped})
            return self._append(what, details)

    def events(self) -> Iterator[Event]:
        """All events, oldest first. Raises ValueError at a line that is no event."""
        for line in _lines(self.path):
            yield Event.model_validate_json(line)

    def sound(self) -> Iterator[Event]:
        """The events before the first one that is wrong: what the chain vouches for."""
        previous = FIRST
        for number, line in enumerate(_lines(self.path), start=1):
            try:
                event = Event.model_validate_json(line)
            except ValidationError:
                return
            if event.number != number or _faults(event, previous):
                return
            previous = event.hash
            yield event

    def last(self, what: str) -> Event | None:
        """The newest event of this kind, None if there is none."""
        return next((e for e in reversed(tuple(self.events())) if e.what == what), None)

    def problems(self) -> list[str]:
        """What is wrong with the chain, in plain words; empty when it is whole."""
        problems, previous = [], FIRST
        for number, line in enumerate(_lines(self.path), start=1):
            try:
                event = Event.model_validate_json(line)
            except ValidationError:
                problems.append(f"{self.path.name} line {number}: not an event")
                continue
            problems += [f"{self.path.name} line {number}: {p}" for p in _faults(event, previous)]
            if event.number != number:
                problems.append(f"{self.path.name} line {number}: numbered {event.number}")
            previous = event.hash
        return problems

    def _append(self, what: str, details: dict[str, Any]) -> Event:
        newest = _last_line(self.path)
        before = Event.model_validate_json(newest) if newest else None
        draft = Event(
            number=before.number + 1 if before else 1,
            time=now(),
            who=who(),
            what=what,
            details=json.loads(json_text(details)),
            previous=before.hash if before else FIRST,
        )
        event = draft.model_copy(update={"hash": draft.seal()})
        append_line(self.path, json_text(event.model_dump()))
        return event


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def who() -> str:
    """The user and the machine that this process runs as."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in the password file
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"


def _faults(event: Event, previous: str) -> list[str]:
    faults = []
    if event.hash != event.seal():
        faults.append("changed after it was written")
    if event.previous != previous:
        faults.append("does not follow the event before it (an event was removed or slipped in)")
    return faults


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8", errors="replace")
    return text.removesuffix("\n").split("\n") if text else []


def _last_line(path: Path) -> str:
    """The newest line; only the file's end is read, for a long run has many."""
    end = _end(path).removesuffix(b"\n")
    return end[end.rfind(b"\n") + 1 :].decode("utf-8", errors="replace")


def _drop_torn_line(path: Path) -> int:
    """Cut off what a power cut left of an unfinished line; says how many bytes."""
    end = _end(path)
    torn = len(end) - (end.rfind(b"\n") + 1)
    if torn:
        try:
            os.truncate(path, path.stat().st_size - torn)
        except OSError as error:
            raise EnvironmentStopError(
                f"{path}: cannot be written ({error.strerror}); change its permissions"
            ) from error
    return torn


def _end(path: Path) -> bytes:
    """The file's last bytes, from the break before its last whole line at the latest on."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        size, wanted = file.seek(0, os.SEEK_END), _END_BYTES
        while True:
            file.seek(max(0, size - wanted))
            end = file.read()
            if len(end) == size or end.count(b"\n") >= 2:
                return end
            wanted *= 4
