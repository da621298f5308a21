"""A grade comes from probabilities that can be trusted, or there is none and a reason."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.config import QualitySettings
from histoscore.errors import PredictionError
from histoscore.records import CompartmentResult, Morphometry, Profile, Surface
from histoscore.scoring.calibration import Calibration
from histoscore.scoring.grades import compartment_result, expected_grade, most_probable
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Ladder, Status

LINE = np.array([[0.0, 0.0], [30.0, 5.0]])
HEALTHY = Morphometry(
    compartment=Compartment.MTP,
    hyaline_area_um2=21_500.0,
    calcified_area_um2=9_800.0,
    surface_length_um=640.0,
    mean_thickness_um=33.6,
    lesion_extent=0.0,
    safranin_fraction=0.7,
    surface=Surface(Compartment.MTP, LINE, LINE + 3, LINE + 9, np.zeros(2, dtype=bool)),
    profile=Profile(np.array([11.004, 36.0]), np.array([9.0, 12.0])),
    tidemark_length_um=630.0,
    osteochondral_length_um=655.0,
    median_thickness_um=36.1,
    min_thickness_um=22.0,
    total_thickness_um=48.9,
    lesion_count=0,
    widest_lesion_um=0.0,
    deepest_lesion=0.1,
    roughness_um=0.6,
    absent_fraction=0.0,
    focus=0.7,
    obscured_fraction=0.01,
)


def sure_of(grade: float, certainty: float = 0.9) -> list[float]:
    """Probabilities over the mouse ladder with most of the mass on one rung."""
    rest = (1 - certainty) / (len(OARSI_MOUSE) - 1)
    return [certainty if rung == grade else rest for rung in OARSI_MOUSE.rungs]


def test_most_probable_rung_is_the_grade() -> None:
    assert most_probable(sure_of(0.5), OARSI_MOUSE) == 0.5
    assert most_probable(sure_of(6), OARSI_MOUSE) == 6


def test_of_equal_rungs_the_lower_counts() -> None:
    assert most_probable([0, 0, 0.1, 0.4, 0.1, 0.4, 0, 0], OARSI_MOUSE) == 2


def test_expected_grade_weighs_rungs_not_their_numbers() -> None:
    assert expected_grade([0, 0.5, 0, 0, 0, 0, 0, 0.5], OARSI_MOUSE) == pytest.approx(3.25)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda p: max(p) > min(p) + 1e-6))
def test_expected_grade_lies_on_the_ladder(weights: list[float]) -> None:
    probabilities = [weight / math.fsum(weights) for weight in weights]
    assert 0 <= expected_grade(probabilities, OARSI_MOUSE) <= 6
    assert most_probable(probabilities, OARSI_MOUSE) in OARSI_MOUSE.rungs


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        ([math.nan] * 8, "not finite"),
        ([*sure_of(0)[:7], math.inf], "not finite"),
        ([0.125] * 8, "all grades are equally probable"),
        ([0.5] + [0.0] * 7, "not a set of probabilities"),
        ([1.2, -0.2] + [0.0] * 6, "not a set of probabilities"),
        ([0.5, 0.5], "has 2 grades, oarsi_mouse_2010 8"),
    ],
)
@pytest.mark.fault(43)
def test_output_that_cannot_be_trusted_is_never_a_grade(
    probabilities: list[float], reason: str
) -> None:
    for grade_of in (most_probable, expected_grade):
        with pytest.raises(PredictionError, match=reason):
            grade_of(probabilities, OARSI_MOUSE)


def test_healthy_compartment_is_scored_without_flags() -> None:
    result = compartment_result(
        Compartment.MTP, sure_of(0.5), HEALTHY, OARSI_MOUSE, QualitySettings()
    )
    assert (result.status, result.reason, result.flags) == (Status.SCORED, "", ())
    assert (result.grade, result.implied_grade) == (0.5, None)
    assert (result.grade_low, result.grade_high) == (None, None)
    assert result.hyaline_area_um2 == 21_500.0
    assert result.probabilities == tuple(sure_of(0.5))


@pytest.mark.parametrize(
    ("grade", "extent", "implied", "disagrees"),
    [
        (4, 0.3, 4, False),
        (3, 0.3, 4, False),
        (2, 0.3, 4, True),
        (6, 0.3, 4, True),
        (4, 0.25, 4, False),
        (2, 0.0, None, False),
        (3, 0.0, None, False),
        (4, 0.0, None, True),
    ],
)
def test_measured_extent_is_held_against_the_grade(
    grade: float, extent: float, implied: float | None, disagrees: bool
) -> None:
    eroded = replace(HEALTHY, lesion_extent=extent)
    result = compartment_result(
        Compartment.MTP, sure_of(grade), eroded, OARSI_MOUSE, QualitySettings()
    )
    assert result.implied_grade == implied
    assert ("extent_disagrees" in result.flags) is disagrees
    assert result.status is (Status.WARNED if disagrees else Status.SCORED)


def test_ladder_without_extents_implies_nothing() -> None:
    ladder = Ladder("three", (0, 1, 2))
    result = compartment_result(
        Compartment.MTP, [0.1, 0.2, 0.7], HEALTHY, ladder, QualitySettings()
    )
    assert (result.grade, result.implied_grade, result.flags) == (2, None, ())


@pytest.mark.parametrize("area", [0.0, 2_999.0, 300_001.0])
def test_unusual_area_is_flagged_and_kept(area: float) -> None:
    odd = replace(HEALTHY, hyaline_area_um2=area)
    result = compartment_result(Compartment.MTP, sure_of(0), odd, OARSI_MOUSE, QualitySettings())
    assert result.flags == ("area_unusual",)
    assert (result.hyaline_area_um2, result.grade) == (area, 0)


def test_without_cartilage_the_grade_is_withheld() -> None:
    result = compartment_result(Compartment.MTP, sure_of(5), None, OARSI_MOUSE, QualitySettings())
    assert (result.status, result.reason) == (Status.REVIEW, "cartilage not found")
    assert (result.grade, result.expected_grade, result.probabilities) == (None, None, None)
    assert result.hyaline_area_um2 is None


def test_without_probabilities_the_measures_stay() -> None:
    result = compartment_result(Compartment.MTP, None, HEALTHY, OARSI_MOUSE, QualitySettings())
    assert (result.status, result.reason) == (Status.REVIEW, "the model gave no grade")
    assert (result.grade, result.hyaline_area_um2) == (None, 21_500.0)


def test_measure_that_is_not_finite_is_missing() -> None:
    torn = replace(HEALTHY, mean_thickness_um=math.nan, safranin_fraction=None)
    result = compartment_result(Compartment.MTP, sure_of(0), torn, OARSI_MOUSE, QualitySettings())
    assert result.mean_thickness_um is None
    assert result.flags == ("measure_missing",)


POOR = {
    "thickness_unusual": replace(HEALTHY, mean_thickness_um=151.0),
    "interrupted": replace(HEALTHY, absent_fraction=0.11),
    "obscured": replace(HEALTHY, obscured_fraction=0.23),
    "area_unusual": replace(HEALTHY, hyaline_area_um2=2_100.0),
}


@pytest.mark.parametrize("flag", POOR)
def test_poor_quality_is_flagged_and_removes_nothing(flag: str) -> None:
    result = compartment_result(
        Compartment.MTP, sure_of(0), POOR[flag], OARSI_MOUSE, QualitySettings()
    )
    assert (result.status, result.flags, result.grade) == (Status.WARNED, (flag,), 0)
    assert result.hyaline_area_um2 == POOR[flag].hyaline_area_um2


@pytest.mark.parametrize("flag", POOR)
def test_what_the_configuration_excludes_keeps_its_row_and_has_no_number(flag: str) -> None:
    quality = QualitySettings(exclude=(flag,))
    result = compartment_result(Compartment.MTP, sure_of(0), POOR[flag], OARSI_MOUSE, quality)
    assert (result.status, result.flags) == (Status.REVIEW, (flag,))
    assert result.reason == f"excluded: {flag.replace('_', ' ')} (quality.exclude)"
    numbers = result.model_dump(exclude={"compartment", "status", "reason", "flags"})
    assert not any(value not in (None, ()) for value in numbers.values())
    healthy = compartment_result(Compartment.MTP, sure_of(0), HEALTHY, OARSI_MOUSE, quality)
    assert healthy.status is Status.SCORED


def test_blurred_cartilage_is_flagged_where_a_limit_is_set() -> None:
    for limit, flags in ((0.0, ()), (0.6, ()), (0.8, ("blurred",))):
        quality = QualitySettings(min_compartment_focus=limit)
        result = compartment_result(Compartment.MTP, sure_of(0), HEALTHY, OARSI_MOUSE, quality)
        assert result.flags == flags


def test_a_flag_that_does_not_exist_cannot_exclude() -> None:
    with pytest.raises(ValueError, match=r"unknown flag 'blurry'; known: touches_edge"):
        QualitySettings(exclude=("blurry",))


def test_untrusted_probabilities_are_an_error_not_a_review() -> None:
    with pytest.raises(PredictionError):
        compartment_result(Compartment.MTP, [math.nan] * 8, HEALTHY, OARSI_MOUSE, QualitySettings())


class TestCalibrated:
    """With a calibration, probabilities are tempered and a set of rungs is given."""

    @staticmethod
    def result(
        probabilities: list[float],
        threshold: float = 0.8,
        temperature: float = 1.0,
        max_set_rungs: int = 3,
    ) -> CompartmentResult:
        return compartment_result(
            Compartment.MTP,
            probabilities,
            replace(HEALTHY, lesion_extent=0.01),
            OARSI_MOUSE,
            QualitySettings(max_set_rungs=max_set_rungs, extent_disagreement_rungs=8),
            Calibration(temperature, threshold, 0.9, 12, 40),
        )

    @pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
    def test_probabilities_are_tempered_and_the_grade_stays(self, temperature: float) -> None:
        raw = [0.02, 0.03, 0.05, 0.5, 0.2, 0.1, 0.06, 0.04]
        result = self.result(raw, temperature=temperature)
        powers = np.array(raw) ** (1 / temperature)
        assert result.probabilities == pytest.approx(tuple(powers / powers.sum()))
        assert result.grade == 2
        assert result.expected_grade == pytest.approx(
            float(powers @ OARSI_MOUSE.rungs / powers.sum())
        )

    @pytest.mark.parametrize(
        ("threshold", "low", "high", "wide"),
        [
            (0.0, 2, 2, False),
            (0.45, 2, 3, False),
            (0.75, 1, 3, False),
            (0.90, 1, 4, True),
            (math.inf, 0, 6, True),
        ],
    )
    def test_the_set_grows_with_the_threshold_and_a_wide_one_is_flagged(
        self, threshold: float, low: float, high: float, wide: bool
    ) -> None:
        result = self.result([0.01, 0.02, 0.15, 0.4, 0.3, 0.08, 0.03, 0.01], threshold)
        assert (result.grade_low, result.grade_high) == (low, high)
        assert ("wide_set" in result.flags) is wide
        assert result.status is (Status.WARNED if wide else Status.SCORED)

    def test_how_wide_is_too_wide_is_set(self) -> None:
        spread = [0.01, 0.02, 0.15, 0.4, 0.3, 0.08, 0.03, 0.01]
        assert "wide_set" in self.result(spread, 0.45, max_set_rungs=1).flags
        assert "wide_set" not in self.result(spread, math.inf, max_set_rungs=8).flags

    def test_a_grade_that_is_certain_has_a_set_of_its_own(self) -> None:
        """Probabilities of 0 have no logarithm."""
        result = self.result([0.0] * 7 + [1.0], temperature=2.0)
        assert (result.grade, result.grade_low, result.grade_high) == (6, 6, 6)
        assert result.probabilities is not None
        assert all(math.isfinite(p) for p in result.probabilities)

    @given(
        weights=st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(
            lambda p: max(p) > min(p) + 1e-3
        ),
        threshold=st.floats(0, 1.2),
        temperature=st.floats(0.2, 10),
    )
    def test_the_grade_lies_in_its_set(
        self, weights: list[float], threshold: float, temperature: float
    ) -> None:
        raw = [weight / math.fsum(weights) for weight in weights]
        result = self.result(raw, threshold, temperature)
        assert {result.grade_low, result.grade_high} <= set(OARSI_MOUSE.rungs)
        assert result.grade is not None
        assert result.grade_low is not None
        assert result.grade_high is not None
        assert result.grade_low <= result.grade <= result.grade_high

    def test_a_withheld_grade_has_no_set(self) -> None:
        calibration = Calibration(1.0, 0.5, 0.9, 12, 40)
        for probabilities, morphometry in ((sure_of(5), None), (None, HEALTHY)):
            result = compartment_result(
                Compartment.MTP,
                probabilities,
                morphometry,
                OARSI_MOUSE,
                QualitySettings(),
                calibration,
            )
            assert (result.grade_low, result.grade_high) == (None, None)
            assert "wide_set" not in result.flags

    def test_output_that_cannot_be_trusted_is_not_tempered_into_a_grade(self) -> None:
        with pytest.raises(PredictionError, match="equally probable"):
            self.result([0.125] * 8, temperature=2.0)
