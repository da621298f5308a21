"""How well chondrocytes are counted on phantoms, where every nucleus is known.

    python -m benchmarks.nuclei

Draws joints of seeds that nothing is trained on, in stains of both appearances, and counts nuclei
in the drawn hyaline cartilage. Prints counted ÷ drawn and how the compartments' counts go together.
Says nothing about real tissue: phantoms' nuclei are ellipses.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd

from histoscore.geometry import Mpp
from histoscore.image.nuclei import count_nuclei
from histoscore.image.stain import PAPER_WHITE
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.painting.cartilage import LaidBed
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.scenes import random_disease
from histoscore.phantom.staining import Appearance, render, sample_batch
from histoscore.records import LabelArray
from histoscore.vocabulary import Tissue

STREAM = 8_951
"""Apart from training and from all studies."""
SIZE_UM = (2_900.0, 1_700.0)
APPEARANCES: tuple[Appearance, ...] = ("standard", "shifted")


def drawn(knee: Knee, view: View, tissue: LabelArray) -> Iterator[tuple[str, int]]:
    """Each compartment and how many nuclei were drawn in its hyaline cartilage."""
    rows, columns = tissue.shape
    for bed in knee.beds:
        count = 0
        own = knee.at.own.of("cells", bed.compartment.value)
        for kind, points, _, luck in LaidBed.of(bed, view, own).cells:
            column, row = np.rint(view.to_pixels(points[luck[:, 2] < kind.seen])).astype(int).T
            inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            count += int((tissue[row[inside], column[inside]] == Tissue.HYALINE).sum())
        yield bed.compartment.name, count


def counted(seed: int, mpp: float) -> Iterator[dict[str, float | str]]:
    """Counts of a knee's compartments in a stain of each appearance."""
    chance = Chance((STREAM, seed))
    at = Slice(chance.part("animal"), chance.part("section"), 900.0)
    knee = build_knee(at, random_disease(np.random.default_rng([STREAM, seed])), (4_000, 5_000))
    wide, high = SIZE_UM
    view = View((round(high / mpp), round(wide / mpp)), mpp)
    scene = paint(knee, view)
    truth = dict(drawn(knee, view, scene.tissue))
    for appearance in APPEARANCES:
        rng = np.random.default_rng([STREAM, seed, APPEARANCES.index(appearance)])
        picture = render(scene.dyes, Mpp(mpp), sample_batch(rng, appearance), rng)
        for bed in knee.beds:
            hyaline = (scene.tissue == Tissue.HYALINE) & (scene.zones == bed.compartment.code)
            yield {
                "appearance": appearance,
                "seed": seed,
                "drawn": truth[bed.compartment.name],
                "counted": count_nuclei(picture, hyaline, mpp, PAPER_WHITE),
            }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--knees", type=int, default=20)
    parser.add_argument("--mpp", type=float, nargs="*", default=(1.0, 0.5))
    arguments = parser.parse_args()
    print("| µm/px | appearance | compartments | counted ÷ drawn: median, 5 % to 95 % | r |")
    print("|---|---|---|---|---|")
    for mpp in arguments.mpp:
        table = pd.DataFrame(r for seed in range(arguments.knees) for r in counted(seed, mpp))
        for appearance, rows in table[table["drawn"] > 0].groupby("appearance", sort=False):
            ratio = rows["counted"] / rows["drawn"]
            low, middle, high = ratio.quantile([0.05, 0.5, 0.95])
            r = rows["counted"].corr(rows["drawn"])
            print(
                f"| {mpp:g} | {appearance} | {len(rows)} | {middle:.2f}, {low:.2f} to {high:.2f} "
                f"| {r:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
