"""Does a section give the same areas however it was scanned?

    python -m benchmarks.views --out bench/views

Draws knees of seeds that nothing is trained on at 0.25 µm/px. Each is put to the networks as it is,
shrunk to 0.4 and 0.5 µm/px, turned by 17°, mirrored, and with another tile origin (some pixels of
glass cut off); the last three at 0.5 µm/px. Prints how far areas and thickness differ from those at
0.5 µm/px; every compartment is in views.csv. Says nothing about real tissue.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from histoscore.config import TileSettings
from histoscore.geometry import Mpp
from histoscore.models.bundle import find_bundle
from histoscore.models.cores import leave_cores_to_networks, reuse_memory
from histoscore.models.predict import Predictor
from histoscore.models.reading import read_section
from histoscore.phantom.study import write_phantom_study
from histoscore.records import RgbImage
from histoscore.slides.memory import PictureInMemory
from histoscore.slides.open import open_slide

FIRST_SEED = 8_901
DRAWN = (
    "mpp=0.25",
    "width_um=2600",
    "height_um=2000",
    "sections=[1,1]",
    "upside_down=0",
    "artefacts=false",
)
MPP, DEGREES, CUT_PX = 0.25, 17.0, (37, 101)
USUAL = "0.5 µm/px"
MEASURES = ("hyaline_area_um2", "calcified_area_um2", "surface_length_um", "mean_thickness_um")


def pictures(path: Path) -> Iterator[tuple[str, PictureInMemory]]:
    """The section on a slide, as several scanners and hands would have delivered it."""
    with open_slide(path) as slide:
        whole = slide.info.whole
        sharp = slide.read_at(whole, slide.info.mpp)
    half = shrunk(sharp, 0.5)
    yield USUAL, PictureInMemory(half, Mpp(0.5))
    yield "0.25 µm/px", PictureInMemory(sharp, Mpp(MPP))
    yield "0.4 µm/px", PictureInMemory(shrunk(sharp, 0.4), Mpp(0.4))
    yield f"turned {DEGREES:g}°", PictureInMemory(turned(half), Mpp(0.5))
    yield "mirrored", PictureInMemory(np.ascontiguousarray(half[:, ::-1]), Mpp(0.5))
    rows, columns = CUT_PX
    yield (
        "other tile origin",
        PictureInMemory(np.ascontiguousarray(half[rows:, columns:]), Mpp(0.5)),
    )


def shrunk(rgb: RgbImage, mpp: float) -> RgbImage:
    """A picture of 0.25 µm/px at a coarser scale, by area."""
    factor = MPP / mpp
    size = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def turned(rgb: RgbImage) -> RgbImage:
    """A picture turned about its middle, on glass that is large enough."""
    rows, columns = rgb.shape[:2]
    side = int(np.hypot(rows, columns)) + 2
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), DEGREES, 1)
    matrix[:, 2] += (side - columns) / 2, (side - rows) / 2
    return np.asarray(
        cv2.warpAffine(
            rgb, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


def measured(predictor: Predictor, path: Path, seed: int) -> Iterator[dict[str, float | str]]:
    """A row for each compartment in each picture."""
    for view, slide in pictures(path):
        box = slide.info.whole
        reading = read_section(predictor, slide, box, None)
        for found in reading.measures if reading else ():
            row: dict[str, float | str] = {
                "seed": seed,
                "view": view,
                "compartment": found.compartment.name,
            }
            yield row | {what: getattr(found, what) for what in MEASURES}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--knees", type=int, default=5)
    arguments = parser.parse_args()
    leave_cores_to_networks()
    reuse_memory()
    predictor = Predictor.of(find_bundle(arguments.model), "auto", TileSettings(), "auto")
    rows: list[dict[str, float | str]] = []
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.knees):
        study = arguments.out / str(seed)
        if not (study / "truth.csv").exists():
            write_phantom_study(study, 1, seed, overrides=DRAWN)
        rows += measured(predictor, next((study / "slides").iterdir()), seed)
    table = pd.DataFrame(rows).set_index(["seed", "compartment", "view"])
    table.to_csv(arguments.out / "views.csv")
    usual = table.xs(USUAL, level="view")
    print("| view | compartments | measure | against 0.5 µm/px: mean | median | largest |")
    print("|---|---|---|---|---|---|")
    for view in table.index.unique("view")[1:]:
        apart = (table.xs(view, level="view") / usual - 1).dropna()
        for what in MEASURES:
            change = apart[what]
            print(
                f"| {view} | {len(apart)} of {len(usual)} | {what} | {change.mean():+.2%} | "
                f"{change.abs().median():.2%} | {change.abs().max():.2%} |"
            )


if __name__ == "__main__":
    main()
