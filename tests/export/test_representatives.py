"""The section that stands for its group: near the median, of the index knee, of its timepoint."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_study import ANIMALS, example_study

from histoscore.export.representatives import Representative, representatives
from histoscore.records import SlideOrigin, StudyTables
from histoscore.vocabulary import Compartment, Knee


def shown(tables: StudyTables) -> dict[str, Representative]:
    return {one.group: one for one in representatives(tables)}


def test_it_is_a_section_whose_value_is_nearest_the_groups_median() -> None:
    found = shown(example_study())
    vehicle = found["DMM + vehicle"]
    assert (vehicle.slide.animal, vehicle.value, vehicle.group_median, vehicle.n) == ("-5", 4, 4, 4)
    assert list(found) == ["sham", "DMM + vehicle", "DMM + exosome"]


def test_a_section_of_the_other_knee_stands_for_nobody() -> None:
    study = example_study()
    first = study.slides[4].slide
    origins = dict(study.origins) | {first: SlideOrigin("DMM + vehicle", knee=Knee.CONTRALATERAL)}
    assert shown(replace(study, origins=origins))["DMM + vehicle"].slide.animal == "m08"


def test_a_section_with_a_missing_grade_stands_for_nobody() -> None:
    study = example_study()
    lost = (study.slides[4].slide, Compartment.MFC)
    scores = tuple(
        replace(s, grade=None) if (s.slide, s.compartment) == lost else s for s in study.scores
    )
    assert shown(replace(study, scores=scores))["DMM + vehicle"].slide.animal == "m08"


def test_a_section_stands_for_its_group_by_the_grades_that_count() -> None:
    study = example_study()
    first = study.slides[4].slide
    scores = tuple(replace(s, grade=6.0) if s.slide == first else s for s in study.scores)
    assert shown(replace(study, scores=scores))["DMM + vehicle"].slide.animal == "m08"


def test_of_equals_the_one_with_the_most_usual_area_is_taken() -> None:
    study = example_study()
    odd = study.slides[4]
    parts = tuple(
        part.model_copy(update={"hyaline_area_um2": 90_000.0})
        for part in odd.sections[0].compartments
    )
    section = odd.sections[0].model_copy(update={"compartments": parts})
    slides = tuple(
        s.model_copy(update={"sections": (section,)}) if s.slide == odd.slide else s
        for s in study.slides
    )
    assert shown(replace(study, slides=slides))["DMM + vehicle"].slide.animal == "m08"


def test_a_group_without_a_grade_has_none() -> None:
    study = example_study()
    lost = tuple(
        replace(s, grade_max=None) if s.group == "DMM + exosome" else s for s in study.animals
    )
    assert list(shown(replace(study, animals=lost))) == ["sham", "DMM + vehicle"]


@pytest.mark.parametrize("outcome", ["grade_sum", "grade_mean", "hyaline_area_um2"])
def test_every_outcome_has_its_own_value_of_a_section(outcome: str) -> None:
    study = replace(example_study(), primary_outcome=outcome)
    one = shown(study)["sham"]
    score = next(s for s in study.animals if s.animal == one.slide.animal and s.region == "medial")
    assert one.slide.animal in ANIMALS[:4]
    if outcome == "grade_mean":  # the made-up animals' means are not those of their sections
        assert one.value == pytest.approx(score.grade_max)
    else:
        assert one.value == pytest.approx(getattr(score, outcome))
