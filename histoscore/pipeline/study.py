"""The main job: a study sheet in, a finished run folder out; the same call again resumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import RunMismatchError, UsageError
from histoscore.files import sha256_of, sweep_leftovers
from histoscore.pipeline.facts import RESUMED
from histoscore.pipeline.planning import Planned, fingerprints, needs_work, plan_slides
from histoscore.pipeline.progress import Reporter, Silence
from histoscore.pipeline.report import RunSummary, rebuild
from histoscore.pipeline.supervisor import Supervisor
from histoscore.pipeline.worker import LOG_NAME, WorkerPlan
from histoscore.records import SlideJob, SlideResult
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.lock import LOCK_NAME, RunLock
from histoscore.runs.provenance import ModelFacts, RunRecord, begin_record, differences
from histoscore.runs.verify import COMMITTED, sealed_results
from histoscore.study import Study, read_study
from histoscore.study.remarks import unlisted

SLIDE_SCORER = "histoscore.pipeline.slide:SlideScorer"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How a run is made, beside its configuration.

    Attributes:
        allow_missing: slides that are not on disk fail instead of stopping the study.
        take_over: overrule a lock that was made on another host.
        scorer: what scores a slide in the worker, as `package.module:Class`.
        model: the model's facts by its name or folder.
    """

    allow_missing: bool = False
    take_over: bool = False
    scorer: str = SLIDE_SCORER
    model: Callable[[str], ModelFacts] | None = None


def score_study(
    sheet: Path,
    out: Path,
    config: ScoreConfig,
    options: ScoreOptions | None = None,
    reporter: Reporter | None = None,
) -> RunSummary:
    """Score every slide of a study and write tables, workbook and report into a run folder.

    Raises:
        UsageError: the sheet, the configuration, the model or the folder does not fit; nothing
            was started.
        RunInUseError: another process works on the folder.
        EnvironmentStopError: disk or permissions; what was committed stays, a rerun resumes.
    """
    options, reporter = options or ScoreOptions(), reporter or Silence()
    study = read_study(sheet, options.allow_missing)
    facts = (options.model or model_facts)(config.model)
    wanted = begin_record(str(sheet.absolute()), study.sha256, config, facts, now())
    _check_place(out)
    with RunLock(out, options.take_over) as lock:
        run = RunFolder(out)
        begun = _begun(run, wanted)
        for note in (*study.notes, *unlisted(study)):
            reporter.note(note)
        plan = _plan(study, wanted, begun, reporter)
        _open(run, wanted, begun, study, plan)
        if lock.replaced:
            run.trail.append("lock taken over", owner=str(lock.replaced))
            reporter.note(f"took over the lock of {lock.replaced}, which is gone")
        return _carry_out(run, plan, options.scorer, config, reporter)


def model_facts(name: str) -> ModelFacts:
    """Facts of the bundle with this name, or in this folder. Raises ModelError."""
    from histoscore.models.bundle import find_bundle

    bundle = find_bundle(name)
    return ModelFacts(
        name=bundle.name,
        sha256=bundle.weights_hash,
        validated_on_real_tissue=bundle.validated_on_real_tissue,
        banner=bundle.banner or "",
        ladder=bundle.details.ladder,
    )


