"""Does a lab find cartilage 15 % thinner with eight animals a group, before any grade changes?

    python -m benchmarks.power

Simulates studies of two groups. Both have the same grades (0 and 0.5, drawn alike); in one the
hyaline cartilage of the medial tibial plateau is thinner. True label maps of the plateau, three
sections a knee, are measured as a study's are; animals are compared by the exact Mann–Whitney
test. Prints for each outcome the share of studies with p < 0.05: the power, and beside it what
comes out where there is no difference. Says nothing about a network's error, which adds to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import mean

import numpy as np
import pandas as pd

from histoscore.geometry import Mpp, Placement
from histoscore.image.morphometry import measure
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.raster import View
from histoscore.records import LabelMap
from histoscore.scoring.ranktests import mann_whitney
from histoscore.vocabulary import Compartment, Tissue

STREAM = 8_801
"""Apart from training and from all studies."""
ANIMALS, SECTIONS, STEP_UM = 8, 3, 80.0
EARLY_GRADES = (0.0, 0.5)
SCATTER = 0.03
"""Of the thinning between animals, beside what their anatomy differs by."""
MPP = Mpp(1.0)
PLATEAU = Compartment.MTP
ALPHA = 0.05
OUTCOMES = ("mean_thickness_um", "median_thickness_um", "hyaline_area_um2", "hc_cc_ratio")


def plateau(at: Slice, disease: Disease) -> dict[str, float]:
    """Measures of the plateau in one section, from its true label map."""
    healthy = Disease(grade=0.0)
    knee = build_knee(at, {c: disease if c is PLATEAU else healthy for c in Compartment})
    bed = next(bed for bed in knee.beds if bed.compartment is PLATEAU)
    rings = {
        Tissue.CALCIFIED: bed.calcified_ring(),
        Tissue.HYALINE: bed.hyaline_ring(),
    }
    corners = np.vstack(list(rings.values()))
    low, high = corners.min(0) - 120, corners.max(0) + 120
    wide, tall = np.ceil((high - low) / MPP).astype(int)
    view = View((int(tall), int(wide)), MPP, tuple((low + high) / 2))
    tissue = np.full(view.shape, Tissue.SOFT, np.uint8)
    for kind, ring in rings.items():
        tissue[view.fill(ring)] = kind
    mine = np.isin(tissue, tuple(rings))
    compartments = np.where(mine, PLATEAU.code, 0).astype(np.uint8)
    found = measure(LabelMap(tissue, compartments, Placement(0, 0, 1, MPP)), PLATEAU, (0.0, -1.0))
    assert found is not None  # the layer was drawn
    return {name: getattr(found, name) for name in OUTCOMES}


def animal(study: int, number: int, thinner: float) -> dict[str, float]:
    """An animal's mean over its sections, and its highest grade."""
    chance = Chance((STREAM, study, number))
    rng = chance.of("animal")
    thinning = (1 - thinner) * (1 + SCATTER * rng.normal())
    grade = float(rng.choice(EARLY_GRADES))
    disease = Disease(grade=grade, thinning=thinning)
    sections = [
        plateau(Slice(chance.part("animal"), chance.part("section", n), 900 + n * STEP_UM), disease)
        for n in range(SECTIONS)
    ]
    return {name: mean(s[name] for s in sections) for name in OUTCOMES} | {"grade_max": grade}


def group(study: int, first: int, thinner: float) -> pd.DataFrame:
    """A group's animals."""
    return pd.DataFrame(animal(study, first + n, thinner) for n in range(ANIMALS))


def studies(count: int, thinner: float) -> Iterator[dict[str, float | str]]:
    """For each study and outcome: p against a thinner group and against one that is not, and the
    coefficient of variation between the animals of the reference."""
    for study in range(count):
        reference, ill = group(study, 0, 0.0), group(study, ANIMALS, thinner)
        well = group(study, ANIMALS, 0.0)
        for outcome in (*OUTCOMES, "grade_max"):
            values = reference[outcome]
            yield {
                "outcome": outcome,
                "p": mann_whitney(values.tolist(), ill[outcome].tolist()).p,
                "p_none": mann_whitney(values.tolist(), well[outcome].tolist()).p,
                "spread": float(values.std() / values.mean()) if outcome in OUTCOMES else np.nan,
            }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--thinner", type=float, default=0.15)
    arguments = parser.parse_args()
    table = pd.DataFrame(studies(arguments.studies, arguments.thinner))
    print(
        f"{arguments.studies} studies, {ANIMALS} animals a group, {arguments.thinner:.0%} thinner\n"
    )
    print("| outcome | CV between animals | found (p < 0.05) | found where there is nothing |")
    print("|---|---|---|---|")
    for outcome, rows in table.groupby("outcome", sort=False):
        spread = f"{rows['spread'].mean():.0%}" if outcome in OUTCOMES else "–"
        found, wrong = ((rows[p] < ALPHA).mean() for p in ("p", "p_none"))
        print(f"| {outcome} | {spread} | {found:.0%} | {wrong:.0%} |")


if __name__ == "__main__":
    main()
