"""The overlay: outlines on the cartilage, boxes beside it, a scale bar that measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from example_study import SECTION_BOX, SLIDE_MPP, example_joint, example_study
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histoscore.export.callouts import Callout, place_callouts
from histoscore.export.lettering import INK, font, scale_bar_um, shortened
from histoscore.export.overlays import ERODED_COLOR, SURFACE_COLOR, draw_overlay, write_overlay
from histoscore.records import CompartmentResult
from histoscore.vocabulary import Compartment, Status, Tissue

PICTURE_MPP = SLIDE_MPP * SECTION_BOX.width / 1320
SCALE = 1600 / SECTION_BOX.width
"""Overlay pixels per level-0 pixel."""


def overlay(results: tuple[CompartmentResult, ...] | None = None, footer: str = "") -> np.ndarray:
    rgb, labels, surfaces = example_joint()
    shown = example_study().slides[4].sections[0].compartments if results is None else results
    return draw_overlay(rgb, labels, surfaces, shown, SECTION_BOX, PICTURE_MPP, footer)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return overlay()


def near(picture: np.ndarray, x: float, y: float, color: tuple[int, int, int]) -> bool:
    """Is there a pixel of this colour within 4 px of level-0 (x, y)?"""
    column, row = (x - SECTION_BOX.x) * SCALE, (y - SECTION_BOX.y) * SCALE
    around = picture[round(row) - 4 : round(row) + 5, round(column) - 4 : round(column) + 5]
    return bool((np.abs(around.astype(int) - color).max(axis=-1) < 40).any())


def test_it_is_wide_enough_to_print_and_keeps_the_shape(drawn: np.ndarray) -> None:
    picture_height = round(840 * 1600 / 1320)
    assert drawn.shape[1:] == (1600, 3)
    assert picture_height < drawn.shape[0] < picture_height * 1.15


def test_the_picture_given_is_not_drawn_on() -> None:
    rgb, labels, surfaces = example_joint()
    before = rgb.copy()
    draw_overlay(rgb, labels, surfaces, (), SECTION_BOX, PICTURE_MPP)
    assert np.array_equal(rgb, before)


def test_the_surface_lies_where_the_surface_is(drawn: np.ndarray) -> None:
    _, _, surfaces = example_joint()
    for surface in surfaces:
        for x, y in surface.outer[~surface.eroded][20:-20:60]:
            assert near(drawn, x, y, SURFACE_COLOR), (surface.compartment, x, y)


def test_eroded_parts_are_marked_and_only_they(drawn: np.ndarray) -> None:
    _, _, surfaces = example_joint()
    for surface in surfaces:
        for (x, y), eroded in list(zip(surface.outer, surface.eroded, strict=True))[20:-20:40]:
            assert near(drawn, x, y, ERODED_COLOR) == eroded


def test_hyaline_cartilage_is_outlined_at_its_pixels(drawn: np.ndarray) -> None:
    _, labels, _ = example_joint()
    row, column = 393 - 14 + 14 - 22, 130 + 220  # upper edge of MFC's band, in its middle
    while labels.tissue[row, column] != Tissue.HYALINE:
        row += 1
    x = labels.placement.x + (column + 0.5) * labels.placement.downsample
    y = labels.placement.y + row * labels.placement.downsample
    assert near(drawn, x, y, Tissue.HYALINE.color)


def test_a_withheld_compartment_says_so_and_differs_from_a_grade() -> None:
    graded = example_study().slides[4].sections[0].compartments
    withheld = CompartmentResult(
        compartment=Compartment.LTP, status=Status.REVIEW, reason="cartilage not found"
    )
    assert not np.array_equal(overlay(graded), overlay((*graded[:3], withheld)))


def test_a_compartment_that_is_nowhere_gets_a_box_all_the_same() -> None:
    rgb, labels, _ = example_joint()
    result = CompartmentResult(compartment=Compartment.MFC, status=Status.REVIEW)
    labels.compartments[:] = 0
    with_box = draw_overlay(rgb, labels, (), (result,), SECTION_BOX, PICTURE_MPP)
    without = draw_overlay(rgb, labels, (), (), SECTION_BOX, PICTURE_MPP)
    assert not np.array_equal(with_box, without)


def test_the_scale_bar_is_as_long_as_it_says(drawn: np.ndarray) -> None:
    strip = drawn[round(840 * 1600 / 1320) :]
    mpp = SLIDE_MPP * SECTION_BOX.width / 1600
    expected = scale_bar_um(1600 * mpp) / mpp
    right = strip[:, -round(expected + 25) :].astype(int)  # the bar without the words beside it
    dark = (np.abs(right - INK).max(axis=-1) < 3).sum(axis=1)
    assert dark.max() == pytest.approx(expected, abs=2)


def test_the_footer_stands_below(drawn: np.ndarray) -> None:
    assert not np.array_equal(overlay(footer="slide 4"), drawn)
    assert overlay(footer="slide 4 " * 100).shape == drawn.shape


def test_large_pictures_are_made_smaller() -> None:
    rgb, labels, surfaces = example_joint()
    large = np.repeat(np.repeat(rgb, 2, axis=0), 2, axis=1)
    result = draw_overlay(large, labels, surfaces, (), SECTION_BOX, PICTURE_MPP / 2)
    assert result.shape[1] == 2400


def test_the_same_pixels_give_the_same_file(tmp_path: Path, drawn: np.ndarray) -> None:
    for name in ("a.png", "b.png"):
        write_overlay(tmp_path / name, drawn)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture), drawn)


@given(st.floats(1, 1e6))
def test_scale_bars_are_round_and_fit(width_um: float) -> None:
    length = scale_bar_um(width_um)
    assert width_um / 12.6 <= length <= width_um / 5
    assert f"{length:e}"[0] in "125"


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    letters = font(24)
    cut = shortened("a line of text that is too long", 120, letters.getlength)
    assert cut.endswith("…")
    assert letters.getlength(cut) <= 120
    assert shortened("short\nlines", 500, letters.getlength) == "short lines"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(60, 540), st.integers(40, 300), st.sampled_from([-1.0, 1.0])),
        min_size=1,
        max_size=4,
    )
)
def test_boxes_keep_clear_of_cartilage_and_of_each_other(places: list) -> None:
    occupied = np.zeros((340, 600), dtype=bool)
    occupied[150:190, 40:560] = True
    callouts = [Callout((x, y), (0.0, down), (110, 30)) for x, y, down in places]
    counts = occupied.astype(int)
    for box in place_callouts(callouts, occupied):
        assert (box.width, box.height) == (110, 30)
        assert 0 <= box.x <= 600 - box.width
        assert 0 <= box.y <= 340 - box.height
        counts[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert counts.max() == 1


def test_a_box_stays_inside_even_where_no_room_is_left() -> None:
    (box,) = place_callouts(
        [Callout((5.0, 5.0), (-1.0, 0.0), (40, 20))], np.ones((50, 90), dtype=bool)
    )
    assert (box.x, box.y) == (0, 0)
