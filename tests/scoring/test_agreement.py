"""Agreement between graders, checked against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from histoscore.scoring.agreement import agreement, confusion, quadratic_weighted_kappa
from histoscore.vocabulary import OARSI_MOUSE

RUNGS = OARSI_MOUSE.rungs
PAIRS = st.lists(st.tuples(st.sampled_from(RUNGS), st.sampled_from(RUNGS)), min_size=1, max_size=40)


def indices(grades: list[float]) -> list[int]:
    return [RUNGS.index(grade) for grade in grades]


@given(PAIRS)
def test_kappa_and_confusion_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    labels = range(len(RUNGS))
    expected = confusion_matrix(indices(a), indices(b), labels=labels)
    assert np.array_equal(confusion(a, b, OARSI_MOUSE), expected)
    kappa = quadratic_weighted_kappa(a, b, OARSI_MOUSE)
    if len({*a, *b}) == 1:
        assert kappa is None
    else:
        known = cohen_kappa_score(indices(a), indices(b), labels=labels, weights="quadratic")
        assert kappa == pytest.approx(known, abs=1e-12)


@given(PAIRS)
def test_agreement_is_symmetric(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    forth, back = agreement(a, b, OARSI_MOUSE), agreement(b, a, OARSI_MOUSE)
    assert forth.kappa == (None if back.kappa is None else pytest.approx(back.kappa))
    assert (forth.exact, forth.within_one) == (back.exact, back.within_one)


def test_distances_are_rungs_for_kappa_and_grades_for_the_error() -> None:
    result = agreement([0, 0.5, 2, 6], [0.5, 0.5, 4, 6], OARSI_MOUSE)
    assert (result.n, result.exact, result.within_one) == (4, 0.5, 0.75)
    assert result.mean_absolute_error == pytest.approx((0.5 + 0 + 2 + 0) / 4)


def test_blanks_are_counted_never_taken_for_zero() -> None:
    result = agreement([0, None, 3], [0, 0, None], OARSI_MOUSE)
    assert (result.n, result.n_missing, result.exact) == (1, 2, 1.0)
    nothing = agreement([None], [2], OARSI_MOUSE)
    assert (nothing.n, nothing.kappa, nothing.exact) == (0, None, None)
    assert (nothing.within_one, nothing.mean_absolute_error) == (None, None)


def test_grades_off_the_ladder_and_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="not a grade"):
        agreement([1.5], [1], OARSI_MOUSE)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        agreement([1, 2], [1], OARSI_MOUSE)
