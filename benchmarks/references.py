"""The reference pictures of the review page: a compartment at each grade, as the phantom draws it.

    python -m benchmarks.references --out bench/references

Draws knees of seeds that nothing is trained or evaluated on, takes for each rung of the OARSI
ladder the tibial plateau (or else the condyle) whose true grade it is, and writes it as JPEG, all
at one scale. Copied into histoscore/review/static/references/oarsi_mouse_2010, they stand beside a
section until a laboratory gives its own. They are drawings: how a grade looks in real tissue they
cannot teach.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from histoscore.geojson import read_features
from histoscore.geometry import Box, Mpp
from histoscore.phantom.study import write_phantom_study
from histoscore.slides.open import open_slide
from histoscore.vocabulary import OARSI_MOUSE, format_rung

SEED, ANIMALS = 9_701, 36
GROUPS = (
    "[{name: a, medial: 0.5, lateral: 1.5}, {name: b, medial: 3, lateral: 2},"
    " {name: c, medial: 6.5, lateral: 5}]"
)
DRAWN = (
    *("mpp=0.5", "width_um=2600", "height_um=2000", "sections=[1,1]", "upside_down=0"),
    *("turn_deg=2", "artefacts=false", f"groups={GROUPS}"),
)
MPP, MARGIN_UM = Mpp(0.9), 70.0
QUALITY = 74


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    study = out / "study"
    if not (study / "truth.csv").exists():
        write_phantom_study(study, ANIMALS, SEED, overrides=DRAWN)
    truth = pd.read_csv(study / "truth.csv", dtype={"slide": str})
    for rung in OARSI_MOUSE.rungs:
        mine = truth[truth.grade == rung]
        tibial = mine[mine.compartment.str.endswith("TP")]
        row = (tibial if len(tibial) else mine).iloc[0]
        path = out / f"{format_rung(rung)}.jpg"
        picture = cut(study, row.slide, row.compartment)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        print(f"{path}: {row.compartment} of {row.slide}, {picture.shape[1]} × {picture.shape[0]}")


def cut(study: Path, slide: str, compartment: str) -> np.ndarray:
    """The compartment's cartilage with what is around it, BGR."""
    features, _ = read_features(study / "truth" / f"{Path(slide).stem}.geojson")
    bounds = np.array(
        [f.geometry.bounds for f in features if compartment in f.name + f.classification]
    )
    with open_slide(study / slide) as opened:
        margin = MARGIN_UM / opened.info.mpp
        left, top = bounds[:, :2].min(axis=0) - margin
        right, bottom = bounds[:, 2:].max(axis=0) + margin
        box = Box(round(left), round(top), round(right - left), round(bottom - top))
        return cv2.cvtColor(opened.read_at(box, MPP), cv2.COLOR_RGB2BGR)


if __name__ == "__main__":
    main()
