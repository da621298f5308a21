"""A contact sheet of the OARSI ladder as the phantom draws it: one knee, eight grades.

    python -m benchmarks.grades --out docs/phantom-grades.jpg

Shows the medial tibial plateau of one animal in every grade, otherwise healthy, at the same scale
and stain, each under the wording of its rung (after Glasson et al. 2010).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.truth import CompartmentTruth, compartment_truth
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.staining import render, sample_batch
from histoscore.records import RgbImage
from histoscore.vocabulary import OARSI_MOUSE, Compartment, format_rung

WORDING = {
    0: "normal",
    0.5: "loss of Safranin O without structural change",
    1: "small fibrillations, no loss of cartilage",
    2: "vertical clefts to just below the superficial layer, some loss of surface lamina",
    3: "clefts or erosion to the calcified cartilage, less than 25 % of the surface",
    4: "the same, 25–50 %",
    5: "the same, 50–75 %",
    6: "the same, more than 75 %",
}
MPP = 0.6371
WIDTH_UM, HEIGHT_UM = 1180, 300
STREAM = 8_101
"""Neither training nor a study draws from this stream of seeds."""


def plateau(grade: float, seed: int, compartment: Compartment) -> tuple[RgbImage, CompartmentTruth]:
    """Picture and truth of one compartment of knee `seed` in a grade."""
    at = Slice(Chance((STREAM, seed)), Chance((STREAM, seed, 1)), 0)
    ills = {c: Disease(grade if c is compartment else 0) for c in Compartment}
    knee = build_knee(at, ills)
    bed = next(bed for bed in knee.beds if bed.compartment is compartment)
    middle = bed.base[len(bed.base) // 8 : -len(bed.base) // 8]
    slope = np.polyfit(middle[:, 0], middle[:, 1], 1)[0]
    x, y = bed.base.mean(0)
    shape = (round(HEIGHT_UM / MPP), round(WIDTH_UM / MPP))
    # Turned so that the plateau lies level, its surface in the upper half.
    angle = -float(np.degrees(np.arctan(slope)))
    scene = paint(knee, View(shape, MPP, (float(x), float(y) + 20), angle))
    batch = sample_batch(np.random.default_rng([STREAM, 3]))
    picture = render(scene.dyes, MPP, batch, np.random.default_rng([STREAM, seed]))
    return picture, compartment_truth(bed)


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("phantom-grades.jpg"))
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--compartment", type=Compartment, default=Compartment.MTP)
    arguments = parser.parse_args()
    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(4, 2, figsize=(22, 13.4), dpi=110)
    for axis, grade in zip(axes.T.ravel(), OARSI_MOUSE.rungs, strict=True):
        picture, truth = plateau(grade, arguments.seed, arguments.compartment)
        axis.imshow(picture)
        axis.set_axis_off()
        axis.set_title(f"{format_rung(grade)}: {WORDING[grade]}", loc="left", fontsize=15)
        text = (
            f"bare {truth.lesion_extent:.1%} of the surface · "
            f"Safranin lost {truth.safranin_loss:.0%} · hyaline {truth.hyaline_area_um2:,.0f} µm²"
        )
        axis.text(0, 1.02 * picture.shape[0], text, fontsize=11, va="top", color="0.25")
        bar = 100 / MPP
        right, low = picture.shape[1] - 20, picture.shape[0] - 22
        axis.plot([right - bar, right], [low, low], color="black", linewidth=3)
        axis.text(right - bar / 2, low - 9, "100 µm", ha="center", va="bottom", fontsize=11)
    figure.tight_layout()
    quality = {"quality": 82} if arguments.out.suffix == ".jpg" else {}
    figure.savefig(arguments.out, pil_kwargs=quality)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
