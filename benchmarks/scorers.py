"""How far the simulated scorers agree, with the truth and with each other.

    python -m benchmarks.scorers --animals 24 --studies 200

Plans studies with the phantom's three groups (no slide is drawn), lets the standard scorers grade
them, and prints means over the studies; the range of kappa is its 5th to 95th percentile from
study to study. `scorer_A 2` is that scorer's second read.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.experiment import PhantomSettings, plan_animals, section_disease
from histoscore.phantom.scorers import STANDARD_SCORERS, GradedTruth, read_slides
from histoscore.scoring.agreement import Agreement, agreement
from histoscore.vocabulary import OARSI_MOUSE

FIRST_SEED = 600_000
TRUTH = "truth"

Columns = dict[str, list[float | None]]
"""Grades of the same compartments by each grader."""


def planned_truths(animals: int, seed: int) -> Iterator[GradedTruth]:
    """The true grades of a study: one slide an animal, with as many sections as are usual."""
    settings = PhantomSettings()
    rng = np.random.default_rng(seed)
    least, most = settings.sections
    for animal in plan_animals(animals, settings, rng):
        count = least + int((rng.random(most - least) < settings.more_sections).sum())
        for section in range(1, count + 1):
            chance = Chance((seed, animal.number))
            at = Slice(chance.part("animal"), chance.part("section", section), 80.0 * section)
            for compartment, disease in section_disease(animal, at).items():
                slide = f"slides/{animal.name}.svs"
                yield GradedTruth(slide, section, compartment, animal.name, disease.grade)


def graded(animals: int, seed: int) -> Columns:
    """The truth of a study and every read of it, side by side."""
    truths = list(planned_truths(animals, seed))
    columns: Columns = {TRUTH: [truth.grade for truth in truths]}
    for reading in read_slides(truths, STANDARD_SCORERS, seed):
        name = reading.scorer if reading.read == 1 else f"{reading.scorer} {reading.read}"
        columns.setdefault(name, []).append(reading.grade)
    return columns


def line(pair: tuple[str, str], found: list[Agreement]) -> str:
    """Means over studies of one pair's agreement, and the range of its kappa."""
    kappas = [each.kappa for each in found if each.kappa is not None]
    low, high = np.quantile(kappas, [0.05, 0.95])
    exact = np.mean([each.exact for each in found if each.exact is not None])
    within = np.mean([each.within_one for each in found if each.within_one is not None])
    errors = [each.mean_absolute_error for each in found if each.mean_absolute_error is not None]
    return (
        f"{' – '.join(pair):<25}{np.mean(kappas):.2f} ({low:.2f}–{high:.2f})"
        f"{exact:>8.0%}{within:>12.0%}{np.mean(errors):>7.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--animals", type=int, default=24)
    parser.add_argument("--studies", type=int, default=200)
    arguments = parser.parse_args()
    found: dict[tuple[str, str], list[Agreement]] = defaultdict(list)
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.studies):
        columns = graded(arguments.animals, seed)
        for a, b in combinations(columns, 2):
            found[a, b].append(agreement(columns[a], columns[b], OARSI_MOUSE))
    print(f"{'':<25}{'QWK':<16}{'exact':>8}{'within one':>12}{'MAE':>7}")
    for pair, each in found.items():
        print(line(pair, each))


if __name__ == "__main__":
    main()
