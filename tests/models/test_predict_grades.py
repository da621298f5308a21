"""What the grader is given of a strip, and the grades that come of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fake_networks import NotANumber, grader
from torch import Tensor, nn

from histoscore.config import TileSettings
from histoscore.errors import PredictionError
from histoscore.geometry import Mpp
from histoscore.models.predict import Predictor
from histoscore.models.specs import GraderSpec
from histoscore.models.strip_inputs import collate_strips, strip_measures
from histoscore.records import Strip
from histoscore.vocabulary import Compartment


def strip(
    compartment: Compartment = Compartment.MTP, length: int = 150, bare: slice = slice(0)
) -> Strip:
    """Hyaline cartilage 40 rows thick over 30 rows of calcified, at 0.5 µm a row."""
    pixels = np.full((128, length, 5), (200, 120, 70, 0, 0), np.uint8)
    pixels[40:80, :, 3] = 255
    pixels[40:80, bare, 3] = 0
    pixels[80:110, :, 4] = 255
    return Strip(compartment, pixels, 80, Mpp(0.5))


class TestGrades:
    """Grades from strips."""

    def grader(self, module: nn.Module) -> Predictor:
        return Predictor({"grader": grader(module, 0.5, 224)}, "cpu", TileSettings())

    def test_each_strip_gets_probabilities_over_the_ladder_in_its_order(self) -> None:
        class ByLength(nn.Module):
            def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
                rung = present.sum(1, keepdim=True) / 20
                return -(torch.arange(8)[None] - rung).abs() * 3

        strips = [strip(c, 20 * n) for n, c in enumerate(Compartment, 2)]
        grades = self.grader(ByLength()).grade(strips)
        assert [g.compartment for g in grades] == list(Compartment)
        assert [int(np.argmax(g.probabilities)) for g in grades] == [2, 3, 4, 5]
        for grade in grades:
            assert len(grade.probabilities) == 8
            assert sum(grade.probabilities) == pytest.approx(1, abs=1e-12)

    def test_no_strips_no_grades(self) -> None:
        assert self.grader(NotANumber(0)).grade([]) == ()

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_grades_that_are_not_finite_are_refused(self, value: float) -> None:
        with pytest.raises(PredictionError, match="not finite"):
            self.grader(NotANumber(value)).grade([strip()])


class TestStrips:
    """What the grader is given of a strip."""

    spec = GraderSpec(mpp=0.5, tile_px=224)

    def test_a_short_strip_is_padded_with_white_that_counts_for_nothing(self) -> None:
        pixels, present, _ = collate_strips([strip(length=150)], self.spec)
        assert pixels.shape == (1, 3, 128, 224)
        assert (pixels[..., 150:] == 1).all()
        assert present[0].tolist() == [True] * 150 + [False] * 74

    def test_a_strip_that_is_too_long_is_squeezed(self) -> None:
        pixels, present, measures = collate_strips([strip(length=700)], self.spec)
        assert pixels.shape == (1, 3, 128, 224)
        assert present.all()
        assert measures[0].tolist() == pytest.approx(strip_measures(strip(length=700)))

    def test_context_channels_are_the_label_masks(self) -> None:
        spec = self.spec.model_copy(update={"context": 2})
        pixels, _, _ = collate_strips([strip(length=150)], spec)
        assert pixels.shape == (1, 5, 128, 224)
        assert (pixels[0, 3, 40:80, :150] == 1).all()
        assert pixels[0, 3, :, 150:].max() == 0
        assert pixels[0, 4].sum() == 30 * 150

    def test_measures_are_extent_mean_low_and_spread_of_thickness(self) -> None:
        healthy, ill = strip_measures(strip()), strip_measures(strip(bare=slice(30, 75)))
        assert healthy == pytest.approx([0, 20 / 50, 20 / 50, 0])
        assert ill[0] == pytest.approx(0.3)
        assert ill[1] == pytest.approx(0.7 * 20 / 50)
        assert ill[2] == 0
        assert ill[3] == pytest.approx(20 * np.sqrt(0.21) / 25)
