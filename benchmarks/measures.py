"""How well measures follow from true label maps, so that what remains is the network's error.

    python -m benchmarks.measures

Draws knees of seeds that nothing is trained on, at the fine network's scale and a finer one, turned
and mirrored (what scanners do to a section is for `benchmarks.views`). Takes the drawn labels for
the label map, measures every compartment and holds it against the geometry that was drawn. Of a
remnant, less than 3000 µm² of hyaline cartilage, areas and thickness are off by so much in µm² and
µm, by the contract's rule for areas, and not by per cent. The second table holds a compartment's
views against each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.demo import SMALL_UM2
from histoscore.geometry import Mpp, Placement
from histoscore.image.morphometry import measure
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.truth import compartment_truth
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.scenes import random_disease
from histoscore.records import LabelMap
from histoscore.vocabulary import Tissue

STREAM = 8_701
"""Apart from training and from all studies."""
SIZE_UM = (2_900.0, 1_700.0)
VIEWS = (
    ("1 µm/px", 1.0, 0.0, False, (0.0, 0.0)),
    ("0.5 µm/px", 0.5, 0.0, False, (0.0, 0.0)),
    ("1 µm/px, turned 17°", 1.0, 17.0, False, (0.0, 0.0)),
    ("1 µm/px, mirrored", 1.0, 0.0, True, (0.0, 0.0)),
    ("1 µm/px, half a pixel off", 1.0, 0.0, False, (0.5, 0.5)),
)
"""Name, µm/px, degrees, mirrored, middle of the picture (µm)."""
MEASURES = (
    "hyaline_area_um2",
    "calcified_area_um2",
    "surface_length_um",
    "mean_thickness_um",
    "lesion_extent",
    "tidemark_length_um",
    "osteochondral_length_um",
    "median_thickness_um",
    "deepest_lesion",
    "lesion_count",
)
OF_HYALINE = ("hyaline_area_um2", "mean_thickness_um", "median_thickness_um")
"""Measures of which a remnant has next to nothing."""
ABSOLUTE = ("lesion_extent", "deepest_lesion", "lesion_count")
"""Shares and counts: their errors are no percentages. Where more than half is bare the median
thickness is 0, and is left out."""


def knee_of(seed: int) -> Knee:
    """Knee number `seed`: every rung equally often in every compartment."""
    chance = Chance((STREAM, seed))
    at = Slice(chance.part("animal"), chance.part("section"), 900.0)
    return build_knee(at, random_disease(np.random.default_rng([STREAM, seed])), (4_000, 5_000))


def measured(seed: int, views: int) -> Iterator[dict[str, float | str]]:
    """Truth and measures of a knee's compartments, in each view."""
    knee = knee_of(seed)
    truths = {bed.compartment: compartment_truth(bed) for bed in knee.beds}
    for name, mpp, angle, mirrored, middle in VIEWS[:views]:
        wide, high = SIZE_UM
        if angle:
            wide, high = wide + 300, high + 700
        view = View((round(high / mpp), round(wide / mpp)), mpp, middle, angle, mirrored)
        scene = paint(knee, view)
        cartilage = np.isin(scene.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
        compartments = np.where(cartilage, scene.zones, 0).astype(np.uint8)
        labels = LabelMap(scene.tissue, compartments, Placement(0, 0, 1, Mpp(mpp)))
        turn = np.deg2rad(angle)
        up = (float(np.sin(turn)), float(-np.cos(turn)))
        for compartment, truth in truths.items():
            found = measure(labels, compartment, up)
            row: dict[str, float | str] = {
                "seed": seed,
                "view": name,
                "compartment": compartment.name,
                "grade": truth.grade,
            }
            for what in MEASURES:
                row[f"{what}_true"] = getattr(truth, what)
                row[what] = getattr(found, what) if found else np.nan
            yield row


def print_errors(table: pd.DataFrame) -> None:
    """Measures against the truth, in each view."""
    print("| view | measure | n | error: mean | median | 95th percentile | largest |")
    print("|---|---|---|---|---|---|---|")
    for view, rows in table.groupby("view", sort=False):
        remnant = rows["hyaline_area_um2_true"] < SMALL_UM2
        for what in MEASURES:
            true, error = rows[f"{what}_true"], rows[what] - rows[f"{what}_true"]
            if what in ABSOLUTE:
                print_error(f"{view} | {what}", error, "{:.3f}")
            elif what in OF_HYALINE:
                print_error(f"{view} | {what}", (error / true)[(true > 0) & ~remnant], "{:.1%}")
                print_error(f"{view} | {what}, remnants", error[remnant], "{:.2f}")
            else:
                print_error(f"{view} | {what}", error / true, "{:.1%}")


def print_error(name: str, error: pd.Series, text: str) -> None:
    """A line of the table."""
    size = error.abs()
    cells = (error.mean(), size.median(), size.quantile(0.95), size.max())
    print(f"| {name} | {len(error)} | {' | '.join(map(text.format, cells))} |")


def print_spread(table: pd.DataFrame) -> None:
    """A compartment's largest measure of all views against its smallest."""
    print("\n| measure | between views: median | 95th percentile | largest |\n|---|---|---|---|")
    compartments = table.groupby(["seed", "compartment"])
    for what in MEASURES:
        low, high = compartments[what].min(), compartments[what].max()
        apart = high - low if what in ABSOLUTE else (high / low - 1)[low > 0]
        text = "{:.3f}" if what in ABSOLUTE else "{:.1%}"
        cells = (apart.median(), apart.quantile(0.95), apart.max())
        print(f"| {what} | {' | '.join(map(text.format, cells))} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--knees", type=int, default=40)
    parser.add_argument("--views", type=int, default=len(VIEWS))
    arguments = parser.parse_args()
    table = pd.DataFrame(
        row for seed in range(arguments.knees) for row in measured(seed, arguments.views)
    )
    print_errors(table)
    print_spread(table)


if __name__ == "__main__":
    main()
