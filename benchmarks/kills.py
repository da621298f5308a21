"""Runs that are killed, disks that refuse: what stands afterwards, and whether a rerun mends it.

    python -m benchmarks.kills --kills 50

Kills a run of six small slides with SIGKILL at random times, says the same line again, and holds
its tables against those of an unbroken run, byte by byte but for the seconds that a slide took.
Then lets the n-th thing that is asked of the disk (opening to write, flushing, renaming, making a
folder) fail with ENOSPC and with EIO, for every n, in the parent, in the worker, and in a worker
that writes a label map through zarr, likewise.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # the slides, the scorer and the disk are the tests'

from helpers.failing_disk import IN_WORKER, MAPPING_SCORER, SCORER, FailingDisk  # noqa: E402
from helpers.fake_scorer import fake_model, times_scored, write_study  # noqa: E402
from helpers.programs import QUICK, finish, start  # noqa: E402
from helpers.run_tables import tables_of  # noqa: E402

from histoscore.config import load_config  # noqa: E402
from histoscore.errors import EnvironmentStopError  # noqa: E402
from histoscore.pipeline.study import ScoreOptions, score_study  # noqa: E402
from histoscore.runs.audit import AuditTrail  # noqa: E402
from histoscore.runs.verify import verify  # noqa: E402

SLIDES = {f"knee {i}.svs": f"slow {0.05 + i / 100}" for i in range(6)}
ONE = {"a.svs": "grade 1"}
FEW = ONE | {"b.svs": "refuse no", "c.svs": "grade 3"}
CONFIG = load_config(overrides=["statistics.permutations=1000"])


@dataclass(frozen=True)
class Place:
    """Where the disk refuses: which slides, which scorer, and whose disk."""

    name: str
    slides: dict[str, str]
    scorer: str
    in_worker: bool


PLACES = (
    Place("the parent", FEW, SCORER, in_worker=False),
    Place("the worker", FEW, SCORER, in_worker=True),
    Place("the worker, with a label map", ONE, MAPPING_SCORER, in_worker=True),
)


def half_files(run: Path) -> list[str]:
    """Files under a final name that are not whole."""
    wrong = [str(p) for p in run.rglob("*.csv") if not p.read_bytes().endswith(b"\n")]
    wrong += [str(p) for p in run.rglob("*.json") if not p.read_bytes().endswith(b"}\n")]
    wrong += [str(p) for p in run.rglob("*.xlsx") if not is_zipfile(p)]
    return wrong


def kill_once(folder: Path, unbroken: dict[str, bytes], seconds: float) -> list[str]:
    """Kills a run after so many seconds, lets it go on, and says what is wrong afterwards."""
    sheet, run = write_study(folder, SLIDES), folder / "run"
    process = start("score", sheet, "--out", run, *QUICK)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    done = {path.parent.name for path in run.glob("results/*/result.json")}
    wrong = [f"half a file: {name}" for name in half_files(run)]
    before = sum(times_scored(folder).values())
    code, _, said = finish("score", sheet, "--out", run, *QUICK)
    if code:
        return [*wrong, f"the rerun ended with {code}: {said}"]
    again = sum(times_scored(folder).values()) - before
    if again != len(SLIDES) - len(done):
        wrong.append(f"{again} slides were scored again, {len(done)} of {len(SLIDES)} were done")
    if tables_of(run) != unbroken:
        wrong.append("tables differ from an unbroken run's")
    return wrong + verify(run)


def refuse_once(folder: Path, n: int, code: int, place: Place) -> tuple[bool, list[str]]:
    """Whether the disk came to refuse, and what is wrong after a rerun on a good one."""
    sheet, run = write_study(folder, place.slides), folder / "run"
    options = ScoreOptions(scorer=place.scorer, model=fake_model)
    disk = FailingDisk(0 if place.in_worker else n, code, run)
    stopped = False
    if place.in_worker:
        os.environ[IN_WORKER] = f"{n} {code}"
    try:
        with disk:
            score_study(sheet, run, CONFIG, options)
    except EnvironmentStopError as stop:
        stopped = True
        if os.strerror(code) not in str(stop):
            return True, [f"the message is {stop}"]
    finally:
        os.environ.pop(IN_WORKER, None)
    wrong = [f"half a file: {name}" for name in half_files(run)]
    if (run / "events.jsonl").exists():
        wrong += [p for p in AuditTrail(run / "events.jsonl").problems() if "line" not in p]
    score_study(sheet, run, CONFIG, options)
    return stopped, wrong + verify(run)


def refusals(code: int, place: Place) -> Iterator[list[str]]:
    """What is wrong after the n-th refusal, for every n there is."""
    n = 1
    while True:
        with tempfile.TemporaryDirectory() as folder:
            stopped, wrong = refuse_once(Path(folder), n, code, place)
        if not stopped:
            return
        yield [f"{errno.errorcode[code]} at {n}: {problem}" for problem in wrong]
        n += 1


def main() -> int:
    """Print the counts; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=35)
    asked = parser.parse_args()
    problems: list[str] = []
    print("| what | times | wrong afterwards |\n|---|---|---|")
    if asked.kills:
        with tempfile.TemporaryDirectory() as folder:
            sheet, begun = write_study(Path(folder), SLIDES), time.monotonic()
            finish("score", sheet, "--out", Path(folder) / "run", *QUICK)
            longest, unbroken = time.monotonic() - begun, tables_of(Path(folder) / "run")
        chance = random.Random(asked.seed)
        for _ in range(asked.kills):
            with tempfile.TemporaryDirectory() as folder:
                problems += kill_once(Path(folder), unbroken, chance.uniform(0, longest))
        print(f"| killed within {longest:.1f} s | {asked.kills} | {len(problems)} |", flush=True)
    for place in PLACES:
        for code in (errno.ENOSPC, errno.EIO):
            found = list(refusals(code, place))
            wrong = [problem for one in found for problem in one]
            name = errno.errorcode[code]
            print(f"| {name} in {place.name}, every n | {len(found)} | {len(wrong)} |", flush=True)
            problems += wrong
    print(*problems, sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
