"""Do engine and precision change what a study says?

    python -m benchmarks.precision bench/model/standard --out bench/precision

Scores the study with every engine in every precision (`histoscore score`, nothing else changed) and
prints, beside PyTorch in float32, how far areas, expected grades and grades move. Where a processor
has no bfloat16 it is played, slowly: `--slides` takes only the first ones.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.demo import read

ENGINES = ("torch", "openvino")
PRECISIONS = ("float32", "bfloat16")
KEY = ["slide", "section", "compartment"]
AREAS = ("hyaline_area_um2", "calcified_area_um2")


def first_slides(study: Path, count: int) -> Path:
    """A study sheet of a study's first slides, beside the whole one."""
    sheet = study / f"first-{count}.csv"
    read(study / "study.csv").head(count).to_csv(sheet, index=False)
    return sheet


def scored(sheet: Path, run: Path, model: str, engine: str, precision: str) -> pd.DataFrame:
    """The table of compartments of a run; goes on with one that was left."""
    settings = (f"model={model}", f"engine={engine}", f"precision={precision}")
    options = [part for setting in settings for part in ("--set", setting)]
    score = [sys.executable, "-m", "histoscore", "score", str(sheet), "--out", str(run)]
    subprocess.run([*score, *options], check=True, stdout=subprocess.DEVNULL)
    return pd.read_csv(run / "compartments.csv").set_index(KEY)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--slides", type=int, default=4)
    arguments = parser.parse_args()
    sheet = first_slides(arguments.study, arguments.slides)
    print(
        "| engine | seconds | compartments | areas, largest change | median "
        "| expected grade | grades |"
    )
    print("|---|---|---|---|---|---|---|")
    reference: pd.DataFrame | None = None
    for precision, engine in itertools.product(PRECISIONS, ENGINES):
        start = time.perf_counter()
        found = scored(
            sheet, arguments.out / f"{engine}-{precision}", arguments.model, engine, precision
        )
        seconds = time.perf_counter() - start
        reference = found if reference is None else reference
        both = reference.join(found, rsuffix="_found", how="outer").dropna(
            subset=["grade", "grade_found"]
        )
        area = pd.concat(
            [(both[f"{name}_found"] / both[name] - 1).abs() for name in AREAS]
        ).dropna()
        expected = (both["expected_grade_found"] - both["expected_grade"]).abs().max()
        others = int((both["grade_found"] != both["grade"]).sum())
        print(
            f"| {engine} {precision} | {seconds:.0f} | {len(both)} of {len(reference)} | "
            f"{area.max():.3%} | {area.median():.3%} | {expected:.3f} | {others} other |",
            flush=True,
        )


if __name__ == "__main__":
    main()
