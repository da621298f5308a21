"""A written study: its tables agree, its sections are those that a run finds, seeds decide."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoscore.config import SectionSettings
from histoscore.errors import ConfigError
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.sections import find_sections
from histoscore.image.tissue import tissue_mask
from histoscore.phantom.experiment import PhantomSettings
from histoscore.phantom.mounting import DrawnSlide
from histoscore.phantom.study import write_phantom_study
from histoscore.slides.open import open_slide
from histoscore.study import read_study
from histoscore.study.people import read_scorers
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Tissue

Row = dict[str, str]
Overrides = tuple[str, ...]


def table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(study: Path) -> dict[str, bytes]:
    files = sorted(path for path in study.rglob("*") if path.is_file())
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in files}


def place(row: Row) -> tuple[str, str, str]:
    return row["slide"], row["section"], row["compartment"]


def test_what_is_written(study: Path) -> None:
    assert set(contents(study)) == {
        "scorers.csv",
        "slides/M001.svs",
        "slides/M002.svs",
        "slides/M003.svs",
        "study.csv",
        "truth.csv",
        "truth/M001.json",
        "truth/M001.labels.png",
        "truth/M002.json",
        "truth/M002.labels.png",
        "truth/M003.json",
        "truth/M003.labels.png",
    }


def test_the_study_sheet_is_accepted(study: Path) -> None:
    sheet = read_study(study / "study.csv")
    assert sheet.groups == ("sham", "DMM + vehicle", "DMM + exosome")
    assert sheet.animals == ("M001", "M002", "M003")
    assert all(row.medial in ("left", "right") for row in sheet.rows)


def test_the_truth_has_a_row_for_every_compartment_of_every_section(study: Path) -> None:
    rows = table(study / "truth.csv")
    assert list(rows[0]) == [
        "slide",
        "section",
        "compartment",
        "grade",
        "hyaline_area_um2",
        "calcified_area_um2",
        "surface_length_um",
        "mean_thickness_um",
        "lesion_extent",
    ]
    slides = [row["slide"] for row in table(study / "study.csv")]
    expected = {(slide, "1", compartment) for slide in slides for compartment in Compartment}
    assert {place(row) for row in rows} == expected
    assert len(rows) == len(expected)


def test_true_measures_fit_each_other(study: Path) -> None:
    for row in table(study / "truth.csv"):
        grade, extent = float(row["grade"]), float(row["lesion_extent"])
        thickness = float(row["hyaline_area_um2"]) / float(row["surface_length_um"])
        assert float(row["mean_thickness_um"]) == pytest.approx(thickness, rel=1e-4)
        assert OARSI_MOUSE.implied_by_extent(extent) == (grade if grade >= 3 else None)


def test_every_truth_was_graded_once_by_every_scorer(study: Path) -> None:
    grades = read_scorers(study / "scorers.csv", OARSI_MOUSE)
    scorers = {grade.scorer for grade in grades}
    assert scorers == {"scorer_A", "scorer_B"}
    seen = Counter((g.slide, str(g.section), g.compartment, g.scorer) for g in grades)
    truths = {place(row) for row in table(study / "truth.csv")}
    assert set(seen) == {(*truth, scorer) for truth in truths for scorer in scorers}
    assert set(seen.values()) == {1}
    owner = {row["slide"]: row["animal"] for row in table(study / "study.csv")}
    assert all(grade.animal == owner[grade.slide] for grade in grades)


def test_the_label_map_lies_under_the_slide(study: Path) -> None:
    labels = np.asarray(Image.open(study / "truth" / "M002.labels.png"))
    with open_slide(study / "slides" / "M002.svs") as slide:
        assert labels.shape == (slide.info.height, slide.info.width)
        picture = slide.read_at(Box(0, 0, slide.info.width, slide.info.height), slide.info.mpp)
    glass, plate = (
        picture[labels == kind].mean(0) for kind in (Tissue.BACKGROUND, Tissue.GROWTH_PLATE)
    )
    assert glass.min() > 200
    assert plate[0] > plate[2] + 30


def test_the_truth_beside_a_slide_is_that_of_the_table(study: Path) -> None:
    beside = json.loads((study / "truth" / "M003.json").read_text())
    (section,) = beside["sections"]
    rows = [row for row in table(study / "truth.csv") if row["slide"] == "slides/M003.svs"]
    assert set(section) == {row["compartment"] for row in rows}
    for row in rows:
        for name, value in section[row["compartment"]].items():
            if name != "compartment":
                assert float(row[name]) == pytest.approx(value, abs=1e-4)
    assert beside["mpp"] == 1.8713


def test_the_same_seed_gives_the_same_bytes(study: Path, small: Overrides, tmp_path: Path) -> None:
    lines: list[str] = []
    write_phantom_study(tmp_path, 3, 21, "standard", small, lines.append)
    assert contents(tmp_path) == contents(study)
    assert lines == [f"slides/M00{number}.svs: 1 sections" for number in (1, 2, 3)]


def test_another_seed_gives_another_study(study: Path, small: Overrides, tmp_path: Path) -> None:
    write_phantom_study(tmp_path, 1, 22, overrides=small)
    mine, other = contents(tmp_path), contents(study)
    for name in ("slides/M001.svs", "truth/M001.labels.png", "truth/M001.json", "truth.csv"):
        assert mine[name] != other[name]


def test_a_wrong_setting_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mpp"):
        write_phantom_study(tmp_path / "out", 1, 1, overrides=["mpp=7"])
    assert not (tmp_path / "out").exists()


def test_sections_are_numbered_as_a_run_finds_them(
    drawn: DrawnSlide, settings: PhantomSettings
) -> None:
    """Two drawn sections, two found, in the same order: cartilage areas tell which is which."""
    rows, columns = drawn.picture.shape[:2]
    placement = Placement(0, 0, 4.0, Mpp(settings.mpp * 4))
    overview = drawn.picture[: rows // 4 * 4, : columns // 4 * 4]
    overview = overview.reshape(rows // 4, 4, columns // 4, 4, 3).mean((1, 3)).astype(np.uint8)
    mask = tissue_mask(overview, placement.mpp)
    found = find_sections(mask, placement, (columns, rows), SectionSettings())
    assert [section.number for section in found] == [1, 2]
    for section, truth in zip(found, (s.truth for s in drawn.sections), strict=True):
        inside = drawn.tissue[section.box.slices()]
        counted = (inside == Tissue.HYALINE).sum() * settings.mpp**2
        assert counted == pytest.approx(sum(t.hyaline_area_um2 for t in truth), rel=0.03)


def test_the_medial_side_is_where_the_sheet_says(drawn: DrawnSlide) -> None:
    for section in drawn.sections:
        zones = section.scene.zones
        medial = np.isin(zones, [c.code for c in Compartment if c.is_medial])
        middle = np.nonzero(medial)[1].mean()
        assert drawn.medial == ("left" if middle < zones.shape[1] / 2 else "right")
