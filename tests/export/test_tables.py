"""Tables: every slide stands in them, nothing is invented, nothing runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from example_study import ANIMALS, EVIL, example_study
from hypothesis import given
from hypothesis import strategies as st

from histoscore.export import dictionary
from histoscore.export.dictionary import fixed
from histoscore.export.profiles import profiles_csv
from histoscore.export.tables import (
    Table,
    csv_text,
    study_tables,
    ungraded,
    write_tables,
)
from histoscore.study.names import harmless, unquoted
from histoscore.vocabulary import Compartment, Ladder, Status

CONTRACT = {
    "slides": "slide, animal, status, reason, reader, width_px, height_px, mpp, mpp_source, "
    "sha256, sections, tiles, engine, seconds",
    "compartments": "slide, animal, side, section, compartment, grade, expected_grade, p_0, p_0.5, "
    "p_1, p_2, p_3, p_4, p_5, p_6, grade_low, grade_high, final_grade, final_source, "
    "hyaline_area_um2, calcified_area_um2, surface_length_um, mean_thickness_um, "
    "safranin_fraction, lesion_extent, implied_grade, status, reason, flags, "
    "hc_cc_ratio, tidemark_length_um, osteochondral_length_um, median_thickness_um, "
    "min_thickness_um, total_thickness_um, lesion_count, widest_lesion_um, deepest_lesion, "
    "roughness_um, safranin_density, growth_plate_safranin_density, absent_fraction, "
    "obscured_fraction, focus, chondrocyte_count, chondrocyte_density_per_mm2, "
    "hyaline_area_px, calcified_area_px, surface_length_px, mean_thickness_px, median_thickness_px",
    "animals": "animal, group, side, knee, region, n_sections, n_missing, grade_max, grade_mean, "
    "grade_sum, hyaline_area_um2, calcified_area_um2, mean_thickness_um, lesion_extent, flags",
    "groups": "outcome, region, timepoint, primary, reference, group, n_reference, n_group, "
    "median_reference, median_group, test, statistic, p, p_adjusted, family, cliffs_delta, "
    "cliffs_delta_low, cliffs_delta_high, shift, shift_low, shift_high, note",
}


def rows_of(name: str, tables=None, decisions=None) -> list[dict[str, str]]:
    for table in study_tables(tables or example_study(), decisions):
        if table.name == name:
            return list(csv.DictReader(io.StringIO(csv_text(table))))
    raise KeyError(name)


@pytest.mark.parametrize("name", CONTRACT)
def test_columns_are_those_of_the_contract_in_its_order(name: str) -> None:
    promised = CONTRACT[name].split(", ")
    assert list(rows_of(name)[0])[: len(promised)] == promised


def test_probability_columns_follow_the_ladder() -> None:
    ladder = Ladder("osteophyte", (0, 1, 2.5, 3))
    names = [c.name for c in dictionary.compartment_columns(ladder)]
    assert [n for n in names if n.startswith("p_")] == ["p_0", "p_1", "p_2.5", "p_3"]


@pytest.mark.parametrize("name", ["slides", "sections", "compartments"])
def test_a_failed_slide_has_a_row_with_its_reason_and_no_number(name: str) -> None:
    (row,) = [r for r in rows_of(name) if r["slide"] == "slides/11.svs"]
    filled = {key: text for key, text in row.items() if text}
    assert (filled.pop("status"), filled.pop("reason")) == ("failed", "empty file")
    assert set(filled) <= {"slide", "animal", "side"}


def test_a_lost_animal_stands_in_the_animals_table() -> None:
    (row,) = [r for r in rows_of("animals") if r["animal"] == "m12"]
    assert row["reason"] == "slides/11.svs: empty file"
    assert (row["n_sections"], row["grade_max"], row["hyaline_area_um2"]) == ("0", "", "")


def test_a_withheld_section_has_a_row_and_no_grade() -> None:
    (row,) = [r for r in rows_of("compartments") if r["slide"] == "slides/10.svs"]
    assert (row["section"], row["status"], row["reason"]) == ("1", "needs_review", "no joint found")
    assert row["grade"] == row["final_grade"] == row["final_source"] == ""


def test_decimals_are_fixed_per_column() -> None:
    row = rows_of("compartments")[1]
    assert row["hyaline_area_um2"] == "18000.1"
    assert row["surface_length_um"] == "812.35"
    assert row["p_0"] == "0.8600"
    assert row["expected_grade"] == "0.4300"
    assert row["grade"] == "0"
    assert rows_of("slides")[0]["mpp"] == "0.7234567890123"
    assert rows_of("groups")[0]["p"] == "0.0286000"


def test_section_readouts_become_columns_and_are_empty_where_not_measured() -> None:
    rows = rows_of("sections")
    assert rows[0]["readout_focus"] == "12.3457"
    assert rows[10]["readout_focus"] == ""


def test_a_persons_grade_is_final_and_the_models_stays_beside_it() -> None:
    key = ("slides/04.svs", 1, Compartment.MTP)
    rows = rows_of("compartments", decisions={key: 5})
    row = next(r for r in rows if (r["slide"], r["compartment"]) == (key[0], "MTP"))
    assert (row["grade"], row["final_grade"], row["final_source"]) == ("4", "5", "person")
    other = next(r for r in rows if (r["slide"], r["compartment"]) == (key[0], "MFC"))
    assert other["final_source"] == "model"


def test_a_persons_grades_of_a_section_that_the_model_withheld_have_rows() -> None:
    given = {("slides/10.svs", 1, c): grade for c, grade in zip(Compartment, (1, 2), strict=False)}
    rows = [r for r in rows_of("compartments", decisions=given) if r["slide"] == "slides/10.svs"]
    told = [(r["compartment"], r["grade"], r["final_grade"], r["final_source"]) for r in rows]
    assert told == [("MFC", "", "1", "person"), ("MTP", "", "2", "person")]
    assert {r["reason"] for r in rows} == {"no joint found"}


@pytest.mark.fault(31)
def test_text_that_looks_like_a_formula_is_quoted_and_numbers_are_not() -> None:
    animals = {r["animal"] for r in rows_of("slides")}
    assert {"'=2+3", "'-5", "'@six", "001", "1E5", "NA", "MARCH1"} <= animals
    negative = replace(example_study().groups[0], shift=-2.5)
    rows = rows_of("groups", replace(example_study(), groups=(negative,)))
    assert rows[0]["shift"] == "-2.5000"


@pytest.mark.parametrize("start", list("=+-@\t\r＝＋－＠"))
@pytest.mark.fault(31)
def test_every_formula_start_is_quoted(start: str) -> None:
    assert unquoted(harmless(start + "1")) == start + "1"
    assert harmless(start + "1") == "'" + start + "1"


def test_a_number_that_is_not_finite_is_refused() -> None:
    table = Table("groups", dictionary.GROUPS[-2:-1], ((float("nan"),),))
    with pytest.raises(ValueError, match="nan cannot stand in a table"):
        csv_text(table)


def test_every_slide_stands_in_every_slide_table_once_or_more() -> None:
    for name in ("slides", "sections", "compartments"):
        assert {r["slide"] for r in rows_of(name)} >= {EVIL, "slides/10.svs", "slides/11.svs"}
    assert {r["animal"].removeprefix("'") for r in rows_of("animals")} == set(ANIMALS)


def test_ungraded_lists_slide_and_compartment_alike() -> None:
    study = example_study()
    section = study.slides[4].sections[0]
    missing = section.compartments[3].model_copy(
        update={"grade": None, "status": Status.REVIEW, "reason": "cartilage not found"}
    )
    section = section.model_copy(update={"compartments": (*section.compartments[:3], missing)})
    slide = study.slides[4].model_copy(update={"sections": (section,)})
    rows = list(ungraded((*study.slides[:4], slide, *study.slides[5:])).texts())
    assert rows[0] == ("slides/04.svs", "-5", "1", "LTP", "needs_review", "cartilage not found")
    assert [row[0] for row in rows[1:]] == ["slides/10.svs", "slides/11.svs"]


def test_ungraded_lists_a_section_without_a_joint_beside_one_that_is_graded() -> None:
    study = example_study()
    good = study.slides[4].sections[0]
    odd = good.model_copy(
        update={
            "section": 2,
            "status": Status.REVIEW,
            "reason": "no joint found",
            "flags": ("touches_edge",),
            "compartments": (),
        }
    )
    slide = study.slides[4].model_copy(
        update={"status": Status.WARNED, "sections": (good, odd), "reason": "no joint found"}
    )
    rows = list(ungraded((slide,)).texts())
    assert rows == [("slides/04.svs", "-5", "2", "", "needs_review", "no joint found")]


def test_files_are_utf8_with_plain_line_ends_and_equal_for_equal_input(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_tables(example_study(), tmp_path / folder)
    for path in sorted((tmp_path / "a").iterdir()):
        content = path.read_bytes()
        assert b"\r" not in content
        assert content == (tmp_path / "b" / path.name).read_bytes()
    assert "Mann–Whitney" in (tmp_path / "a" / "groups.csv").read_text(encoding="utf-8")


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_fixed_decimals_are_near_the_number_and_never_minus_zero(value: float, digits: int) -> None:
    text = fixed(digits).text(value)
    assert abs(float(text) - value) <= 0.5 * 10**-digits + 4e-16 * abs(value)
    assert not (text.startswith("-") and float(text) == 0)
    assert len(text.partition(".")[2]) == digits


def test_a_profile_has_a_row_for_every_stretch_of_every_compartment() -> None:
    tables = example_study()
    text = profiles_csv(tables)
    rows = list(csv.DictReader(io.StringIO(text)))
    measured = [
        result
        for slide in tables.slides
        for section in slide.sections
        for result in section.compartments
        if result.hyaline_profile_um
    ]
    assert len(rows) == 3 * len(measured) > 0
    assert [row["position_um"] for row in rows[:3]] == ["5.00", "15.00", "25.00"]
    assert [row["hyaline_thickness_um"] for row in rows[:3]] == ["10.04", "22.50", "21.00"]
    assert rows[0]["compartment"] == Compartment.MFC


@given(st.text(max_size=12))
def test_quoting_is_taken_back_exactly(text: str) -> None:
    assert unquoted(harmless(text)) == text
