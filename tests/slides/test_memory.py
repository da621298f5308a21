"""A picture in memory answers as a slide does."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.slide_files import field
from hypothesis import given
from hypothesis import strategies as st

from histoscore.geometry import Box, Mpp
from histoscore.slides.memory import PictureInMemory

ROWS, COLUMNS = 211, 340
MPP = Mpp(0.718)


def slide() -> PictureInMemory:
    x, y = np.arange(COLUMNS) + 0.5, np.arange(ROWS) + 0.5
    return PictureInMemory(np.rint(field(x[None] * 4, y[:, None] * 4)).astype(np.uint8), MPP)


def test_it_knows_its_size_and_scale() -> None:
    info = slide().info
    assert (info.width, info.height, info.mpp) == (COLUMNS, ROWS, MPP)
    assert [(level.width, level.height) for level in info.levels] == [(COLUMNS, ROWS)]


@given(x=st.integers(0, 200), y=st.integers(0, 120), w=st.integers(1, 140), h=st.integers(1, 91))
def test_at_its_own_scale_a_box_is_the_pixels_themselves(x: int, y: int, w: int, h: int) -> None:
    with slide() as opened:
        whole = opened.read_at(Box(0, 0, COLUMNS, ROWS), MPP)
        assert np.array_equal(opened.read_at(Box(x, y, w, h), MPP), whole[y : y + h, x : x + w])


def test_outside_is_white() -> None:
    part = slide().read_at(Box(-20, 190, 60, 50), MPP)
    assert (part[:, :20] == 255).all()
    assert (part[21:] == 255).all()
    assert (part[:21, 20:, 2] < 200).all()


@pytest.mark.parametrize("mpp", [1.3, 2.6, 0.5])
def test_any_scale_may_be_asked_for(mpp: float) -> None:
    box = Box(30, 10, 260, 170)
    downsample = mpp / MPP
    picture = slide().read_at(box, Mpp(mpp))
    assert picture.shape == (round(170 / downsample), round(260 / downsample), 3)
    rows, columns = picture.shape[:2]
    x = 30 + (np.arange(columns) + 0.5) * 260 / columns
    y = 10 + (np.arange(rows) + 0.5) * 170 / rows
    expected = field(x[None] * 4, y[:, None] * 4)
    assert np.abs(picture - expected).max() < 3


def test_there_is_no_label_picture() -> None:
    assert slide().associated("label") is None
