"""Compartments × animals: a cell a grade, a dash where there is none, groups side by side."""

from __future__ import annotations

from dataclasses import replace

from example_study import ANIMALS, GROUPS, example_study

from histoscore.export.heatmap import heatmap
from histoscore.export.study_figures import study_figures


def words(count: int = 1) -> list[str]:
    """All texts of the drawing, of a study with each animal `count` times."""
    study = example_study()
    animals = tuple(
        replace(score, animal=f"{score.animal}{'*' * n}")
        for n in range(count)
        for score in study.animals
    )
    figure = heatmap(replace(study, animals=animals), None)
    assert figure is not None
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_every_animal_group_and_compartment_is_named() -> None:
    seen = words()
    assert {*ANIMALS[:11], *GROUPS, "MFC", "LTP"} <= set(seen)


def test_a_cell_has_its_grade_and_a_missing_one_a_dash() -> None:
    seen = words()
    assert seen.count("–") == 4  # the animal without a grade, in each compartment
    assert seen.count("5") == 2  # one animal of grade 5, medial femur and tibia


def test_a_large_group_goes_on_in_the_next_panel() -> None:
    seen = words(count=11)
    assert "sham (1/2)" in seen
    assert "sham (2/2)" in seen
    assert {f"001{'*' * n}" for n in range(11)} <= set(seen)


def test_no_grades_no_figure() -> None:
    study = example_study()
    blank = tuple(replace(score, grade_max=None) for score in study.animals)
    assert heatmap(replace(study, animals=blank), None) is None


def test_a_study_has_dots_for_areas_and_thickness_and_a_map_at_each_timepoint() -> None:
    study = example_study()
    later = tuple(replace(score, timepoint="12 weeks") for score in study.animals)
    drawn = study_figures(replace(study, animals=(*study.animals, *later)))
    assert len(drawn) == 10
    assert len({figure.name for figure in drawn}) == 10
    assert [figure.is_primary for figure in drawn].count(True) == 2
    assert drawn[-1].title == "highest grade by compartment and animal, 12 weeks"
