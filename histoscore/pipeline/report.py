"""From a run's committed records to its tables, workbook and report; again and again the same.

Nothing here looks at a slide. `score` ends with it, and `histoscore report` is nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from histoscore.errors import ManifestError, UsageError
from histoscore.files import sha256_of
from histoscore.pipeline.facts import OpenedKey, audit_events, origins, reading
from histoscore.records import (
    AuditEvent,
    CompartmentResult,
    CompartmentScore,
    SectionResult,
    SlideResult,
    StudyTables,
)
from histoscore.runs.audit import now
from histoscore.runs.folder import Committed, RunFolder
from histoscore.runs.lock import RunLock
from histoscore.runs.provenance import RunRecord
from histoscore.runs.verify import SEALED
from histoscore.study import Study, StudyRow, read_key
from histoscore.vocabulary import Compartment, Region, Status


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as it stands: its record, its tables, and the files made from them."""

    run: RunFolder
    record: RunRecord
    tables: StudyTables
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """2 where a slide failed, else 0."""
        return 2 if self.record.counts.get(Status.FAILED) else 0


def report_run(folder: Path, key: Path | None = None, take_over: bool = False) -> RunSummary:
    """Rebuild what a run's records say, under the run's lock; `key` opens a blinded run.

    Raises:
        UsageError: no run there, or one that is not finished.
        ManifestError: the key does not fit the run.
        RunInUseError: another process works on it.
    """
    run = RunFolder(folder)
    run.record()
    with RunLock(folder, take_over):
        if key is not None:
            open_key(run, key)
        return rebuild(run)


def rebuild(run: RunFolder) -> RunSummary:
    """Tables, workbook and report from the committed records; sealed by an event, and hashed.

    The caller holds the run's lock.
    """
    from histoscore.export.study import write_study_exports

    record, study = run.record(), run.read(run.study_path, Study)
    committed = _recorded(run, record)
    results = tuple(one.result for one in committed)
    tables = build_tables(record, study, results, opened_key(run), audit_events(run))
    files = write_study_exports(tables, run.path)
    counted = record.model_copy(update={"finished": now(), "counts": _counts(results)})
    run.write(run.record_path, counted)
    hashes = {path.relative_to(run.path).as_posix(): sha256_of(path) for path in files}
    run.trail.append(SEALED, files=hashes, counts=dict(counted.counts))
    for one in committed:
        hashes |= one.files
    run.write_sums(hashes)
    return RunSummary(run, counted, tables, files)


def committed_results(run: RunFolder, record: RunRecord) -> tuple[SlideResult, ...]:
    """Every slide's result in the order of the sheet. Raises UsageError where one is missing."""
    return tuple(one.result for one in _recorded(run, record))


def _recorded(run: RunFolder, record: RunRecord) -> tuple[Committed, ...]:
    """The results with the hashes of their pictures; the pictures are there, and are not read."""
    results = [(entry.slide, run.recorded(entry.key)) for entry in record.slides]
    missing = [slide for slide, result in results if result is None]
    if missing or not results:
        raise UsageError(
            f"{run.path}: the run is not finished ({len(missing)} of {len(results)} slides have no "
            f"result: {', '.join(missing[:3])}); score the study again with the same --out"
        )
    return tuple(result for _, result in results if result is not None)


def build_tables(
    record: RunRecord,
    study: Study,
    results: tuple[SlideResult, ...],
    key: OpenedKey | None,
    events: tuple[AuditEvent, ...] = (),
) -> StudyTables:
    """Scores of compartments → animals → groups, and the facts that stand beside them."""
    from histoscore.scoring.animals import score_animals
    from histoscore.scoring.stats import compare

    groups = dict(key.groups) if key else {}
    scores = tuple(
        score
        for row, result in zip(study.rows, results, strict=True)
        for score in compartment_scores(row, groups.get(row.animal, row.group), result)
    )
    planned = [
        row.model_copy(update={"group": groups.get(row.animal, row.group)}) for row in study.rows
    ]
    animals = score_animals(scores, planned)
    order = tuple(dict.fromkeys(groups.values())) or study.groups
    settings = record.config.statistics
    return StudyTables(
        slides=results,
        scores=scores,
        animals=animals,
        groups=compare(animals, settings, order) if order else (),
        reading=reading(record, study, results, key),
        ladder=record.model.ladder.ladder,
        primary_outcome=settings.primary.outcome,
        primary_region=Region(settings.primary.region),
        group_order=order,
        sides={row.slide: row.side for row in study.rows if row.side is not None},
        origins=origins(study, groups),
        events=events,
        confidence=settings.confidence,
    )


def compartment_scores(
    row: StudyRow, group: str | None, result: SlideResult
) -> Iterator[CompartmentScore]:
    """Four scores for each section that should have them; what was not graded is None."""
    for section in result.sections:
        if section.status in (Status.SKIPPED, Status.NO_TISSUE):
            continue
        found = {part.compartment: part for part in section.compartments}
        for compartment in Compartment:
            part = found.get(compartment) or _ungraded(section, compartment)
            yield _score(row, group, section, part)


def open_key(run: RunFolder, sheet: Path) -> None:
    """Keep a blinded run's groups in the run, and the opening in its audit trail.

    Raises:
        ManifestError: the run's own sheet names groups, or an animal is not in the key.
    """
    study = run.read(run.study_path, Study)
    groups = read_key(sheet)
    _check_key(sheet, study, groups)
    opened = OpenedKey(
        sheet=sheet.name, sha256=sha256_of(sheet), opened=now(), groups=tuple(groups.items())
    )
    before = opened_key(run)
    if before is None or before.sha256 != opened.sha256:
        run.trail.append("key opened", sheet=opened.sheet, sha256=opened.sha256)
        run.write(run.key_path, opened)


def _check_key(sheet: Path, study: Study, groups: Mapping[str, str]) -> None:
    if study.has_groups:
        raise ManifestError(f"{sheet}: the run's study sheet names the groups; it needs no key")
    absent = [animal for animal in study.animals if animal not in groups]
    if absent:
        raise ManifestError(
            f"{sheet}: names no group for {', '.join(absent)}; add a row for each animal"
        )


def opened_key(run: RunFolder) -> OpenedKey | None:
    """The key that opened a blinded run, None where none did."""
    return run.read(run.key_path, OpenedKey) if run.key_path.exists() else None


def _ungraded(section: SectionResult, compartment: Compartment) -> CompartmentResult:
    return CompartmentResult(compartment=compartment, status=section.status, reason=section.reason)


def _score(
    row: StudyRow, group: str | None, section: SectionResult, part: CompartmentResult
) -> CompartmentScore:
    return CompartmentScore(
        slide=row.slide,
        animal=row.animal,
        group=group,
        side=row.side,
        knee=row.knee,
        timepoint=row.timepoint,
        section=section.section,
        compartment=part.compartment,
        grade=part.grade,
        hyaline_area_um2=part.hyaline_area_um2,
        calcified_area_um2=part.calcified_area_um2,
        mean_thickness_um=part.mean_thickness_um,
        lesion_extent=part.lesion_extent,
    )


def _counts(results: tuple[SlideResult, ...]) -> dict[str, int]:
    counts = Counter(result.status.value for result in results)
    return {status.value: counts[status.value] for status in Status if counts[status.value]}
