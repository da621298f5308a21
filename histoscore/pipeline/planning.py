"""Before anything is scored: hash the slides, settle what needs no scoring, derive the keys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import ManifestError
from histoscore.files import patiently
from histoscore.records import SlideJob, SlideResult, SlideRow
from histoscore.runs.provenance import ModelFacts, SlideEntry, content_key
from histoscore.study import StudyRow
from histoscore.vocabulary import Status

CANNOT_READ = "cannot be read"
TRANSIENT = ("worker died", "timed out", "out of memory", "device", CANNOT_READ)
"""How reasons begin that lie in the machine, not in the slide: a rerun tries those again."""

_CHUNK_BYTES = 4 << 20
_EMPTY_FILE = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """SHA-256 of a slide's file, or the reason why there is none."""

    sha256: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A row of the sheet: work to do, or (`settled`) a result that needs no worker."""

    job: SlideJob
    settled: SlideResult | None = None

    @property
    def entry(self) -> SlideEntry:
        return SlideEntry(
            slide=self.job.row.slide, key=self.job.key, sha256=self.job.sha256 or None
        )


def fingerprints(
    rows: Sequence[StudyRow], report: Callable[[int, int], None]
) -> tuple[Fingerprint, ...]:
    """Hash every slide that is not excluded; `report` gets (bytes done, bytes in all).

    A file that cannot be read makes its own row fail later and stops nothing here.
    """
    total = sum(_size(row.path) for row in rows if not row.exclude)
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done += read
        report(done, total)

    return tuple(_fingerprint(row, count) for row in rows)


def plan_slides(
    rows: Sequence[StudyRow],
    prints: Sequence[Fingerprint],
    config: ScoreConfig,
    model: ModelFacts,
    before: Mapping[str, str],
) -> tuple[Planned, ...]:
    """What becomes of each row, in the order of the sheet.

    Args:
        before: SHA-256 of each slide (by name) as it was when the run began.

    Raises:
        ManifestError: the same bytes stand in the sheet for two animals.
    """
    twins = _twins(rows, prints)
    verdicts = [
        _verdict(row, print_, before.get(row.slide), twins.get(place))
        for place, (row, print_) in enumerate(zip(rows, prints, strict=True))
    ]
    return tuple(
        _planned(row, print_, verdict, config, model)
        for row, print_, verdict in zip(rows, prints, verdicts, strict=True)
    )


def is_settled(result: SlideResult | None) -> bool:
    """Whether a committed result stands: there is one, and no failure for a passing reason."""
    return result is not None and not (
        result.status is Status.FAILED and result.reason.startswith(TRANSIENT)
    )


def _fingerprint(row: StudyRow, count: Callable[[int], None]) -> Fingerprint:
    if row.exclude:
        return Fingerprint(None)
    if row.path.is_dir():
        return Fingerprint(None, "not a slide; it is a folder")
    try:
        return Fingerprint(patiently(lambda: _hash(row.path, count)))
    except FileNotFoundError:
        return Fingerprint(None, "no such file")
    except OSError as error:
        return Fingerprint(None, f"{CANNOT_READ} ({error.strerror})")


def _hash(path: Path, count: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            count(len(chunk))
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _twins(rows: Sequence[StudyRow], prints: Sequence[Fingerprint]) -> dict[int, StudyRow]:
    """Place of each row whose bytes stood in the sheet before → the row they stood in.

    Empty files are all alike and say nothing.
    """
    first: dict[str, StudyRow] = {}
    twins, conflicts = {}, []
    for place, (row, print_) in enumerate(zip(rows, prints, strict=True)):
        if print_.sha256 is None or print_.sha256 == _EMPTY_FILE:
            continue
        earlier = first.setdefault(print_.sha256, row)
        if earlier.animal != row.animal:
            conflicts.append(_conflict(earlier, row))
        elif earlier is not row:
            twins[place] = earlier
    if conflicts:
        raise ManifestError(
            "\n".join(["the study sheet gives one slide to two animals", *conflicts])
        )
    return twins


def _conflict(earlier: StudyRow, row: StudyRow) -> str:
    return (
        f"  rows {earlier.row} and {row.row}: {earlier.slide} ({earlier.animal}) and {row.slide} "
        f"({row.animal}) are the same file, byte for byte; correct or exclude one of them"
    )


def _verdict(
    row: StudyRow, print_: Fingerprint, before: str | None, twin: StudyRow | None
) -> tuple[Status, str] | None:
    """Status and reason of a row that needs no scoring, None for one that does."""
    if row.exclude:
        return Status.SKIPPED, f"excluded: {row.exclude_reason or 'no reason given'}"
    if print_.sha256 is None:
        return Status.FAILED, print_.reason
    if before is not None and before != print_.sha256:
        return Status.FAILED, (
            f"file changed since ingest (sha256 {before[:12]}… → {print_.sha256[:12]}…)"
        )
    if twin is not None:
        return Status.SKIPPED, f"duplicate of {twin.slide}"
    return None


def _planned(
    row: StudyRow,
    print_: Fingerprint,
    verdict: tuple[Status, str] | None,
    config: ScoreConfig,
    model: ModelFacts,
) -> Planned:
    bare = SlideRow.model_validate(row.model_dump(include=set(SlideRow.model_fields)))
    key = content_key(bare, print_.sha256, config, model.sha256, verdict[1] if verdict else "")
    job = SlideJob(row=bare, key=key, sha256=print_.sha256 or "")
    if verdict is None:
        return Planned(job)
    return Planned(job, _settled(job, *verdict))


def _settled(job: SlideJob, status: Status, reason: str) -> SlideResult:
    return SlideResult(
        slide=job.row.slide,
        animal=job.row.animal,
        status=status,
        reason=reason,
        sha256=job.sha256 or None,
    )
