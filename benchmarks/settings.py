"""Does a setting that is there for speed change what a study says?

    python -m benchmarks.settings bench/model/standard --out bench/settings

Scores a phantom study's first slides with `histoscore score`, once as it is (PyTorch, float32) and
once for every other way (`--ways` names them: `engine=openvino,tiles.overlap=0.125`). Prints how
far areas and expected grades move, how many grades change, and how far areas are from the truth.
Where a processor has no bfloat16 it is played, slowly.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.demo import KEY, SMALL_UM2, joined, read

USUAL = "engine=torch,precision=float32"
WAYS = (
    "engine=openvino,precision=float32",
    "engine=torch,precision=bfloat16",
    "engine=openvino,precision=bfloat16",
    f"{USUAL},tiles.overlap=0.125",
    f"{USUAL},tiles.overlap=0",
)
AREAS = ("hyaline_area_um2", "calcified_area_um2")


def first_slides(study: Path, count: int) -> Path:
    """A sheet of a study's first slides, beside the whole one."""
    sheet = study / f"first-{count}.csv"
    read(study / "study.csv").head(count).to_csv(sheet, index=False)
    return sheet


def scored(sheet: Path, run: Path, settings: list[str]) -> pd.DataFrame:
    """Truth and result of every compartment; goes on with a run that was left."""
    options = [part for setting in settings for part in ("--set", setting)]
    score = [sys.executable, "-m", "histoscore", "score", str(sheet), "--out", str(run)]
    subprocess.run([*score, *options], check=True, stdout=subprocess.DEVNULL)
    both = joined(run, sheet.parent)
    return both[both["grade"].notna()].set_index(KEY)


def line(usual: pd.DataFrame, found: pd.DataFrame) -> str:
    """How one way's results differ from the usual one's, and from the truth."""
    pair = usual.merge(found, left_index=True, right_index=True, suffixes=("", "_found"))
    moved = pd.concat([(pair[f"{a}_found"] / pair[a] - 1).abs() for a in AREAS])
    expected = pair[["expected_grade", "expected_grade_found"]].astype(float)
    regraded = int((pair["grade"] != pair["grade_found"]).sum())
    large = found[found["hyaline_area_um2_true"] >= SMALL_UM2]
    error = (large["hyaline_area_um2"] / large["hyaline_area_um2_true"] - 1).abs()
    return (
        f"{len(pair)} of {len(usual)} | {moved.median():.2%}, {moved.max():.2%} | "
        f"{expected.diff(axis=1).iloc[:, 1].abs().max():.3f} | {regraded} | {error.mean():.2%}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--slides", type=int, default=6)
    parser.add_argument("--ways", nargs="*", default=WAYS)
    arguments = parser.parse_args()
    sheet = first_slides(arguments.study, arguments.slides)
    print(
        "| | seconds | compartments | areas moved: median, largest | expected grade, largest "
        "| other grades | hyaline area's error, mean |"
    )
    print("|---|---|---|---|---|---|---|")
    usual: pd.DataFrame | None = None
    for way in (USUAL, *arguments.ways):
        start = time.perf_counter()
        run = arguments.out / way.replace(",", "-").replace("=", "-")
        found = scored(sheet, run, [f"model={arguments.model}", *way.split(",")])
        seconds = time.perf_counter() - start
        usual = found if usual is None else usual
        print(f"| {way} | {seconds:.0f} | {line(usual, found)} |", flush=True)


if __name__ == "__main__":
    main()
