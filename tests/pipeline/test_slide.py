"""One slide through all stages: painted knees that are read without fault, and slides that must
be withheld."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.drawn_knee import DrawnKnee, Pose, hyaline_area, knee
from helpers.fake_networks import NotANumber, painted, reading_networks
from helpers.miniature import Miniature
from helpers.slide_files import write_svs
from PIL import Image

from histoscore.config import LimitSettings, ScoreConfig, SectionSettings
from histoscore.errors import (
    PixelSizeError,
    PredictionError,
    SlideError,
    UnsupportedSlideError,
)
from histoscore.files import sha256_of
from histoscore.models.bundle import CalibrationCard
from histoscore.models.passes import Network
from histoscore.models.predict import Predictor
from histoscore.phantom.study import write_phantom_study
from histoscore.pipeline.slide import NO_JOINT, SlideScorer
from histoscore.records import SlideJob, SlideResult, SlideRow
from histoscore.slides.base import LevelledSlide, Slide
from histoscore.slides.open import open_slide
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Status, Tissue

POSE = Pose(2360, 2450, mpp=1.43, angle=12)
LESION_UM = 300.0

Score = Callable[..., SlideResult]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def scorer(miniature: Miniature, run: Path) -> SlideScorer:
    """The miniature bundle, its networks replaced by such as read painted knees."""
    config = ScoreConfig(model=str(miniature.bundle), device="cpu")
    made = SlideScorer(config, run)
    made.predictor = Predictor(reading_networks(), "cpu", config.tiles)
    any_stain = made.bundle.details.model_copy(update={"appearance": {}, "calibration": None})
    made.bundle = replace(made.bundle, details=any_stain)
    return made


def job(path: Path, mpp: float | None = POSE.mpp, **row: object) -> SlideJob:
    fields = {"slide": path.name, "animal": "m1", "path": path, "mpp": mpp, "medial": "left"}
    return SlideJob(row=SlideRow(**(fields | row)), key=path.stem, sha256=sha256_of(path))


def ill_knee() -> DrawnKnee:
    """Cartilage is gone over a part of the medial plateau."""
    drawing = knee(POSE)
    x, y = POSE.grid()
    gone = (np.abs(x + 560) < LESION_UM / 2) & (y > 0) & (drawing.tissue == Tissue.HYALINE)
    drawing.tissue[gone] = Tissue.SOFT
    drawing.zones[gone] = 0
    return drawing


def without_cartilage() -> DrawnKnee:
    return knee(POSE, without=tuple(Compartment))


def save(picture: np.ndarray, path: Path) -> Path:
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(painted(ill_knee()), tmp_path_factory.mktemp("slides") / "ill knee.png")


@pytest.fixture(scope="module")
def ticks() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def result(scorer: SlideScorer, ill: Path, ticks: list[tuple[int, int]]) -> SlideResult:
    return scorer.score(job(ill), lambda *tick: ticks.append(tick))


class TestAKneeThatIsReadWithoutFault:
    """Networks that make no mistakes: what comes out is what was drawn."""

    def test_it_is_one_graded_section(self, result: SlideResult) -> None:
        assert result.status.is_graded
        assert [s.section for s in result.sections] == [1]
        assert (result.width_px, result.height_px) == (POSE.shape[1], POSE.shape[0])
        assert (result.mpp, result.mpp_source) == (POSE.mpp, "sheet")
        section = result.sections[0]
        assert 0.8 < section.area_um2 / (2000 * 2000) < 1.02
        assert (section.medial_side, section.medial_source) == ("left", "sheet")

    @pytest.mark.parametrize("compartment", list(Compartment))
    def test_areas_are_those_drawn(self, result: SlideResult, compartment: Compartment) -> None:
        found = self.of(result, compartment)
        drawn = hyaline_area(compartment)
        if compartment is Compartment.MTP:
            drawn -= LESION_UM * 40
        assert found.hyaline_area_um2 == pytest.approx(drawn, rel=0.04)
        assert found.mean_thickness_um is not None
        assert found.surface_length_um is not None
        assert found.mean_thickness_um * found.surface_length_um == pytest.approx(
            found.hyaline_area_um2
        )

    def test_the_lesion_is_measured_and_graded(self, result: SlideResult) -> None:
        ill, healthy = self.of(result, Compartment.MTP), self.of(result, Compartment.LTP)
        assert ill.lesion_extent == pytest.approx(LESION_UM / 800, abs=0.03)
        assert (ill.implied_grade, ill.grade) == (4, 4)
        assert (healthy.lesion_extent, healthy.implied_grade, healthy.grade) == (0, None, 0)

    def test_every_number_is_finite_and_probabilities_sum_to_one(self, result: SlideResult) -> None:
        for compartment in Compartment:
            found = self.of(result, compartment)
            assert found.probabilities is not None
            assert sum(found.probabilities) == pytest.approx(1)
            numbers = [v for v in found.model_dump().values() if isinstance(v, float)]
            assert len(numbers) >= 8
            assert all(math.isfinite(number) for number in numbers)

    def test_orange_cartilage_is_safranin_positive(self, result: SlideResult) -> None:
        for compartment in Compartment:
            assert self.of(result, compartment).safranin_fraction == pytest.approx(1, abs=0.05)

    def test_no_grade_hangs_on_a_missing_bound(self, result: SlideResult) -> None:
        """The bundle has no calibration: no set of grades is claimed."""
        assert all(self.of(result, c).grade_low is None for c in Compartment)

    def test_pictures_and_maps_lie_in_the_run_folder(
        self, result: SlideResult, run: Path, scorer: SlideScorer
    ) -> None:
        overlay = result.sections[0].overlay
        assert overlay is not None
        with Image.open(run / overlay) as picture:
            assert picture.width >= 800
        assert any(scorer.run.label_path(result.slide, 1).iterdir())
        objects = json.loads(scorer.run.geojson_path(result.slide).read_text())
        assert len(objects["features"]) >= 4

    def test_tiles_are_counted_up_over_both_passes(
        self, result: SlideResult, ticks: list[tuple[int, int]]
    ) -> None:
        done = [d for d, _ in ticks]
        assert done == sorted(done)
        assert ticks[-1] == (result.tiles, result.tiles)
        assert all(d <= of for d, of in ticks)

    def test_it_says_whose_result_it_is(self, result: SlideResult, ill: Path) -> None:
        assert (result.slide, result.animal) == ("ill knee.png", "m1")
        assert result.sha256 == sha256_of(ill)
        assert result.engine == "torch cpu float32"

    @staticmethod
    def of(result: SlideResult, compartment: Compartment):  # type: ignore[no-untyped-def]
        return next(c for c in result.sections[0].compartments if c.compartment is compartment)


def quiet(done: int, of: int) -> None:
    """Nobody watches."""


def test_the_same_slide_gives_the_same_result(
    scorer: SlideScorer, ill: Path, result: SlideResult
) -> None:
    assert scorer.score(job(ill), quiet) == result


def test_a_slide_that_was_prepared_gives_the_same_result(
    scorer: SlideScorer, ill: Path, result: SlideResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def watched(path: Path, *rest: Any) -> Slide:
        opened.append(path)
        return open_slide(path, *rest)

    monkeypatch.setattr("histoscore.pipeline.slide.open_slide", watched)
    scorer.prepare(job(ill))
    scorer.prepare(job(ill))
    assert scorer.score(job(ill), quiet) == result
    assert opened == [ill], "opened once, and not again"


def test_what_goes_wrong_in_preparing_is_told_when_the_slide_has_its_turn(
    scorer: SlideScorer, tmp_path: Path
) -> None:
    (tmp_path / "letter.svs").write_text("Dear colleague, the slides are on their way.\n" * 40)
    scorer.prepare(job(tmp_path / "letter.svs"))
    with pytest.raises(SlideError, match="plain text"):
        scorer.score(job(tmp_path / "letter.svs"), quiet)


def test_a_calibrated_model_gives_sets_of_grades(
    scorer: SlideScorer, ill: Path, result: SlideResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grader is about three quarters sure: sets of 0.9 hold a neighbour, of 0.7 they do not."""
    for threshold, more in ((0.7, 0), (0.9, 1)):
        fitted = CalibrationCard(
            temperature=1, threshold=threshold, coverage=0.9, n_animals=12, n_compartments=48
        )
        details = scorer.bundle.details.model_copy(update={"calibration": fitted})
        monkeypatch.setattr(scorer, "bundle", replace(scorer.bundle, details=details))
        for found, plain in zip(
            scorer.score(job(ill), quiet).sections[0].compartments,
            result.sections[0].compartments,
            strict=True,
        ):
            assert found.grade == plain.grade
            assert found.grade_low is not None
            assert found.grade_high is not None
            rungs = OARSI_MOUSE.index(found.grade_high) - OARSI_MOUSE.index(found.grade_low)
            assert rungs >= more
            assert (rungs == 0) == (not more)


