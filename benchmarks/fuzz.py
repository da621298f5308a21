"""Damaged copies of small slides, scored as one study each: what becomes of them, and of the batch.

    python -m benchmarks.fuzz --out bench/fuzz --copies 1000
    python -m benchmarks.fuzz --out bench/fuzz-real --copies 0 --real

Copies of a painted knee, as SVS of JPEG tiles and TIFF of deflated ones, with flipped bits
(anywhere, or in the directories alone), cut short, or with stretches replaced or taken out. They
go through `score_study` like any study: decoded in the worker process, networks that read the paint
without a fault in the place of trained ones. `--demo N` adds copies of a phantom, scored with the
bundled model; `--real` the odd and damaged TIFFs of HISTOSCORE_REAL_DATA, none of which is a knee.

Numbers that differ from the whole slide's should come with a reason or a remark. Where a flipped
bit leaves JPEG data that decode without complaint, nothing in the file tells: counted apart.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # the painted knee and its networks are the tests'

from helpers.painted_scorer import SCORER, painted_knee, write_svs, write_tiff  # noqa: E402

from histoscore.config import load_config  # noqa: E402
from histoscore.phantom.study import write_phantom_study  # noqa: E402
from histoscore.pipeline.study import SLIDE_SCORER, ScoreOptions, score_study  # noqa: E402
from histoscore.runs.audit import AuditTrail  # noqa: E402
from histoscore.runs.verify import verify  # noqa: E402
from histoscore.vocabulary import Status  # noqa: E402

HANG_SECONDS = 30
GIB = 2.0
PHANTOM = ("sections=[1,1]", "mpp=1.3", "width_um=3600", "height_um=3200", "upside_down=0")
AREA_MOVED = 0.05
"""Relative change of an area that counts as another result."""

Damage = Callable[[bytearray, random.Random], bytes]


def flipped(data: bytearray, chance: random.Random) -> bytes:
    """1 to 64 bits, anywhere."""
    return _flip(data, chance, range(len(data)))


def flipped_in_directories(data: bytearray, chance: random.Random) -> bytes:
    """1 to 16 bits of the first and last kilobyte, where TIFF has its directories."""
    ends = [*range(min(1024, len(data))), *range(max(0, len(data) - 1024), len(data))]
    return _flip(data, chance, ends, 16)


def cut(data: bytearray, chance: random.Random) -> bytes:
    """The first part of it."""
    return bytes(data[: chance.randrange(len(data))])


def replaced(data: bytearray, chance: random.Random) -> bytes:
    """A stretch of up to 16 kB is zeros, noise, or another stretch of the file."""
    length, at = chance.randrange(1, 16_384), chance.randrange(len(data))
    source = chance.randrange(len(data))
    new = (bytes(length), chance.randbytes(length), bytes(data[source : source + length]))
    stretch = chance.choice(new)
    data[at : at + len(stretch)] = stretch
    return bytes(data)


def taken_out(data: bytearray, chance: random.Random) -> bytes:
    """A stretch of up to 4 kB is gone, and all that follows has moved."""
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 4096)]
    return bytes(data)


DAMAGES: dict[str, Damage] = {
    "bits flipped": flipped,
    "bits of the directories flipped": flipped_in_directories,
    "cut short": cut,
    "a stretch replaced": replaced,
    "a stretch taken out": taken_out,
}


@dataclass(frozen=True)
class Outcome:
    """A finished study: a row of slides.csv a copy, grades and areas by slide, what it cost."""

    slides: list[dict[str, str]]
    found: dict[str, tuple[tuple[str, float | None, float | None], ...]]
    lost_workers: int
    problems: list[str]
    peak_gib: float
    seconds: float


def scored(sheet: Path, run: Path, scorer: str) -> Outcome:
    """Scores a study in a process of its own, whose children's memory is then known."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_scored, sheet, run, scorer).result()


