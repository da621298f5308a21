"""How close a scored phantom study comes to its truth.

    histoscore score slides_demo/study.csv --out demo-run
    python -m benchmarks.demo demo-run slides_demo

Prints a table: compartments found, areas within 10 %, grade error; then scorer against truth, for
scale. Says nothing about real tissue.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from histoscore.scoring.agreement import quadratic_weighted_kappa
from histoscore.vocabulary import OARSI_MOUSE

KEY = ["slide", "section", "compartment"]
NUMBERS = (
    "grade",
    "hyaline_area_um2",
    "calcified_area_um2",
    "surface_length_um",
    "lesion_extent",
)
SMALL_UM2 = 3_000
"""Below this area relative errors mean nothing; absolute ones are given instead."""


def read(path: Path) -> pd.DataFrame:
    """A table with every cell as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def joined(run: Path, study: Path) -> pd.DataFrame:
    """Truth and result of every compartment side by side, numbers as numbers."""
    both = read(study / "truth.csv").merge(
        read(run / "compartments.csv"), on=KEY, how="left", suffixes=("_true", "")
    )
    for column in both.columns:
        if column.removesuffix("_true") in NUMBERS:
            both[column] = pd.to_numeric(both[column], errors="coerce")
    return both


def area_line(both: pd.DataFrame, name: str) -> str:
    """Share within 10 %, median and 95th percentile of an area's relative error."""
    truth, seen = both[f"{name}_true"], both[name]
    large = (truth >= SMALL_UM2) & seen.notna()
    relative = (seen[large] / truth[large] - 1).abs()
    text = (
        f"{(relative <= 0.10).mean():.1%} within 10 % (n = {large.sum()}), "
        f"median {relative.median():.1%}, 95th percentile {relative.quantile(0.95):.1%}"
    )
    small = (truth < SMALL_UM2) & seen.notna()
    if small.any():
        worst = (seen[small] - truth[small]).abs().max()
        text += f"; below {SMALL_UM2} µm² (n = {small.sum()}) off by at most {worst:.0f} µm²"
    return text


def grade_line(truth: pd.Series, grade: pd.Series) -> str:
    """MAE, exact, within one rung and QWK of grades against the truth."""
    known = grade.notna() & truth.notna()
    a = [float(g) for g in truth[known]]
    b = [float(g) for g in grade[known]]
    steps = [abs(OARSI_MOUSE.index(x) - OARSI_MOUSE.index(y)) for x, y in zip(a, b, strict=True)]
    mae = sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)
    return (
        f"MAE {mae:.2f}, exact {sum(s == 0 for s in steps) / len(a):.0%}, within one rung "
        f"{sum(s <= 1 for s in steps) / len(a):.0%}, QWK "
        f"{quadratic_weighted_kappa(a, b, OARSI_MOUSE):.3f} (n = {len(a)})"
    )


def spread(errors: pd.Series, form: str) -> str:
    """Median and 95th percentile of absolute errors."""
    return f"{errors.median():{form}} (median), {errors.quantile(0.95):{form}} (95th percentile)"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("study", type=Path)
    arguments = parser.parse_args()
    both = joined(arguments.run, arguments.study)
    found = both["hyaline_area_um2"].notna()
    print(f"compartments found       {found.sum()} of {len(both)}")
    print(f"compartments graded      {both['grade'].notna().sum()} of {len(both)}")
    print(f"hyaline area             {area_line(both, 'hyaline_area_um2')}")
    print(f"calcified area           {area_line(both, 'calcified_area_um2')}")
    length = (both["surface_length_um"] / both["surface_length_um_true"] - 1).abs()
    print(f"surface length           off by {spread(length, '.1%')}")
    extent = (both["lesion_extent"] - both["lesion_extent_true"]).abs()
    print(f"lesion extent            off by {spread(extent, '.3f')}")
    print(f"grade, model             {grade_line(both['grade_true'], both['grade'])}")
    scorers = read(arguments.study / "scorers.csv")
    for scorer, rows in scorers.groupby("scorer"):
        scored = both[[*KEY, "grade_true"]].merge(rows, on=KEY)
        grades = pd.to_numeric(scored["grade"], errors="coerce")
        print(f"grade, {scorer:<18}{grade_line(scored['grade_true'], grades)}")
    print("\nby true rung: n, exact, mean signed error")
    for rung, rows in both.groupby("grade_true"):
        error = rows["grade"] - rows["grade_true"]
        print(f"  {rung:g}: {len(rows)}, {(error == 0).mean():.0%}, {error.mean():+.2f}")


if __name__ == "__main__":
    main()
