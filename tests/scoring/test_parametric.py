"""Tests of means against SciPy and statsmodels, and their rows: on request, marked, apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

from histoscore.config import StatisticsSettings
from histoscore.scoring.families import ALL_GROUPS, Family, answer, plan_of
from histoscore.scoring.means import welch_anova, welch_t
from histoscore.scoring.parametric import NOTICE, answer_parametric
from histoscore.scoring.ranktests import holm

VALUES = st.lists(st.integers(-50, 50), min_size=2, max_size=9, unique=True)
SAMPLES = {
    "sham": {"a": 0.0, "b": 0.5, "c": 0.5, "d": 1.0},
    "low": {"e": 1.0, "f": 2.0, "g": 2.0, "h": 3.0},
    "high": {"i": 2.0, "j": 4.0, "k": 5.0, "l": 6.0},
}
VALUES_OF = {group: list(sample.values()) for group, sample in SAMPLES.items()}
ASKED = StatisticsSettings(parametric=True)


@given(VALUES, VALUES)
def test_t_is_that_of_scipy(a: list[int], b: list[int]) -> None:
    known, found = stats.ttest_ind(b, a, equal_var=False), welch_t(a, b)
    assert found is not None
    assert (found.statistic, found.p) == pytest.approx((known.statistic, known.pvalue))


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_anova_is_that_of_statsmodels(samples: list[list[int]]) -> None:
    known = anova_oneway([np.array(x, float) for x in samples], use_var="unequal")
    found = welch_anova(samples)
    assert found is not None
    assert found.statistic == pytest.approx(known.statistic, abs=1e-9)
    assert found.p == pytest.approx(known.pvalue, abs=1e-9)


def test_without_scatter_there_is_no_test() -> None:
    assert welch_t([1, 1, 1], [2, 2, 2]) is None
    assert welch_t([1], [2, 3]) is None
    assert welch_anova([[1, 2], [3, 3], [4, 5]]) is None


def test_rows_are_there_on_request_only_marked_and_adjusted_apart() -> None:
    family, plan = Family("score", SAMPLES, "F"), plan_of(list(SAMPLES), ASKED)
    assert answer_parametric(family, plan, StatisticsSettings()) == ()
    omnibus, *pairs = answer_parametric(family, plan, ASKED)
    anova = welch_anova(list(VALUES_OF.values()))
    assert anova is not None
    assert (omnibus.group, omnibus.test, omnibus.p) == (ALL_GROUPS, "Welch ANOVA", anova.p)
    tests = [welch_t(VALUES_OF["sham"], VALUES_OF[group]) for group in ("low", "high")]
    assert [row.p for row in pairs] == [test.p for test in tests if test]
    assert [row.p_adjusted for row in pairs] == list(holm([t.p for t in tests if t]))
    assert all(row.note.startswith(NOTICE) for row in (omnibus, *pairs))
    assert {row.family for row in (omnibus, *pairs)} == {"F parametric"}
    assert pairs[0].note.endswith("means 0.5 v 2")
    assert (pairs[0].cliffs_delta, pairs[0].shift) == (None, None)


def test_rank_tests_do_not_change_and_small_groups_have_no_row() -> None:
    small = SAMPLES | {"low": {"e": 1.0, "f": 2.0}}
    family, plan = Family("score", small, "F"), plan_of(list(small), ASKED)
    assert answer(family, plan, ASKED) == answer(family, plan, StatisticsSettings())
    (row,) = answer_parametric(family, plan, ASKED)
    assert (row.group, row.test) == ("high", "Welch t")
