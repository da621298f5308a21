"""Several scorers at once: the textbook's ICCs, biases that cancel, what is worth discussing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.scoring.agreement import intraclass_correlation
from histoscore.scoring.clusters import Bootstrap
from histoscore.scoring.comparison import Frame, Grades, Item, Place
from histoscore.scoring.raters import (
    ALL_SCORERS,
    discussions,
    icc_of_sums,
    joint_rows,
    rating_sums,
    rungs_apart,
    scorer_biases,
)
from histoscore.vocabulary import OARSI_MOUSE, Compartment

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Table 2 of Shrout & Fleiss 1979: six targets, four judges; ICC(2,1) = 0.29, ICC(3,1) = 0.71."""

RATINGS = st.lists(
    st.lists(st.sampled_from(OARSI_MOUSE.rungs), min_size=3, max_size=3), min_size=2, max_size=12
)


def icc(ratings: np.ndarray, consistency: bool) -> float:
    return float(icc_of_sums(rating_sums(ratings).sum(0), consistency))


def frame(animals: int = 8) -> Frame:
    places = {f"{n}.svs": Place(f"m{n}") for n in range(animals)}
    return Frame(places, OARSI_MOUSE, Bootstrap(1, 200))


def graded(grades: list[float | None]) -> Grades:
    return {
        Item(f"{n}.svs", 1, Compartment.MTP): grade
        for n, grade in enumerate(grades)
        if grade is not None
    }


def test_both_coefficients_are_those_of_the_textbook() -> None:
    assert icc(SHROUT_FLEISS, consistency=False) == pytest.approx(0.29, abs=0.005)
    assert icc(SHROUT_FLEISS, consistency=True) == pytest.approx(0.71, abs=0.005)


@given(RATINGS)
def test_absolute_agreement_is_that_of_the_mean_squares(ratings: list[list[float]]) -> None:
    known = intraclass_correlation(np.array(ratings))
    if known is None or np.ptp(ratings) == 0:
        return
    assert icc(np.array(ratings), consistency=False) == pytest.approx(known, abs=1e-9)


def test_a_constant_shift_is_disagreement_but_not_inconsistency() -> None:
    ratings = np.array([[n, n + 1, n + 1] for n in range(5)], float)
    assert icc(ratings, consistency=True) == pytest.approx(1)
    assert icc(ratings, consistency=False) < 0.95


def test_equal_grades_have_no_coefficient() -> None:
    assert np.isnan(icc(np.full((4, 3), 2.0), consistency=False))
    assert np.isnan(icc(np.full((4, 3), 2.0), consistency=True))


def test_a_grade_that_one_scorer_lacks_leaves_the_joint_coefficient() -> None:
    by_scorer = {
        "A": graded([0, 1, 2, 3, 4, 5, 6, None]),
        "B": graded([0, 1, 2, 3, 4, 5, 5, 0]),
        "C": graded([0.5, 1, 3, 3, 4, 6, 6, 0]),
    }
    rows = list(joint_rows(by_scorer, list(by_scorer["B"]), frame()))
    assert [(row.stratum, row.statistic) for row in rows] == [
        ("all", "icc"),
        ("all", "icc_3_1"),
        ("MTP", "icc"),
        ("MTP", "icc_3_1"),
    ]
    ratings = np.array([[grades[i] for grades in by_scorer.values()] for i in by_scorer["A"]])
    assert rows[0].value == pytest.approx(intraclass_correlation(ratings))
    assert {(row.comparison, row.n, row.n_missing) for row in rows} == {(ALL_SCORERS, 7, 1)}
    assert rows[0].low is not None
    assert rows[0].low <= rows[0].value <= (rows[0].high or 0)


def test_biases_are_against_the_mean_of_the_others_and_cancel() -> None:
    by_scorer = {
        "A": graded([1, 2, 3, 4, 5, 6, 2, 3]),
        "B": graded([0, 1, 2, 3, 4, 5, 1, 2]),
        "C": graded([0, 2, 2, 4, 4, 6, 1, 3]),
    }
    overall = {name: next(scorer_biases(name, by_scorer, frame())) for name in by_scorer}
    assert overall["A"].bias.value == pytest.approx(1 - 0.25)
    assert sum(one.bias.value or 0 for one in overall.values()) == pytest.approx(0)
    assert (overall["A"].rung, overall["A"].n, overall["A"].n_animals) == (None, 8, 8)


def test_biases_are_told_by_the_rung_of_the_others() -> None:
    by_scorer = {"A": graded([0, 0.5, 6, 6]), "B": graded([0, 0, 4, 4]), "C": graded([0, 1, 4, 5])}
    by_rung = {one.rung: one for one in scorer_biases("A", by_scorer, frame(4))}
    assert list(by_rung) == [None, *OARSI_MOUSE.rungs]
    assert (by_rung[0].n, by_rung[0].mean_grade, by_rung[0].exact) == (2, 0.25, 0.5)
    assert by_rung[4].bias.value == pytest.approx((2 + 1.5) / 2)
    assert (by_rung[2].n, by_rung[2].bias.value) == (0, None)


def test_what_lies_two_rungs_apart_is_to_be_discussed_the_furthest_first() -> None:
    by_scorer = {"A": graded([0, 0, 1, None]), "B": graded([0.5, 1, 5, 4])}
    found = discussions(by_scorer, list(by_scorer["B"]), frame(4))
    assert [(one.item.slide, one.animal, one.apart) for one in found] == [
        ("2.svs", "m2", 4),
        ("1.svs", "m1", 2),
    ]
    assert found[0].grades == {"A": 1, "B": 5}
    assert rungs_apart([], OARSI_MOUSE) == 0
