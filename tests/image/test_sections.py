"""Sections: joined, measured, numbered as one reads."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.config import SectionSettings
from histoscore.errors import SlideError
from histoscore.geometry import Mpp, Placement
from histoscore.image.sections import MARGIN_UM, chosen_sections, find_sections
from histoscore.records import Section

MPP0 = 0.47
DOWNSAMPLE = 17.3
PLACEMENT = Placement(0, 0, DOWNSAMPLE, Mpp(MPP0 * DOWNSAMPLE))
SHAPE = (300, 470)
SLIDE = (round(SHAPE[1] * DOWNSAMPLE), round(SHAPE[0] * DOWNSAMPLE))


def mask_of(*blocks: tuple[int, int, int, int]) -> np.ndarray:
    """True in blocks (row, column, rows, columns)."""
    mask = np.zeros(SHAPE, bool)
    for row, column, rows, columns in blocks:
        mask[row : row + rows, column : column + columns] = True
    return mask


def found(*blocks: tuple[int, int, int, int], **settings: float) -> tuple[Section, ...]:
    return find_sections(mask_of(*blocks), PLACEMENT, SLIDE, SectionSettings(**settings))


def test_area_and_box_are_in_microns_and_level_0_pixels() -> None:
    (section,) = found((40, 100, 80, 120))
    assert section.number == 1
    assert section.area == pytest.approx(80 * 120 * (MPP0 * DOWNSAMPLE) ** 2)
    margin = MARGIN_UM / MPP0
    assert section.box.x == pytest.approx(100 * DOWNSAMPLE - margin, abs=1)
    assert section.box.y == pytest.approx(40 * DOWNSAMPLE - margin, abs=1)
    assert section.box.right == pytest.approx(220 * DOWNSAMPLE + margin, abs=1)
    assert section.box.bottom == pytest.approx(120 * DOWNSAMPLE + margin, abs=1)
    assert section.flags == ()


def test_femur_and_tibia_are_one_section_and_neighbours_are_two() -> None:
    near = round(200 / PLACEMENT.mpp)
    far = round(330 / PLACEMENT.mpp)
    assert len(found((20, 50, 60, 90), (80 + near, 50, 60, 90))) == 1
    assert len(found((20, 50, 60, 90), (80 + far, 50, 60, 90))) == 2


def test_small_pieces_are_no_sections() -> None:
    assert found((20, 20, 20, 20)) == ()
    assert len(found((20, 20, 20, 20), min_area_um2=10_000)) == 1


def test_sections_are_numbered_row_by_row() -> None:
    """Upper row: the right one stands a little higher; lower row: the left one does."""
    sections = found((30, 60, 80, 100), (10, 260, 90, 100), (160, 250, 80, 90), (150, 50, 80, 90))
    corners = [(round(s.box.center[1] / DOWNSAMPLE), round(s.box.center[0] / DOWNSAMPLE))
               for s in sections]  # fmt: skip
    assert [section.number for section in sections] == [1, 2, 3, 4]
    assert corners == [(70, 110), (55, 310), (190, 95), (200, 295)]


def test_tissue_at_the_border_is_flagged() -> None:
    assert found((100, 0, 80, 90))[0].flags == ("touches_edge",)
    assert found((220, 100, 80, 90))[0].flags == ("touches_edge",)


def test_too_many_sections_are_flagged() -> None:
    sections = found((20, 20, 80, 90), (20, 200, 80, 90), max_sections=1)
    assert [section.flags for section in sections] == [("many_sections",)] * 2


def test_no_tissue_no_sections() -> None:
    assert found() == ()


def test_a_placement_moves_the_boxes() -> None:
    moved = Placement(1000, 2000, DOWNSAMPLE, PLACEMENT.mpp)
    here = found((40, 100, 80, 120))[0].box
    there = find_sections(mask_of((40, 100, 80, 120)), moved, (20_000, 20_000), SectionSettings())[
        0
    ].box
    assert (there.x - here.x, there.y - here.y) == (1000, 2000)
    assert (there.width, there.height) == (here.width, here.height)


@given(
    blocks=st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 380), st.integers(1, 90), st.integers(1, 90)),
        max_size=5,
    )
)
def test_every_section_lies_on_the_slide_and_no_tissue_counts_twice(
    blocks: list[tuple[int, int, int, int]],
) -> None:
    sections = found(*blocks, min_area_um2=1)
    assert [section.number for section in sections] == list(range(1, len(sections) + 1))
    for section in sections:
        assert section.box == section.box.clipped(*SLIDE)
    total = mask_of(*blocks).sum() * PLACEMENT.mpp**2
    assert sum(section.area for section in sections) == pytest.approx(total)


THREE = found((20, 20, 80, 90), (20, 180, 80, 90), (180, 20, 80, 90))


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [("all", [1, 2, 3]), ("first", [1]), ((1, 3), [1, 3]), ((3, 2), [2, 3])],
)
def test_the_sheet_chooses_sections(
    choice: Literal["all", "first"] | tuple[int, ...], numbers: list[int]
) -> None:
    assert [section.number for section in chosen_sections(THREE, choice)] == numbers


def test_a_section_that_was_not_found_is_named() -> None:
    with pytest.raises(SlideError, match="asks for section 4, 7, but 3 found"):
        chosen_sections(THREE, (1, 4, 7))
