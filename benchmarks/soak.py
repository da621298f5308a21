"""Hundreds of small slides in one run: do memory, file handles and rate stay what they were?

    python -m benchmarks.soak --out bench/soak --slides 500

Painted knees in several poses, each a file of its own, scored as one study with all of the
pipeline; networks that read the paint without a fault stand in the place of trained ones. After
each slide the worker's resident memory and open files are looked at (Linux). Prints the medians of
the first and the last fifth of the slides, without the first ten, in which caches fill.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import statistics
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # the painted knee and its networks are the tests'

from helpers.drawn_knee import knee  # noqa: E402
from helpers.fake_networks import painted  # noqa: E402
from helpers.painted_scorer import POSE, SCORER, write_svs  # noqa: E402

from histoscore.config import load_config  # noqa: E402
from histoscore.pipeline.progress import Silence  # noqa: E402
from histoscore.pipeline.study import ScoreOptions, score_study  # noqa: E402
from histoscore.records import SlideResult  # noqa: E402

POSES = 10
WARM = 10


@dataclass
class Look(Silence):
    """What the worker holds after each slide: MiB, open files, seconds since the slide before."""

    rows: list[tuple[float, int, float]] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)
    before: float = 0.0

    def slide(self, result: SlideResult, worker: str = "") -> None:
        now = time.monotonic()
        pid = max(multiprocessing.active_children(), key=lambda p: p.pid or 0).pid
        assert pid  # a slide was scored just now
        self.workers.add(pid)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        mib = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        self.rows.append((mib, len(list(Path(f"/proc/{pid}/fd").iterdir())), now - self.before))
        self.before = now


def drawn(out: Path, slides: int) -> Path:
    """A sheet of so many slides; no two files are alike."""
    folder = out / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    whole = [
        write_svs(
            out / f"pose-{number}.svs", painted(knee(replace(POSE, angle=3 * number)))
        ).read_bytes()
        for number in range(min(POSES, slides))
    ]
    with (out / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(["slide", "animal", "group"])
        for number in range(slides):
            name = f"slides/{number:04}.svs"
            (out / name).write_bytes(whole[number % len(whole)] + number.to_bytes(4, "big"))
            sheet.writerow([name, f"A{number:04}", "sham" if number % 2 else "DMM"])
    return out / "study.csv"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--slides", type=int, default=500)
    arguments = parser.parse_args()
    look = Look()
    look.before = time.monotonic()
    config = load_config(overrides=["device=cpu", "statistics.permutations=1000"])
    summary = score_study(
        drawn(arguments.out, arguments.slides),
        arguments.out / "run",
        config,
        ScoreOptions(scorer=SCORER),
        look,
    )
    rows = look.rows[WARM:]
    part = max(1, arguments.slides // 5)
    print(
        f"{len(look.rows)} slides, {dict(summary.record.counts)}, {len(look.workers)} worker(s)\n"
    )
    print("| of the worker, median | first | last | last ÷ first |\n|---|---|---|---|")
    names = ("resident memory, MiB", "open files", "seconds a slide")
    for name, first, last in zip(
        names, zip(*rows[:part], strict=True), zip(*rows[-part:], strict=True), strict=True
    ):
        early, late = statistics.median(first), statistics.median(last)
        print(f"| {name} | {early:.4g} | {late:.4g} | {late / early:.3f} |")


if __name__ == "__main__":
    main()