def test_when_the_sheet_is_silent_the_model_says_and_it_is_flagged(
    scorer: SlideScorer, ill: Path
) -> None:
    section = scorer.score(job(ill, medial=None), quiet).sections[0]
    assert (section.medial_side, section.medial_source) == ("left", "model")
    assert section.medial_confidence is not None
    assert 0 < section.medial_confidence <= 1
    assert "medial_side_from_model" in section.flags


@pytest.fixture(scope="module")
def two_sections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section without cartilage above the ill knee."""
    glass = np.full((round(500 / POSE.mpp), POSE.shape[1], 3), 255, np.uint8)
    both = np.vstack([painted(without_cartilage()), glass, painted(ill_knee())])
    return save(both, tmp_path_factory.mktemp("two") / "two.png")


def test_each_section_has_its_own_fate(scorer: SlideScorer, two_sections: Path) -> None:
    result = scorer.score(job(two_sections), quiet)
    first, second = result.sections
    assert (first.section, first.status, first.reason) == (1, Status.REVIEW, NO_JOINT)
    assert (second.section, second.status.is_graded) == (2, True)
    assert result.status is Status.WARNED
    assert result.reason == NO_JOINT


@pytest.mark.fault(20)
def test_the_sheet_may_choose_among_sections(scorer: SlideScorer, two_sections: Path) -> None:
    result = scorer.score(job(two_sections, sections=(2,)), quiet)
    assert [s.section for s in result.sections] == [2]


@pytest.fixture(scope="module")
def unscaled(scorer: SlideScorer, ill: Path) -> SlideResult:
    before = scorer.config
    scorer.config = before.model_copy(update={"assume_mpp": POSE.mpp})
    result = scorer.score(job(ill, mpp=None, slide="unscaled.png"), quiet)
    scorer.config = before
    return result


class TestAKneeOfUnknownScale:
    """The user says what to read it at: pixels and fractions come out, and no micrometre."""

    def test_it_says_so(self, unscaled: SlideResult) -> None:
        assert (unscaled.mpp, unscaled.mpp_source) == (POSE.mpp, "assumed")
        assert "pixel_size_assumed" in unscaled.sections[0].flags
        assert unscaled.status is Status.WARNED

    def test_grades_and_fractions_are_those_of_the_known_scale(
        self, unscaled: SlideResult, result: SlideResult
    ) -> None:
        pairs = zip(unscaled.sections[0].compartments, result.sections[0].compartments, strict=True)
        for one, other in pairs:
            assert one.grade == other.grade
            assert one.lesion_extent == other.lesion_extent
            assert one.hc_cc_ratio == other.hc_cc_ratio

    def test_areas_and_lengths_are_in_pixels(
        self, unscaled: SlideResult, result: SlideResult
    ) -> None:
        pairs = zip(unscaled.sections[0].compartments, result.sections[0].compartments, strict=True)
        for one, other in pairs:
            assert other.hyaline_area_um2
            assert other.surface_length_um
            assert one.hyaline_area_px == pytest.approx(other.hyaline_area_um2 / POSE.mpp**2)
            assert one.surface_length_px == pytest.approx(other.surface_length_um / POSE.mpp)
            assert other.hyaline_area_px is None

    def test_nothing_is_told_in_micrometres(
        self, unscaled: SlideResult, scorer: SlideScorer
    ) -> None:
        section = unscaled.sections[0]
        assert section.area_um2 is None
        for compartment in section.compartments:
            told = compartment.model_dump(exclude_none=True)
            assert not {n for n in told if "_um" in n and told[n] != ()}, (
                "no value under such a name"
            )
        objects = scorer.run.geojson_path("unscaled.png").read_text(encoding="utf-8")
        assert "_um" not in objects
        assert "hyaline_area_px" in objects

    def test_without_a_word_of_the_user_it_is_refused(self, scorer: SlideScorer, ill: Path) -> None:
        with pytest.raises(PixelSizeError):
            scorer.score(job(ill, mpp=None), quiet)


class TestWithheld:
    """No grade, and the reason in plain words."""

    @pytest.mark.fault(13)
    def test_a_blank_slide_has_no_tissue(self, scorer: SlideScorer, tmp_path: Path) -> None:
        path = save(np.full((900, 1300, 3), 246, np.uint8), tmp_path / "blank.png")
        result = scorer.score(job(path), quiet)
        assert (result.status, result.sections) == (Status.NO_TISSUE, ())
        assert result.reason == "no tissue found on this slide"

    @pytest.mark.fault(14)
    def test_cartilage_of_one_bone_alone_is_no_joint_and_can_be_looked_at(
        self, scorer: SlideScorer, tmp_path: Path
    ) -> None:
        """A reviewer sees what the networks saw, where no grade may be given."""
        plateaus = (Compartment.MTP, Compartment.LTP)
        path = save(painted(knee(POSE, without=plateaus)), tmp_path / "half.png")
        result = scorer.score(job(path), quiet)
        assert_withheld(result, NO_JOINT)
        section = result.sections[0]
        assert (section.medial_side, section.medial_source) == (None, None)
        assert section.medial_confidence is None
        assert section.overlay
        with Image.open(scorer.run.path / section.overlay) as picture:
            assert picture.width >= 800
        assert any(scorer.run.label_path(result.slide, 1).iterdir())

    def test_a_section_without_any_cartilage_leaves_no_picture(
        self, scorer: SlideScorer, tmp_path: Path
    ) -> None:
        drawing = without_cartilage()
        for layer in (Tissue.HYALINE, Tissue.CALCIFIED):
            drawing.tissue[drawing.tissue == layer] = Tissue.GROWTH_PLATE
        path = save(painted(drawing), tmp_path / "bare.png")
        result = scorer.score(job(path), quiet)
        assert_withheld(result, NO_JOINT)
        assert result.sections[0].overlay is None

    @pytest.mark.fault(19)
    def test_a_foreign_stain_is_named(
        self, scorer: SlideScorer, ill: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = {"blue_green_share": (0.0, 0.01)}
        details = scorer.bundle.details.model_copy(update={"appearance": known})
        monkeypatch.setattr(scorer, "bundle", replace(scorer.bundle, details=details))
        result = scorer.score(job(ill), quiet)
        assert_withheld(result, "stain outside the training range: blue green share")
        assert "is this Safranin O / Fast Green?" in result.reason

    @pytest.mark.fault(19)
    def test_haematoxylin_and_eosin_is_withheld(
        self, miniature: Miniature, real_data: Path, run: Path
    ) -> None:
        scorer = SlideScorer(ScoreConfig(model=str(miniature.bundle), device="cpu"), run)
        path = real_data / "wsi" / "CMU-1-Small-Region.svs"
        assert_withheld(scorer.score(job(path, mpp=None), quiet), "")


def assert_withheld(result: SlideResult, reason: str) -> None:
    assert result.status is Status.REVIEW
    assert result.reason
    assert reason in result.reason
    for section in result.sections:
        assert len(section.compartments) == 4
        for compartment in section.compartments:
            assert compartment.status is Status.REVIEW
            assert compartment.reason
            assert compartment.grade is None
            assert compartment.probabilities is None
            assert compartment.hyaline_area_um2 is None


@pytest.mark.fault(11)
def test_an_overview_that_would_fill_memory_is_refused_before_it_is_read(
    scorer: SlideScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pixel size that is too large by far makes metres of a slide, whose tiles are all right."""
    limits = LimitSettings(max_picture_pixels=300)
    monkeypatch.setattr(scorer, "config", scorer.config.model_copy(update={"limits": limits}))
    monkeypatch.setattr(LevelledSlide, "read_at", lambda *_: pytest.fail("it was read"))
    with pytest.raises(UnsupportedSlideError, match=r"^too large: .* in the study sheet's mpp"):
        scorer.score(job(write_svs(tmp_path / "a.svs"), mpp=None), quiet)


