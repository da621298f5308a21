"""Compartments of examples laid straight, beside their scorers' grades."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_knee import DrawnKnee, Pose, hyaline_area, knee

from histoscore.config import TileSettings
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.strips import ABOVE_PX, BELOW_PX
from histoscore.models.examples import Colours, Example, ExampleFacts
from histoscore.models.predict import Predictor
from histoscore.models.specs import NetworkName
from histoscore.models.strips import ExampleStrip, cut_strips, load_strips, wanted_shares
from histoscore.records import Mask, MedialSide, SegmentationMap, TissueMap
from histoscore.slides.base import Slide
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Tissue

POSE = Pose(2300, 2450, mpp=2.1, angle=9)
STRIP_MPP = Mpp(1.5)


@cache
def told(factor: int) -> SegmentationMap:
    """What is true of the drawn knee, at `factor` times the slide's µm per pixel."""
    drawing = knee(POSE)
    seen = (layer[::factor, ::factor] for layer in (drawing.tissue, drawing.zones))
    found = DrawnKnee(*seen, POSE).probabilities()
    place = Placement(0, 0, factor, Mpp(POSE.mpp * factor))
    return SegmentationMap(found.tissue, found.zones, place)


class TruthReader(Predictor):
    """Says of any slide what was drawn."""

    def __init__(self) -> None:
        super().__init__({}, "cpu", TileSettings())

    def mpp_of(self, network: NetworkName) -> Mpp:
        return STRIP_MPP

    def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
        return told(2)

    def fine(
        self, slide: Slide, coarse: SegmentationMap, wanted: Mask, tick: object = None
    ) -> TissueMap:
        return TissueMap(knee(POSE).tissue, Placement(0, 0, 1, Mpp(POSE.mpp)))


Grades = Mapping[Compartment, Mapping[str, float]]
GRADES: Grades = {
    Compartment.MFC: {"truth": 2.0},
    Compartment.MTP: {"truth": 4.0},
    Compartment.LFC: {"truth": 0.0},
    Compartment.LTP: {"truth": 0.5},
}


def drawn(
    colours: Colours = "dyes", grades: Grades = GRADES, medial: MedialSide | None = "left"
) -> Example:
    """The knee with Safranin in its hyaline and Fast Green in its calcified layer, or as an
    orange and green picture on white glass."""
    drawing = knee(POSE)
    looks = {"dyes": [(0, 0, 0), (120, 0, 7), (0, 90, 7)]}
    looks["rgb"] = [(255, 255, 255), (226, 112, 52), (96, 168, 150)]
    glass, hyaline, calcified = looks[colours]
    picture = np.full((*POSE.shape, 3), glass, np.uint8)
    picture[drawing.tissue == Tissue.HYALINE] = hyaline
    picture[drawing.tissue == Tissue.CALCIFIED] = calcified
    facts = ExampleFacts(
        colours=colours, mpp=POSE.mpp, animal="m 7", slide="s", medial=medial, grades=grades
    )
    return Example("e00004", facts, np.dstack([picture, drawing.tissue, drawing.bones]))


def cut(example: Example, file: Path, reader: Predictor | None = None) -> list[ExampleStrip]:
    cut_strips(reader or TruthReader(), example, 4, file)
    return load_strips(file, example, STRIP_MPP)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> list[ExampleStrip]:
    return cut(drawn(), tmp_path_factory.mktemp("strips") / "e.npz")


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> list[ExampleStrip]:
    return cut(drawn("rgb"), tmp_path_factory.mktemp("scanned") / "e.npz")


