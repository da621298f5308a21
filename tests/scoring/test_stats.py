"""Group comparisons: which rows appear, what they are tested with, and what n is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histoscore.config import PrimaryOutcome, StatisticsSettings
from histoscore.errors import ConfigError
from histoscore.records import AnimalScore, CompartmentScore, GroupComparison
from histoscore.scoring import power
from histoscore.scoring.animals import MEASURES, score_animals
from histoscore.scoring.effects import cliffs_delta, hodges_lehmann
from histoscore.scoring.pairs import OTHER_KNEE
from histoscore.scoring.ranktests import dunn, holm, kruskal_wallis, mann_whitney
from histoscore.scoring.signedranks import signed_rank
from histoscore.scoring.stats import ALL_GROUPS, compare, primary_power
from histoscore.study import StudyRow, read_study
from histoscore.vocabulary import Compartment, Knee, Region, Side

SHAM = [0.0, 0.0, 0.5, 0.5, 1.0]
VEHICLE = [3.0, 4.0, 4.0, 5.0, 6.0]
EXOSOME = [1.0, 2.0, 2.0, 3.0, 4.0]


def animal(
    name: str,
    group: str | None,
    value: float | None,
    *,
    side: Side = Side.LEFT,
    knee: Knee = Knee.INDEX,
    timepoint: str | None = None,
    sections: int = 3,
    withheld: int = 0,
) -> AnimalScore:
    return AnimalScore(
        animal=name,
        group=group,
        side=side,
        knee=knee,
        timepoint=timepoint,
        region=Region.MEDIAL,
        n_sections=sections,
        n_missing=2 * withheld,
        **dict.fromkeys(MEASURES, value),
        graded_sections=(sections - withheld,),
    )


def study(
    groups: Mapping[str, Sequence[float | None]], timepoint: str | None = None
) -> list[AnimalScore]:
    return [
        animal(f"{group}{number}", group, value, timepoint=timepoint)
        for group, values in groups.items()
        for number, value in enumerate(values)
    ]


def compartment_of(row: StudyRow, grade: float) -> CompartmentScore:
    return CompartmentScore(
        slide=row.slide,
        animal=row.animal,
        group=row.group,
        side=row.side,
        knee=row.knee,
        timepoint=row.timepoint,
        section=1,
        compartment=Compartment.MTP,
        grade=grade,
        hyaline_area_um2=None,
        calcified_area_um2=None,
        mean_thickness_um=None,
        lesion_extent=None,
    )


def medial_max(
    scores: Sequence[AnimalScore], order: Sequence[str], **settings: object
) -> list[GroupComparison]:
    rows = compare(scores, StatisticsSettings(**settings), order)
    return [r for r in rows if r.outcome == "grade_max" and r.region is Region.MEDIAL]


def test_three_groups_get_kruskal_wallis_then_dunn_against_the_first() -> None:
    samples = {"sham": SHAM, "vehicle": VEHICLE, "exosome": EXOSOME}
    omnibus, vehicle, exosome = medial_max(study(samples), list(samples))
    assert (omnibus.test, omnibus.group, omnibus.n_group) == ("Kruskal–Wallis", ALL_GROUPS, 15)
    assert (omnibus.reference, omnibus.p_adjusted) == (None, None)
    assert omnibus.p == kruskal_wallis(list(samples.values())).p
    pairs = [("sham", "vehicle"), ("sham", "exosome")]
    tests = dunn(samples, pairs)
    adjusted = holm([test.p for test in tests])
    for row, pair, test, p in zip((vehicle, exosome), pairs, tests, adjusted, strict=True):
        assert (row.reference, row.group, row.test) == (*pair, "Dunn")
        assert (row.statistic, row.p, row.p_adjusted) == (test.statistic, test.p, p)
        assert (row.n_reference, row.n_group) == (5, 5)
    assert (vehicle.median_reference, vehicle.median_group, vehicle.shift) == (0.5, 4, 4)
    assert (vehicle.statistic or 0) > 0


def test_two_groups_get_the_exact_test() -> None:
    (row,) = medial_max(study({"sham": SHAM, "vehicle": EXOSOME}), ["sham", "vehicle"])
    known = mann_whitney(SHAM, EXOSOME)
    assert (row.test, row.statistic, row.p) == ("Mann–Whitney", known.statistic, known.p)
    assert (row.p_adjusted, row.note) == (known.p, "exact")
    delta, shift = cliffs_delta(SHAM, EXOSOME), hodges_lehmann(SHAM, EXOSOME)
    assert (row.cliffs_delta, row.cliffs_delta_low) == (delta.estimate, delta.low)
    assert (row.shift, row.shift_high) == (shift.estimate, shift.high)


def test_planned_contrasts_replace_dunn_by_exact_tests() -> None:
    samples = {"sham": SHAM, "vehicle": VEHICLE, "exosome": EXOSOME}
    contrasts = (("sham", "vehicle"), ("vehicle", "exosome"))
    omnibus, *rows = medial_max(study(samples), list(samples), contrasts=contrasts)
    assert omnibus.test == "Kruskal–Wallis"
    assert [(row.reference, row.group, row.test) for row in rows] == [
        ("sham", "vehicle", "Mann–Whitney"),
        ("vehicle", "exosome", "Mann–Whitney"),
    ]
    raw = [mann_whitney(samples[a], samples[b]).p for a, b in contrasts]
    assert [row.p_adjusted for row in rows] == list(holm(raw))


def test_reference_may_be_named() -> None:
    samples = {"sham": SHAM, "vehicle": VEHICLE, "exosome": EXOSOME}
    rows = medial_max(study(samples), list(samples), reference="vehicle")
    assert [(r.reference, r.group) for r in rows[1:]] == [
        ("vehicle", "sham"),
        ("vehicle", "exosome"),
    ]


def test_group_too_small_is_described_and_not_tested() -> None:
    (row,) = medial_max(study({"sham": SHAM[:3], "vehicle": VEHICLE[:3]}), ["sham", "vehicle"])
    assert (row.n_reference, row.n_group, row.median_group) == (3, 3, 4)
    assert (row.test, row.p, row.p_adjusted, row.family) == ("", None, None, "")
    assert (row.cliffs_delta, row.shift) == (None, None)
    assert "3 v 3 cannot go below p = 0.10" in row.note
    assert "fewer than 4 animals" in row.note


def test_small_group_leaves_the_others_their_test() -> None:
    samples = {"sham": SHAM, "vehicle": VEHICLE, "exosome": EXOSOME[:2]}
    vehicle, exosome = medial_max(study(samples), list(samples))
    assert (vehicle.test, vehicle.p_adjusted) == ("Mann–Whitney", vehicle.p)
    assert (exosome.test, exosome.n_group) == ("", 2)


def test_animals_without_a_value_are_left_out_of_n() -> None:
    (row,) = medial_max(study({"sham": [*SHAM, None], "vehicle": VEHICLE}), ["sham", "vehicle"])
    assert (row.n_reference, row.n_group) == (5, 5)


def test_group_without_any_value_keeps_its_row() -> None:
    (row,) = medial_max(study({"sham": SHAM, "vehicle": [None] * 4}), ["sham", "vehicle"])
    assert (row.n_group, row.median_group, row.p) == (0, None, None)
    assert "description only" in row.note


@pytest.mark.parametrize("names", [("None", "NA"), ("nan", "001"), ("", " ")])
def test_groups_named_like_missing_values_survive(names: tuple[str, str]) -> None:
    (row,) = medial_max(study(dict(zip(names, (SHAM, VEHICLE), strict=True))), names)
    assert (row.reference, row.group, row.n_reference, row.n_group) == (*names, 5, 5)
    assert row.p is not None


def test_animals_of_such_groups_survive_from_the_sheet_to_the_statistics(tmp_path: Path) -> None:
    values = {"None": SHAM, "NA": VEHICLE}
    lines = ["slide,animal,group"]
    for group, grades in values.items():
        lines += [f"{group}{n}.svs,00{n}{group[-1]},{group}" for n in range(len(grades))]
    (tmp_path / "study.csv").write_text("\n".join(lines) + "\n")
    sheet = read_study(tmp_path / "study.csv", allow_missing=True)
    grades = [grade for group in sheet.groups for grade in values[group]]
    scores = score_animals(
        [compartment_of(row, grade) for row, grade in zip(sheet.rows, grades, strict=True)]
    )
    row = medial_max(scores, sheet.groups)[0]
    assert (row.reference, row.group, row.n_reference, row.n_group) == ("None", "NA", 5, 5)
    assert row.p == mann_whitney(SHAM, VEHICLE).p


def test_two_index_knees_are_one_animal() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    scores += [animal(f"sham{n}", "sham", v, side=Side.RIGHT) for n, v in enumerate(SHAM)]
    (row,) = medial_max(scores, ["sham", "vehicle"])
    assert (row.n_reference, row.p) == (5, mann_whitney(SHAM, VEHICLE).p)
    assert "two knees averaged in 5 animals" in row.note


def test_contralateral_knees_do_not_enter() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    other = [
        animal(f"vehicle{n}", "untouched", 0.0, side=Side.RIGHT, knee=Knee.CONTRALATERAL)
        for n in range(5)
    ]
    row, *paired = medial_max(scores + other, ["sham", "vehicle", "untouched"])
    assert (row.group, row.n_group, row.median_group) == ("vehicle", 5, 4)
    assert [(pair.reference, pair.group) for pair in paired] == [(OTHER_KNEE, "vehicle")]


def test_contralateral_knees_are_paired_in_a_family_of_their_own() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    scores += [
        animal(f"{group}{n}", group, 0.5, side=Side.RIGHT, knee=Knee.CONTRALATERAL)
        for group in ("sham", "vehicle")
        for n in range(5)
    ]
    between, *paired = medial_max(scores, ["sham", "vehicle"])
    assert between.p == mann_whitney(SHAM, VEHICLE).p
    tests = [signed_rank([value - 0.5 for value in sample]) for sample in (SHAM, VEHICLE)]
    assert [row.p for row in paired] == [test.p for test in tests]
    assert [row.p_adjusted for row in paired] == list(holm([test.p for test in tests]))
    assert {row.family for row in paired} == {"grade_max medial paired"}
    assert (between.primary, *(row.primary for row in paired)) == (True, False, False)
    assert [row.n_group for row in paired] == [5, 5]


def test_an_animal_with_one_knee_is_in_no_pair_and_unequal_sections_are_noted() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    scores += [
        animal(f"sham{n}", "sham", value, side=Side.RIGHT, knee=Knee.CONTRALATERAL, withheld=n)
        for n, value in enumerate([0.0, 0.0, None, 0.5])
    ]
    _, *paired = medial_max(scores, ["sham", "vehicle"])
    assert [(row.group, row.n_group, row.test) for row in paired] == [("sham", 3, "")]
    assert paired[0].note == (
        "description only: fewer than 4 animals with both knees; "
        "animals have 2 to 3 graded sections a knee, and grade_max grows with them; "
        "grades are missing in 2 of 6 knees"
    )


def test_comparisons_stay_within_a_timepoint() -> None:
    early = study({"sham": SHAM, "vehicle": EXOSOME}, "4 wk")
    late = study({"sham": SHAM, "vehicle": VEHICLE}, "12 wk")
    rows = medial_max(early + late, ["sham", "vehicle"])
    assert [(r.timepoint, r.n_group, r.median_group) for r in rows] == [
        ("4 wk", 5, 2),
        ("12 wk", 5, 4),
    ]
    assert rows[0].family == "grade_max medial 4 wk"


def test_every_outcome_and_region_has_its_family_and_one_is_primary() -> None:
    primary = PrimaryOutcome(outcome="hyaline_area_um2", region="medial")
    rows = compare(
        study({"sham": SHAM, "vehicle": VEHICLE}),
        StatisticsSettings(primary=primary),
        ["sham", "vehicle"],
    )
    assert [(r.outcome, r.region) for r in rows] == [(o, r) for o in MEASURES for r in Region]
    assert [(r.outcome, r.region) for r in rows if r.primary] == [
        ("hyaline_area_um2", Region.MEDIAL)
    ]
    assert all(row.n_group == 0 for row in rows if row.region is Region.LATERAL)


def test_unequal_numbers_of_sections_are_noted_where_scores_grow_with_them() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    scores[0] = animal("sham0", "sham", 0.0, sections=1)
    rows = compare(scores, StatisticsSettings(), ["sham", "vehicle"])
    noted = {r.outcome for r in rows if "animals have 1 to 3 graded sections a knee" in r.note}
    assert noted == {"grade_max", "grade_sum"}


def test_withheld_grades_are_noted_where_scores_grow_with_graded_sections() -> None:
    """All grades are 2, and two of three sections of one group are withheld: the sums are apart."""
    scores = [animal(f"a{n}", "sham", 6.0) for n in range(5)]
    scores += [animal(f"b{n}", "DMM", 2.0, withheld=2) for n in range(5)]
    rows = compare(scores, StatisticsSettings(), ["sham", "DMM"])
    notes = {row.outcome: row.note for row in rows if row.region is Region.MEDIAL}
    assert notes["grade_sum"] == (
        "exact; animals have 1 to 3 graded sections a knee, and grade_sum grows with them; "
        "grades are missing in 5 of 10 animals"
    )
    assert "graded sections" in notes["grade_max"]
    assert notes["grade_mean"] == "exact"


def test_two_averaged_knees_are_not_twice_as_many_sections() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    scores += [animal(f"sham{n}", "sham", v, side=Side.RIGHT) for n, v in enumerate(SHAM)]
    rows = compare(scores, StatisticsSettings(), ["sham", "vehicle"])
    assert not any("graded sections" in row.note for row in rows)
    scores.append(animal("vehicle0", "vehicle", 3.0, side=Side.RIGHT, sections=1))
    rows = compare(scores, StatisticsSettings(), ["sham", "vehicle"])
    assert any("animals have 1 to 3 graded sections a knee" in row.note for row in rows)


def test_values_all_equal_give_p_one_and_say_so() -> None:
    samples = {"a": [2.0] * 4, "b": [2.0] * 4, "c": [2.0] * 4}
    rows = medial_max(study(samples), list(samples))
    assert [row.p for row in rows] == [1, 1, 1]
    assert all("all values equal" in row.note for row in rows)


def test_one_group_is_described() -> None:
    (row,) = medial_max(study({"DMM": VEHICLE}), ["DMM"])
    assert (row.reference, row.group, row.n_group, row.median_group) == (None, "DMM", 5, 4)
    assert row.note == "description only: the study has one group"


def test_blinded_run_has_no_comparisons() -> None:
    scores = [animal(str(n), None, 1.0) for n in range(8)]
    assert compare(scores, StatisticsSettings(reference="sham"), []) == ()


def test_unknown_groups_in_the_configuration_are_refused_with_a_hint() -> None:
    scores = study({"sham": SHAM, "vehicle": VEHICLE})
    with pytest.raises(ConfigError, match="no group 'vehicel'; did you mean 'vehicle'"):
        compare(scores, StatisticsSettings(contrasts=(("sham", "vehicel"),)), ["sham", "vehicle"])
    with pytest.raises(ConfigError, match="it has 'sham', 'vehicle'"):
        compare(scores, StatisticsSettings(reference="X"), ["sham", "vehicle"])
    with pytest.raises(ConfigError, match="with itself"):
        compare(scores, StatisticsSettings(contrasts=(("sham", "sham"),)), ["sham", "vehicle"])


def test_under_no_effect_few_studies_are_significant() -> None:
    """300 studies of 6 v 6 tied scores from one distribution: the exact test keeps its level."""
    random = np.random.default_rng(3)
    p_values = [
        mann_whitney(*random.choice([0, 0.5, 1, 2, 3, 4], (2, 6)).tolist()).p for _ in range(300)
    ]
    assert np.mean(np.array(p_values) <= 0.05) < 0.08


def test_power_is_told_for_each_timepoint_from_the_animals_that_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(power, "SIZES", (5,))
    early = study({"sham": SHAM, "DMM": SHAM}, timepoint="4 weeks")
    late = study({"sham": SHAM, "DMM": VEHICLE}, timepoint="8 weeks")
    later = [replace(score, animal=f"late {score.animal}") for score in late]
    rows = primary_power([*early, *later], StatisticsSettings(), ("sham", "DMM"))
    found = {(row.timepoint, row.responding): row.power for row in rows}
    assert list(found) == [(time, share) for time in ("4 weeks", "8 weeks") for share in (1.0, 0.5)]
    assert found["8 weeks", 1.0] == 1
    assert (found["4 weeks", 1.0] or 0) < 0.1


def test_two_knees_of_an_animal_are_one_animal_of_a_next_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(power, "SIZES", (5,))
    left = study({"sham": SHAM[:3], "DMM": VEHICLE[:3]})
    right = [replace(score, side=Side.RIGHT) for score in left]
    rows = primary_power([*left, *right], StatisticsSettings(), ("sham", "DMM"))
    assert {row.power for row in rows} == {None}
    assert {row.note for row in rows} == {"fewer than 4 animals in a group to draw from"}


def test_a_blinded_study_and_one_of_one_group_tell_no_power() -> None:
    blinded = [replace(score, group=None) for score in study({"sham": SHAM})]
    assert primary_power(blinded, StatisticsSettings(), ()) == ()
    assert primary_power(study({"sham": SHAM}), StatisticsSettings(), ("sham",)) == ()