def _scored(sheet: Path, run: Path, scorer: str) -> Outcome:
    begun = time.monotonic()
    limits = [f"limits.seconds_per_slide={HANG_SECONDS}", f"limits.gib_per_slide={GIB}"]
    config = load_config(overrides=["device=cpu", "statistics.permutations=1000", *limits])
    score_study(sheet, run, config, ScoreOptions(scorer=scorer))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    lost = [e for e in AuditTrail(run / "events.jsonl").events() if e.what == "worker lost"]
    seconds = time.monotonic() - begun
    return Outcome(_rows(run / "slides.csv"), _found(run), len(lost), verify(run), peak, seconds)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _found(run: Path) -> dict[str, tuple[tuple[str, float | None, float | None], ...]]:
    found: dict[str, list[tuple[str, float | None, float | None]]] = {}
    for row in _rows(run / "compartments.csv"):
        grade, area = (float(row[c]) if row[c] else None for c in ("grade", "hyaline_area_um2"))
        key = f"{row['section']} {row['compartment']}"
        found.setdefault(row["slide"], []).append((key, grade, area))
    return {slide: tuple(parts) for slide, parts in found.items()}


def damaged_study(folder: Path, bases: list[Path], copies: int, seed: int) -> Path:
    """The bases, whole, and damaged copies of them; a sheet that lists all."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(("slide", "animal", "damage"))
        for place, base in enumerate(bases):
            shutil.copy(base, folder / f"whole-{place}{base.suffix}")
            sheet.writerow((f"whole-{place}{base.suffix}", f"w{place}", "none"))
        for number in range(copies):
            chance = random.Random(f"{seed} {number}")
            place = number % len(bases)
            title = list(DAMAGES)[number // len(bases) % len(DAMAGES)]
            name = f"{number:05d}-{place}{bases[place].suffix}"
            data = DAMAGES[title](bytearray(bases[place].read_bytes()), chance)
            (folder / name).write_bytes(data)
            sheet.writerow((name, f"a{number}", title))
    return folder / "study.csv"


def real_study(folder: Path) -> Path:
    """The odd TIFFs of HISTOSCORE_REAL_DATA, at 0.5 µm per pixel; of one animal, for some are the
    same file twice."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((Path(os.environ["HISTOSCORE_REAL_DATA"]) / "bad_tiff").glob("*.tif*"))
    with (folder / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(("slide", "animal", "mpp"))
        sheet.writerows((path, "none", 0.5) for path in files)
    return folder / "study.csv"


def summary(title: str, outcome: Outcome, whole: int) -> Iterator[str]:
    """Markdown of a study whose first `whole` slides are not damaged."""
    copies = outcome.slides[whole:]
    failed = [row for row in copies if row["status"] == Status.FAILED]
    hangs = sum(row["reason"].startswith("timed out") for row in failed)
    slowest = max((float(row["seconds"] or 0) for row in copies), default=0)
    yield f"\n### {title}\n"
    yield (
        f"{len(copies)} copies in {outcome.seconds / 60:.0f} min; the batch was finished, "
        f"`verify` finds {len(outcome.problems)} problems; over {HANG_SECONDS} s: {hangs}; workers "
        f"lost: {outcome.lost_workers}; slowest {slowest:.1f} s; largest process "
        f"{outcome.peak_gib:.2f} GiB.\n"
    )
    yield "| status | reason begins | copies |\n|---|---|---|"
    told = Counter((row["status"], _begins(row["reason"])) for row in copies)
    for (status, reason), count in sorted(told.items(), key=lambda item: (item[0][0], -item[1])):
        yield f"| `{status}` | {reason} | {count} |"


def _begins(reason: str) -> str:
    """A reason without what differs from file to file."""
    words = reason.split(";")[0].split("(")[0].split(":")
    text = ":".join(words[:2]) if words[0] in ("unsupported", "damaged") else words[0]
    return "".join("N" if c.isdigit() else c for c in text).strip() or "none"


def grades(outcome: Outcome, bases: int) -> Iterator[str]:
    """Markdown: what graded copies say against the whole slide."""
    counted: Counter[str] = Counter()
    examples: list[str] = []
    for row in outcome.slides[bases:]:
        if not Status(row["status"]).is_graded:
            continue
        base = outcome.slides[int(row["slide"].partition("-")[2].partition(".")[0])]
        kind = _against(outcome, base, row)
        counted[kind] += 1
        if kind == UNTOLD:
            examples.append(row["slide"])
    yield "\n| graded copies | copies |\n|---|---|"
    for kind, count in counted.most_common():
        yield f"| {kind} | {count} |"
    if examples:
        yield f"\nWithout a trace in the file, e.g. {', '.join(examples[:8])}."


SAME = f"the whole slide's grades, areas within {AREA_MOVED:.0%}"
TOLD = "other numbers, or fewer, and the row says why"
UNTOLD = "other numbers without a remark (pixels decoded without complaint)"


def _against(outcome: Outcome, base: dict[str, str], row: dict[str, str]) -> str:
    whole = {key: (grade, area) for key, grade, area in outcome.found[base["slide"]]}
    mine = {key: (grade, area) for key, grade, area in outcome.found[row["slide"]]}
    if whole.keys() == mine.keys() and all(_alike(whole[key], mine[key]) for key in whole):
        return SAME
    remarks = row["reason"] or row["warnings"] != base["warnings"] or row["mpp"] != base["mpp"]
    return TOLD if remarks else UNTOLD


def _alike(
    one: tuple[float | None, float | None], other: tuple[float | None, float | None]
) -> bool:
    (grade, area), (grade2, area2) = one, other
    if grade != grade2 or (area is None) != (area2 is None):
        return False
    return area is None or area2 is None or abs(area2 - area) <= AREA_MOVED * area


def _flip(data: bytearray, chance: random.Random, where: Sequence[int], most: int = 64) -> bytes:
    for _ in range(chance.randrange(1, most + 1)):
        data[chance.choice(where)] ^= 1 << chance.randrange(8)
    return bytes(data)


def main() -> int:
    """Print the summaries; 1 where a batch was not finished whole, or something hung."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=1000)
    parser.add_argument("--demo", type=int, default=0, help="copies scored with the bundled model")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seed", type=int, default=8)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    if asked.copies:
        knee = painted_knee()
        bases = [write_svs(asked.out / "base.svs", knee), write_tiff(asked.out / "base.tif", knee)]
        sheet = damaged_study(asked.out / "painted", bases, asked.copies, asked.seed)
        outcomes.append(scored(sheet, asked.out / "painted-run", SCORER))
        print(*summary("Painted knee", outcomes[-1], len(bases)), sep="\n")
        print(*grades(outcomes[-1], len(bases)), sep="\n", flush=True)
    if asked.demo:
        write_phantom_study(asked.out / "phantom", 1, asked.seed, overrides=PHANTOM)
        bases = [next((asked.out / "phantom" / "slides").iterdir())]
        sheet = damaged_study(asked.out / "demo", bases, asked.demo, asked.seed)
        outcomes.append(scored(sheet, asked.out / "demo-run", SLIDE_SCORER))
        print(*summary("Phantom, bundled model", outcomes[-1], len(bases)), sep="\n")
        print(*grades(outcomes[-1], len(bases)), sep="\n", flush=True)
    if asked.real:
        outcomes.append(
            scored(real_study(asked.out / "real"), asked.out / "real-run", SLIDE_SCORER)
        )
        print(*summary("Odd and damaged TIFFs", outcomes[-1], 0), sep="\n")
        graded = [r["slide"] for r in outcomes[-1].slides if Status(r["status"]).is_graded]
        print(f"\nGraded, though none is a knee: {len(graded)} {graded or ''}")
    hung = any(r["reason"].startswith("timed out") for one in outcomes for r in one.slides)
    return int(hung or any(one.problems for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
