"""What a run holds: the committed results, and the key that opened it."""

from __future__ import annotations

from histoscore.errors import UsageError
from histoscore.pipeline.facts import OpenedKey
from histoscore.records import SectionResult, SlideResult
from histoscore.runs.folder import Committed, RunFolder
from histoscore.runs.provenance import RunRecord
from histoscore.vocabulary import Status


def committed_results(run: RunFolder, record: RunRecord) -> tuple[SlideResult, ...]:
    """Every slide's result in the order of the sheet. Raises UsageError where one is missing."""
    return tuple(one.result for one in recorded(run, record))


def recorded(run: RunFolder, record: RunRecord) -> tuple[Committed, ...]:
    """The results with the hashes of their pictures; the pictures are there, and are not read.

    Raises:
        UsageError: a slide has no result, or the run is a part of a study.
    """
    if record.shard:
        raise UsageError(
            f"{run.path}: is shard {record.shard} of a study; join all shards first, with "
            "histoscore merge"
        )
    return recorded_part(run, record)


def recorded_part(run: RunFolder, record: RunRecord) -> tuple[Committed, ...]:
    """The same of a run that may be a shard."""
    results = [(entry.slide, run.recorded(entry.key)) for entry in record.slides]
    missing = [slide for slide, result in results if result is None]
    if missing or not results:
        raise UsageError(
            f"{run.path}: the run is not finished ({len(missing)} of {len(results)} slides have no "
            f"result: {', '.join(missing[:3])}); score the study again with the same --out"
        )
    return tuple(result for _, result in results if result is not None)


def opened_key(run: RunFolder) -> OpenedKey | None:
    """The key that opened a blinded run, None where none did."""
    return run.read(run.key_path, OpenedKey) if run.key_path.exists() else None


def counting_sections(slide: SlideResult) -> tuple[SectionResult, ...]:
    """Of these an animal's score is made: sections that were to be scored, and have tissue."""
    away = (Status.SKIPPED, Status.NO_TISSUE)
    return tuple(section for section in slide.sections if section.status not in away)
