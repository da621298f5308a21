"""Whether a run folder is what it was when it was finished: every hash, and the audit chain."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from histoscore.errors import RunMismatchError
from histoscore.files import sha256_of
from histoscore.records import SlideResult
from histoscore.runs.folder import Committed, RunFolder

SEALED = "tables written"
"""The event that names the hash of every table at the time it was made."""
COMMITTED = "slide committed"
"""The event that names the hash of a slide's result at the time it was committed."""


def verify(folder: Path) -> list[str]:
    """All that is wrong with a run, in plain words; empty when nothing is.

    Raises:
        UsageError: the folder holds no run.
    """
    run = RunFolder(folder)
    try:
        run.record()
    except RunMismatchError as error:
        return [str(error)]
    return _sums(run) + run.trail.problems() or _results(run) or _seals(run)


def _sums(run: RunFolder) -> list[str]:
    if not run.sums_path.exists():
        return ["SHA256SUMS is not there: the run is not finished; score the study again"]
    listed = dict(_sum_lines(run.sums_path))
    there = set(run.file_names())
    problems = [f"{name}: is gone" for name in sorted(listed.keys() - there)]
    problems += [f"{name}: is not in SHA256SUMS" for name in sorted(there - listed.keys())]
    problems += [
        f"{name}: changed since it was written"
        for name in sorted(there & listed.keys())
        if sha256_of(run.path / name) != listed[name]
    ]
    return problems


def _sum_lines(path: Path) -> list[tuple[str, str]]:
    lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    parts = [line.partition("  ") for line in lines if line]
    return [(name, sha256) for sha256, _, name in parts]


def _results(run: RunFolder) -> list[str]:
    problems = []
    for entry in run.record().slides:
        path = run.result_path(entry.key)
        try:
            committed = Committed.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            problems.append(f"{entry.slide}: its result {entry.key} is missing or unreadable")
            continue
        gone = run.missing_pictures(committed)
        problems += [f"{entry.slide}: {name} is gone or changed" for name in gone]
    return problems


def _seals(run: RunFolder) -> list[str]:
    tables = run.trail.last(SEALED)
    if tables is None:
        return ["events.jsonl: no event seals the tables"]
    sealed = sealed_results(run) | {
        name: (sha256, tables.number) for name, sha256 in tables.details["files"].items()
    }
    return [
        f"{name}: is not the file that was sealed by event {number}"
        for name, (sha256, number) in sealed.items()
        if not (run.path / name).is_file() or sha256_of(run.path / name) != sha256
    ]


def seal_result(run: RunFolder, key: str, result: SlideResult, **beside: str) -> None:
    """Put a committed result and the hash of its file into the audit trail."""
    path = run.result_path(key)
    run.trail.append(
        COMMITTED,
        slide=result.slide,
        status=result.status.value,
        reason=result.reason,
        files={path.relative_to(run.path).as_posix(): sha256_of(path)},
        **beside,
    )


def sealed_results(run: RunFolder) -> dict[str, tuple[str, int]]:
    """The committed results in the audit trail: relative path → newest hash, event's number."""
    return {
        name: (sha256, event.number)
        for event in run.trail.events()
        if event.what == COMMITTED
        for name, sha256 in event.details["files"].items()
    }
