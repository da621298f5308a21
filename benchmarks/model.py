"""What a model bundle does on phantoms that it never saw, half of them `shifted`.

    python -m benchmarks.model --out bench/model
    python -m benchmarks.model --out bench/retrained --studies bench/model --model training/demo

Draws two studies of seeds that nothing is trained on, scores them, and prints the table of
docs/model.md: compartments found, Dice and areas of hyaline cartilage, what else was counted as
cartilage, grades, calibrated sets; 95 % intervals by resampling animals. Then slides that must be
kept from a grade: blank glass, a section without its joint, and (where HISTOSCORE_REAL_DATA is
set) H&E and engineered cartilage. Says nothing about real tissue.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from PIL import Image

from benchmarks.demo import SMALL_UM2, joined, read
from histoscore.config import load_config
from histoscore.export.zarr_labels import read_label_store
from histoscore.files import slug
from histoscore.geometry import Box, Mpp
from histoscore.phantom.study import write_phantom_study
from histoscore.pipeline.study import score_study
from histoscore.scoring.agreement import quadratic_weighted_kappa
from histoscore.slides.open import open_slide
from histoscore.vocabulary import IGNORE, OARSI_MOUSE, Tissue

SEEDS = {"standard": 8_301, "shifted": 8_302}
FRAME = ("width_um=3200", "height_um=2600", "sections=[1,1]")
"""Sections with both growth plates, one an animal: animals are what counts."""
RESAMPLES = 2_000
RUNGS = {rung: i for i, rung in enumerate(OARSI_MOUSE.rungs)}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pixels of one section: hyaline in model and truth, in each; counted cartilage, and how much
    of it is growth plate or meniscus."""

    slide: str
    both: float
    model: float
    truth: float
    counted: float
    strange: float


def overlap(run: Path, study: Path, slide: str) -> Overlap:
    """The run's label maps of a slide against the slide's true ones, in level-0 pixels."""
    truth = tifffile.imread(study / "truth" / f"{Path(slide).stem}.labels.tif")
    totals = np.zeros(5)
    totals[2] = (truth == Tissue.HYALINE).sum()
    for store in sorted((run / "labels").glob(f"{slug(slide)}_section*.ome.zarr")):
        labels = read_label_store(store)
        place = labels.placement
        true = _sampled(truth, labels.tissue.shape, place.x, place.y, place.downsample)
        known = true != IGNORE
        counted = (labels.compartments > 0) & known
        hyaline = counted & (labels.tissue == Tissue.HYALINE)
        strange = counted & np.isin(true, (Tissue.GROWTH_PLATE, Tissue.MENISCUS))
        parts = ((hyaline & (true == Tissue.HYALINE)), hyaline, None, counted, strange)
        for index, mask in enumerate(parts):
            if mask is not None:
                totals[index] += mask.sum() * place.downsample**2
    return Overlap(slide, *totals.tolist())


def _sampled(
    truth: NDArray[np.uint8], shape: tuple[int, ...], x: float, y: float, downsample: float
) -> NDArray[np.uint8]:
    rows = np.rint(y + (np.arange(shape[0]) + 0.5) * downsample - 0.5).astype(int)
    columns = np.rint(x + (np.arange(shape[1]) + 0.5) * downsample - 0.5).astype(int)
    rows = np.clip(rows, 0, truth.shape[0] - 1)
    columns = np.clip(columns, 0, truth.shape[1] - 1)
    return np.asarray(truth[np.ix_(rows, columns)])


Statistic = Callable[[pd.DataFrame], float]


def area_errors(rows: pd.DataFrame, name: str) -> pd.Series:
    """Relative errors where there is enough area for them."""
    truth, seen = rows[f"{name}_true"], rows[name]
    return (seen / truth - 1).abs()[(truth >= SMALL_UM2) & seen.notna()]


