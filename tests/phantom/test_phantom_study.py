"""A written study: its files agree with each other, other programs read them, seeds decide."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile

from histoscore.config import overridden, parse_settings
from histoscore.errors import ConfigError
from histoscore.geojson import read_features
from histoscore.geometry import Box, Mpp
from histoscore.phantom import study as study_module
from histoscore.phantom.artefacts import Artefact, ArtefactKind
from histoscore.phantom.experiment import SCANNER_MPP, SMALL, AnimalPlan, PhantomSettings
from histoscore.phantom.knee.truth import CompartmentTruth
from histoscore.phantom.mounting import DrawnSlide
from histoscore.phantom.staining import Batch
from histoscore.phantom.study import VERSION, write_phantom_study
from histoscore.slides.open import open_slide, read_info
from histoscore.study import read_study
from histoscore.study.people import read_scorers
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Tissue

Row = dict[str, str]
Overrides = tuple[str, ...]

CONTRACT = [
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
"""What other people's scripts read."""


def table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(study: Path) -> dict[str, bytes]:
    files = sorted(path for path in study.rglob("*") if path.is_file())
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in files}


def beside(study: Path, animal: str) -> dict:
    truth: dict = json.loads((study / "truth" / f"{animal}.json").read_text())
    return truth


def place(row: Row) -> tuple[str, str, str]:
    return row["slide"], row["section"], row["compartment"]


def labels_of(study: Path, animal: str) -> np.ndarray:
    return np.asarray(tifffile.imread(study / "truth" / f"{animal}.labels.tif"))


@pytest.fixture
def redrawn(drawn: DrawnSlide, monkeypatch: pytest.MonkeyPatch) -> DrawnSlide:
    """Every animal has a corner of the slide that was drawn already: for what files can show."""
    corner = np.s_[300:811, 400:1101]
    small = replace(drawn, picture=drawn.picture[corner], tissue=drawn.tissue[corner])

    def same(
        animal: AnimalPlan, batch: Batch, mpp: float, settings: PhantomSettings, seed: int
    ) -> DrawnSlide:
        ending = study_module.FORMATS[settings.format].ending
        return replace(small, name=f"slides/{animal.name}{ending}", animal=animal, mpp=mpp)

    monkeypatch.setattr(study_module, "draw_slide", same)
    return small


class TestFiles:
    def test_what_is_written(self, study: Path) -> None:
        names = ("M001", "M002", "M003")
        assert set(contents(study)) == {
            "study.csv",
            "scorers.csv",
            "truth.csv",
            *(f"slides/{name}.svs" for name in names),
            *(f"truth/{name}.{ending}" for name in names for ending in ENDINGS),
        }

    def test_a_line_is_reported_after_every_slide(
        self, redrawn: DrawnSlide, tmp_path: Path
    ) -> None:
        lines: list[str] = []
        write_phantom_study(tmp_path, 2, 4, report=lines.append)
        assert lines == [f"slides/M00{number}.svs: 2 sections" for number in (1, 2)]

    def test_no_animals_is_a_study_without_slides(self, tmp_path: Path) -> None:
        write_phantom_study(tmp_path, 0, 4)
        assert set(contents(tmp_path)) == {"study.csv", "scorers.csv", "truth.csv"}
        assert table(tmp_path / "study.csv") == []


ENDINGS = ("json", "geojson", "labels.tif")


class TestSheet:
    def test_it_is_accepted(self, study: Path) -> None:
        sheet = read_study(study / "study.csv")
        assert sheet.groups == ("sham", "DMM + vehicle", "DMM + exosome")
        assert sheet.animals == ("M001", "M002", "M003")
        assert all(row.medial in ("left", "right") for row in sheet.rows)
        assert all(row.mpp is None for row in sheet.rows)

    def test_the_medial_side_is_where_it_says(self, study: Path) -> None:
        for row in table(study / "study.csv"):
            truth = beside(study, row["animal"])
            turned = abs(truth["sections"][0]["turned_deg"]) > 90
            medial, lateral = (
                middle_of(study, row["animal"], compartment)[0]
                for compartment in (Compartment.MTP, Compartment.LTP)
            )
            seen = "left" if (medial < lateral) != turned else "right"
            assert row["medial"] == truth["medial"] == seen


