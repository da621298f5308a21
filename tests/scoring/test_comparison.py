"""Comparisons by stratum: what counts, what is missing, what two graders have in common."""

from __future__ import annotations

import random

import pytest
from helpers.evaluated_run import GROUPS, RUNGS, true_grade

from histoscore.scoring.clusters import TOO_FEW, Bootstrap
from histoscore.scoring.comparison import (
    Comparison,
    EvaluationRow,
    Frame,
    Item,
    Place,
    difference_rows,
    found_rows,
    grade_rows,
    group_gap_row,
    strata,
)
from histoscore.scoring.confusions import STATISTICS
from histoscore.vocabulary import OARSI_MOUSE, Compartment

ANIMALS = 18
ITEMS = tuple(Item(f"{n}.svs", 1, c) for n in range(ANIMALS) for c in Compartment)
PLACES = {f"{n}.svs": Place(f"m{n}", GROUPS[n % 3], f"batch {n % 2}") for n in range(ANIMALS)}
FRAME = Frame(PLACES, OARSI_MOUSE, Bootstrap(seed=1, resamples=300))
TRUE = {item: true_grade(int(item.slide[:-4]), item.compartment) for item in ITEMS}


def moved(steps: dict[str, int]) -> dict[Item, float]:
    """Grades that are off by so many rungs in each group."""
    return {
        item: RUNGS[min(7, max(0, RUNGS.index(g) + steps.get(PLACES[item.slide].group or "", 0)))]
        for item, g in TRUE.items()
    }


def by_name(rows: list[EvaluationRow]) -> dict[tuple[str, str], EvaluationRow]:
    return {(row.stratum, row.statistic): row for row in rows}


def numbers(rows: list[EvaluationRow]) -> dict[tuple[str, str, str], tuple[object, ...]]:
    return {
        (r.stratum_kind, r.stratum, r.statistic): (r.value, r.low, r.high, r.n, r.n_animals)
        for r in rows
    }


def test_strata_are_all_compartments_groups_and_batches() -> None:
    parts = {(kind, name): items for kind, name, items in strata(ITEMS, PLACES)}
    assert parts["all", "all"] == ITEMS
    for kind in ("compartment", "group", "batch"):
        of_kind = [items for (k, _), items in parts.items() if k == kind]
        assert sorted(item for items in of_kind for item in items) == sorted(ITEMS)
    assert {item.compartment for item in parts["compartment", "LFC"]} == {Compartment.LFC}


def test_a_blinded_study_has_no_groups() -> None:
    blinded = {slide: Place(place.animal) for slide, place in PLACES.items()}
    assert {kind for kind, _, _ in strata(ITEMS, blinded)} == {"all", "compartment"}


def test_what_the_first_lacks_is_counted_as_missing() -> None:
    first = {item: grade for item, grade in TRUE.items() if item.slide not in ("0.svs", "4.svs")}
    comparison = Comparison("model vs A", first, TRUE, ITEMS)
    row = by_name(list(grade_rows(comparison, FRAME)))["all", "exact"]
    assert (row.n, row.n_missing, row.n_animals, row.value) == (64, 8, 16, 1.0)
    found = by_name(list(found_rows(comparison, FRAME)))
    assert found["all", "found_share"].value == pytest.approx(64 / 72)
    assert found["sham", "found_share"].value == pytest.approx(20 / 24)


def test_the_order_of_the_compartments_does_not_matter() -> None:
    first = moved({"sham": 1, "DMM + exosome": -2})
    mixed = random.Random(3).sample(ITEMS, len(ITEMS))
    forth = list(grade_rows(Comparison("a vs b", first, TRUE, ITEMS), FRAME))
    back = list(grade_rows(Comparison("a vs b", first, TRUE, tuple(mixed)), FRAME))
    assert numbers(forth) == numbers(back)


def test_swapping_the_graders_changes_only_what_has_a_direction() -> None:
    first = moved({"sham": 1, "DMM + exosome": -2})
    forth = by_name(list(grade_rows(Comparison("a vs b", first, TRUE, ITEMS), FRAME)))
    back = by_name(list(grade_rows(Comparison("b vs a", TRUE, first, ITEMS), FRAME)))
    for name in ("qwk", "exact", "within_one", "mae", "icc"):
        one, other = forth["all", name], back["all", name]
        assert (one.value, one.low) == (pytest.approx(other.value), pytest.approx(other.low))
    assert forth["all", "bias"].value == pytest.approx(-(back["all", "bias"].value or 0))


def test_every_statistic_stands_in_every_stratum_and_few_animals_have_no_interval() -> None:
    few = {slide: place for slide, place in PLACES.items() if int(slide[:-4]) < 6}
    items = tuple(item for item in ITEMS if item.slide in few)
    comparison = Comparison("a vs b", moved({"sham": 1}), TRUE, items)
    rows = by_name(list(grade_rows(comparison, Frame(few, OARSI_MOUSE, FRAME.bootstrap))))
    assert len(rows) == (1 + 4 + 3 + 2) * len(STATISTICS)
    assert rows["all", "bias"].low is not None
    assert rows["sham", "bias"].value == pytest.approx((2.5 + 3.0) / 8)
    assert (rows["sham", "bias"].low, rows["sham", "bias"].note) == (None, TOO_FEW)


def test_a_grader_does_not_differ_from_itself() -> None:
    same = Comparison("model vs reference", moved({"sham": 1}), TRUE, ITEMS)
    rows = by_name(list(difference_rows(same, same, "model − itself", FRAME)))
    assert {row.value for row in rows.values()} == {0}


def test_a_paired_difference_is_of_what_both_graded() -> None:
    better = Comparison("model vs reference", TRUE, TRUE, ITEMS)
    worse = {i: g for i, g in moved(dict.fromkeys(GROUPS, 2)).items() if i.slide != "3.svs"}
    rival = Comparison("old vs reference", worse, TRUE, ITEMS)
    rows = by_name(list(difference_rows(better, rival, "model − old", FRAME)))
    row = rows["all", "mae"]
    expected = -sum(abs(worse[i] - TRUE[i]) for i in worse) / len(worse)
    assert (row.value, row.n, row.n_missing) == (pytest.approx(expected), 68, 4)
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.value < row.high < 0
    assert "paired difference" in row.note


def test_an_error_that_depends_on_the_group_is_found() -> None:
    first = moved({"DMM + vehicle": -1})
    row = group_gap_row(Comparison("model vs reference", first, TRUE, ITEMS), FRAME)
    assert row is not None
    assert row.stratum in ("sham − DMM + vehicle", "DMM + exosome − DMM + vehicle")
    assert row.value is not None
    assert row.value > 0.3
    assert row.low is not None
    assert row.low > 0
    assert (row.n_animals, row.n) == (12, 48)
    assert "largest of 3" in row.note


def test_the_gap_between_small_groups_has_no_interval_and_one_group_has_no_gap() -> None:
    items = tuple(item for item in ITEMS if int(item.slide[:-4]) < 9)
    row = group_gap_row(Comparison("a vs b", moved({"sham": 1}), TRUE, items), FRAME)
    assert row is not None
    assert (row.low, "fewer than 5 animals in a group" in row.note) == (None, True)
    sham = tuple(item for item in ITEMS if PLACES[item.slide].group == "sham")
    assert group_gap_row(Comparison("a vs b", TRUE, TRUE, sham), FRAME) is None
