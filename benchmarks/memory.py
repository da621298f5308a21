"""What a slide costs in memory, and how that grows with the slide.

    python -m benchmarks.memory --out bench/memory

Draws slides of one section and of four (four times as large), and one whose only section has four
times as many pixels; scores each with `histoscore score` in a process of its own, joint first and
whole sections; prints the peak of resident memory of the largest of its processes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from histoscore.phantom.study import write_phantom_study
from histoscore.slides.open import open_slide

SEED = 8_601
LARGE = ("width_um=6000", "height_um=6000", "upside_down=0")
SIZED = {
    "one section of 6 × 6 mm, 0.5 µm/px": ("sections=[1,1]", "mpp=0.5"),
    "four such sections": ("sections=[4,4]", "mpp=0.5"),
    "one such section, 0.25 µm/px": ("sections=[1,1]", "mpp=0.25"),
}
MODES = {"joint first": "false", "full section": "true"}

_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_gib(study: Path, run: Path, settings: list[str]) -> float:
    """GiB of the largest process of a scoring run.

    Raises:
        RuntimeError: it failed.
    """
    shutil.rmtree(run, ignore_errors=True)
    score = [sys.executable, "-m", "histoscore", "score", study / "study.csv", "--out", run]
    options = [part for setting in settings for part in ("--set", setting)]
    line = [sys.executable, "-c", _MEASURED, *map(str, score), *options]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    code, kib = map(int, done.stdout.split())
    if code:
        raise RuntimeError(f"histoscore score ended with {code}:\n{done.stderr}")
    return kib / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    arguments = parser.parse_args()
    print(f"| slide | pixels | {' | '.join(f'{mode}, GiB' for mode in MODES)} |\n|---|---|---|---|")
    for number, (name, size) in enumerate(SIZED.items()):
        study = arguments.out / f"study-{number}"
        if not (study / "truth.csv").exists():
            write_phantom_study(study, 1, SEED, overrides=(*LARGE, *size))
        with open_slide(next((study / "slides").iterdir())) as slide:
            pixels = f"{slide.info.width} × {slide.info.height}"
        run = arguments.out / "run"
        peaks = [
            peak_gib(study, run, [f"model={arguments.model}", f"full_section={full}"])
            for full in MODES.values()
        ]
        print(f"| {name} | {pixels} | {' | '.join(f'{p:.2f}' for p in peaks)} |", flush=True)


if __name__ == "__main__":
    main()
