"""The measures of a drawn compartment against shapes that have a formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.geometry import Points
from histoscore.phantom.anatomy import CartilageBed
from histoscore.phantom.lesions import Disease, Lesions
from histoscore.phantom.truth import CompartmentTruth, compartment_truth
from histoscore.vocabulary import Compartment


def bed(base: Points, outward: Points, remaining: np.ndarray, thickness: float) -> CartilageBed:
    n = len(base)
    worn = Lesions(remaining, remaining, np.zeros(n), np.ones(n), remaining == 0)
    full = np.full(n, thickness)
    return CartilageBed(Compartment.LTP, Disease(3, 0.9), base, outward, full, full / 2, worn)


def flat(length: int, thickness: float, gone: int = 0) -> CartilageBed:
    """A straight layer, points 1 µm apart, worn to nothing over its first `gone` µm."""
    base = np.column_stack([np.arange(length + 1.0), np.zeros(length + 1)])
    outward = np.tile([0.0, -1.0], (length + 1, 1))
    return bed(base, outward, (np.arange(length + 1) >= gone).astype(float), thickness)


def arched(radius: float, thickness: float) -> CartilageBed:
    """A layer on a half circle, its normals outward."""
    t = np.arange(0, np.pi, 1.0 / radius)
    outward = np.column_stack([np.cos(t), -np.sin(t)])
    return bed(radius * outward, outward, np.ones(len(t)), thickness)


@given(length=st.integers(100, 1500), thickness=st.floats(5, 80))
def test_a_flat_layer(length: int, thickness: float) -> None:
    truth = compartment_truth(flat(length, thickness))
    assert truth.hyaline_area_um2 == pytest.approx(length * thickness, rel=0.005)
    assert truth.calcified_area_um2 == pytest.approx(length * thickness / 2, rel=0.005)
    assert truth.surface_length_um == pytest.approx(length, rel=0.001)
    assert truth.mean_thickness_um == pytest.approx(thickness, rel=0.005)
    assert truth.lesion_extent == 0


@given(radius=st.floats(250, 1200), thickness=st.floats(10, 60))
def test_an_arched_layer(radius: float, thickness: float) -> None:
    truth = compartment_truth(arched(radius, thickness))
    outer = radius + thickness
    ring = np.pi / 2 * (outer**2 - radius**2)
    bone_side = np.pi / 2 * (radius**2 - (radius - thickness / 2) ** 2)
    assert truth.hyaline_area_um2 == pytest.approx(ring, rel=0.005)
    assert truth.calcified_area_um2 == pytest.approx(bone_side, rel=0.005)
    assert truth.surface_length_um == pytest.approx(np.pi * outer, rel=0.005)


def test_extent_and_area_of_a_worn_layer() -> None:
    truth = compartment_truth(flat(999, 40.0, gone=400))
    assert truth.lesion_extent == pytest.approx(0.4)
    assert truth.hyaline_area_um2 == pytest.approx(599 * 40, rel=0.005)


def test_a_cleft_closes_before_the_surface_is_measured() -> None:
    whole = flat(800, 40.0)
    cleft = whole.lesions.remaining.copy()
    cleft[300:306] = 0
    cloven = replace(whole, lesions=replace(whole.lesions, remaining=cleft))
    truths: list[CompartmentTruth] = [compartment_truth(one) for one in (whole, cloven)]
    assert truths[0].surface_length_um == truths[1].surface_length_um
    assert truths[0].hyaline_area_um2 - truths[1].hyaline_area_um2 == pytest.approx(240, rel=0.005)
