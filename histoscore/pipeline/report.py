"""From a run's committed records to its tables, workbook and report; again and again the same.

Nothing here looks at a slide. `score` ends with it, and `histoscore report` is nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.files import sha256_of
from histoscore.pipeline.evaluation import agreement_in
from histoscore.pipeline.facts import OpenedKey, audit_events, origins, reading
from histoscore.pipeline.given import Counting, People, keep_grades, people_of, told
from histoscore.pipeline.graded import GradedRun, graded_run, read_run
from histoscore.pipeline.recorded import counting_sections, opened_key, recorded
from histoscore.pipeline.reviewed import review_rows
from histoscore.records import (
    AuditEvent,
    CompartmentResult,
    CompartmentScore,
    SectionResult,
    SlideResult,
    StudyTables,
)
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.lock import RunLock
from histoscore.runs.provenance import RunRecord
from histoscore.runs.verify import SEALED
from histoscore.scoring.comparison import Item
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


def report_run(
    folder: Path,
    key: Path | None = None,
    take_over: bool = False,
    scorers: Path | None = None,
    counting: Counting | None = None,
) -> RunSummary:
    """Rebuild what a run's records say, under the run's lock.

    `key` opens a blinded run, `scorers` is a sheet of people's grades, `counting` says whose
    grades make animals and groups. All are kept in the run: a later report needs none of them.

    Raises:
        UsageError: no run there, one that is not finished, or no people's grades to count.
        ManifestError: the key or the scorers' sheet does not fit the run.
        RunInUseError: another process works on it.
    """
    run = RunFolder(folder)
    run.record()
    with RunLock(folder, take_over):
        if key is not None:
            open_key(run, key)
        if scorers is not None or counting is not None:
            keep_grades(read_run(folder), scorers, counting)
        return rebuild(run)


def rebuild(run: RunFolder) -> RunSummary:
    """Tables, workbook and report from the committed records; sealed by an event, and hashed.

    The caller holds the run's lock.
    """
    from histoscore.export.additions import Additions
    from histoscore.export.study import write_study_exports
    from histoscore.scoring.stats import primary_power

    record, study = run.record(), run.read(run.study_path, Study)
    committed, key = recorded(run, record), opened_key(run)
    results = tuple(one.result for one in committed)
    graded = graded_run(run, record, study, results, key)
    people = people_of(graded)
    tables = build_tables(graded, study, key, people, audit_events(run))
    additions = Additions(
        decisions=people.final if people else {},
        review=review_rows(people.review, study) if people else (),
        agreement=agreement_in(graded, people.readings) if people and people.readings else None,
        power=primary_power(tables.animals, record.config.statistics, tables.group_order),
    )
    files = write_study_exports(tables, run.path, additions=additions)
    counted = record.model_copy(update={"finished": now(), "counts": counts_of(results)})
    run.write(run.record_path, counted)
    hashes = {path.relative_to(run.path).as_posix(): sha256_of(path) for path in files}
    run.trail.append(SEALED, files=hashes, counts=dict(counted.counts))
    for one in committed:
        hashes |= one.files
    run.write_sums(hashes)
    return RunSummary(run, counted, tables, files)


def build_tables(
    run: GradedRun,
    study: Study,
    key: OpenedKey | None,
    people: People | None = None,
    events: tuple[AuditEvent, ...] = (),
) -> StudyTables:
    """Scores of compartments → animals → groups, and the facts that stand beside them."""
    from histoscore.scoring.animals import score_animals
    from histoscore.scoring.stats import compare

    record, groups = run.record, dict(key.groups) if key else {}
    counted = people.counted if people else {}
    scores = tuple(
        score
        for row, result in zip(study.rows, run.results, strict=True)
        for score in compartment_scores(row, groups.get(row.animal, row.group), result, counted)
    )
    planned = [
        row.model_copy(update={"group": groups.get(row.animal, row.group)}) for row in study.rows
    ]
    animals = score_animals(scores, planned)
    order = tuple(dict.fromkeys(groups.values())) or study.groups
    settings = record.config.statistics
    return StudyTables(
        slides=run.results,
        scores=scores,
        animals=animals,
        groups=compare(animals, settings, order) if order else (),
        reading=reading(record, study, run.results, key, told(people, run) if people else ""),
        ladder=run.ladder,
        primary_outcome=settings.primary.outcome,
        primary_region=Region(settings.primary.region),
        group_order=order,
        reference=next(iter(order), None) if settings.reference is None else settings.reference,
        sides={row.slide: row.side for row in study.rows if row.side is not None},
        origins=origins(study, groups),
        events=events,
        confidence=settings.confidence,
    )


def compartment_scores(
    row: StudyRow,
    group: str | None,
    result: SlideResult,
    counted: Mapping[Item, float | None] | None = None,
) -> Iterator[CompartmentScore]:
    """Four scores for each section that should have them; what was not graded is None.

    `counted` are people's grades that count in place of the model's.
    """
    given = counted or {}
    for section in counting_sections(result):
        found = {part.compartment: part for part in section.compartments}
        for compartment in Compartment:
            part = found.get(compartment) or _ungraded(section, compartment)
            grade = given.get(Item(result.slide, section.section, compartment), part.grade)
            yield replace(_score(row, group, section, part), grade=grade)


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


def counts_of(results: tuple[SlideResult, ...]) -> dict[str, int]:
    """Slides of each status, in the order in which statuses are told."""
    counts = Counter(result.status.value for result in results)
    return {status.value: counts[status.value] for status in Status if counts[status.value]}
