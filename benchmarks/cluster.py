"""What a cluster costs and gives: equal tables, overhead, scaling, twenty thousand slides.

    python -m benchmarks.cluster tables STUDY.csv --out bench/cluster     (a study of phantoms)
    python -m benchmarks.cluster cost STUDY.csv --out bench/cluster
    python -m benchmarks.cluster overhead --out bench/cluster
    python -m benchmarks.cluster scaling --out bench/cluster
    python -m benchmarks.cluster bookkeeping --out bench/cluster --slides 20000

`tables` scores a study with the bundled model: here, with two Dask workers, with a Dask worker
that is killed in the middle, and in three shards that are merged, all with one thread a worker, and
holds the tables against each other byte by byte, but for the seconds that a slide took. In the
others a slide is a file of a few bytes and scoring it is sleep: no pixel is read, no core is used.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # how tables are compared is the tests'

from helpers.run_tables import tables_of  # noqa: E402

from benchmarks.sleeping_scorer import SCORER, no_model  # noqa: E402
from histoscore.config import ScoreConfig, load_config  # noqa: E402
from histoscore.pipeline.executors.settings import ClusterSettings  # noqa: E402
from histoscore.pipeline.merge import merge_runs  # noqa: E402
from histoscore.pipeline.progress import Silence  # noqa: E402
from histoscore.pipeline.shards import Shard  # noqa: E402
from histoscore.pipeline.study import ScoreOptions, score_study  # noqa: E402
from histoscore.records import SlideResult  # noqa: E402
from histoscore.runs.verify import verify  # noqa: E402
from histoscore.study import read_study  # noqa: E402

FEW = ["statistics.permutations=1000"]
CONFIG = load_config(overrides=FEW)
SHARDS = 3
EVERY = 1000


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Clock(Silence):
    """When slides were committed (of monotonic); this process's memory and its processor time in
    seconds every thousandth."""

    begun: float = 0.0
    worked: float = 0.0
    worked_so_far: float = 0.0
    times: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def begin(self, slides: int, settled: int) -> None:
        self.begun, self.worked = time.monotonic(), -time.process_time()

    def slide(self, result: SlideResult, worker: str = "") -> None:
        self.times.append(time.monotonic())
        if len(self.times) % EVERY == 0:
            self.mib.append(resident_mib())
            self.worked_so_far = self.worked + time.process_time()

    def seconds(self, skip: int) -> float:
        """From the `skip`-th slide, when all workers are at work, to the last one."""
        return self.times[-1] - self.times[skip - 1]


def sleeping_study(out: Path, slides: int, seconds: float) -> Path:
    """A sheet of files that say how long to sleep; no two are alike."""
    folder = out / "slides"
    shutil.rmtree(out, ignore_errors=True)
    folder.mkdir(parents=True)
    with (out / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(["slide", "animal", "group"])
        for number in range(slides):
            (folder / f"{number:06}.svs").write_text(f"{seconds} {number}\n", encoding="ascii")
            group = "sham" if number // 4 % 2 else "DMM"
            sheet.writerow([f"slides/{number:06}.svs", f"A{number // 4:05}", group])
    return out / "study.csv"


def sleeping(executor: str, workers: int) -> ScoreOptions:
    return ScoreOptions(
        scorer=SCORER,
        model=no_model,
        executor=executor,
        cluster=ClusterSettings(workers=workers),
    )


def tables(asked: argparse.Namespace) -> int:
    """The same study four ways; 1 where any table differs."""
    config = load_config(overrides=["device=cpu", "threads=1", *FEW])
    two = ClusterSettings(workers=2)
    ways: dict[str, Callable[[Path], object]] = {
        "local": lambda out: score_study(asked.study, out, config),
        "dask, 2 workers": lambda out: score_study(
            asked.study, out, config, ScoreOptions(executor="dask", cluster=two)
        ),
        "dask, a worker killed": lambda out: killed(asked.study, out, config, two),
        f"{SHARDS} shards, merged": lambda out: sharded(asked.study, out, config),
    }
    print("| way | minutes | slides | tables equal | verify |\n|---|---|---|---|---|")
    first: dict[str, bytes] = {}
    wrong = 0
    for name, way in ways.items():
        out = asked.out / name.replace(", ", "-").replace(" ", "-")
        begun = time.monotonic()
        way(out)
        minutes, found = (time.monotonic() - begun) / 60, tables_of(out)
        first = first or found
        problems = verify(out)
        wrong += found != first or bool(problems)
        slides = found["slides.csv"].count(b"\n") - 1
        said = "yes" if found == first else ", ".join(n for n in first if found[n] != first[n])
        print(f"| {name} | {minutes:.1f} | {slides} | {said} | {problems or 'clean'} |", flush=True)
    return int(bool(wrong))


def killed(study: Path, out: Path, config: ScoreConfig, cluster: ClusterSettings) -> None:
    """Kills a Dask worker with signal 9 when some slides are done."""

    def kill() -> None:
        while len(list(out.glob("results/*/result.json"))) < 5:
            time.sleep(0.5)
        os.kill(dask_workers()[0], signal.SIGKILL)

    Thread(target=kill, daemon=True).start()
    score_study(study, out, config, ScoreOptions(executor="dask", cluster=cluster))


def dask_workers() -> list[int]:
    """Processes of this one's Dask workers: children that have a scoring process of their own."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    mine = {pid for pid, parent in parents.items() if parent == os.getpid()}
    return sorted(mine & set(parents.values()))


def sharded(study: Path, out: Path, config: ScoreConfig) -> None:
    shards = [out.with_name(f"{out.name}-{number}") for number in range(1, SHARDS + 1)]
    for number, folder in enumerate(shards, start=1):
        score_study(study, folder, config, ScoreOptions(shard=Shard(number, SHARDS)))
    merge_runs(shards, out)


