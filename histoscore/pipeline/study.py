"""The main job: a study sheet in, a finished run folder out; the same call again resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.errors import RunMismatchError
from histoscore.files import sha256_of, sweep_leftovers
from histoscore.pipeline.executors import LOCAL, check_executor, open_executor
from histoscore.pipeline.executors.settings import ClusterSettings
from histoscore.pipeline.facts import RESUMED
from histoscore.pipeline.opening import begun_record, check_place
from histoscore.pipeline.planning import Planned, fingerprints, is_settled, plan_slides
from histoscore.pipeline.progress import Reporter, Silence
from histoscore.pipeline.report import RunSummary, rebuild
from histoscore.pipeline.shards import Shard, finish_shard
from histoscore.pipeline.worker import WorkerPlan
from histoscore.records import SlideJob
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.lock import RunLock
from histoscore.runs.provenance import ModelFacts, RunRecord, begin_record
from histoscore.runs.verify import seal_result, sealed_results
from histoscore.study import Study, StudyRow, read_study
from histoscore.study.remarks import unlisted

SLIDE_SCORER = "histoscore.pipeline.slide:SlideScorer"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How a run is made, beside its configuration.

    Attributes:
        allow_missing: slides that are not on disk fail instead of stopping the study.
        take_over: overrule a lock that was made on another host.
        scorer: what scores a slide in the worker, as `package.module:Class`.
        executor: where slides are scored, by name or scheduler's address; `cluster`: its settings.
        shard: the part of the study to score; None for all of it.
        model: the model's facts by its name or folder.
    """

    allow_missing: bool = False
    take_over: bool = False
    scorer: str = SLIDE_SCORER
    executor: str = LOCAL
    shard: Shard | None = None
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
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
    check_executor(options.executor)
    study = read_study(sheet, options.allow_missing)
    facts = (options.model or model_facts)(config.model)
    wanted = begin_record(str(sheet.absolute()), study.sha256, config, facts, now())
    if options.shard:
        wanted = wanted.model_copy(update={"shard": str(options.shard)})
    check_place(out)
    with RunLock(out, options.take_over) as lock:
        run = RunFolder(out)
        begun = begun_record(run, wanted)
        for note in (*study.notes, *unlisted(study)):
            reporter.note(note)
        rows = options.shard.part(study.rows) if options.shard else study.rows
        plan = _plan(rows, wanted, begun, reporter)
        _open(run, wanted, begun, study, plan)
        if lock.replaced:
            run.trail.append("lock taken over", owner=str(lock.replaced))
            reporter.note(f"took over the lock of {lock.replaced}, which is gone")
        return _carry_out(run, plan, options, config, reporter)


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


def _plan(
    rows: Sequence[StudyRow], wanted: RunRecord, begun: RunRecord | None, reporter: Reporter
) -> tuple[Planned, ...]:
    prints = fingerprints(rows, reporter.hashing)
    known = begun.slides if begun else ()
    before = {entry.slide: entry.sha256 for entry in known if entry.sha256}
    return plan_slides(rows, prints, wanted.config, wanted.model, before)


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
    options: ScoreOptions,
    config: ScoreConfig,
    reporter: Reporter,
) -> RunSummary:
    _settle(run, plan)
    jobs = _seal_finished(run, plan)
    reporter.begin(len(plan), len(plan) - len(jobs))
    chronicle, work = _Chronicle(run, reporter), WorkerPlan(options.scorer, config, run)
    try:
        with open_executor(options.executor, work, chronicle, options.cluster) as executor:
            executor.score_all(jobs)
        _drop_empty_logs(run)
        return finish_shard(run) if options.shard else rebuild(run)
    except KeyboardInterrupt:
        run.trail.append("run interrupted")
        raise


def _settle(run: RunFolder, plan: Sequence[Planned]) -> None:
    """Commit what needs no worker: excluded, doubled, unreadable slides."""
    for planned in plan:
        if planned.settled and run.committed(planned.job.key) != planned.settled:
            run.commit(planned.job.key, planned.settled)


def _seal_finished(run: RunFolder, plan: Sequence[Planned]) -> list[SlideJob]:
    """Seal what an earlier call committed and had no time to put into the trail; gives what is
    still to be scored."""
    sealed, begun, jobs = sealed_results(run), run.begun(), []
    for planned in plan:
        key = planned.job.key
        result = run.committed(key) if key in begun else None
        if planned.settled is None and not is_settled(result):
            jobs.append(planned.job)
        elif result is not None:
            path = run.result_path(key)
            known, _ = sealed.get(path.relative_to(run.path).as_posix(), (None, 0))
            if known != sha256_of(path):
                seal_result(run, key, result)
    return jobs


class _Chronicle:
    """Writes what the supervisor sees into the run's record and trail, and tells the reporter."""

    def __init__(self, run: RunFolder, reporter: Reporter) -> None:
        self._run = run
        self._reporter = reporter
        self._facts: dict[str, str | int] = {}

    def ready(self, facts: Mapping[str, str | int], worker: str = "") -> None:
        """`run.json` tells what the first worker runs on; others that differ stand in the trail."""
        if facts == self._facts:
            return
        if worker and self._facts:
            self._run.trail.append("worker differs", worker=worker, **facts)
            told = ", ".join(f"{name} {value}" for name, value in facts.items())
            self._reporter.note(
                f"worker {worker} runs on {told}, unlike the first; results agree within the "
                "tolerance of docs/performance.md and not to the byte"
            )
            return
        self._facts = dict(facts)
        record = RunRecord.model_validate({**self._run.record().model_dump(), **facts})
        self._run.write(self._run.record_path, record)

    def tiles(self, job: SlideJob, done: int, total: int) -> None:
        self._reporter.tiles(job.row.slide, done, total)

    def committed(self, job: SlideJob, worker: str = "") -> None:
        """Pictures must be there and are not read again: they were hashed as they were written."""
        recorded = self._run.recorded(job.key)
        if recorded is None:
            raise RunMismatchError(
                f"{self._run.result_path(job.key)}: was changed or removed while the run went on"
            )
        seal_result(self._run, job.key, recorded.result, **({"worker": worker} if worker else {}))
        self._reporter.slide(recorded.result, worker)

    def worker_lost(self, job: SlideJob, reason: str, worker: str = "") -> None:
        named = {"worker": worker} if worker else {}
        self._run.trail.append("worker lost", slide=job.row.slide, reason=reason, **named)
        self._reporter.note(f"{job.row.slide}: {reason}" + (f" · {worker}" if worker else ""))

    def note(self, text: str) -> None:
        self._reporter.note(text)


def _drop_empty_logs(run: RunFolder) -> None:
    for log in run.path.glob("worker*.log"):
        if not log.stat().st_size:
            log.unlink()
