"""Tissue is found on tinted and shaded glass; ink, dust and edges are not tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import overview as draw
from PIL import Image

from histoscore.geometry import Box, Mpp
from histoscore.image.tissue import tissue_mask
from histoscore.slides.open import open_slide


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def one_knee(strength: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    density = draw.empty()
    return density, draw.add_knee(density, 700, 420, strength)


@pytest.mark.parametrize("white", [(243, 243, 242), (243, 207, 215), (252, 250, 240)])
@pytest.mark.parametrize("shading", [0.0, 0.15])
def test_a_section_is_found_on_tinted_and_shaded_glass(
    white: tuple[float, float, float], shading: float
) -> None:
    density, section = one_knee()
    found = tissue_mask(draw.photographed(density, white, shading), draw.MPP)
    assert overlap(found, section) > 0.93


def test_a_pale_section_is_found() -> None:
    density, section = one_knee(strength=0.09)
    assert overlap(tissue_mask(draw.photographed(density), draw.MPP), section) > 0.9


@pytest.mark.parametrize("mpp", [4.0, 8.0, 16.0])
def test_the_scale_of_the_overview_does_not_matter(mpp: float) -> None:
    density, section = one_knee()
    picture = draw.photographed(density)
    rows, columns = round(draw.ROWS * 8 / mpp), round(draw.COLUMNS * 8 / mpp)
    picture = np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX))
    truth = np.asarray(Image.fromarray(section).resize((columns, rows)))
    assert overlap(tissue_mask(picture, mpp), truth) > 0.92


def test_empty_glass_holds_no_tissue() -> None:
    assert not tissue_mask(draw.photographed(draw.empty(), shading=0.1), draw.MPP).any()


@pytest.mark.parametrize("ink", [draw.GREEN_PEN, draw.RED_PEN, draw.BLACK_PEN])
def test_a_pen_stroke_beside_a_section_is_not_tissue(ink: tuple[float, ...]) -> None:
    density, section = one_knee()
    stroke = draw.add_stroke(density, [(200, 100), (330, 300), (300, 700), (420, 830)], ink)
    found = tissue_mask(draw.photographed(density), draw.MPP)
    assert not (found & stroke).any()
    assert overlap(found, section) > 0.93


def test_a_ring_of_ink_around_a_section_is_left_out_and_not_filled() -> None:
    density, section = one_knee()
    ring = [(420, 120), (980, 130), (1000, 720), (410, 700), (420, 120)]
    stroke = draw.add_stroke(density, ring, draw.GREEN_PEN)
    found = tissue_mask(draw.photographed(density), draw.MPP)
    assert not (found & stroke).any()
    assert overlap(found, section) > 0.93


def test_only_ink_is_an_empty_slide() -> None:
    density = draw.empty()
    draw.add_stroke(density, [(100, 100), (1100, 160)], draw.RED_PEN)
    draw.add_stroke(density, [(300, 500), (600, 800), (900, 500)], draw.BLACK_PEN)
    assert not tissue_mask(draw.photographed(density), draw.MPP).any()


def test_dust_coverslip_edges_and_label_borders_are_not_tissue() -> None:
    density, section = one_knee()
    draw.add_stroke(density, [(0, 60), (1299, 66)], draw.GREY, width=5)
    draw.add_stroke(density, [(1240, 0), (1236, 899)], draw.GREY, width=12)
    for x, y in ((100, 300), (220, 640), (1000, 800)):
        draw.add_stroke(density, [(x, y), (x + 4, y + 2)], draw.GREY, width=6)
    found = tissue_mask(draw.photographed(density), draw.MPP)
    assert overlap(found, section) > 0.93


def test_bare_glass_beyond_the_coverslip_is_not_tissue() -> None:
    density, section = one_knee()
    density[:, :60] += np.array([0.03, 0.04, 0.07])
    draw.add_stroke(density, [(60, 0), (60, 899)], draw.GREY, width=4)
    found = tissue_mask(draw.photographed(density), draw.MPP)
    assert not found[:, :60].any()
    assert overlap(found, section) > 0.93


def test_nor_is_it_where_the_coverslip_throws_a_shade() -> None:
    """Brownish and pale at the border, ever darker and greyer toward the coverslip's edge."""
    density, section = one_knee()
    shade = np.linspace(0, 0.26, 14)[:, None] ** 1.5
    density[:, :14] += np.array([0.06, 0.07, 0.10]) + shade
    found = tissue_mask(draw.photographed(density), draw.MPP)
    assert not found[:, :14].any()
    assert overlap(found, section) > 0.93


