"""Areas against true areas, and outlines against outlines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from histoscore.records import Mask
from histoscore.scoring.clusters import (
    Estimate,
    Numbers,
    estimate,
    estimates,
    quantile_estimate,
    sums_by_animal,
)
from histoscore.scoring.comparison import (
    EvaluationRow,
    Frame,
    Item,
    filled,
    share,
    strata,
)
from histoscore.scoring.confusions import LIMITS, divided

SMALL_UM2 = 3000.0
"""Below this true area a relative error says nothing; the absolute one is given instead."""

CLOSE = 0.10
"""Relative error that counts as close."""


@dataclass(frozen=True, slots=True)
class AreaPairs:
    """Measured and true areas in µm² of the same compartments; `items` should all be measured."""

    comparison: str
    measure: str
    measured: Mapping[Item, float]
    truth: Mapping[Item, float]
    items: tuple[Item, ...]

    @property
    def paired(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item in self.measured)


@dataclass(frozen=True, slots=True)
class OutlineOverlap:
    """Pixels of one section: in the model's area, in the person's, and in both."""

    slide: str
    section: int
    tissue: str
    model: float
    person: float
    both: float


def dice(model: float, person: float, both: float) -> float | None:
    """2 × common ÷ sum (Dice 1945); None where nobody drew anything."""
    return 2 * both / (model + person) if model + person else None


def mask_overlap(model: Mask, person: Mask) -> tuple[float, float, float]:
    """Pixels of two masks of one shape: the first's, the second's, and those of both."""
    return float(model.sum()), float(person.sum()), float((model & person).sum())


def area_rows(pairs: AreaPairs, frame: Frame) -> Iterator[EvaluationRow]:
    """Bland–Altman and errors of an area in every stratum, intervals over animals."""
    for kind, name, items in strata(pairs.items, frame.places):
        part = replace(pairs, items=items)
        found = [item for item in items if item in pairs.measured]
        large = [item for item in found if pairs.truth[item] >= SMALL_UM2]
        small = [item for item in found if pairs.truth[item] < SMALL_UM2]
        row = EvaluationRow(
            pairs.comparison, kind, name, "", None, None, None, 0, 0, len(items) - len(found),
            measure=pairs.measure,
        )  # fmt: skip
        for statistic, (chosen, one) in {
            **_bland_altman(part, found, "um2", frame),
            **_bland_altman(part, large, "percent", frame),
            **_relative(part, large, frame),
            **_absolute(part, small, frame),
        }.items():
            yield filled(row, statistic, one, len(chosen))


_Found = dict[str, tuple[Sequence[Item], Estimate]]


def _bland_altman(pairs: AreaPairs, items: Sequence[Item], unit: str, frame: Frame) -> _Found:
    """Mean difference and its 95 % limits (Bland & Altman 1986, Lancet 327:307–310).

    The limits are those of a single compartment. In percent, differences are of the truth.
    """
    apart = relative_errors(pairs, items) * 100 if unit == "percent" else errors(pairs, items)
    rows = np.column_stack([np.ones(len(apart)), apart, apart**2])
    sums = sums_by_animal(rows, frame.animals(items))
    away = {"bias": 0.0, "limit_low": -LIMITS, "limit_high": LIMITS}
    functions = {
        f"{name}_{unit}": partial(mean_and_spread, away=spreads) for name, spreads in away.items()
    }
    found = estimates(sums, functions, frame.bootstrap)
    return {name: (items, one) for name, one in found.items()}


def mean_and_spread(sums: Numbers, away: float) -> Numbers:
    """Mean + `away` sample standard deviations of sums (…, 3) of n, values and their squares."""
    n, total, squares = sums[..., 0], sums[..., 1], sums[..., 2]
    mean = divided(total, n)
    if away == 0:
        return mean
    variance = divided(np.maximum(squares - total * mean, 0), np.where(n > 1, n - 1, 0))
    return mean + away * np.sqrt(variance)


def _relative(pairs: AreaPairs, items: Sequence[Item], frame: Frame) -> _Found:
    apart = np.abs(relative_errors(pairs, items))
    animals = frame.animals(items)
    close = np.column_stack([apart <= CLOSE, np.ones(len(apart))]).astype(float)
    return {
        "median_relative_error": (items, quantile_estimate(apart, animals, 0.5, frame.bootstrap)),
        "p95_relative_error": (items, quantile_estimate(apart, animals, 0.95, frame.bootstrap)),
        "within_10_percent": (
            items,
            estimate(sums_by_animal(close, animals), share, frame.bootstrap),
        ),
    }


def _absolute(pairs: AreaPairs, items: Sequence[Item], frame: Frame) -> _Found:
    apart, animals = np.abs(errors(pairs, items)), frame.animals(items)
    return {
        f"{name}_small_error_um2": (
            items,
            quantile_estimate(apart, animals, quantile, frame.bootstrap),
        )
        for name, quantile in {"median": 0.5, "p95": 0.95}.items()
    }


def errors(pairs: AreaPairs, items: Sequence[Item]) -> Numbers:
    """(n,) measured − true, in µm²."""
    return np.array([pairs.measured[i] - pairs.truth[i] for i in items], dtype=float)


def relative_errors(pairs: AreaPairs, items: Sequence[Item]) -> Numbers:
    """(n,) (measured − true) ÷ true, for true areas above 0."""
    return np.array([pairs.measured[i] / pairs.truth[i] - 1 for i in items], dtype=float)


def dice_rows(
    overlaps: Sequence[OutlineOverlap], n_missing: int, note: str, frame: Frame
) -> Iterator[EvaluationRow]:
    """Mean Dice over sections, by tissue; `n_missing` sections with outlines have no label map."""
    for tissue in dict.fromkeys(overlap.tissue for overlap in overlaps):
        scored = [(o, dice(o.model, o.person, o.both)) for o in overlaps if o.tissue == tissue]
        known = [(overlap.slide, value) for overlap, value in scored if value is not None]
        rows = np.array([[value, 1] for _, value in known], dtype=float).reshape(-1, 2)
        sums = sums_by_animal(rows, [frame.places[slide].animal for slide, _ in known])
        row = EvaluationRow(
            "model vs outlines", "all", "all", "", None, None, None, 0, 0, n_missing, note, tissue
        )
        yield filled(row, "dice", estimate(sums, share, frame.bootstrap), len(known))
