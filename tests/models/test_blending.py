"""Tiles that overlap become one map, kept whole or as labels row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from histoscore.errors import PredictionError
from histoscore.models.blending import LabelRows, ProbabilityRows
from histoscore.vocabulary import IGNORE

CPU = torch.device("cpu")
SIDE = 16
ROWS, COLUMNS = 41, 67

EXACT = 0.51 / 255
"""What rounding to 255ths may do to a probability."""

Corner = tuple[int, int]


def grid(step: int, start: Corner = (0, 0)) -> list[Corner]:
    """Corners of tiles that cover the map, row by row."""
    rows = range(start[0], ROWS, step)
    return [(row, column) for row in rows for column in range(start[1], COLUMNS, step)]


def scene(classes: int = 3) -> torch.Tensor:
    """(classes, …) what a network that sees every pixel alone would say, map and surroundings."""
    generator = torch.Generator().manual_seed(2)
    shape = (classes, ROWS + 4 * SIDE, COLUMNS + 4 * SIDE)
    return torch.rand(shape, generator=generator).softmax(0)


def tile(corner: Corner) -> torch.Tensor:
    row, column = corner[0] + 2 * SIDE, corner[1] + 2 * SIDE
    return scene()[:, row : row + SIDE, column : column + SIDE]


INSIDE = scene()[:, 2 * SIDE : 2 * SIDE + ROWS, 2 * SIDE : 2 * SIDE + COLUMNS].numpy()


@given(step=st.integers(5, SIDE), top=st.integers(-9, 0), left=st.integers(-9, 0))
def test_where_tiles_agree_their_overlap_does_not_show(step: int, top: int, left: int) -> None:
    whole = ProbabilityRows(3, ROWS, COLUMNS, SIDE, CPU)
    labels = LabelRows(3, ROWS, COLUMNS, SIDE, CPU)
    for corner in grid(step, (top, left)):
        for canvas in (whole, labels):
            canvas.add(tile(corner), *corner)
    assert np.abs(whole.finished() / 255 - INSIDE).max() < EXACT
    assert np.array_equal(labels.finished(), INSIDE.argmax(0))


def test_where_tiles_differ_each_counts_most_in_its_middle() -> None:
    canvas = ProbabilityRows(1, SIDE, 24, SIDE, CPU)
    for column, value in ((0, 0.0), (8, 1.0)):
        canvas.add(torch.full((1, SIDE, SIDE), value), 0, column)
    row = canvas.finished()[0, 8]
    assert (np.diff(row.astype(int)) >= 0).all()
    assert row[0] == 0
    assert row[-1] == 255
    assert row[12] / 255 == pytest.approx(0.5, abs=0.15)


def test_labels_are_those_of_the_probabilities_kept_whole() -> None:
    """Tiles that differ, too."""
    generator = torch.Generator().manual_seed(5)
    whole = ProbabilityRows(4, ROWS, COLUMNS, SIDE, CPU)
    labels = LabelRows(4, ROWS, COLUMNS, SIDE, CPU)
    for corner in grid(11, (-3, -2)):
        values = torch.rand((4, SIDE, SIDE), generator=generator)
        whole.add(values, *corner)
        labels.add(values, *corner)
    found, said = labels.finished(), whole.finished()
    best = np.take_along_axis(said, found[None].astype(np.intp), 0)[0]
    assert np.array_equal(best, said.max(0))


def test_rows_between_tiles_far_apart_were_not_read() -> None:
    canvas = LabelRows(3, ROWS, COLUMNS, SIDE, CPU)
    corners = ((2, 5), (25, 40))
    for corner in corners:
        canvas.add(tile(corner), *corner)
    labels = canvas.finished()
    expected = np.zeros((ROWS, COLUMNS), bool)
    for row, column in corners:
        expected[row : row + SIDE, column : column + SIDE] = True
    assert np.array_equal(labels, np.where(expected, INSIDE.argmax(0), IGNORE))


def test_without_tiles_nothing_was_read() -> None:
    labels = LabelRows(3, ROWS, COLUMNS, SIDE, CPU).finished()
    assert labels.shape == (ROWS, COLUMNS)
    assert (labels == IGNORE).all()
    assert not ProbabilityRows(3, ROWS, COLUMNS, SIDE, CPU).finished().any()


def test_tiles_beside_the_map_are_left_out() -> None:
    whole = ProbabilityRows(1, ROWS, COLUMNS, SIDE, CPU)
    for corner in ((-SIDE - 1, 0), (ROWS + SIDE, 0), (0, -SIDE - 1), (0, COLUMNS + SIDE + 1)):
        whole.add(torch.ones((1, SIDE, SIDE)), *corner)
    assert not whole.finished().any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [ProbabilityRows, LabelRows])
def test_what_is_not_finite_is_refused(
    kind: type[ProbabilityRows | LabelRows], value: float
) -> None:
    canvas = kind(3, ROWS, COLUMNS, SIDE, CPU)
    values = tile((0, 0)).clone()
    values[1, 3, 4] = value
    canvas.add(values, 0, 0)
    with pytest.raises(PredictionError, match="not finite"):
        canvas.finished()
