"""A study becomes examples: outlines and grades find their sections."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.outlines import rectangle, write_outlines

from histoscore.config import SectionSettings, parse_settings
from histoscore.errors import ConfigError, ManifestError, RunMismatchError, UsageError
from histoscore.geometry import Mpp
from histoscore.image.placed import grown
from histoscore.models.examples import Example, load_example, stored_names
from histoscore.models.study_examples import StudyData, example_name, prepare_study
from histoscore.models.survey import survey
from histoscore.phantom.study import write_phantom_study
from histoscore.study import read_study
from histoscore.vocabulary import IGNORE, Compartment, Tissue

MPP = Mpp(1.87)
SMALL = ("mpp=1.87", "width_um=2600", "height_um=1400", "sections=[1,1]", "format=jpeg")
FIRST, SECOND = "slides/M001.jpg", "slides/M002.jpg"


@pytest.fixture(scope="session")
def drawn_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides of one section each, with the truth as outlines; never changed."""
    out = tmp_path_factory.mktemp("real") / "study"
    write_phantom_study(out, 2, 5, overrides=(*SMALL, "artefacts=false"))
    return out


@pytest.fixture
def study(drawn_study: Path, tmp_path: Path) -> Path:
    """A copy of the study that a test may change."""
    return Path(shutil.copytree(drawn_study, tmp_path / "study"))


def data(**changes: object) -> StudyData:
    known = {"sheet": "study.csv", "scorers": "scorers.csv", "annotations": "truth"}
    return parse_settings(StudyData, known | changes, "train.yaml")


def prepared(study: Path, mpp: Mpp = MPP, **changes: object) -> tuple[Path, list[str]]:
    """The folder of examples, and the lines that were reported."""
    lines: list[str] = []
    out = study.parent / "examples"
    prepare_study(data(**changes), study, out, mpp, lines.append)
    return out, lines


def example(out: Path, slide: str) -> Example:
    return load_example(out, example_name(slide, 1))


def rewrite(path: Path, changed: dict[int, dict[str, str]]) -> None:
    """The sheet with cells changed: row (from 0) → column → text."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, cells in changed.items():
        rows[number] |= cells
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def done(drawn_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study and its examples; never changed."""
    folder = tmp_path_factory.mktemp("done")
    prepared(Path(shutil.copytree(drawn_study, folder / "study")))
    return folder


@pytest.fixture
def prepared_study(done: Path, tmp_path: Path) -> Path:
    """A copy of a study beside its examples, which a test may change."""
    return Path(shutil.copytree(done, tmp_path / "done")) / "study"


@pytest.fixture(scope="module")
def first(done: Path) -> Example:
    """The first slide's section."""
    return example(done / "examples", FIRST)


@pytest.fixture(scope="module")
def truth(drawn_study: Path) -> np.ndarray:
    """The true labels under the first slide's section."""
    slides = survey(read_study(drawn_study / "study.csv"), SectionSettings(), lambda line: None)
    labels = np.asarray(tifffile.imread(drawn_study / "truth" / "M001.labels.tif"))
    return labels[slides[0].sections[0].box.slices()]