class TestCut:
    """An example is read as a slide would be."""

    def test_every_compartment_found_becomes_a_strip_with_its_grades(
        self, strips: list[ExampleStrip]
    ) -> None:
        assert {s.compartment: s.grades for s in strips} == GRADES
        assert {s.animal for s in strips} == {"m 7"}
        assert all(s.pixels.shape[0] == ABOVE_PX + BELOW_PX for s in strips)
        assert all(s.mpp == STRIP_MPP and s.are_dyes for s in strips)

    def test_strips_hold_dyes_where_the_masks_say(self, strips: list[ExampleStrip]) -> None:
        for strip in strips:
            safranin, green = strip.pixels[..., 0].astype(int), strip.pixels[..., 1].astype(int)
            hyaline, calcified = strip.pixels[..., 3] > 127, strip.pixels[..., 4] > 127
            assert np.median(safranin[hyaline]) == pytest.approx(120, abs=2)
            assert np.median(green[calcified]) == pytest.approx(90, abs=2)
            assert np.median(safranin[calcified]) < 5

    def test_strips_of_a_slide_hold_its_own_colours(self, scanned: list[ExampleStrip]) -> None:
        assert not any(s.are_dyes for s in scanned)
        for strip in scanned:
            colours = strip.pixels[..., :3].astype(int)
            hyaline = colours[strip.pixels[..., 3] > 127]
            assert np.median(hyaline, 0) == pytest.approx([226, 112, 52], abs=2)
            assert np.array_equal(strip.shown(np.random.default_rng(1)).pixels, strip.pixels)

    def test_strips_hold_as_much_cartilage_as_was_drawn(self, strips: list[ExampleStrip]) -> None:
        plateaus = [s for s in strips if not s.compartment.is_femoral]
        assert len(plateaus) == 2
        for strip in plateaus:
            area = (strip.pixels[..., 3] > 127).sum() * strip.mpp**2
            assert area == pytest.approx(hyaline_area(strip.compartment), rel=0.1)

    def test_a_compartment_without_a_grade_leaves_no_strip(self, tmp_path: Path) -> None:
        grades = {Compartment.LTP: {"A": 1.0, "B": 2.0}}
        (strip,) = cut(drawn("rgb", grades), tmp_path / "e.npz")
        assert (strip.compartment, strip.grades) == (Compartment.LTP, grades[Compartment.LTP])

    def test_the_sheets_medial_side_decides_whose_strip_it_is(
        self, scanned: list[ExampleStrip], tmp_path: Path
    ) -> None:
        found = cut(drawn("rgb", medial="right"), tmp_path / "e.npz")
        mirrored = {s.compartment: s.pixels for s in found}
        for strip in scanned:
            assert np.array_equal(mirrored[strip.compartment.mirrored], strip.pixels)

    def test_networks_are_shown_a_slides_own_colours_and_dyes_in_a_random_one(
        self, tmp_path: Path
    ) -> None:
        class SeenError(Exception):
            pass

        class Looker(TruthReader):
            def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
                raise SeenError(slide.read_at(box, slide.info.mpp))

        for colours in ("dyes", "rgb"):
            example = drawn(colours)
            with pytest.raises(SeenError) as caught:
                cut(example, tmp_path / "e.npz", Looker())
            (shown,) = caught.value.args
            assert np.array_equal(shown, example.pixels[..., :3]) == (colours == "rgb")
            glass = shown[example.pixels[..., 3] == Tissue.BACKGROUND]
            assert np.median(glass) > 150

    def test_an_example_without_a_joint_yields_no_strips(self, tmp_path: Path) -> None:
        class Blind(TruthReader):
            def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
                seen = told(2)
                return SegmentationMap(np.roll(seen.tissue, 3, 0), seen.zones, seen.placement)

        assert cut(drawn(), tmp_path / "none.npz", Blind()) == []
        assert (tmp_path / "none.npz").exists(), "it is not tried again"

    def test_nor_one_without_any_cartilage(self, tmp_path: Path) -> None:
        class Nothing(TruthReader):
            def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
                seen = told(2)
                bone = np.zeros_like(seen.tissue)
                bone[Tissue.BONE] = 1
                return SegmentationMap(bone, seen.zones, seen.placement)

        assert cut(drawn(), tmp_path / "none.npz", Nothing()) == []


class TestVaried:
    """A strip in a random colour, either way round, shifted a little."""

    def varied(self, strip: ExampleStrip, count: int = 24) -> list[np.ndarray]:
        return [strip.varied(np.random.default_rng(seed)).pixels for seed in range(count)]

    def test_the_same_numbers_give_the_same_strip(self, strips: list[ExampleStrip]) -> None:
        one, again = (strips[0].varied(np.random.default_rng(3)) for _ in range(2))
        assert np.array_equal(one.pixels, again.pixels)
        assert one.compartment == strips[0].compartment
        assert one.mpp == STRIP_MPP

    def test_masks_move_with_the_tidemark(self, strips: list[ExampleStrip]) -> None:
        strip = strips[0]
        places = set()
        for seed in range(24):
            found = strip.varied(np.random.default_rng(seed))
            shift = found.tidemark_row - ABOVE_PX
            back = np.roll(found.pixels[..., 3:], -shift, axis=0)
            ways = (strip.pixels[..., 3:], strip.pixels[:, ::-1, 3:])
            # The outermost rows are those that a shift fills anew.
            either = [np.array_equal(back[4:-4], way[4:-4]) for way in ways]
            assert any(either)
            places.add((shift, either[0]))
        assert {way for _, way in places} == {True, False}
        assert {shift for shift, _ in places} <= set(range(-4, 5))
        assert len({shift for shift, _ in places}) > 4

    def test_colours_differ_for_dyes_and_slides_alike(
        self, strips: list[ExampleStrip], scanned: list[ExampleStrip]
    ) -> None:
        for strip in (strips[0], scanned[0]):
            looks = [look[..., :3].mean() for look in self.varied(strip)]
            assert np.std(looks) > 2

    def test_the_strip_itself_is_left_as_it_is(self, scanned: list[ExampleStrip]) -> None:
        before = scanned[0].pixels.copy()
        self.varied(scanned[0], 3)
        assert np.array_equal(scanned[0].pixels, before)


def graded(**grades: float) -> ExampleStrip:
    pixels = np.zeros((96, 10, 5), np.uint8)
    return ExampleStrip(pixels, Compartment.MTP, grades, "m1", False, STRIP_MPP)


def test_what_is_wanted_is_the_share_of_scorers_on_each_rung() -> None:
    strips = [graded(A=2), graded(A=0, B=0.5), graded(A=6, B=6, C=5)]
    shares = wanted_shares(strips, OARSI_MOUSE.rungs)
    assert shares.dtype == np.float32
    assert shares == pytest.approx(
        np.array(
            [
                [0, 0, 0, 1, 0, 0, 0, 0],
                [1 / 2, 1 / 2, 0, 0, 0, 0, 0, 0],
                [0, 0, 0, 0, 0, 0, 1 / 3, 2 / 3],
            ]
        )
    )


def test_a_grade_that_is_not_on_the_ladder_is_no_rung() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        wanted_shares([graded(A=1.5)], OARSI_MOUSE.rungs)
