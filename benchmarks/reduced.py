"""Do tiles that are decoded to half their size change what is measured?

    python -m benchmarks.reduced --out bench/reduced

Draws a study at 0.5 µm/px and reads its sections twice: from tiles decoded to half their size, and
from whole tiles shrunk by area. Prints how many pixels of the fine map around the joint keep their
tissue, how far a compartment's areas move, and its expected grade.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.demo import read
from histoscore.config import TileSettings
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.models.reading import SectionReading, read_section
from histoscore.phantom.study import write_phantom_study
from histoscore.slides.open import open_slide

SEED = 8_601
HALF_A_MICRON = ("mpp=0.5", "sections=[1,1]")


def readings(study: Path, predictor: Predictor) -> Iterator[tuple[SectionReading, SectionReading]]:
    """Each section from reduced tiles, and from whole ones."""
    for name in read(study / "study.csv")["slide"]:
        with open_slide(study / name) as slide:
            box = slide.info.whole
            reduced = read_section(predictor, slide, box, None)
            with patch.object(slide, "_read_reduced", return_value=None):
                whole = read_section(predictor, slide, box, None)
        assert reduced, name
        assert whole, name
        yield reduced, whole


def main() -> None:
    """Print what moved."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--slides", type=int, default=6)
    arguments = parser.parse_args()
    if not (arguments.out / "truth.csv").exists():
        write_phantom_study(arguments.out, arguments.slides, SEED, overrides=HALF_A_MICRON)
    bundle = find_bundle(arguments.model)
    predictor, ladder = Predictor.of(bundle, "auto", TileSettings(), "auto"), bundle.ladder
    kept, areas, grades = [], [], []
    for reduced, whole in readings(arguments.out, predictor):
        kept.append((reduced.labels.tissue == whole.labels.tissue).mean())
        for one, other in zip(reduced.measures, whole.measures, strict=True):
            assert one.compartment == other.compartment
            areas.append(one.hyaline_area_um2 / other.hyaline_area_um2 - 1)
            areas.append(one.calcified_area_um2 / other.calcified_area_um2 - 1)
        graded = zip(predictor.grade(reduced.strips), predictor.grade(whole.strips), strict=True)
        grades += [
            np.dot(ladder.rungs, np.subtract(a.probabilities, b.probabilities)) for a, b in graded
        ]
    print(f"{len(kept)} sections, {len(grades)} compartments\n")
    print("| | median | largest |\n|---|---|---|")
    for name, values, shown in (
        ("pixels of another tissue", 1 - np.array(kept), ".2%"),
        ("area moved", np.abs(areas), ".2%"),
        ("expected grade moved", np.abs(grades), ".3f"),
    ):
        print(f"| {name} | {np.median(values):{shown}} | {np.max(values):{shown}} |")


if __name__ == "__main__":
    main()
