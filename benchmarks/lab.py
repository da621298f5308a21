"""A laboratory without whole slides: photographs, outlines and grades → a model → grades.

    python -m benchmarks.lab --out bench/lab

Draws a study of JPEG photographs with their µm per pixel in the sheet and three simulated
scorers, writes outlines of every tissue in QuPath's dialect as a person would, trains
`configs/train-your-lab.yaml` on it (from the demonstration model's networks, briefly), scores a
second study of unseen animals with the bundle, and evaluates it against that study's scorers.
Prints what `histoscore evaluate` found. Says nothing about real tissue: it shows that the path
holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile
import yaml

from histoscore.cli.evaluation_summary import print_evaluation
from histoscore.config import load_config, read_yaml
from histoscore.export.features import write_features
from histoscore.export.outlines import mask_outline
from histoscore.geojson import Feature
from histoscore.geometry import Mpp, Placement
from histoscore.models.cores import reuse_memory
from histoscore.models.train import train_from_config
from histoscore.phantom.study import write_phantom_study
from histoscore.pipeline.evaluation import EvaluationOptions, evaluate_run
from histoscore.pipeline.study import score_study
from histoscore.vocabulary import Tissue

SEEDS = {"learn": 8_401, "new": 8_402}
PHOTOGRAPHS = (
    "format=jpeg",
    "mpp=1.1",
    "width_um=2800",
    "height_um=1700",
    "sections=[1,1]",
    "quality=85",
)
COARSE = 3
"""Pixels of the photograph to a step of a person's outline."""
ROOT = Path(__file__).parents[1]


def drawn(out: Path, part: str, animals: int) -> Path:
    """A study of photographs; its truth is what nobody but the benchmark sees."""
    folder = out / part
    if not (folder / "truth.csv").exists():
        write_phantom_study(folder, animals, SEEDS[part], overrides=PHOTOGRAPHS)
    return folder


def outlined(labels: Path) -> Iterator[Feature]:
    """What a patient person would outline: some of every tissue, each a class of its own."""
    tissue = tifffile.imread(labels)
    small = cv2.resize(tissue, None, fx=1 / COARSE, fy=1 / COARSE, interpolation=cv2.INTER_NEAREST)
    place = Placement(0, 0, COARSE, Mpp(COARSE))
    for kind in (t for t in Tissue if t is not Tissue.BACKGROUND):
        mask = np.asarray(small == kind)
        if mask.any():
            yield Feature(mask_outline(mask, place), kind.title, kind.title, kind.color)


def configured(out: Path, study: Path) -> Path:
    """The laboratory's configuration: the shipped one, from the demonstration model, briefly."""
    outlines = study / "annotations"
    outlines.mkdir(exist_ok=True)
    for file in sorted((study / "truth").glob("*.labels.tif")):
        name = file.name.removesuffix(".labels.tif")
        write_features(outlines / f"{name}.geojson", outlined(file))
    config = read_yaml(ROOT / "configs" / "train-your-lab.yaml")
    config["data"] |= {name: str((study / f"{name}.csv").absolute()) for name in ("scorers",)}
    config["data"] |= {"sheet": str((study / "study.csv").absolute())}
    config["data"] |= {"annotations": str(outlines.absolute())}
    config["start"] = "demo"
    for name in ("coarse", "fine"):
        config[name]["training"] |= {"steps": 60, "check_every": 20, "rate": 0.0005}
    config["grader"]["training"] |= {"epochs": 6, "rate": 0.001}
    path = out / "lab.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def main() -> None:
    """Draw, train, score, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--animals", type=int, default=24)
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    learn, new = drawn(out, "learn", arguments.animals), drawn(out, "new", 12)
    reuse_memory()
    bundle = train_from_config(configured(out, learn), out / "training")
    score_study(new / "study.csv", out / "run", load_config(None, [f"model={bundle}"]))
    options = EvaluationOptions(truth=new / "truth.csv", annotations=new / "truth")
    print_evaluation(evaluate_run(out / "run", new / "scorers.csv", out / "evaluation", options))


if __name__ == "__main__":
    main()
