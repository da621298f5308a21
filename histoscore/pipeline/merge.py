"""Shards of a study become the run that would have been, had one call scored it all.

Results and pictures are taken over under the same content keys; the sheet as a whole is looked at
again (a slide may stand in two shards), and the tables are made as at the end of any run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from histoscore.errors import RunMismatchError, UsageError
from histoscore.files import link_or_copy, sha256_of, write_atomic
from histoscore.pipeline.opening import begun_record, check_place
from histoscore.pipeline.planning import Fingerprint, plan_slides
from histoscore.pipeline.recorded import recorded_part
from histoscore.pipeline.report import RunSummary, rebuild
from histoscore.pipeline.shards import Shard, parse_shard
from histoscore.records import SlideResult
from histoscore.runs.folder import Committed, RunFolder
from histoscore.runs.lock import RunLock
from histoscore.runs.provenance import RunRecord, SlideEntry, differences
from histoscore.runs.verify import seal_result, sealed_results
from histoscore.study import Study
from histoscore.vocabulary import Status

_ORIGINS = "shards"


@dataclass(frozen=True, slots=True)
class _Part:
    """A shard that was read: its committed results, in the order of its record's slides."""

    run: RunFolder
    record: RunRecord
    shard: Shard
    committed: tuple[Committed, ...]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A row of the sheet in the merged run: from a shard, or settled by looking at them all."""

    entry: SlideEntry
    part: _Part
    committed: Committed
    settled: SlideResult | None = None


def merge_runs(folders: Sequence[Path], out: Path, take_over: bool = False) -> RunSummary:
    """Join the shards of a study into one run, with its tables; the same call again resumes.

    Raises:
        UsageError: a folder is no finished shard; one is missing or there twice; a picture was
            changed.
        RunMismatchError: shards of another sheet, configuration, model or version.
        ManifestError: one slide, byte for byte, stands in two shards for two animals.
        RunInUseError: another process works on `out`.
    """
    parts = _read(folders)
    study = parts[0].run.read(parts[0].run.study_path, Study)
    taken = _taken(study, parts)
    wanted = _record(parts, taken)
    check_place(out)
    with RunLock(out, take_over):
        run = RunFolder(out)
        begun_record(run, wanted)
        run.write(run.record_path, wanted)
        run.write(run.study_path, study)
        _keep_origins(run, parts)
        _take_over(run, taken)
        return rebuild(run)


def _read(folders: Sequence[Path]) -> tuple[_Part, ...]:
    """The shards in order, all there and of one study."""
    parts = sorted(map(_part, folders), key=lambda part: part.shard.number)
    first = parts[0]
    for part in parts[1:]:
        _check_alike(first, part)
    for part, following in pairwise(parts):
        if part.shard == following.shard:
            raise UsageError(
                f"shard {part.shard} is given twice: {part.run.path} and {following.run.path}"
            )
    there = {part.shard for part in parts}
    all_of_them = (Shard(number, first.shard.of) for number in range(1, first.shard.of + 1))
    missing = [str(shard) for shard in all_of_them if shard not in there]
    if missing:
        raise UsageError(
            f"shards are missing: {', '.join(missing)}; score each with --shard, then merge all"
        )
    return tuple(parts)


def _part(folder: Path) -> _Part:
    run = RunFolder(folder)
    record = run.record()
    if record.shard is None:
        raise UsageError(f"{folder}: is a whole run, and no shard of one")
    return _Part(run, record, parse_shard(record.shard), recorded_part(run, record))


def _check_alike(first: _Part, part: _Part) -> None:
    alone = [p.record.model_copy(update={"shard": f"of {p.shard.of}"}) for p in (first, part)]
    differing = differences(*alone)
    if differing:
        lines = "\n".join(f"  {line}" for line in differing)
        raise RunMismatchError(
            f"{part.run.path} and {first.run.path} are no shards of one study "
            f"({first.run.path.name} → {part.run.path.name})\n{lines}"
        )


def _taken(study: Study, parts: Sequence[_Part]) -> tuple[_Taken, ...]:
    """What becomes of each row, in the order of the sheet."""
    found = [_row(parts, place) for place in range(len(study.rows))]
    prints = [Fingerprint(one.entry.sha256, one.committed.result.reason) for one in found]
    record = parts[0].record
    plan = plan_slides(study.rows, prints, record.config, record.model, {})
    return tuple(
        _Taken(planned.entry, one.part, one.committed, planned.settled)
        if planned.settled and planned.settled.status is Status.SKIPPED
        else one
        for planned, one in zip(plan, found, strict=True)
    )


def _row(parts: Sequence[_Part], place: int) -> _Taken:
    """Where the row at this place of the sheet was scored; the inverse of `Shard.part`."""
    part, there = parts[place % len(parts)], place // len(parts)
    return _Taken(part.record.slides[there], part, part.committed[there])


def _record(parts: Sequence[_Part], taken: Sequence[_Taken]) -> RunRecord:
    """The first shard's record, of the whole sheet. What the shards do not agree in is told as
    such: `cpu + cuda:0`, and no number of threads."""
    devices = [part.record.device for part in parts if part.record.device]
    engines = [part.record.engine for part in parts if part.record.engine]
    threads = {part.record.engine_threads for part in parts if part.record.engine_threads}
    return parts[0].record.model_copy(
        update={
            "shard": None,
            "slides": tuple(one.entry for one in taken),
            "started": min(part.record.started for part in parts),
            "resumed": (),
            "finished": None,
            "device": " + ".join(dict.fromkeys(devices)) or None,
            "engine": " + ".join(dict.fromkeys(engines)) or None,
            "engine_threads": threads.pop() if len(threads) == 1 else None,
        }
    )


def _keep_origins(run: RunFolder, parts: Sequence[_Part]) -> None:
    """Each shard's audit trail goes along, and the merged run's own begins with where from."""
    for part in parts:
        kept = f"{_ORIGINS}/{part.shard.number}-of-{part.shard.of}.events.jsonl"
        write_atomic(run.inside(kept), part.run.trail.path.read_bytes())
    run.trail.append("shards merged", **dict(_origins(parts)))


def _origins(parts: Sequence[_Part]) -> Iterator[tuple[str, str]]:
    for part in parts:
        sha256 = sha256_of(part.run.trail.path)
        yield f"shard {part.shard}", f"{part.run.path.absolute()} (events.jsonl sha256 {sha256})"


def _take_over(run: RunFolder, taken: Sequence[_Taken]) -> None:
    sealed = sealed_results(run)
    for one in taken:
        key = one.entry.key
        if one.settled:
            run.commit(key, one.settled)
        elif run.recorded(key) != one.committed:
            _copy(run, one)
        path = run.result_path(key)
        known, _ = sealed.get(path.relative_to(run.path).as_posix(), ("", 0))
        if known != sha256_of(path):
            seal_result(run, key, one.settled or one.committed.result, shard=str(one.part.shard))


def _copy(run: RunFolder, one: _Taken) -> None:
    """Pictures first, held against their hashes, and then the result that names them."""
    source = one.part.run
    for name in one.committed.files:
        link_or_copy(source.path / name, run.inside(name))
    changed = run.missing_pictures(one.committed)
    if changed:
        raise UsageError(
            f"{source.path}: {changed[0]} is not what was committed; score that shard again with "
            "the same line"
        )
    key = one.entry.key
    result = run.inside(run.result_path(key).relative_to(run.path).as_posix())
    write_atomic(result, source.result_path(key).read_bytes())
