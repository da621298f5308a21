"""Whether probabilities and sets of grades hold what they promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from histoscore.scoring.clusters import (
    Bootstrap,
    Estimate,
    Numbers,
    estimate,
    finite,
    sums_by_animal,
)
from histoscore.scoring.comparison import (
    Comparison,
    EvaluationRow,
    Frame,
    Item,
    filled,
    share,
    strata,
)
from histoscore.scoring.confusions import divided

BINS = 10
"""Bins of equal width for the probability of the predicted rung."""

Sets = Mapping[Item, tuple[float, float]]
"""Lowest and highest rung that the model would not rule out."""


@dataclass(frozen=True, slots=True)
class CurveBin:
    """Predictions of about one confidence: what was promised, and how often they were right."""

    comparison: str
    bin_low: float
    bin_high: float
    n: int
    n_animals: int
    mean_confidence: float | None
    observed: float | None
    observed_low: float | None
    observed_high: float | None
    note: str = ""


def calibration_curve(
    comparison: Comparison, confidence: Mapping[Item, float], frame: Frame
) -> tuple[CurveBin, ...]:
    """One point a bin; `confidence` is the probability of the grade that the model gave."""
    items = _with(comparison, confidence)
    places = _bins(items, confidence)
    return tuple(
        _bin(
            comparison,
            [item for item, place in zip(items, places, strict=True) if place == number],
            confidence,
            number,
            frame,
        )
        for number in range(BINS)
    )


def calibration_rows(
    comparison: Comparison, confidence: Mapping[Item, float], sets: Sets, frame: Frame
) -> Iterator[EvaluationRow]:
    """Expected calibration error, coverage and width of the sets, in every stratum."""
    for kind, name, items in strata(comparison.paired, frame.places):
        for statistic, (chosen, found) in {
            "ece": _expected_error(comparison, items, confidence, frame),
            "set_coverage": _coverage(comparison, items, sets, frame),
            "set_width": _width(items, sets, frame),
        }.items():
            note = "" if chosen else "the run has none"
            blank = EvaluationRow(
                comparison.name, kind, name, "", None, None, None, 0, 0, len(items) - chosen, note
            )
            yield filled(blank, statistic, found, chosen)


def expected_calibration_error(sums: Numbers) -> Numbers:
    """Mean |confidence − share right| over the bins, weighted by what lies in them.

    `sums` (…, bins, 3) hold n, confidence and right predictions (Naeini et al. 2015, AAAI).
    """
    apart = np.abs(sums[..., 1] - sums[..., 2]).sum(-1)
    return divided(apart, sums[..., 0].sum(-1))


def _expected_error(
    comparison: Comparison, items: Sequence[Item], confidence: Mapping[Item, float], frame: Frame
) -> tuple[int, Estimate]:
    known = [item for item in items if item in confidence]
    rows = np.zeros((len(known), BINS, 3))
    for row, item, place in zip(rows, known, _bins(known, confidence), strict=True):
        row[place] = 1, confidence[item], comparison.first[item] == comparison.second[item]
    sums = sums_by_animal(rows, frame.animals(known))
    return len(known), estimate(sums, expected_calibration_error, frame.bootstrap)


def _coverage(
    comparison: Comparison, items: Sequence[Item], sets: Sets, frame: Frame
) -> tuple[int, Estimate]:
    """Share of the items whose second grade lies in the set."""
    known = [item for item in items if item in sets]
    inside = [sets[item][0] <= comparison.second[item] <= sets[item][1] for item in known]
    return len(known), _mean(np.asarray(inside, float), frame.animals(known), frame.bootstrap)


def _width(items: Sequence[Item], sets: Sets, frame: Frame) -> tuple[int, Estimate]:
    """Mean number of rungs in the set; 1 is a single grade."""
    known = [item for item in items if item in sets]
    index = frame.ladder.index
    rungs = [index(sets[item][1]) - index(sets[item][0]) + 1 for item in known]
    return len(known), _mean(np.asarray(rungs, float), frame.animals(known), frame.bootstrap)


def _mean(values: Numbers, animals: Sequence[str], bootstrap: Bootstrap) -> Estimate:
    rows = np.column_stack([values, np.ones(len(values))])
    return estimate(sums_by_animal(rows, animals), share, bootstrap)


def _bin(
    comparison: Comparison,
    items: Sequence[Item],
    confidence: Mapping[Item, float],
    number: int,
    frame: Frame,
) -> CurveBin:
    right = [comparison.first[item] == comparison.second[item] for item in items]
    found = _mean(np.asarray(right, float), frame.animals(items), frame.bootstrap)
    promised = [confidence[item] for item in items]
    return CurveBin(
        comparison.name,
        number / BINS,
        (number + 1) / BINS,
        len(items),
        found.n_animals,
        finite(float(np.mean(promised))) if promised else None,
        found.value,
        found.low,
        found.high,
        found.note,
    )


def _with(comparison: Comparison, confidence: Mapping[Item, float]) -> list[Item]:
    return [item for item in comparison.paired if item in confidence]


def _bins(items: Sequence[Item], confidence: Mapping[Item, float]) -> list[int]:
    """The bin of each; a bin holds its lower bound, the last one 1 too."""
    return [min(int(confidence[item] * BINS), BINS - 1) for item in items]
