"""What is painted is what is true: labels, zones and dyes of a knee."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.phantom.anatomy import CartilageBed, Knee, build_knee
from histoscore.phantom.canvas import Canvas
from histoscore.phantom.cartilage import paint_cartilage
from histoscore.phantom.lesions import Disease
from histoscore.phantom.mounting import DrawnSlide
from histoscore.phantom.raster import View
from histoscore.phantom.tissue import MAX_DENSITY
from histoscore.phantom.traits import sample_traits
from histoscore.phantom.truth import CompartmentTruth, compartment_truth
from histoscore.vocabulary import Compartment, Tissue

BONY = (Tissue.BONE, Tissue.MARROW)
MILD_TO_SEVERE = dict(zip(Compartment, (0.5, 4, 2, 6), strict=True))


def knee() -> Knee:
    rng = np.random.default_rng(31)
    disease = {c: Disease(grade, 0.9) for c, grade in MILD_TO_SEVERE.items()}
    return build_knee(sample_traits(rng), disease, rng)


@pytest.fixture(scope="module")
def turned() -> Canvas:
    """The cartilage of a knee that was mirrored and turned, at an odd scale."""
    view = View((1561, 3209), 0.8317, (20.0, -180.0), angle=-13.0, mirrored=True)
    canvas = Canvas(knee(), view, np.random.default_rng(1))
    for bed in canvas.knee.beds:
        paint_cartilage(canvas, bed)
    return canvas


def counted(tissue: np.ndarray, zones: np.ndarray, truth: CompartmentTruth, mpp: float) -> tuple:
    mine = zones == truth.compartment.code
    return tuple(
        int((mine & (tissue == kind)).sum()) * mpp**2 for kind in (Tissue.HYALINE, Tissue.CALCIFIED)
    )


def test_true_areas_are_the_painted_ones(turned: Canvas) -> None:
    for bed in turned.knee.beds:
        truth = compartment_truth(bed)
        hyaline, calcified = counted(turned.tissue, turned.zones, truth, turned.view.mpp)
        if truth.hyaline_area_um2 >= 3000:
            assert hyaline == pytest.approx(truth.hyaline_area_um2, rel=0.01)
        else:
            assert hyaline == pytest.approx(truth.hyaline_area_um2, abs=60)
        assert calcified == pytest.approx(truth.calcified_area_um2, rel=0.01)


def test_at_least_three_of_those_compartments_count_relatively(turned: Canvas) -> None:
    areas = [compartment_truth(bed).hyaline_area_um2 for bed in turned.knee.beds]
    assert sum(area >= 3000 for area in areas) >= 3


def test_mirroring_moves_medial_to_the_right(turned: Canvas) -> None:
    for compartment in Compartment:
        columns = np.nonzero(turned.zones == compartment.code)[1]
        assert (columns.mean() > turned.shape[1] / 2) == compartment.is_medial


def test_safranin_is_less_where_disease_took_it(turned: Canvas) -> None:
    """The surface of the 0.5 is paler than its depth."""
    bed = turned.knee.beds[0]
    near_surface, deep = (safranin_at(turned, bed, height) for height in (0.85, 0.2))
    assert near_surface < 0.8 * deep


def safranin_at(canvas: Canvas, bed: CartilageBed, height: float) -> float:
    """Mean Safranin along a line at a share of the height from tidemark to surface."""
    line = bed.base + bed.outward * (height * bed.intact)[:, None]
    columns, rows = np.rint(canvas.view.to_pixels(line[200:-200])).astype(int).T
    return float(canvas.safranin[rows, columns].mean())


def test_a_whole_section_has_every_tissue(drawn: DrawnSlide) -> None:
    for section in drawn.sections:
        assert set(Tissue) <= set(np.unique(section.scene.tissue))


def test_a_whole_sections_cartilage_has_the_true_area(drawn: DrawnSlide) -> None:
    for section in drawn.sections:
        scene = section.scene
        for truth in section.truth:
            hyaline, calcified = counted(scene.tissue, scene.zones, truth, scene.view.mpp)
            assert hyaline == pytest.approx(truth.hyaline_area_um2, rel=0.02, abs=150)
            assert calcified == pytest.approx(truth.calcified_area_um2, rel=0.02, abs=150)


def test_zones_hold_cartilage_and_the_bone_under_it(drawn: DrawnSlide) -> None:
    scene = drawn.sections[0].scene
    assert set(np.unique(scene.tissue[scene.zones > 0])) <= {
        Tissue.HYALINE,
        Tissue.CALCIFIED,
        Tissue.BONE,
        Tissue.MARROW,
    }
    cartilage = (scene.tissue == Tissue.HYALINE) | (scene.tissue == Tissue.CALCIFIED)
    assert (scene.zones[cartilage] > 0).all()


@pytest.mark.parametrize("compartment", Compartment)
def test_the_bone_of_a_zone_lies_under_that_zones_cartilage(
    drawn: DrawnSlide, compartment: Compartment
) -> None:
    scene = drawn.sections[0].scene
    mine, bony = scene.zones == compartment.code, np.isin(scene.tissue, BONY)
    (bone_y, bone_x), (y, x) = (np.argwhere(mine & m).mean(0) for m in (bony, ~bony))
    assert abs(bone_x - x) * scene.view.mpp < 300
    assert (bone_y < y) == compartment.is_femoral


def test_glass_has_no_dye_and_tissue_no_more_than_there_can_be(drawn: DrawnSlide) -> None:
    scene = drawn.sections[0].scene
    assert scene.dyes.dtype == np.float32
    assert scene.dyes.min() >= 0
    assert scene.dyes.max() <= MAX_DENSITY
    background = scene.tissue == Tissue.BACKGROUND
    assert np.median(scene.dyes[background].sum(1)) == 0


def test_the_growth_plate_is_no_weaker_than_the_cartilage(drawn: DrawnSlide) -> None:
    """science.md section 2: a threshold on Safranin finds the growth plate first."""
    scene = drawn.sections[0].scene
    plate, hyaline = (
        np.median(scene.dyes[scene.tissue == tissue, 0])
        for tissue in (Tissue.GROWTH_PLATE, Tissue.HYALINE)
    )
    assert plate > 0.9 * hyaline
