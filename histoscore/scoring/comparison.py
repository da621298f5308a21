"""Two graders on the same compartments: every statistic of agreement, by stratum, over animals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from histoscore.scoring.agreement import confusion
from histoscore.scoring.clusters import (
    MIN_ANIMALS,
    TOO_FEW,
    Bootstrap,
    Estimate,
    Numbers,
    estimate,
    estimates,
    finite,
    joined,
    resampled_sums,
    sums_by_animal,
    with_interval,
)
from histoscore.scoring.confusions import AGREEMENT, STATISTICS, Difference, divided, mean_signed
from histoscore.vocabulary import Compartment, Ladder


class Item(NamedTuple):
    """What is graded: one compartment of one section of one slide."""

    slide: str
    section: int
    compartment: Compartment


Grades = Mapping[Item, float]
"""One grader's grades; what is not in it is not graded."""


class Place(NamedTuple):
    """Whose slide it is, as far as the study says."""

    animal: str
    group: str | None = None
    batch: str | None = None


Places = Mapping[str, Place]
"""Slide → whose it is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two graders, and the compartments that the second graded and the first should have.

    The first is the one that is judged (the model); `items` that it lacks count as missing.
    """

    name: str
    first: Grades
    second: Grades
    items: tuple[Item, ...]
    note: str = ""

    @property
    def paired(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item in self.first)


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One statistic of one comparison in one stratum; None is undefined, and `note` says why.

    `n` are compartments (sections for outlines), `n_missing` those that have no counterpart.
    """

    comparison: str
    stratum_kind: str
    stratum: str
    statistic: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_animals: int
    n_missing: int
    note: str = ""
    measure: str = "grade"


@dataclass(frozen=True, slots=True)
class Frame:
    """What all comparisons of an evaluation share."""

    places: Places
    ladder: Ladder
    bootstrap: Bootstrap

    @property
    def grades(self) -> Numbers:
        return np.asarray(self.ladder.rungs, dtype=float)

    def animals(self, items: Sequence[Item]) -> list[str]:
        return [self.places[item.slide].animal for item in items]

    def counts(self, first: Grades, second: Grades, items: Sequence[Item]) -> Numbers:
        """(animals, rungs, rungs) counts of the items, animals in the order of their names."""
        size = len(self.ladder)
        rows = np.zeros((len(items), size, size))
        for row, item in zip(rows, items, strict=True):
            row[self.ladder.index(first[item]), self.ladder.index(second[item])] = 1
        return sums_by_animal(rows, self.animals(items))


def strata(items: Sequence[Item], places: Places) -> Iterator[tuple[str, str, tuple[Item, ...]]]:
    """(kind, name, items): all, each compartment, each group, each batch, as far as known."""
    yield "all", "all", tuple(items)
    kinds: Mapping[str, Callable[[Item], str | None]] = {
        "compartment": lambda item: item.compartment.value,
        "group": lambda item: places[item.slide].group,
        "batch": lambda item: places[item.slide].batch,
    }
    for kind, name_of in kinds.items():
        names = {item: name_of(item) for item in items}
        for name in dict.fromkeys(name for name in names.values() if name is not None):
            yield kind, name, tuple(item for item in items if names[item] == name)


def grade_rows(comparison: Comparison, frame: Frame) -> Iterator[EvaluationRow]:
    """Agreement, bias and slope of a comparison in every stratum."""
    for kind, stratum, items in strata(comparison.items, frame.places):
        part = replace(comparison, items=items)
        paired = part.paired
        counts = frame.counts(part.first, part.second, paired)
        blank = _blank_row(part, kind, stratum)
        functions = {
            name: partial(function, grades=frame.grades) for name, function in STATISTICS.items()
        }
        for statistic, found in estimates(counts, functions, frame.bootstrap).items():
            yield filled(blank, statistic, found, len(paired))


def found_rows(comparison: Comparison, frame: Frame) -> Iterator[EvaluationRow]:
    """Share of the items that the first grader has a grade for, in every stratum."""
    for kind, name, items in strata(comparison.items, frame.places):
        part = replace(comparison, items=items)
        yield filled(_blank_row(part, kind, name), "found_share", _found(part, frame), len(items))


def difference_rows(
    first: Comparison, second: Comparison, name: str, frame: Frame
) -> Iterator[EvaluationRow]:
    """first − second of every statistic of agreement, both against the same reference.

    On the compartments that both graded, and on the same resamples: what the two share falls out.
    """
    for kind, stratum, items in strata(first.items, frame.places):
        both = [item for item in items if item in first.first and item in second.first]
        counts = np.stack(
            [frame.counts(one.first, one.second, both) for one in (first, second)], axis=1
        )
        part = replace(first, name=name, items=items, note="paired difference")
        blank = replace(_blank_row(part, kind, stratum), n_missing=len(items) - len(both))
        functions = {
            name: partial(Difference(function), grades=frame.grades)
            for name, function in AGREEMENT.items()
        }
        for statistic, found in estimates(counts, functions, frame.bootstrap).items():
            yield filled(blank, statistic, found, len(both))


def group_gap_row(comparison: Comparison, frame: Frame) -> EvaluationRow | None:
    """The largest difference between two groups' mean signed errors, with its interval.

    Where it is not 0 the first grader moves the groups against each other, and with them every
    effect of a treatment. The animals of the two groups are drawn apart. None for one group.
    """
    groups = {
        name: items
        for kind, name, items in strata(comparison.paired, frame.places)
        if kind == "group"
    }
    counts = {name: frame.counts(comparison.first, comparison.second, items)
              for name, items in groups.items()}  # fmt: skip
    errors = {name: float(mean_signed(c.sum(0), frame.grades)) for name, c in counts.items()}
    if len(errors) < 2:
        return None
    pairs = list(combinations(errors, 2))
    low, high = max(pairs, key=lambda pair: abs(errors[pair[1]] - errors[pair[0]]))
    low, high = sorted((low, high), key=lambda name: errors[name])
    found = _gap(counts[high], counts[low], frame)
    note = f"largest of {len(pairs)} differences between groups" if len(pairs) > 1 else ""
    part = replace(comparison, items=groups[high] + groups[low], note=joined(note))
    row = _blank_row(part, "between groups", f"{high} − {low}")
    return filled(replace(row, n_missing=0), "bias_gap", found, len(part.items))


def _gap(above: Numbers, below: Numbers, frame: Frame) -> Estimate:
    both = (above, below)
    means = [float(mean_signed(counts.sum(0), frame.grades)) for counts in both]
    value, n_animals = means[0] - means[1], len(above) + len(below)
    if min(len(above), len(below)) < MIN_ANIMALS:
        return Estimate(value, None, None, n_animals, f"{TOO_FEW} in a group")
    drawn = [
        mean_signed(resampled_sums(counts, frame.bootstrap, stream), frame.grades)
        for stream, counts in enumerate(both, start=1)
    ]
    return with_interval(value, drawn[0] - drawn[1], n_animals)


def _found(comparison: Comparison, frame: Frame) -> Estimate:
    """Share of the items that the first grader has a grade for."""
    rows = np.array([[item in comparison.first, True] for item in comparison.items], dtype=float)
    sums = sums_by_animal(rows.reshape(-1, 2), frame.animals(comparison.items))
    return estimate(sums, share, frame.bootstrap)


def share(sums: Numbers) -> Numbers:
    """(…, 2) sums of hits and of all → share of hits."""
    return divided(sums[..., 0], sums[..., 1])


def filled(blank: EvaluationRow, statistic: str, found: Estimate, n: int) -> EvaluationRow:
    """A row with its estimate; the notes of both stand behind one another."""
    return replace(
        blank,
        statistic=statistic,
        value=None if found.value is None else finite(found.value),
        low=found.low,
        high=found.high,
        n=n,
        n_animals=found.n_animals,
        note=joined(blank.note, found.note),
    )


def _blank_row(comparison: Comparison, kind: str, stratum: str) -> EvaluationRow:
    missing = len(comparison.items) - len(comparison.paired)
    return EvaluationRow(
        comparison.name, kind, stratum, "", None, None, None, 0, 0, missing, comparison.note
    )


def confusion_counts(comparison: Comparison, ladder: Ladder) -> Numbers:
    """(rungs, rungs) counts: row the first grader's rung, column the second's."""
    paired = comparison.paired
    first = [comparison.first[item] for item in paired]
    second = [comparison.second[item] for item in paired]
    return confusion(first, second, ladder).astype(float)
