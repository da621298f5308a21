"""Areas, length, thickness and lesion extent of drawn layers whose measures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_knee import (
    CALCIFIED_UM,
    HALF_ANGLE,
    HYALINE_UM,
    TAPER_UM,
    Pose,
    arc,
    slab,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.image.morphometry import measure
from histoscore.records import Morphometry
from histoscore.vocabulary import Compartment, Tissue

LENGTH = 700.0
poses = st.builds(
    Pose,
    width_um=st.just(1000.0),
    height_um=st.just(940.0),
    mpp=st.sampled_from([0.83, 1.3]),
    angle=st.floats(0, 360),
    mirrored=st.booleans(),
)
# Layers along the pixels' rows come out a whole number of rows thick: up to half a row off.
oblique = pytest.mark.parametrize(
    "pose",
    [Pose(mpp=0.83, angle=11), Pose(mpp=1.3, angle=-37, mirrored=True), Pose(mpp=1.3, angle=203)],
    ids=str,
)


def measured(pose: Pose, gaps: tuple[tuple[float, float], ...] = ()) -> Morphometry:
    labels, up = slab(pose, Compartment.MTP, LENGTH, gaps=gaps)
    result = measure(labels, Compartment.MTP, up)
    assert result is not None
    return result


@oblique
def test_a_healthy_slab_has_the_areas_that_were_drawn(pose: Pose) -> None:
    result = measured(pose)
    assert result.hyaline_area_um2 == pytest.approx(LENGTH * HYALINE_UM, rel=0.01)
    assert result.calcified_area_um2 == pytest.approx(LENGTH * CALCIFIED_UM, rel=0.01)


@oblique
def test_a_healthy_slab_has_its_length_its_thickness_and_no_lesion(pose: Pose) -> None:
    result = measured(pose)
    assert result.surface_length_um == pytest.approx(LENGTH, rel=0.01)
    assert result.mean_thickness_um == pytest.approx(HYALINE_UM, rel=0.02)
    assert result.mean_thickness_um == result.hyaline_area_um2 / result.surface_length_um
    assert result.lesion_extent == 0


@oblique
def test_a_healthy_slab_is_as_thick_everywhere_as_it_was_drawn(pose: Pose) -> None:
    result = measured(pose)
    assert result.median_thickness_um == pytest.approx(HYALINE_UM, abs=1)
    assert result.min_thickness_um == pytest.approx(HYALINE_UM, abs=1.5)
    assert result.total_thickness_um == pytest.approx(HYALINE_UM + CALCIFIED_UM, rel=0.02)
    assert result.tidemark_length_um == pytest.approx(LENGTH, rel=0.01)
    assert result.osteochondral_length_um == pytest.approx(LENGTH, rel=0.015)
    assert result.roughness_um < 0.6
    assert result.deepest_lesion < 0.05
    assert (result.lesion_count, result.widest_lesion_um) == (0, 0)


def test_along_the_pixels_rows_an_area_is_rows_times_length() -> None:
    result = measured(Pose(mpp=1.0))
    assert result.hyaline_area_um2 == pytest.approx(LENGTH * HYALINE_UM, rel=0.01)


def test_thinned_cartilage_is_thin_and_not_gone() -> None:
    pose = Pose(mpp=0.83, angle=24)
    labels, up = slab(pose, Compartment.LTP, LENGTH, hyaline=9.0)
    result = measure(labels, Compartment.LTP, up)
    assert result is not None
    assert result.mean_thickness_um == pytest.approx(9.0, rel=0.03)
    assert result.lesion_extent == 0


@pytest.mark.parametrize("radius", [420.0, 600.0])
@pytest.mark.parametrize("angle", [0, 52])
def test_a_condyle_is_measured_along_its_curve(radius: float, angle: float) -> None:
    pose = Pose(1400, 1300, mpp=0.83, angle=angle)
    labels, up = arc(pose, Compartment.LFC, radius)
    result = measure(labels, Compartment.LFC, up)
    assert result is not None
    area, length = _drawn_arc(radius)
    assert result.hyaline_area_um2 == pytest.approx(area, rel=0.01)
    assert result.surface_length_um == pytest.approx(length, rel=0.012)
    assert result.lesion_extent == 0


@oblique
@pytest.mark.parametrize(("start", "end"), [(-60, 115), (-210, 200), (-250, 290)])
def test_extent_is_the_share_of_the_surface_that_is_bare(
    pose: Pose, start: float, end: float
) -> None:
    result = measured(pose, gaps=((start, end),))
    assert result.lesion_extent == pytest.approx((end - start) / LENGTH, abs=0.02)
    bare = LENGTH - (end - start)
    assert result.hyaline_area_um2 == pytest.approx(bare * HYALINE_UM, rel=0.01)


def test_two_lesions_add_up() -> None:
    result = measured(Pose(angle=8), gaps=((-200, -140), (30, 160)))
    assert result.lesion_extent == pytest.approx(190 / LENGTH, abs=0.02)
    assert result.lesion_count == 2
    assert result.widest_lesion_um == pytest.approx(130, abs=3)
    assert result.deepest_lesion == 1
    assert result.min_thickness_um == 0


@oblique
def test_a_narrow_cleft_to_the_calcified_layer_counts_by_its_width(pose: Pose) -> None:
    result = measured(pose, gaps=((40, 50),))
    assert result.lesion_extent * LENGTH == pytest.approx(10, abs=2)
    assert result.surface_length_um == pytest.approx(LENGTH, rel=0.02), "the cleft is bridged"


def test_a_cleft_that_ends_in_hyaline_cartilage_is_no_erosion() -> None:
    pose = Pose(mpp=0.83, angle=15)
    labels, up = slab(pose, Compartment.MTP, LENGTH)
    x, y = pose.grid()
    tissue = labels.tissue.copy()
    tissue[(np.abs(x - 20) < 6) & (y < -12)] = Tissue.BACKGROUND
    compartments = np.where(tissue == Tissue.BACKGROUND, 0, labels.compartments).astype(np.uint8)
    result = measure(replace(labels, tissue=tissue, compartments=compartments), Compartment.MTP, up)
    assert result is not None
    assert result.lesion_extent == 0
    assert result.deepest_lesion == pytest.approx(1 - 12 / HYALINE_UM, abs=0.05)
    assert result.roughness_um > 2


@oblique
@pytest.mark.parametrize(("tail", "is_lesion"), [(55.0, False), (150.0, True)])
def test_only_a_long_bare_end_is_a_lesion(pose: Pose, tail: float, is_lesion: bool) -> None:
    """At its margin cartilage runs out over bare calcified cartilage."""
    extent = measured(pose, gaps=((LENGTH / 2 - tail, LENGTH / 2),)).lesion_extent
    assert extent == (pytest.approx((tail - 12) / LENGTH, abs=0.02) if is_lesion else 0)


def test_eroded_points_lie_where_the_gap_is() -> None:
    pose = Pose(mpp=1.3, angle=-31, mirrored=True)
    surface = measured(pose, gaps=((-60, 115),)).surface
    tidemark = pose.to_drawing(surface.tidemark)
    x = tidemark[:, 0]
    inside, outside = (x > -55) & (x < 110), (x < -65) | (x > 120)
    assert surface.eroded[inside].all()
    assert not surface.eroded[outside].any()
    assert inside.sum() > 150


def test_the_curves_lie_on_the_layers_borders() -> None:
    pose = Pose(mpp=1.3, angle=38, mirrored=True)
    surface = measured(pose).surface
    middle = slice(40, -40)
    for curve, y in (
        (surface.outer, -HYALINE_UM),
        (surface.tidemark, 0.0),
        (surface.bone, CALCIFIED_UM),
    ):
        assert pose.to_drawing(curve)[middle, 1] == pytest.approx(y, abs=1.5)


def test_where_cartilage_is_gone_the_surface_lies_on_the_tidemark() -> None:
    pose = Pose(mpp=0.83, angle=5)
    surface = measured(pose, gaps=((-60, 115),)).surface
    x, y = pose.to_drawing(surface.outer).T
    assert y[(x > -40) & (x < 95)] == pytest.approx(0, abs=2)


@given(pose=poses, femoral=st.booleans())
@settings(max_examples=25)
def test_no_measure_depends_on_how_the_section_lies(pose: Pose, femoral: bool) -> None:
    compartment = Compartment.MFC if femoral else Compartment.LTP
    labels, up = slab(pose, compartment, LENGTH, gaps=((-60, 115),))
    result = measure(labels, compartment, up)
    assert result is not None
    assert result.hyaline_area_um2 == pytest.approx((LENGTH - 175) * HYALINE_UM, rel=0.03)
    assert result.lesion_extent == pytest.approx(175 / LENGTH, abs=0.02)


@given(lean=st.floats(-50, 50))
@settings(max_examples=10)
def test_the_direction_to_the_femur_need_only_be_rough(lean: float) -> None:
    a = np.deg2rad(lean)
    pose = Pose(mpp=1.3, angle=33)
    labels, (x, y) = slab(pose, Compartment.MTP, LENGTH, gaps=((-60, 115),))
    leaning = (x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a))
    result = measure(labels, Compartment.MTP, leaning)
    assert result is not None
    assert result.lesion_extent == pytest.approx(0.25, abs=0.02)


def test_another_compartments_cartilage_does_not_count() -> None:
    labels, up = slab(Pose(angle=11), Compartment.MTP, LENGTH)
    assert measure(labels, Compartment.LTP, up) is None


@pytest.mark.parametrize(
    ("length", "hyaline", "calcified"),
    [(100.0, 40.0, 30.0), (300.0, 2.0, 2.0)],
    ids=["too short", "too little"],
)
def test_too_little_cartilage_is_not_measured(
    length: float, hyaline: float, calcified: float
) -> None:
    labels, up = slab(Pose(angle=3), Compartment.MTP, length, hyaline, calcified)
    assert measure(labels, Compartment.MTP, up) is None


def test_no_cartilage_is_not_measured() -> None:
    pose = Pose()
    labels, up = slab(pose, Compartment.MTP, LENGTH)
    bare = replace(labels, tissue=np.full(pose.shape, Tissue.BONE, np.uint8))
    assert measure(bare, Compartment.MTP, up) is None


def _drawn_arc(radius: float) -> tuple[float, float]:
    """Hyaline area and surface length of an `arc`, summed finely."""
    angle = np.linspace(-HALF_ANGLE, HALF_ANGLE, 20_001)
    taper = np.clip(radius * (HALF_ANGLE - np.abs(angle)) / TAPER_UM, 0, 1)
    outer = radius + HYALINE_UM * taper
    length = np.hypot(*np.diff([outer * np.sin(angle), outer * np.cos(angle)])).sum()
    return float(np.trapezoid((outer**2 - radius**2) / 2, angle)), float(length)


@oblique
def test_a_profile_has_the_thickness_of_every_ten_micrometres(pose: Pose) -> None:
    profile = measured(pose, gaps=((-100, 60),)).profile
    assert len(profile.hyaline_um) == len(profile.calcified_um)
    assert 10 * len(profile.hyaline_um) == pytest.approx(LENGTH, abs=15)
    bare = np.flatnonzero(profile.hyaline_um < 1)
    assert 10 * len(bare) == pytest.approx(160, abs=20)
    assert (np.diff(bare) == 1).all()
    whole = profile.hyaline_um[profile.hyaline_um > HYALINE_UM / 2]
    assert np.median(whole) == pytest.approx(HYALINE_UM, abs=1)
    assert np.median(profile.calcified_um) == pytest.approx(CALCIFIED_UM, abs=1.3)


@pytest.mark.parametrize("other", [Compartment.LTP, Compartment.LFC], ids=str)
@pytest.mark.parametrize("right", [True, False])
def test_a_profile_runs_from_the_margin_inward(other: Compartment, right: bool) -> None:
    """Inward is where the same bone's other half lies, or where the other bone does."""
    labels, up = slab(Pose(mpp=1.3), Compartment.MTP, LENGTH, gaps=((-280, -150),))
    compartments = labels.compartments.copy()
    beside = np.s_[-20:, -20:] if right else np.s_[:20, :20]
    compartments[beside] = other.code
    result = measure(replace(labels, compartments=compartments), Compartment.MTP, up)
    assert result is not None
    bare = np.flatnonzero(result.profile.hyaline_um < 1).mean() * 10
    assert (bare < LENGTH / 2) == right