def middle_of(study: Path, animal: str, compartment: Compartment) -> tuple[float, float]:
    """Level-0 (x, y) of a compartment's calcified cartilage, by its outline."""
    for feature in read_features(study / "truth" / f"{animal}.geojson")[0]:
        if feature.name == f"{compartment} calcified cartilage":
            return feature.geometry.centroid.x, feature.geometry.centroid.y
    raise AssertionError(compartment)


class TestTruth:
    def test_it_has_a_row_for_every_compartment_that_could_be_graded(self, study: Path) -> None:
        rows = table(study / "truth.csv")
        expected = {
            (beside(study, animal)["slide"], str(section["section"]), name)
            for animal in ("M001", "M002", "M003")
            for section in beside(study, animal)["sections"]
            for name, facts in section["compartments"].items()
            if facts["gradable"]
        }
        assert {place(row) for row in rows} == expected
        assert len(rows) == len(expected) > 8

    def test_its_first_columns_are_the_contracts(self, study: Path) -> None:
        columns = list(table(study / "truth.csv")[0])
        assert columns[: len(CONTRACT)] == CONTRACT
        told = {field.name for field in fields(CompartmentTruth)}
        assert set(columns) == {"slide", "section", "whole_share", *told}

    def test_measures_fit_each_other(self, study: Path) -> None:
        for row in table(study / "truth.csv"):
            measure = {name: float(row[name]) for name in row if name not in CONTRACT[:3]}
            thickness = measure["hyaline_area_um2"] / measure["surface_length_um"]
            assert measure["mean_thickness_um"] == pytest.approx(thickness, rel=1e-3, abs=1e-3)
            implied = OARSI_MOUSE.implied_by_extent(measure["lesion_extent"])
            assert implied == (measure["grade"] if measure["grade"] >= 3 else None)
            assert (measure["lesion_count"] > 0) == (measure["lesion_extent"] > 0)
            for share in ("lesion_extent", "deepest_lesion", "safranin_loss", "whole_share"):
                assert 0 <= measure[share] <= 1
            assert measure["whole_share"] >= 0.8
            assert measure["grade"] in OARSI_MOUSE.rungs

    def test_the_truth_beside_a_slide_is_that_of_the_table(self, study: Path) -> None:
        sections = beside(study, "M003")["sections"]
        assert [section["section"] for section in sections] == [1]
        rows = [r for r in table(study / "truth.csv") if r["slide"] == "slides/M003.svs"]
        assert rows
        for row in rows:
            facts = sections[0]["compartments"][row["compartment"]]
            for name in set(row) - {"slide", "section", "compartment"}:
                assert float(row[name]) == pytest.approx(facts[name], abs=1e-4)

    def test_what_nobody_could_grade_is_known_but_asked_of_nobody(
        self, redrawn: DrawnSlide, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        whole = {c: 0.3 if c is Compartment.LFC else 1.0 for c in Compartment}
        torn = tuple(replace(section, whole=whole) for section in redrawn.sections)
        spoiled(monkeypatch, sections=torn)
        write_phantom_study(tmp_path, 1, 4)
        for name in ("truth.csv", "scorers.csv"):
            told = {row["compartment"] for row in table(tmp_path / name)}
            assert told == set(Compartment) - {Compartment.LFC}
        for section in beside(tmp_path, "M001")["sections"]:
            facts = section["compartments"]["LFC"]
            assert (facts["gradable"], facts["whole_share"]) == (False, 0.3)
            assert facts["hyaline_area_um2"] > 0

    def test_it_says_what_is_needed_to_draw_the_slide_again(
        self, study: Path, small: Overrides
    ) -> None:
        truth = beside(study, "M002")
        assert truth["phantom_version"] == VERSION
        assert truth["seed"] == 21
        assert truth["mpp"] == 1.8713
        again = parse_settings(PhantomSettings, truth["settings"], "M002.json")
        assert again == parse_settings(PhantomSettings, overridden({}, small), "here")

    def test_every_artefact_is_told_with_its_measurements(
        self, redrawn: DrawnSlide, tmp_path: Path
    ) -> None:
        write_phantom_study(tmp_path, 1, 4)
        told = beside(tmp_path, "M001")["artefacts"]
        assert [artefact["kind"] for artefact in told] == [
            artefact.kind.value for artefact in redrawn.artefacts
        ]


def spoiled(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """The slides of `redrawn` with something changed."""
    draw: Callable[..., DrawnSlide] = study_module.draw_slide

    def changed(*plan: object) -> DrawnSlide:
        return replace(draw(*plan), **changes)

    monkeypatch.setattr(study_module, "draw_slide", changed)


class TestScorers:
    def test_every_truth_is_graded_once_by_every_scorer_in_every_read(self, study: Path) -> None:
        grades = read_scorers(study / "scorers.csv", OARSI_MOUSE)
        reads = {(scorer.name, str(n + 1)) for scorer in SMALL.scorers for n in range(scorer.reads)}
        assert len(reads) == 4
        truths = {place(row) for row in table(study / "truth.csv")}
        seen = Counter((g.slide, str(g.section), g.compartment, g.scorer, g.read) for g in grades)
        assert set(seen) == {(*truth, *read) for truth in truths for read in reads}
        assert set(seen.values()) == {1}
        owner = {row["slide"]: row["animal"] for row in table(study / "study.csv")}
        assert all(grade.animal == owner[grade.slide] for grade in grades)

    def test_a_grade_that_is_missing_is_blank(self, redrawn: DrawnSlide, tmp_path: Path) -> None:
        scorers = "scorers=[{name: absent, missing: 0.5}, {name: sure, noise: 0}]"
        write_phantom_study(tmp_path, 3, 4, overrides=[scorers])
        grades = read_scorers(tmp_path / "scorers.csv", OARSI_MOUSE)
        blank = Counter(grade.scorer for grade in grades if grade.grade is None)
        assert set(blank) == {"absent"}
        assert 0 < blank["absent"] < len(grades) / 2

    def test_grades_are_close_to_the_truth(self, study: Path) -> None:
        true = {place(row): float(row["grade"]) for row in table(study / "truth.csv")}
        errors = [
            OARSI_MOUSE.index(g.grade)
            - OARSI_MOUSE.index(true[g.slide, str(g.section), g.compartment])
            for g in read_scorers(study / "scorers.csv", OARSI_MOUSE)
            if g.grade is not None
        ]
        assert np.mean(np.abs(errors)) < 1.2


class TestOutlines:
    def test_they_are_read_and_have_the_true_areas(self, study: Path) -> None:
        truth = {place(row): row for row in table(study / "truth.csv")}
        for name in ("M001", "M002", "M003"):
            features, left_out = read_features(study / "truth" / f"{name}.geojson")
            assert all("LineString is not an outline" in reason for reason in left_out)
            layers = [f for f in features if f.classification.endswith(tuple(Compartment))]
            assert len(layers) >= 6
            for layer in layers:
                row = truth.get(place(dict(layer.metadata)))
                if row is None:
                    continue
                column = "hyaline_area_um2" if "hyaline" in layer.name else "calcified_area_um2"
                area = layer.geometry.area * 1.8713**2
                assert area == pytest.approx(float(row[column]), rel=0.005, abs=5)

    def test_they_lie_around_their_labels(self, study: Path) -> None:
        """Corners of pixels, where the label map has their middles half a pixel on."""
        labels = labels_of(study, "M001")
        features = read_features(study / "truth" / "M001.geojson")[0]
        for tissue in (Tissue.HYALINE, Tissue.CALCIFIED):
            outline = shapely.union_all(
                [f.geometry for f in features if f.classification.startswith(tissue.title)]
            )
            shapely.prepare(outline)
            rows, columns = np.nonzero(labels == tissue)
            inside = shapely.contains_xy(outline, columns + 0.5, rows + 0.5)
            assert inside.mean() > 0.9
            assert outline.area == pytest.approx(len(rows), rel=0.02)

    def test_artefacts_are_objects_where_they_lie(
        self, redrawn: DrawnSlide, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        speck = Artefact(ArtefactKind.DUST, shapely.box(30, 50, 41, 57), {"width_um": 20.0})
        everywhere = Artefact(ArtefactKind.LIGHT, None, {"fall": 0.1})
        spoiled(monkeypatch, artefacts=(speck, everywhere))
        write_phantom_study(tmp_path, 1, 4)
        features = read_features(tmp_path / "truth" / "M001.geojson")[0]
        (object_,) = (f for f in features if f.classification.startswith("artefact"))
        assert object_.classification == "artefact: dust"
        assert object_.geometry.bounds == pytest.approx((30, 50, 41, 57))
        assert object_.measurements == {"width_um": 20.0}


class TestLabelMap:
    def test_it_lies_under_the_slide(self, study: Path) -> None:
        labels = labels_of(study, "M002")
        with open_slide(study / "slides" / "M002.svs") as slide:
            assert labels.shape == (slide.info.height, slide.info.width)
            picture = slide.read_at(slide.info.whole, slide.info.mpp)
        glass, plate, bone = (
            picture[labels == kind].mean(0)
            for kind in (Tissue.BACKGROUND, Tissue.GROWTH_PLATE, Tissue.BONE)
        )
        assert glass.min() > 200
        assert plate[0] > plate[2] + 30
        assert bone[0] < bone[1]

    def test_a_person_sees_the_colours_of_the_tissues(self, study: Path) -> None:
        with tifffile.TiffFile(study / "truth" / "M002.labels.tif") as file:
            colors = file.pages[0].colormap
        for tissue in Tissue:
            assert tuple(colors[:, tissue] // 257) == tissue.color

    def test_it_holds_the_true_areas(self, study: Path) -> None:
        """But for what folds, tears and losses took."""
        for animal in ("M001", "M002", "M003"):
            hyaline = int((labels_of(study, animal) == Tissue.HYALINE).sum()) * 1.8713**2
            true = [
                facts["hyaline_area_um2"] * facts["whole_share"]
                for section in beside(study, animal)["sections"]
                for facts in section["compartments"].values()
            ]
            assert hyaline == pytest.approx(sum(true), rel=0.05)


class TestFormats:
    @pytest.mark.parametrize(
        ("format_", "ending", "in_file"),
        [
            ("svs", ".svs", True),
            ("tiff", ".tif", True),
            ("ome-tiff", ".ome.tif", True),
            ("jpeg", ".jpg", False),
        ],
    )
    def test_each_is_written_and_opened_with_the_right_scale(
        self, redrawn: DrawnSlide, tmp_path: Path, format_: str, ending: str, in_file: bool
    ) -> None:
        write_phantom_study(tmp_path, 1, 4, overrides=[f"format={format_}", "mpp=0.61237"])
        (row,) = read_study(tmp_path / "study.csv").rows
        assert row.slide == f"slides/M001{ending}"
        assert row.mpp == (None if in_file else 0.61237)
        rows, columns = redrawn.tissue.shape
        with open_slide(row.path, row.mpp) as slide:
            assert slide.info.mpp == pytest.approx(0.61237, rel=1e-4)
            assert slide.info.mpp_source == ("sheet" if not in_file else slide.info.mpp_source)
            assert (slide.info.height, slide.info.width) == (rows, columns)
            seen = slide.read_at(Box(0, 0, columns, rows), Mpp(slide.info.mpp))
        off, mirrored = (
            np.abs(seen.astype(int) - picture).mean()
            for picture in (redrawn.picture, redrawn.picture[:, ::-1])
        )
        assert off < 0.4 * mirrored
        assert table(tmp_path / "truth.csv")[0]["slide"] == row.slide

    @pytest.mark.parametrize("appearance", ["standard", "shifted"])
    def test_each_appearance_has_a_scanner_of_its_own(
        self,
        redrawn: DrawnSlide,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        appearance: str,
    ) -> None:
        spoiled(monkeypatch, sections=())
        low, high = SCANNER_MPP[appearance]
        scales = set()
        for seed in range(3):
            out = tmp_path / str(seed)
            write_phantom_study(out, 2, seed, appearance)
            scales |= {read_info(path).mpp for path in (out / "slides").iterdir()}
            assert len({read_info(path).mpp for path in (out / "slides").iterdir()}) == 1
            assert beside(out, "M001")["settings"]["appearance"] == appearance
        assert all(low <= scale <= high for scale in scales)
        assert len(scales) == 3


class TestSeeds:
    def test_the_same_seed_gives_the_same_bytes(
        self, study: Path, small: Overrides, tmp_path: Path
    ) -> None:
        lines: list[str] = []
        write_phantom_study(tmp_path, 3, 21, "standard", small, lines.append)
        mine, other = contents(tmp_path), contents(study)
        assert [name for name in other if mine.get(name) != other[name]] == []
        assert mine == other
        assert lines == [f"slides/M00{number}.svs: 1 sections" for number in (1, 2, 3)]

    def test_a_slide_does_not_depend_on_how_many_animals_there_are(
        self, study: Path, small: Overrides, tmp_path: Path
    ) -> None:
        write_phantom_study(tmp_path, 1, 21, overrides=small)
        mine, other = contents(tmp_path), contents(study)
        for name in ("slides/M001.svs", *(f"truth/M001.{ending}" for ending in ENDINGS)):
            assert mine[name] == other[name]
        alone = (tmp_path / "truth.csv").read_text().splitlines()
        assert alone == (study / "truth.csv").read_text().splitlines()[: len(alone)]

    def test_another_seed_gives_another_study(
        self, study: Path, small: Overrides, tmp_path: Path
    ) -> None:
        write_phantom_study(tmp_path, 1, 22, overrides=small)
        mine, other = contents(tmp_path), contents(study)
        for name in (
            "slides/M001.svs",
            *(f"truth/M001.{ending}" for ending in ENDINGS),
            "truth.csv",
            "scorers.csv",
        ):
            assert mine[name] != other[name]


class TestSettings:
    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ("mpp=7", "mpp"),
            ("sectons=[1,1]", "did you mean sections"),
            ("format=dicom", "format"),
            ("appearance=odd", "appearance"),
            ("scorers=[{name: a}, {name: a}]", "two scorers are called a"),
        ],
    )
    def test_a_wrong_one_is_named_and_nothing_is_written(
        self, tmp_path: Path, override: str, named: str
    ) -> None:
        with pytest.raises(ConfigError, match=named) as refused:
            write_phantom_study(tmp_path / "out", 1, 1, overrides=[override])
        assert "phantom --set" in str(refused.value)
        assert not (tmp_path / "out").exists()

    def test_a_configuration_is_read_and_overrides_win(
        self, redrawn: DrawnSlide, tmp_path: Path
    ) -> None:
        config = tmp_path / "small.yaml"
        config.write_text("format: tiff\nmpp: 0.5117\nscatter: 0.4\n", encoding="utf-8")
        write_phantom_study(tmp_path, 1, 4, overrides=["mpp=0.61237"], config=config)
        settings = beside(tmp_path, "M001")["settings"]
        assert (settings["format"], settings["mpp"], settings["scatter"]) == ("tiff", 0.61237, 0.4)

    def test_a_wrong_configuration_is_named(self, tmp_path: Path) -> None:
        config = tmp_path / "wrong.yaml"
        config.write_text("mpp: 9\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"wrong\.yaml"):
            write_phantom_study(tmp_path / "out", 1, 4, config=config)