def grades(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and predicted grades of what was graded."""
    known = rows[rows["grade"].notna()]
    return known["grade_true"].to_numpy(float), known["grade"].to_numpy(float)


def _mae(rows: pd.DataFrame) -> float:
    true, found = grades(rows)
    return float(np.abs(true - found).mean())


def _exact(rows: pd.DataFrame) -> float:
    true, found = grades(rows)
    return float((true == found).mean())


def _kappa(rows: pd.DataFrame) -> float:
    true, found = grades(rows)
    return quadratic_weighted_kappa(list(true), list(found), OARSI_MOUSE) or np.nan


def _covered(rows: pd.DataFrame) -> float:
    known = rows[rows["grade_low"].notna()]
    inside = (known["grade_low"] <= known["grade_true"]) & (
        known["grade_true"] <= known["grade_high"]
    )
    return float(inside.mean())


def _width(rows: pd.DataFrame) -> float:
    known = rows[rows["grade_low"].notna()]
    return float((known["grade_high"].map(RUNGS) - known["grade_low"].map(RUNGS) + 1).mean())


STATISTICS: dict[str, tuple[Statistic, str]] = {
    "compartments found": (lambda r: float(r["grade"].notna().mean()), ".1%"),
    "hyaline area, median error": (
        lambda r: float(area_errors(r, "hyaline_area_um2").median()),
        ".1%",
    ),
    "hyaline area, 95th percentile": (
        lambda r: float(area_errors(r, "hyaline_area_um2").quantile(0.95)),
        ".1%",
    ),
    "calcified area, median error": (
        lambda r: float(area_errors(r, "calcified_area_um2").median()),
        ".1%",
    ),
    "calcified area, 95th percentile": (
        lambda r: float(area_errors(r, "calcified_area_um2").quantile(0.95)),
        ".1%",
    ),
    "grade, MAE": (_mae, ".2f"),
    "grade, exact": (_exact, ".1%"),
    "grade, QWK": (_kappa, ".3f"),
    "90 % sets hold the grade": (_covered, ".1%"),
    "90 % sets, mean width in rungs": (_width, ".2f"),
}

OVERLAPS: dict[str, tuple[Statistic, str]] = {
    "hyaline cartilage, Dice": (
        lambda r: float(2 * r["both"].sum() / (r["model"].sum() + r["truth"].sum())),
        ".3f",
    ),
    "growth plate or meniscus in counted cartilage": (
        lambda r: float(r["strange"].sum() / r["counted"].sum()),
        ".2%",
    ),
}


def interval(rows: pd.DataFrame, statistic: Statistic) -> tuple[float, float]:
    """95 % of the statistic over resampled animals."""
    rng = np.random.default_rng(0)
    by_animal = [part for _, part in rows.groupby("animal")]
    values = []
    for _ in range(RESAMPLES // 4):
        picked = rng.integers(len(by_animal), size=len(by_animal))
        values.append(statistic(pd.concat([by_animal[i] for i in picked])))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def scored(study: Path, run: Path, model: str) -> pd.DataFrame:
    """Truth and result of every compartment of a study, which is scored where it is not yet."""
    config = load_config(None, [f"model={model}"])
    score_study(study / "study.csv", run, config)
    both = joined(run, study)
    both["animal"] = both["slide"]
    for column in ("grade_low", "grade_high", "expected_grade"):
        both[column] = pd.to_numeric(both[column], errors="coerce")
    return both


def table(columns: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> str:
    """Rows of statistics, a column a study, in Markdown."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for statistics, which in ((STATISTICS, 0), (OVERLAPS, 1)):
        for name, (statistic, form) in statistics.items():
            cells = []
            for pair in columns.values():
                low, high = interval(pair[which], statistic)
                cells.append(f"{statistic(pair[which]):{form}} ({low:{form}} to {high:{form}})")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def refused(out: Path, study: Path, model: str) -> str:
    """What becomes of slides that must not be graded."""
    folder = out / "odd"
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["slide,animal,mpp"]
    slide = read(study / "study.csv")["slide"][0]
    with open_slide(study / slide) as source:
        info = source.info
        high = round(info.height * 0.24)
        for name, box in {
            "no_joint_top": Box(0, 0, info.width, high),
            "no_joint_bottom": Box(0, info.height - high, info.width, high),
        }.items():
            Image.fromarray(source.read_at(box, Mpp(info.mpp))).save(folder / f"{name}.png")
            rows.append(f"{name}.png,{name},{info.mpp}")
    glass = np.full((1800, 2400, 3), 244, np.uint8)
    Image.fromarray(glass).save(folder / "blank.png")
    rows.append("blank.png,blank,0.6")
    real = os.environ.get("HISTOSCORE_REAL_DATA")
    if real:
        rows.append(f"{real}/wsi/CMU-1-Small-Region.svs,he,")
        fields = sorted(Path(real).glob("cartilage_tiles/**/*.tif"))
        rows += [f"{field},engineered{i},1.0238" for i, field in enumerate(fields[:1])]
    (folder / "study.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run = out / "odd-run"
    score_study(folder / "study.csv", run, load_config(None, [f"model={model}"]))
    slides = read(run / "slides.csv")
    given = read(run / "compartments.csv")["grade"].ne("").sum()
    lines = [f"| {r.animal} | {r.status} | {r.reason} |" for r in slides.itertuples()]
    return "\n".join([*lines, f"grades given: {given}"])


def main() -> None:
    """Draw, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--studies", type=Path, help="where studies were drawn before")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--animals", type=int, default=20, help="of each appearance")
    arguments = parser.parse_args()
    studies = arguments.studies or arguments.out
    columns = {}
    for appearance, seed in SEEDS.items():
        study, run = studies / appearance, arguments.out / f"{appearance}-run"
        if not (study / "truth.csv").exists():
            write_phantom_study(
                study, arguments.animals, seed, appearance=appearance, overrides=FRAME
            )
        both = scored(study, run, arguments.model)
        overlaps = pd.DataFrame([overlap(run, study, s) for s in sorted(set(both["slide"]))])
        overlaps["animal"] = overlaps["slide"]
        columns[f"{appearance}, {both['animal'].nunique()} animals"] = (both, overlaps)
        both.to_csv(arguments.out / f"{appearance}.csv", index=False)
        overlaps.to_csv(arguments.out / f"{appearance}-overlaps.csv", index=False)
    print(table(columns))
    print()
    print(refused(arguments.out, studies / "standard", arguments.model))


if __name__ == "__main__":
    main()
