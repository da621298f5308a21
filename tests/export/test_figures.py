"""The dot figure: a dot an animal, p in words, the same bytes again."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from example_study import example_study
from hypothesis import given
from hypothesis import strategies as st

from histoscore.export.figures import dot_figure, spread
from histoscore.export.values import GroupValues, p_words, values_by_group
from histoscore.vocabulary import OARSI_MOUSE, Region


def figure(outcome: str = "grade_max") -> str:
    study = example_study()
    groups = values_by_group(study, outcome, Region.MEDIAL, None)
    return dot_figure(groups, study.groups, outcome, Region.MEDIAL, OARSI_MOUSE)


def test_it_is_one_svg_element_without_a_date() -> None:
    svg = figure()
    assert Xml.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "dc:date" not in svg


def test_equal_values_give_equal_bytes() -> None:
    assert figure() == figure()


def test_every_animal_with_a_value_is_a_dot() -> None:
    groups = re.findall(r'<g id="[^"]*PathCollection[^"]*">(.*?)</g>\s*</g>', figure(), re.S)
    assert [len(re.findall(r"<use ", group)) for group in groups] == [4, 4, 2]


def test_groups_n_and_p_stand_in_it() -> None:
    text = re.sub(r"<[^>]+>", " ", figure())
    for words in ("sham", "n = 4", "n = 2", "p = 0.0571", "p = 0.10"):
        assert words in text


def test_ids_of_two_figures_on_one_page_differ() -> None:
    ids = [set(re.findall(r'\bid="([^"]+)"', figure(o))) for o in ("grade_max", "grade_sum")]
    assert not ids[0] & ids[1]


def test_ids_of_one_outcome_at_two_timepoints_differ() -> None:
    study = example_study()
    groups = values_by_group(study, "grade_max", Region.MEDIAL, None)
    drawn = (
        dot_figure(groups, (), "grade_max", Region.MEDIAL, OARSI_MOUSE, timepoint)
        for timepoint in (None, "4 weeks", "4-weeks", "12 weeks")
    )
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in drawn]
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_references_inside_the_figure_lead_somewhere() -> None:
    svg = figure()
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)) <= set(
        re.findall(r'\bid="([^"]+)"', svg)
    )


def test_a_group_name_is_text_not_mathematics() -> None:
    groups = (GroupValues("$x^", ("a",), (1.0,)), GroupValues("<b>&", ("b",), (None,)))
    svg = dot_figure(groups, (), "grade_max", Region.JOINT, OARSI_MOUSE)
    assert Xml.fromstring(svg) is not None
    assert "<b>" not in svg


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.00004, "p < 0.0001"), (0.02857142, "p = 0.0286"), (0.5, "p = 0.50"), (1.0, "p = 1.00")],
)
def test_p_is_exact(p: float, words: str) -> None:
    assert p_words(p) == words


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=15))
def test_equal_values_are_parted_about_the_middle(values: list[float]) -> None:
    offsets = np.array(spread(values, near=0.1))
    for value in set(values):
        mine = offsets[np.array(values) == value]
        assert len(set(mine.round(6))) == len(mine)
        assert mine.sum() == pytest.approx(0)
        assert np.abs(mine).max() < 0.5


def test_many_near_values_show_no_slope_and_do_not_hide_each_other() -> None:
    values = np.random.default_rng(3).normal(0, 1, 65)
    near = 0.2
    offsets = np.array(spread(values.tolist(), near))
    assert abs(np.corrcoef(values, offsets)[0, 1]) < 0.3
    assert np.abs(offsets).max() < 0.5
    gap = np.diff(np.unique(offsets.round(9))).min()
    for i in range(len(values)):
        for j in range(i):
            if abs(values[i] - values[j]) < near:
                assert abs(offsets[i] - offsets[j]) > gap / 2
