"""Animals' values by group: index knees only, one value an animal, in the study's order."""

from __future__ import annotations

from dataclasses import replace

from example_study import ANIMALS, GROUPS, example_study

from histoscore.export.values import group_names, is_of_all_groups, timepoints, values_by_group
from histoscore.records import StudyTables
from histoscore.vocabulary import Knee, Region, Side


def medial(tables: StudyTables, outcome: str = "grade_max") -> dict[str, tuple]:
    groups = values_by_group(tables, outcome, Region.MEDIAL, None)
    return {g.group: tuple(zip(g.animals, g.values, strict=True)) for g in groups}


def test_groups_stand_in_the_given_order_and_missing_values_stay_missing() -> None:
    found = medial(example_study())
    assert tuple(found) == GROUPS
    assert found["DMM + exosome"] == (("m09", 2), ("m10", 3), ("m11", None))


def test_without_an_order_groups_stand_as_they_appear() -> None:
    tables = replace(example_study(), group_order=(), animals=example_study().animals[::-1])
    assert tuple(group_names(tables)) == GROUPS[::-1]


def test_two_index_knees_are_averaged_and_the_other_knee_stays_out() -> None:
    study = example_study()
    second = tuple(
        replace(s, side=Side.RIGHT, grade_max=3.0) for s in study.animals if s.animal == "001"
    )
    healthy = tuple(replace(s, knee=Knee.CONTRALATERAL, grade_max=6.0) for s in study.animals)
    found = medial(replace(study, animals=study.animals + second + healthy))
    assert found["sham"][0] == ("001", 1.5)
    assert len(found["sham"]) == 4


def test_a_blinded_study_shows_its_animals_without_groups() -> None:
    study = example_study()
    tables = replace(study, animals=tuple(replace(s, group=None) for s in study.animals))
    found = medial(tables)
    assert tuple(found) == ("blinded",)
    assert [animal for animal, _ in found["blinded"]] == list(ANIMALS[:11])


def test_timepoints_are_kept_apart() -> None:
    study = example_study()
    later = tuple(replace(s, timepoint="12w") for s in study.animals)
    tables = replace(study, animals=study.animals + later)
    assert timepoints(tables) == (None, "12w")
    assert len(medial(tables)["sham"]) == 4


def test_a_group_named_none_is_a_group() -> None:
    study = example_study()
    tables = replace(
        study,
        animals=tuple(replace(s, group="None") if s.group == "sham" else s for s in study.animals),
    )
    assert "None" in medial(tables)


def test_a_group_called_blinded_is_not_the_group_that_nobody_knows() -> None:
    study = example_study()
    called = {"sham": "blinded", "DMM + exosome": None}
    tables = replace(
        study,
        animals=tuple(replace(s, group=called.get(s.group or "", s.group)) for s in study.animals),
    )
    found = medial(tables)
    assert list(found) == ["DMM + vehicle", "blinded", "(blinded)"]
    assert [animal for animal, _ in found["blinded"]] == list(ANIMALS[:4])
    assert [animal for animal, _ in found["(blinded)"]] == ["m09", "m10", "m11"]


def test_all_groups_at_once_is_told_apart_from_a_group_called_all() -> None:
    pair = replace(example_study().groups[0], group="all")
    assert not is_of_all_groups(pair)
    assert is_of_all_groups(replace(pair, reference=None))
    assert not is_of_all_groups(replace(pair, reference=None, test=""))