def overhead(asked: argparse.Namespace) -> int:
    """What a slide takes beyond its sleep, here and with one Dask worker."""
    print("| executor | ms a slide beyond its sleep: median | 90 % |\n|---|---|---|")
    for executor in ("local", "dask"):
        sheet = sleeping_study(asked.out / executor, asked.slides, asked.seconds)
        clock = Clock()
        score_study(sheet, sheet.parent / "run", CONFIG, sleeping(executor, 1), clock)
        gaps = [1000 * (b - a - asked.seconds) for a, b in pairwise(clock.times)]
        ninth = statistics.quantiles(gaps, n=10)[-1]
        print(f"| {executor} | {statistics.median(gaps):.1f} | {ninth:.1f} |", flush=True)
    return 0


def scaling(asked: argparse.Namespace) -> int:
    """Slides a second with more and more workers, counted once all of them are at work."""
    print("| workers | slides | slides/s | × one worker |\n|---|---|---|---|")
    alone = 0.0
    for workers in (1, 2, 4, 8):
        slides = asked.slides * workers // 8 + workers
        sheet = sleeping_study(asked.out / f"{workers}", slides, asked.seconds)
        clock = Clock()
        score_study(sheet, sheet.parent / "run", CONFIG, sleeping("dask", workers), clock)
        skip = 2 * workers
        rate = (slides - skip) / clock.seconds(skip)
        alone = alone or rate
        print(f"| {workers} | {slides} | {rate:.2f} | {rate / alone:.2f} |", flush=True)
    return 0


def bookkeeping(asked: argparse.Namespace) -> int:
    """Many slides that take no time: rate, and memory of this process, which is client and
    scheduler."""
    sheet = sleeping_study(asked.out / "many", asked.slides, 0)
    clock, begun = Clock(), time.monotonic()
    run = sheet.parent / "run"
    score_study(sheet, run, CONFIG, sleeping("dask", asked.workers), clock)
    whole = time.monotonic() - begun
    print(f"{asked.slides} slides, {asked.workers} workers\n")
    print("| of each thousand | slides/s | client's resident memory, MiB |\n|---|---|---|")
    marks = [clock.begun, *clock.times[EVERY - 1 :: EVERY]]
    for place, mib in enumerate(clock.mib):
        rate = EVERY / (marks[place + 1] - marks[place])
        print(f"| {place + 1} | {rate:.0f} | {mib:.0f} |")
    scoring = clock.times[-1] - clock.begun
    print(f"\nscoring {scoring:.0f} s: {asked.slides / scoring:.0f} slides/s")
    per_slide = 1000 * clock.worked_so_far / (EVERY * len(clock.mib))
    print(f"processor time of client and scheduler {per_slide:.1f} ms a slide")
    print(f"hashing and planning {clock.begun - begun:.0f} s")
    print(f"tables and report {whole - (clock.times[-1] - begun):.0f} s")
    print(f"resident at the end {resident_mib():.0f} MiB")
    begun = time.monotonic()
    score_study(sheet, run, CONFIG, sleeping("dask", asked.workers))
    print(f"the same line again, nothing to score: {time.monotonic() - begun:.0f} s")
    begun = time.monotonic()
    print(f"verify: {verify(run) or 'clean'}, {time.monotonic() - begun:.0f} s")
    return 0


def cost(asked: argparse.Namespace) -> int:
    """What the first slides of a study cost: seconds, bytes read of those in the file, and what is
    written. One thread, in this process."""
    from histoscore.pipeline.planning import fingerprints, plan_slides
    from histoscore.pipeline.slide import SlideScorer
    from histoscore.pipeline.study import model_facts
    from histoscore.runs.folder import RunFolder

    rows = read_study(asked.study).rows[: asked.slides]
    config = load_config(overrides=["device=cpu"])
    prints = fingerprints(rows, lambda done, total: None)
    scorer, run = SlideScorer(config, asked.out), RunFolder(asked.out)
    print("| slide | sections | seconds | MB in the file | MB read | MB written | files |")
    print("|---|---|---|---|---|---|---|")
    for planned in plan_slides(rows, prints, config, model_facts(config.model), {}):
        job, begun, before = planned.job, time.monotonic(), bytes_read()
        result = scorer.score(job, lambda done, total: None)
        read, seconds = bytes_read() - before, time.monotonic() - begun
        run.commit(job.key, result)
        recorded = run.recorded(job.key)
        files = [run.path / name for name in recorded.files] if recorded else []
        written = sum(path.stat().st_size for path in files)
        sizes = (job.row.path.stat().st_size, read, written)
        told = " | ".join(f"{size / 1e6:.1f}" for size in sizes)
        print(
            f"| {job.row.slide} | {len(result.sections)} | {seconds:.1f} | {told} | {len(files)} |"
        )
    return 0


def bytes_read() -> int:
    """That this process has asked the system for, from files or their cache."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(required=True)
    sizes = ((overhead, 100, 0.2), (scaling, 240, 0.5), (bookkeeping, 20_000, 0.0))
    for verb, slides, seconds in sizes:
        one = verbs.add_parser(verb.__name__)
        one.add_argument("--slides", type=int, default=slides)
        one.add_argument("--seconds", type=float, default=seconds)
        one.add_argument("--workers", type=int, default=2)
        one.set_defaults(verb=verb)
    for verb in (tables, cost):
        one = verbs.add_parser(verb.__name__)
        one.add_argument("study", type=Path)
        one.add_argument("--slides", type=int, default=6)
        one.set_defaults(verb=verb)
    for one in verbs.choices.values():
        one.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    return int(asked.verb(asked))


if __name__ == "__main__":
    sys.exit(main())
