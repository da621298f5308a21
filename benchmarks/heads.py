"""Heads of the grader against each other, on the same strips and the same held-out animals.

    histoscore train configs/train-demo.yaml --out training/demo
    python -m benchmarks.heads training/demo

Every head (soft ordinal labels, CORN, cross entropy, regression) learns on the same features of one
frozen encoder, cached in eight colours, from the training animals of a finished training; its word
on the animals set aside for calibration is held against their grades, beside the commonest grade of
the training animals. Prints MAE, exact and QWK, and for each the difference to `soft` with a 95 %
interval over animals. Says nothing about real tissue.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoscore.config import parse_settings
from histoscore.models.cores import reuse_memory
from histoscore.models.examples import load_facts, stored_names
from histoscore.models.grading import GraderSettings
from histoscore.models.splits import split
from histoscore.models.stages import Training
from histoscore.models.strips import wanted_shares
from histoscore.models.training_config import TrainConfig
from histoscore.scoring.agreement import quadratic_weighted_kappa
from histoscore.vocabulary import Ladder

HEADS: tuple[Mapping[str, object], ...] = (
    {"name": "soft", "softness": 0.25},
    {"name": "corn"},
    {"name": "cross_entropy"},
    {"name": "regression"},
)
TRAINING = {"epochs": 60, "batch": 24, "encoder_rate": 0, "cached_colours": 8, "check_every": 200}
FEATURES = Path("stages", "grader", "features.zarr")
RESAMPLES = 2_000


def shared_features(folder: Path, out: Path) -> None:
    """A frozen encoder sees the same under every head: what the first one stored serves all."""
    stored = folder / "heads" / str(HEADS[0]["name"]) / FEATURES
    wanted = out / FEATURES
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if stored.exists() and not wanted.exists():
        wanted.symlink_to(stored.absolute())


def with_head(folder: Path, head: Mapping[str, object]) -> Training:
    """The folder's training with another head on a frozen encoder, in a folder of its own."""
    stored = parse_settings(
        TrainConfig, json.loads((folder / "config.json").read_text()), str(folder / "config.json")
    )
    grader = stored.grader.model_dump()
    grader["network"]["head"] = head
    grader["training"] = GraderSettings.model_validate(TRAINING).model_dump()
    config = TrainConfig.model_validate(stored.model_dump() | {"grader": grader})
    out = folder / "heads" / str(head["name"])
    for name in ("coarse", "fine"):
        (out / "stages").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "stages" / f"{name}.safetensors", out / "stages")
    if not (out / "strips").exists():
        (out / "strips").symlink_to((folder / "strips").absolute())
    shared_features(folder, out)
    facts = {n: load_facts(folder / "examples", n) for n in stored_names(folder / "examples")}
    return Training(config, folder, out, facts, split(facts, config.split), print)


def measures(true: NDArray[np.float64], found: NDArray[np.float64], ladder: Ladder) -> list[float]:
    """MAE, share exact, QWK."""
    kappa = quadratic_weighted_kappa(list(true), list(found), ladder)
    return [
        float(np.abs(true - found).mean()),
        float((true == found).mean()),
        np.nan if kappa is None else kappa,
    ]


def main() -> None:
    """Train the heads, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("training", type=Path)
    folder = parser.parse_args().training
    reuse_memory()
    said, animals, true = {}, np.array([]), np.array([])
    for head in HEADS:
        training = with_head(folder, head)
        ladder = training.config.ladder.ladder
        held_out = training.held_out("calibration")
        rungs = np.array(ladder.rungs)
        said[str(head["name"])] = rungs[held_out.log_probabilities.argmax(1)]
        animals = np.array([strip.animal for strip in held_out.shown])
        true = rungs[wanted_shares(held_out.shown, ladder.rungs).argmax(1)]
        learnt = [load_facts(folder / "examples", name) for name in training.parts.train]
    grades = Counter(g for f in learnt for by in f.grades.values() for g in by.values())
    said["commonest grade"] = np.full(len(true), grades.most_common(1)[0][0])
    rng = np.random.default_rng(0)
    names = np.unique(animals)
    rows = [np.flatnonzero(animals == name) for name in names]
    picks = [
        np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        for _ in range(RESAMPLES)
    ]
    print(f"{len(names)} animals, {len(true)} compartments and colours\n")
    print("| head | MAE | exact | QWK | MAE − soft | exact − soft |\n|---|---|---|---|---|---|")
    for name, found in said.items():
        mae, exact, kappa = measures(true, found, ladder)
        cells = [f"{mae:.3f}", f"{exact:.1%}", f"{kappa:.3f}"]
        for index in (0, 1):
            gaps = [
                measures(true[p], found[p], ladder)[index]
                - measures(true[p], said["soft"][p], ladder)[index]
                for p in picks[:400]
            ]
            low, high = np.quantile(gaps, [0.025, 0.975])
            cells.append(f"{np.mean(gaps):+.3f} ({low:+.3f} to {high:+.3f})")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