def test_a_pale_section_that_the_border_cuts_is_tissue() -> None:
    density, section = one_knee()
    columns = np.flatnonzero(section.any(axis=0))
    cut = density[:, columns.min() + 40 :] * 0.5
    found = tissue_mask(draw.photographed(cut), draw.MPP)
    assert overlap(found, section[:, columns.min() + 40 :]) > 0.85


def test_so_is_a_strip_of_one_pale_bone_with_grey_marrow() -> None:
    density = draw.empty()
    strip = np.zeros(density.shape[:2], bool)
    strip[-60:, 200:1000] = True
    density[strip] += np.array([0.17, 0.06, 0.05])
    marrow = strip & (np.arange(density.shape[1]) % 60 < 25)
    density[marrow] = np.array([0.22, 0.24, 0.23])
    assert overlap(tissue_mask(draw.photographed(density), draw.MPP), strip) > 0.9


def test_strong_dyes_inside_a_section_are_no_ink() -> None:
    density, section = one_knee(strength=0.75)
    assert overlap(tissue_mask(draw.photographed(density), draw.MPP), section) > 0.93


def test_a_long_section_of_bone_and_marrow_in_pure_fast_green_is_no_ink() -> None:
    """Real Fast Green is nearly as pure as ink; marrow, the lesser part of it, is another hue."""
    density = np.zeros((400, 900, 3))
    section = np.zeros(density.shape[:2], bool)
    section[100:190, 50:850] = section[215:300, 50:850] = True
    density[section] = (0.45, 0.14, 0.11)
    for x in range(80, 830, 50):
        for y in (130, 250):
            density[y : y + 13, x : x + 32] = (0.30, 0.36, 0.20)
    assert overlap(tissue_mask(draw.photographed(density), draw.MPP), section) > 0.9


def test_a_hole_is_filled() -> None:
    density, _ = one_knee()
    density[480:520, 690:730] = 0
    assert tissue_mask(draw.photographed(density), draw.MPP)[480:520, 690:730].all()


def test_pure_white_filling_beside_what_was_scanned_is_not_the_light() -> None:
    density, section = one_knee()
    picture = draw.photographed(density, white=(238, 222, 228))
    picture[:, 1050:] = 255
    assert overlap(tissue_mask(picture, draw.MPP), section) > 0.93


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_real_black_pen_mark_is_not_tissue(real_data: Path) -> None:
    picture = read(real_data / "qc" / "pen__1k_version__pen_black.png")
    assert not tissue_mask(picture, 12.0).any()


@pytest.mark.parametrize("colour", ["green", "red"])
def test_tissue_beside_real_pen_marks_stays(real_data: Path, colour: str) -> None:
    """Strokes that run into tissue stay with it; the tissue itself must not be lost."""
    picture = read(real_data / "qc" / f"pen__1k_version__pen_{colour}.png")
    ink = read(real_data / "qc" / f"pen__1k_version__pen_{colour}_mask.png") > 0
    dense = (picture.max(axis=2) < 215) & (np.ptp(picture, axis=2) > 35) & ~ink
    assert (tissue_mask(picture, 12.0) & dense).sum() > 0.9 * dense.sum()


def test_real_safranin_cartilage_is_found_whole(real_data: Path) -> None:
    path = real_data / "cartilage_tiles" / "engineered_cartilage_1360x1024.tif"
    with open_slide(path, sheet_mpp=1.0238) as slide:
        picture = slide.read_at(Box(0, 0, 1360, 1024), Mpp(4.0))
    found = tissue_mask(picture, 4.0)
    assert 0.5 < found.mean() < 0.65
    assert found[80:180, 120:220].all()
    assert not found[:60, :50].any()