class TestLabels:
    def test_outlined_cartilage_is_the_truth(self, first: Example, truth: np.ndarray) -> None:
        hyaline, true = first.pixels[..., 3] == Tissue.HYALINE, truth == Tissue.HYALINE
        assert true.sum() > 5_000
        assert (true & hyaline).sum() > 0.97 * true.sum()
        assert (true & hyaline).sum() > 0.97 * hyaline.sum()

    def test_glass_is_background_and_no_tissue_is(self, first: Example, truth: np.ndarray) -> None:
        glass = first.pixels[..., 3] == Tissue.BACKGROUND
        assert glass.sum() > 0.02 * glass.size
        tissue = truth[glass][truth[glass] != Tissue.BACKGROUND]
        # Fat without walls shows glass; so do the rims of what nobody outlined, `EDGE_UM` wide.
        assert len(tissue) < 0.08 * glass.sum()
        assert (tissue != Tissue.SOFT).sum() < 0.012 * glass.sum()

    def test_the_joint_space_is_background(self, first: Example, truth: np.ndarray) -> None:
        """Or a network is never told where the cartilage's surface ends."""
        hyaline = grown(truth == Tissue.HYALINE, 30 / MPP)
        beside = hyaline & (truth == Tissue.BACKGROUND)
        assert beside.sum() > 2_000
        assert (first.pixels[..., 3][beside] == Tissue.BACKGROUND).mean() > 0.7

    def test_what_nobody_outlined_is_ignored(self, first: Example, truth: np.ndarray) -> None:
        assert (first.pixels[..., 3][truth == Tissue.BONE] == IGNORE).mean() > 0.95

    def test_both_bones_are_there(self, first: Example) -> None:
        tissue, zone = first.pixels[..., 3], first.pixels[..., 4]
        assert set(np.unique(zone[tissue == Tissue.HYALINE])) == {1, 2}
        assert set(np.unique(zone[tissue == Tissue.BACKGROUND])) == {0}
        assert set(np.unique(zone[tissue == IGNORE])) == {IGNORE}
        rows = np.arange(len(zone))[:, None] * np.ones_like(zone)
        assert rows[zone == 1].mean() < rows[zone == 2].mean()

    def test_facts(self, first: Example) -> None:
        facts = first.facts
        assert (facts.animal, facts.slide, facts.section) == ("M001", FIRST, 1)
        assert (facts.batch, facts.mpp, facts.annotated) == ("batch 1", MPP, True)
        assert facts.medial == "right"
        assert len(facts.sha256) == len(facts.fingerprint) == 64

    def test_unlabelled_tissue_as_soft(self, study: Path) -> None:
        out, _ = prepared(study, unlabelled="soft")
        tissue, zone = np.moveaxis(example(out, FIRST).pixels[..., 3:], 2, 0)
        assert (tissue == Tissue.SOFT).sum() > 0.2 * tissue.size
        assert set(np.unique(zone[tissue == Tissue.SOFT])) == {0}


class TestGrades:
    def test_of_two_scorers_and_two_reads(self, drawn_study: Path, first: Example) -> None:
        with (drawn_study / "scorers.csv").open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if r["slide"] == FIRST and r["grade"]]
        again = {"1": "", "2": " (read 2)"}
        expected: dict[str, dict[str, float]] = {}
        for row in rows:
            by = expected.setdefault(row["compartment"], {})
            by[row["scorer"] + again[row["read"]]] = float(row["grade"])
        assert {c.value: dict(g) for c, g in first.facts.grades.items()} == expected
        assert {"scorer_A", "scorer_A (read 2)", "scorer_B"} <= set(expected["MFC"])

    def test_a_missing_grade_stays_missing(self, study: Path) -> None:
        header = "slide,section,compartment,scorer,grade\n"
        rows = f"{FIRST},1,MFC,A,\n{FIRST},1,MTP,A,3\n"
        (study / "scorers.csv").write_text(header + rows)
        out, _ = prepared(study)
        assert example(out, FIRST).facts.grades == {Compartment.MTP: {"A": 3.0}}
        assert example(out, SECOND).facts.grades == {}

    def test_grades_without_a_section(self, study: Path) -> None:
        rewrite(study / "scorers.csv", {0: {"section": "7"}, 2: {"slide": "M9.jpg"}})
        with pytest.raises(ManifestError, match=r"row 2: .*no section 7(.|\n)*row 4: .*'M9\.jpg'"):
            prepared(study)
        assert not (study.parent / "examples").exists()

    def test_grades_of_an_excluded_slide_are_counted(self, study: Path) -> None:
        rewrite(study / "study.csv", {0: {"exclude": "x"}, 1: {"exclude": ""}})
        out, lines = prepared(study)
        assert stored_names(out) == (example_name(SECOND, 1),)
        assert any("grades of slides or sections that the study leaves out" in n for n in lines)

    def test_a_graded_section_without_outlines(self, study: Path) -> None:
        (study / "truth" / "M001.geojson").unlink()
        out, _ = prepared(study)
        first = example(out, FIRST)
        assert not first.facts.annotated
        assert first.facts.grades
        assert (first.pixels[..., 3:] == IGNORE).all()
        assert example(out, SECOND).facts.annotated

    def test_a_section_without_outlines_and_grades_is_not_stored(self, study: Path) -> None:
        (study / "truth" / "M001.geojson").unlink()
        out, lines = prepared(study, scorers=None)
        assert stored_names(out) == (example_name(SECOND, 1),)
        assert f"{FIRST}: 0 of 1 sections to learn from" in lines