@pytest.mark.fault(41)
def test_a_batch_that_was_halved_is_told_with_the_slide(
    scorer: SlideScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "remarks", ("memory of cuda was short",))
    path = save(np.full((900, 1300, 3), 246, np.uint8), tmp_path / "blank.png")
    assert "memory of cuda was short" in scorer.score(job(path), quiet).warnings


@pytest.mark.fault(43)
def test_networks_that_give_no_number_fail_the_slide(
    scorer: SlideScorer, ill: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = reading_networks()
    spec = networks["grader"].spec
    networks["grader"] = Network(spec, NotANumber(float("nan")))
    monkeypatch.setattr(scorer, "predictor", Predictor(networks, "cpu", scorer.config.tiles))
    with pytest.raises(PredictionError, match="not finite"):
        scorer.score(job(ill), quiet)


def test_a_phantom_slide_is_scored_or_withheld_whatever_the_networks_know(
    miniature: Miniature, run: Path, tmp_path: Path
) -> None:
    small = ("sections=[1, 1]", "mpp=1.7", "width_um=2600", "height_um=1700")
    write_phantom_study(tmp_path, 1, 3, overrides=small)
    slide = next((tmp_path / "slides").glob("*.svs"))
    config = ScoreConfig(
        model=str(miniature.bundle), device="cpu", sections=SectionSettings(overview_mpp=9)
    )
    result = SlideScorer(config, run).score(job(slide, mpp=None), quiet)
    assert len(result.sections) == 1
    assert result.mpp == pytest.approx(1.7, abs=0.01)
    if not result.status.is_graded:
        assert_withheld(result, "")
        return
    for compartment in result.sections[0].compartments:
        numbers = [v for v in compartment.model_dump().values() if isinstance(v, float)]
        assert all(math.isfinite(number) for number in numbers)