def _check_place(out: Path) -> None:
    """A folder that holds something else is not written into."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; --out must name a folder")
    if not out.exists() or RunFolder(out).has_record():
        return
    foreign = [p.name for p in out.iterdir() if p.name != LOCK_NAME and p.suffix != ".part"]
    if foreign:
        raise UsageError(
            f"{out}: holds other files ({', '.join(sorted(foreign)[:3])}) and no run; "
            "choose a new folder for --out"
        )


def _begun(run: RunFolder, wanted: RunRecord) -> RunRecord | None:
    """The record of the run that is resumed, None for a new one."""
    if not run.has_record():
        return None
    begun = run.record()
    differing = differences(begun, wanted)
    if differing:
        lines = "\n".join(f"  {line}" for line in differing)
        raise RunMismatchError(
            f"{run.path}: the run there was begun with something else (then → now)\n{lines}\n"
            "Choose a new folder for --out, or ask for the same as then"
        )
    return begun


def _plan(
    study: Study, wanted: RunRecord, begun: RunRecord | None, reporter: Reporter
) -> tuple[Planned, ...]:
    prints = fingerprints(study.rows, reporter.hashing)
    known = begun.slides if begun else ()
    before = {entry.slide: entry.sha256 for entry in known if entry.sha256}
    return plan_slides(study.rows, prints, wanted.config, wanted.model, before)


def _open(
    run: RunFolder,
    wanted: RunRecord,
    begun: RunRecord | None,
    study: Study,
    plan: Sequence[Planned],
) -> None:
    """Write down what is about to happen, before it does."""
    before = {entry.slide: entry.sha256 for entry in begun.slides} if begun else {}
    entries = tuple(planned.entry for planned in plan)
    kept = tuple(e.model_copy(update={"sha256": before.get(e.slide) or e.sha256}) for e in entries)
    if begun is None:
        record = wanted.model_copy(update={"slides": kept})
    else:
        again = {"slides": kept, "resumed": (*begun.resumed, now()), "config": wanted.config}
        record = begun.model_copy(update=again)
    run.write(run.record_path, record)
    run.write(run.study_path, study)
    sweep_leftovers(run.path)
    run.trail.append(
        RESUMED if begun else "run started",
        study_sha256=record.study_sha256,
        model_sha256=record.model.sha256,
        histoscore=record.histoscore,
    )


def _carry_out(
    run: RunFolder,
    plan: Sequence[Planned],
    scorer: str,
    config: ScoreConfig,
    reporter: Reporter,
) -> RunSummary:
    _settle(run, plan)
    jobs = [planned.job for planned in plan if needs_work(planned, run)]
    _seal_finished(run, {planned.job.key for planned in plan} - {job.key for job in jobs})
    reporter.begin(len(plan), len(plan) - len(jobs))
    try:
        with Supervisor(WorkerPlan(scorer, config, run), _Chronicle(run, reporter)) as supervisor:
            supervisor.score_all(jobs)
        _drop_empty_log(run)
        return rebuild(run)
    except KeyboardInterrupt:
        run.trail.append("run interrupted")
        raise


def _settle(run: RunFolder, plan: Sequence[Planned]) -> None:
    """Commit what needs no worker: excluded, doubled, unreadable slides."""
    for planned in plan:
        if planned.settled and run.committed(planned.job.key) != planned.settled:
            run.commit(planned.job.key, planned.settled)


def _seal_finished(run: RunFolder, keys: Iterable[str]) -> None:
    """Seal what an earlier call committed and had no time to put into the trail."""
    sealed = sealed_results(run)
    for key in sorted(keys):
        path = run.result_path(key)
        known, _ = sealed.get(path.relative_to(run.path).as_posix(), (None, 0))
        result = run.committed(key)
        if result is not None and known != sha256_of(path):
            _seal(run, key, result)


def _seal(run: RunFolder, key: str, result: SlideResult) -> None:
    """Put a committed result and the hash of its file into the audit trail."""
    path = run.result_path(key)
    run.trail.append(
        COMMITTED,
        slide=result.slide,
        status=result.status.value,
        reason=result.reason,
        files={path.relative_to(run.path).as_posix(): sha256_of(path)},
    )


class _Chronicle:
    """Writes what the supervisor sees into the run's record and trail, and tells the reporter."""

    def __init__(self, run: RunFolder, reporter: Reporter) -> None:
        self._run = run
        self._reporter = reporter

    def ready(self, facts: Mapping[str, str | int]) -> None:
        record = RunRecord.model_validate({**self._run.record().model_dump(), **facts})
        self._run.write(self._run.record_path, record)

    def tiles(self, job: SlideJob, done: int, total: int) -> None:
        self._reporter.tiles(job.row.slide, done, total)

    def committed(self, job: SlideJob) -> None:
        result = self._run.committed(job.key)
        if result is None:
            raise RunMismatchError(
                f"{self._run.result_path(job.key)}: was changed or removed while the run went on"
            )
        _seal(self._run, job.key, result)
        self._reporter.slide(result)

    def worker_lost(self, job: SlideJob, reason: str) -> None:
        self._run.trail.append("worker lost", slide=job.row.slide, reason=reason)
        self._reporter.note(f"{job.row.slide}: {reason}")


def _drop_empty_log(run: RunFolder) -> None:
    log = run.path / LOG_NAME
    if log.exists() and not log.stat().st_size:
        log.unlink()
