"""Animal scores by the rules of the contract, on knees small enough to reckon by hand."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.records import AnimalScore, CompartmentScore
from histoscore.scoring.animals import MEASURES, average_knees, score_animals
from histoscore.study import StudyRow
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Knee, Region, Side

MFC, MTP, LFC, LTP = Compartment
Section = dict[Compartment, tuple[float | None, float | None]]


def knee(
    *sections: Section,
    animal: str = "M1",
    group: str | None = "DMM",
    side: Side | None = Side.LEFT,
    kind: Knee = Knee.INDEX,
    timepoint: str | None = None,
) -> list[CompartmentScore]:
    """Compartments of a knee from (grade, hyaline area) by compartment, one dict a section."""
    return [
        CompartmentScore(
            slide=f"{animal}{side}.svs",
            animal=animal,
            group=group,
            side=side,
            knee=kind,
            timepoint=timepoint,
            section=number,
            compartment=compartment,
            grade=grade,
            hyaline_area_um2=area,
            calcified_area_um2=area and area / 2,
            mean_thickness_um=area and area / 500,
            lesion_extent=None if grade is None else grade / 10,
        )
        for number, section in enumerate(sections, start=1)
        for compartment, (grade, area) in section.items()
    ]


FIRST: Section = {MFC: (2, 20_000), MTP: (4, 15_000), LFC: (0, 22_000), LTP: (0.5, 24_000)}
SECOND: Section = {MFC: (3, 18_000), MTP: (1, 17_000), LFC: (0, 21_000), LTP: (0, 25_000)}


def region_of(scores: tuple[AnimalScore, ...], region: Region) -> AnimalScore:
    (score,) = [score for score in scores if score.region is region]
    return score


def test_one_row_a_region_in_order() -> None:
    scores = score_animals(knee(FIRST, SECOND))
    assert [score.region for score in scores] == list(Region)
    assert {(s.animal, s.group, s.side, s.n_sections, s.n_missing, s.flags) for s in scores} == {
        ("M1", "DMM", Side.LEFT, 2, 0, ())
    }


def test_grades_of_a_union() -> None:
    medial = region_of(score_animals(knee(FIRST, SECOND)), Region.MEDIAL)
    assert medial.grade_max == 4
    assert medial.grade_sum == 4 + 3
    assert medial.grade_mean == (2 + 4 + 3 + 1) / 4
    assert medial.grade_median == 2.5


def test_grades_of_a_compartment() -> None:
    tibia = region_of(score_animals(knee(FIRST, SECOND)), Region.MTP)
    assert (tibia.grade_max, tibia.grade_sum, tibia.grade_mean) == (4, 5, 2.5)


def test_areas_are_means_over_sections_of_sums_over_members() -> None:
    scores = score_animals(knee(FIRST, SECOND))
    assert region_of(scores, Region.MEDIAL).hyaline_area_um2 == 35_000
    assert region_of(scores, Region.JOINT).hyaline_area_um2 == (81_000 + 81_000) / 2
    assert region_of(scores, Region.LATERAL).calcified_area_um2 == (46_000 + 46_000) / 4
    assert region_of(scores, Region.MFC).mean_thickness_um == (40 + 36) / 2
    assert region_of(scores, Region.MEDIAL).lesion_extent == pytest.approx(0.25)


def test_missing_grade_is_counted_and_not_zero() -> None:
    torn = SECOND | {MTP: (None, 17_000)}
    scores = score_animals(knee(FIRST, torn))
    tibia, medial = region_of(scores, Region.MTP), region_of(scores, Region.MEDIAL)
    assert (tibia.grade_mean, tibia.grade_sum, tibia.n_missing) == (4, 4, 1)
    assert (medial.grade_mean, medial.grade_sum, medial.n_missing) == (3, 7, 1)
    assert medial.flags == ("sections_missing",)
    assert region_of(scores, Region.LATERAL).flags == ()


def test_sections_with_a_grade_are_counted_by_region() -> None:
    torn = SECOND | {MTP: (None, 17_000)}
    scores = score_animals(knee(FIRST, torn) + knee(FIRST, side=Side.RIGHT))
    left = scores[: len(Region)]
    assert (region_of(left, Region.MTP).n_graded, region_of(left, Region.MEDIAL).n_graded) == (1, 2)
    assert region_of(average_knees(scores), Region.MTP).graded_sections == (1, 1)


def test_compartment_that_was_never_found_is_missing_too() -> None:
    without_tibia = {name: values for name, values in SECOND.items() if name is not MTP}
    joint = region_of(score_animals(knee(FIRST, without_tibia)), Region.JOINT)
    assert (joint.n_sections, joint.n_missing) == (2, 1)
    assert joint.flags == ("sections_missing", "areas_missing")


def test_section_with_a_missing_area_leaves_the_mean_instead_of_shrinking_it() -> None:
    scores = score_animals(knee(FIRST, SECOND | {MTP: (1, None)}))
    medial = region_of(scores, Region.MEDIAL)
    assert medial.hyaline_area_um2 == 35_000
    assert medial.flags == ("areas_missing",)
    assert region_of(scores, Region.MFC).hyaline_area_um2 == 19_000


def test_nothing_graded_is_none_everywhere() -> None:
    blank: Section = dict.fromkeys(Compartment, (None, None))
    joint = region_of(score_animals(knee(blank)), Region.JOINT)
    assert [getattr(joint, name) for name in MEASURES] == [None] * len(MEASURES)
    assert (joint.n_sections, joint.n_missing) == (1, 4)


def test_knees_and_timepoints_are_kept_apart() -> None:
    scores = score_animals(
        knee(FIRST)
        + knee(SECOND, side=Side.RIGHT, kind=Knee.CONTRALATERAL)
        + knee(SECOND, timepoint="8 wk")
    )
    joints = [score for score in scores if score.region is Region.JOINT]
    assert [(s.side, s.knee, s.timepoint, s.grade_max) for s in joints] == [
        (Side.LEFT, Knee.INDEX, None, 4),
        (Side.RIGHT, Knee.CONTRALATERAL, None, 3),
        (Side.LEFT, Knee.INDEX, "8 wk", 3),
    ]


def test_knee_whose_slides_all_failed_keeps_its_rows() -> None:
    failed = StudyRow(row=3, slide="x.svs", path=Path("x.svs"), animal="M2", group="sham")
    excluded = failed.model_copy(update={"animal": "M3", "exclude": True})
    scores = score_animals(knee(FIRST), expected=[failed, excluded])
    assert [s.animal for s in scores if s.region is Region.JOINT] == ["M1", "M2"]
    lost = region_of(scores[len(Region) :], Region.JOINT)
    assert (lost.group, lost.n_sections, lost.grade_max) == ("sham", 0, None)
    assert lost.flags == ("no_section_scored",)


def test_compartment_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="section 1 has MFC twice"):
        score_animals(knee(FIRST) + knee({MFC: (1, 1)}))


def test_two_index_knees_become_one_animal() -> None:
    scores = score_animals(knee(FIRST) + knee(SECOND, side=Side.RIGHT))
    joint = region_of(average_knees(scores), Region.JOINT)
    assert (joint.grade_max, joint.hyaline_area_um2) == (3.5, 81_000)
    assert (joint.side, joint.n_sections, joint.flags) == (None, 2, ("knees_averaged",))


def test_knee_without_a_number_does_not_pull_the_average_down() -> None:
    blank: Section = dict.fromkeys(Compartment, (None, None))
    scores = score_animals(knee(FIRST) + knee(blank, side=Side.RIGHT))
    joint = region_of(average_knees(scores), Region.JOINT)
    assert (joint.grade_max, joint.n_missing) == (4, 4)
    assert "sections_missing" in joint.flags


def test_contralateral_knees_are_not_averaged_in() -> None:
    scores = score_animals(knee(FIRST) + knee(SECOND, side=Side.RIGHT, kind=Knee.CONTRALATERAL))
    joint = region_of(average_knees(scores), Region.JOINT)
    assert (joint.grade_max, joint.flags) == (4, ())


def test_order_of_sections_changes_no_digit() -> None:
    sections: list[Section] = [
        {MFC: (grade, grade * 1e4 / 3 + 0.1)} for grade in (0.5, 1.0, 6.0, 3.0)
    ]
    found = {
        tuple(
            getattr(region_of(score_animals(knee(*order)), Region.MFC), name) for name in MEASURES
        )
        for order in permutations(sections)
    }
    assert len(found) == 1


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                c: st.tuples(st.sampled_from([None, *OARSI_MOUSE.rungs]), st.just(1e4))
                for c in Compartment
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_scores_of_a_union_follow_from_its_members(sections: list[Section]) -> None:
    by_region = {score.region: score for score in score_animals(knee(*sections))}
    for union in (Region.MEDIAL, Region.LATERAL, Region.JOINT):
        members = [by_region[Region(member.value)] for member in union.members]
        highest = [score.grade_max for score in members if score.grade_max is not None]
        whole = by_region[union]
        assert whole.grade_max == max(highest, default=None)
        assert whole.n_missing == sum(score.n_missing for score in members)
        if whole.grade_sum is not None and whole.grade_max is not None:
            assert whole.grade_max <= whole.grade_sum
            assert whole.grade_sum <= sum(score.grade_sum or 0 for score in members)
