"""What is said of animals that nothing was learnt from, and what is fitted on it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from histoscore.geometry import Mpp
from histoscore.models.crossval import FILE, HeldOut, calibrated, write_cross_validation
from histoscore.models.strips import ExampleStrip
from histoscore.vocabulary import OARSI_MOUSE, Compartment


def strip(animal: str, **grades: float) -> ExampleStrip:
    pixels = np.zeros((96, 40, 5), np.uint8)
    return ExampleStrip(pixels, Compartment.MTP, grades, animal, False, Mpp(4.0), "a.svs", 2)


def sure(*rungs: int) -> np.ndarray:
    """(rows, 8) log-probabilities with 0.86 on a rung each."""
    return np.log(np.full((len(rungs), 8), 0.02) + 0.84 * np.eye(8)[list(rungs)])


class TestCalibrated:
    """Temperature and threshold from all colours of all parts."""

    def test_every_animal_and_every_colour_counts(self) -> None:
        one = [strip(f"m{n}", A=2.0) for n in range(6)]
        other = [strip(f"n{n}", A=2.0, B=3.0) for n in range(6)]
        parts = [HeldOut(one, sure(*[3] * 12), 6), HeldOut(other, sure(*[3] * 6), 6)]
        found = calibrated(parts, OARSI_MOUSE, 0.9)
        assert found is not None
        assert (found.n_animals, found.n_compartments, found.coverage) == (12, 18, 0.9)
        assert found.temperature > 1, "some scorers say 3 where the grader is sure of 2"
        assert found.threshold > 0

    def test_colours_of_one_strip_keep_its_grade(self) -> None:
        """All strips in one colour, then all in the next."""
        strips = [strip("m1", A=0.0), strip("m2", A=6.0)]
        right = calibrated([HeldOut(strips, sure(0, 7, 0, 7), 2)], OARSI_MOUSE, 0.9)
        wrong = calibrated([HeldOut(strips, sure(0, 0, 7, 7), 2)], OARSI_MOUSE, 0.9)
        assert right is not None
        assert wrong is not None
        assert right.temperature < 1 < wrong.temperature

    @pytest.mark.parametrize("parts", [[], [HeldOut([], np.zeros((0, 8)), 3)]], ids=len)
    def test_without_held_out_strips_there_is_none(self, parts: list[HeldOut]) -> None:
        assert calibrated(parts, OARSI_MOUSE, 0.9) is None


def test_a_row_for_every_compartment_says_whose_it_is_and_what_was_said(tmp_path: Path) -> None:
    parts = [
        HeldOut([strip("m1", A=2.0, B=3.0)], sure(3), 2),
        HeldOut([strip("m2", A=6.0)], sure(6), 1),
    ]
    said: list[str] = []
    path = write_cross_validation(tmp_path, parts, OARSI_MOUSE, said.append)
    assert path == tmp_path / FILE
    first, second = csv.DictReader(path.read_text().splitlines())
    assert (first["fold"], first["animal"], first["slide"]) == ("1", "m1", "a.svs")
    assert (first["section"], first["compartment"]) == ("2", "MTP")
    assert (first["scorers"], first["reference"], first["grade"]) == ("A 2; B 3", "2", "2")
    assert (second["fold"], second["reference"], second["grade"]) == ("2", "6", "5")
    assert float(second["p_5"]) == pytest.approx(0.86)
    (line,) = said
    assert "2 of 3 graded compartments found" in line
    assert "exact 50.0%, MAE 0.50" in line


def test_nothing_held_out_is_an_empty_table_and_no_word(tmp_path: Path) -> None:
    said: list[str] = []
    path = write_cross_validation(tmp_path, [], OARSI_MOUSE, said.append)
    assert len(path.read_text().splitlines()) == 1
    assert said == []