class TestRefusals:
    def test_slides_that_cannot_be_read_are_told_at_once(self, study: Path) -> None:
        for slide in (FIRST, SECOND):
            (study / slide).write_bytes(b"no picture")
        with pytest.raises(UsageError, match=r"2 of 2 slides(.|\n)*M001\.jpg: .*\n.*M002\.jpg: "):
            prepared(study)
        assert not (study.parent / "examples").exists()

    def test_one_file_for_two_animals(self, study: Path) -> None:
        shutil.copy(study / FIRST, study / SECOND)
        with pytest.raises(
            UsageError, match=r"the same file as slides/M001\.jpg, of M001 and M002"
        ):
            prepared(study)

    def test_unknown_classes_are_reported(self, study: Path) -> None:
        write_outlines(
            study / "truth" / "M001.geojson",
            [
                ("hyaline cartilage: MFC", "", [rectangle(300, 200, 700, 400)]),
                ("hyalin cartilage", "", [rectangle(300, 200, 310, 210)]),
            ],
        )
        _, lines = prepared(study)
        assert any("1 outlines left out: the class 'hyalin cartilage'" in line for line in lines)
        assert any("did you mean hyaline cartilage?" in line for line in lines)

    def test_a_class_that_stands_for_no_tissue(self) -> None:
        with pytest.raises(ConfigError, match=r"classes: .*'hyalin' is no tissue; .* hyaline\?"):
            data(classes={"Cartilage": "hyalin"})

    def test_annotations_that_fit_no_slide(self, study: Path) -> None:
        (study / "other").mkdir()
        with pytest.raises(UsageError, match="no file is called after a slide"):
            prepared(study, annotations="other")

    def test_two_files_for_one_slide(self, study: Path) -> None:
        shutil.copy(study / "truth" / "M001.geojson", study / "truth" / "M001.jpg.geojson")
        with pytest.raises(UsageError, match=r"M001\.jpg has M001\.jpg\.geojson and M001\.geojson"):
            prepared(study)


class TestResuming:
    def test_what_is_stored_is_not_read_again(self, prepared_study: Path) -> None:
        out = prepared_study.parent / "examples"
        (out / f"{example_name(SECOND, 1)}.json").unlink()
        files = {p: p.stat().st_mtime_ns for p in out.iterdir() if example_name(FIRST, 1) in p.name}
        assert len(files) == 2
        prepared(prepared_study)
        assert {p: p.stat().st_mtime_ns for p in files} == files
        assert stored_names(out) == tuple(sorted(example_name(s, 1) for s in (FIRST, SECOND)))

    @pytest.mark.parametrize("part", ["slide", "annotations", "grades", "sheet row", "settings"])
    def test_another_version_is_refused(self, prepared_study: Path, part: str) -> None:
        changes: dict[str, object] = {}
        match part:
            case "slide":
                with (prepared_study / FIRST).open("ab") as file:
                    file.write(b"\0")
            case "annotations":
                with (prepared_study / "truth" / "M001.geojson").open("a") as text:
                    text.write("\n")
            case "grades":
                rewrite(prepared_study / "scorers.csv", {0: {"grade": "6"}})
            case "sheet row":
                rewrite(prepared_study / "study.csv", {0: {"medial": ""}})
            case "settings":
                changes["unlabelled"] = "soft"
        with pytest.raises(RunMismatchError, match=rf"M001\.jpg: changed since \({part}\)"):
            prepared(prepared_study, **changes)

    def test_a_slide_that_is_excluded_later(self, prepared_study: Path) -> None:
        rewrite(prepared_study / "study.csv", {0: {"exclude": "x"}, 1: {"exclude": ""}})
        with pytest.raises(RunMismatchError, match="is no longer in the study sheet"):
            prepared(prepared_study)


def test_a_finer_scale_enlarges(study: Path, first: Example) -> None:
    fine, _ = prepared(study, mpp=Mpp(MPP / 2))
    rows, columns = first.pixels.shape[:2]
    assert example(fine, FIRST).pixels.shape[:2] == pytest.approx((rows * 2, columns * 2), abs=1)
