"""What the grader learns from: soft labels, and strips of scenes with their true grades."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.drawn_knee import DrawnKnee, Pose, hyaline_area, knee

from histoscore.config import TileSettings
from histoscore.errors import ModelError
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.strips import ABOVE_PX, BELOW_PX
from histoscore.models.bundle import NetworkSpec
from histoscore.models.grading import (
    DyeStrip,
    GraderSettings,
    StripSource,
    cut_strips,
    load_strips,
    soft_labels,
    train_grader,
)
from histoscore.models.predict import Predictor
from histoscore.phantom.scenes import StoredScene
from histoscore.records import Mask, SegmentationMap
from histoscore.slides.base import Slide
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Tissue


class TestSoftLabels:
    """A true rung as a distribution that falls off with grade distance."""

    labels = soft_labels(OARSI_MOUSE, 0.25)

    def weight(self, true: float, other: float) -> float:
        return float(self.labels[OARSI_MOUSE.index(true), OARSI_MOUSE.index(other)])

    def test_rows_are_distributions(self) -> None:
        assert self.labels.shape == (8, 8)
        assert self.labels.sum(1).tolist() == pytest.approx([1.0] * 8)
        assert (self.labels > 0).all()

    def test_the_true_rung_weighs_most(self) -> None:
        assert self.labels.argmax(1).tolist() == list(range(8))

    @pytest.mark.parametrize("true", OARSI_MOUSE.rungs)
    def test_weights_fall_with_grade_distance(self, true: float) -> None:
        nearest_first = sorted(OARSI_MOUSE.rungs, key=lambda rung: abs(rung - true))
        weights = [self.weight(true, rung) for rung in nearest_first]
        assert weights == sorted(weights, reverse=True)

    def test_half_a_grade_is_nearer_than_a_whole_one(self) -> None:
        """0.5 beside 1 is a neighbour at half the distance of 3 beside 2."""
        assert self.weight(1, 0.5) > 3 * self.weight(2, 3)
        assert self.weight(0.5, 0) == pytest.approx(self.weight(0.5, 1))
        assert self.weight(0, 1) < self.weight(0, 0.5)

    def test_softer_is_flatter(self) -> None:
        hard, soft = soft_labels(OARSI_MOUSE, 0.05), soft_labels(OARSI_MOUSE, 2.0)
        assert hard.diagonal().min() > 0.99
        assert soft.diagonal().max() < 0.5


POSE = Pose(2300, 2450, mpp=1.7, angle=9)
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

    @property
    def strip_mpp(self) -> Mpp:
        return STRIP_MPP

    def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
        return told(2)

    def fine(
        self, slide: Slide, coarse: SegmentationMap, wanted: Mask, tick: object = None
    ) -> SegmentationMap:
        return told(1)


GRADES = {Compartment.MFC: 2.0, Compartment.MTP: 4.0, Compartment.LFC: 0.0, Compartment.LTP: 0.5}


def drawn_scene() -> StoredScene:
    """The knee with Safranin in its hyaline and Fast Green in its calcified layer."""
    drawing = knee(POSE)
    dyes = np.zeros((*POSE.shape, 3), np.uint8)
    dyes[drawing.tissue == Tissue.HYALINE] = (120, 0, 7)
    dyes[drawing.tissue == Tissue.CALCIFIED] = (0, 90, 7)
    return StoredScene(np.dstack([dyes, drawing.tissue, drawing.zones]), GRADES, POSE.mpp)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> list[DyeStrip]:
    file = tmp_path_factory.mktemp("strips") / "00004.npz"
    scene = drawn_scene()
    cut_strips(TruthReader(), scene, 4, file)
    return load_strips(file, scene, STRIP_MPP)


def test_every_compartment_found_becomes_a_strip_with_its_grade(strips: list[DyeStrip]) -> None:
    assert {s.compartment: s.grade for s in strips} == GRADES
    assert all(s.pixels.shape[0] == ABOVE_PX + BELOW_PX and s.mpp == STRIP_MPP for s in strips)


def test_strips_hold_dyes_where_the_masks_say(strips: list[DyeStrip]) -> None:
    for strip in strips:
        safranin, green = strip.pixels[..., 0].astype(int), strip.pixels[..., 1].astype(int)
        hyaline, calcified = strip.pixels[..., 3] > 127, strip.pixels[..., 4] > 127
        assert np.median(safranin[hyaline]) == pytest.approx(120, abs=2)
        assert np.median(green[calcified]) == pytest.approx(90, abs=2)
        assert np.median(safranin[calcified]) < 5


def test_strips_hold_as_much_cartilage_as_was_drawn(strips: list[DyeStrip]) -> None:
    plateaus = [s for s in strips if not s.compartment.is_femoral]
    assert len(plateaus) == 2
    for strip in plateaus:
        area = (strip.pixels[..., 3] > 127).sum() * strip.mpp**2
        assert area == pytest.approx(hyaline_area(strip.compartment), rel=0.1)


def test_a_scene_without_a_joint_yields_no_strips(tmp_path: Path) -> None:
    class Blind(TruthReader):
        def coarse(self, slide: Slide, box: Box, tick: object = None) -> SegmentationMap:
            seen = told(2)
            return SegmentationMap(np.roll(seen.tissue, 3, 0), seen.zones, seen.placement)

    scene = drawn_scene()
    cut_strips(Blind(), scene, 4, tmp_path / "none.npz")
    assert load_strips(tmp_path / "none.npz", scene, STRIP_MPP) == []


def test_too_few_strips_are_a_refusal_that_says_what_to_do(
    strips: list[DyeStrip], tmp_path: Path
) -> None:
    spec = NetworkSpec(kind="grader", depth=3, mpp=1.5, tile_px=640)
    with pytest.raises(ModelError, match=r"found 4 compartments.*grader\.training\.batch"):
        train_grader(
            torch.nn.Identity(),
            StripSource(strips, spec, OARSI_MOUSE, GraderSettings(batch=5), 1),
            torch.device("cpu"),
            tmp_path / "log.csv",
            print,
        )
