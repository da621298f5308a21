"""Cells are drawn where they are put, as large as they are, and vanish under other tissue."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoscore.geometry import Points
from histoscore.phantom.painting.cells import FIBROBLAST, MARROW_CELL, CellKind, Cells
from histoscore.phantom.raster import Scattered

ROUND = CellKind(nucleus=2.0, stretch=1.0, lacuna=5.0, halo=1.0, seen=1.0)
HOLLOW = CellKind(nucleus=2.0, stretch=1.0, lacuna=5.0, halo=0.3, seen=0.5)
SHAPE = (90, 160)


def luck(count: int, seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = np.column_stack([rng.random((count, 8)), rng.normal(size=(count, 4))])
    return drawn.astype(np.float32)


def usual(count: int) -> np.ndarray:
    """Cells to which nothing befalls: every number in its middle."""
    middle = np.full((count, 12), 0.5, np.float32)
    middle[:, 8:] = 0
    return middle


def grid(spacing: float = 14.0) -> Points:
    """Points on the right half only."""
    x, y = np.meshgrid(np.arange(95.0, 150, spacing), np.arange(12.0, 80, spacing))
    return np.column_stack([x.ravel(), y.ravel()])


def scattered(points: Points, fortune: np.ndarray | None = None) -> Scattered:
    return Scattered(points, luck(len(points)) if fortune is None else fortune)


def layers(cells: Cells) -> tuple[np.ndarray, ...]:
    return cells.lacunae, cells.nuclei, cells.halos


def count(layer: np.ndarray) -> int:
    return int(cv2.connectedComponents((layer > 0).astype(np.uint8), connectivity=8)[0]) - 1


def test_cells_lie_at_their_points() -> None:
    cells = Cells(SHAPE, 1.0)
    cells.draw(scattered(grid(), usual(len(grid()))), ROUND)
    for layer in layers(cells):
        assert layer.shape == SHAPE
        assert layer.dtype == np.uint8
        assert not layer[:, :80].any()
        columns, rows = grid().astype(int).T
        assert (layer[rows, columns] > 100).all()
    assert cells.halos.sum() > cells.lacunae.sum() > cells.nuclei.sum()


def test_a_cell_without_a_lacuna_is_a_nucleus_only() -> None:
    cells = Cells(SHAPE, 1.0)
    cells.draw(scattered(grid()), FIBROBLAST)
    assert cells.nuclei.any()
    assert not cells.lacunae.any()
    assert not cells.halos.any()


def test_a_nucleus_lies_in_its_lacuna() -> None:
    cells = Cells(SHAPE, 2.0)
    cells.draw(scattered(grid(28.0)), ROUND)
    assert (cells.lacunae > 0)[(cells.nuclei > 0) & (cells.halos > 0)].mean() > 0.9


@pytest.mark.parametrize("finer", [1, 2, 3])
def test_sizes_are_micrometres(finer: int) -> None:
    """Whatever the pixels: a nucleus of 2 µm is one of 12.6 µm²."""
    for px in (1.5, 3.1):
        cells = Cells(SHAPE, px, finer=finer)
        cells.draw(scattered(grid(), usual(len(grid()))), ROUND, 0.0)
        area = cells.nuclei.sum() / 255 / (px * finer) ** 2 / len(grid())
        tone = (120 + 135 / 2) / 255
        # The outline that cv2 adds is up to two thirds of a pixel wide.
        most = np.pi * (2.0 + 0.7 / (px * finer)) ** 2 * tone
        assert 0.9 * np.pi * 2.0**2 * tone < area < most


def test_a_sections_cells_are_all_larger_or_smaller() -> None:
    areas = []
    for size in (1.0, 1.2):
        cells = Cells((300, 500), 3.0, size)
        cells.draw(scattered(grid() * 3), ROUND)
        areas.append(float(cells.lacunae.sum()))
    assert areas[1] / areas[0] == pytest.approx(1.2**2, rel=0.06)


@pytest.mark.parametrize("finer", [2, 3])
def test_on_finer_layers_they_lie_at_the_same_place(finer: int) -> None:
    cells = Cells(SHAPE, 1.0, finer=finer)
    cells.draw(scattered(np.array([(110.3, 40.8)]), usual(1)), ROUND)
    rows, columns = np.nonzero(cells.halos)
    assert cells.halos.shape == (90 * finer, 160 * finer)
    middle = (np.array([columns.mean(), rows.mean()]) + 0.5) / finer - 0.5
    assert middle == pytest.approx((110.3, 40.8), abs=0.3)


@pytest.mark.parametrize("angle", [-35.0, 60.0])
def test_long_cells_lie_along_their_angle_give_or_take(angle: float) -> None:
    long_kind = CellKind(nucleus=2.5, stretch=4.0, seen=1.0)
    cells = Cells((600, 1100), 2.0)
    x, y = np.meshgrid(np.arange(50.0, 1050, 40), np.arange(50.0, 550, 40))
    cells.draw(scattered(np.column_stack([x.ravel(), y.ravel()])), long_kind, angle)
    apart = (axes(cells.nuclei) - angle + 90) % 180 - 90
    assert len(apart) == x.size
    assert np.mean(apart) == pytest.approx(0, abs=3)
    assert np.std(apart) == pytest.approx(14, abs=3)


def axes(layer: np.ndarray) -> np.ndarray:
    """(n,) degrees of the long axis of every spot."""
    labels = cv2.connectedComponents((layer > 0).astype(np.uint8))[1]
    rows, columns = np.nonzero(labels)
    names = labels[rows, columns]
    spots = [np.column_stack([columns, rows])[names == k] for k in range(1, labels.max() + 1)]
    long_axes = [np.linalg.eigh(np.cov(spot.T))[1][:, 1] for spot in spots]
    return np.degrees(np.arctan2(*np.array(long_axes).T[::-1]))


def test_shares_of_cells_with_a_nucleus_a_hole_and_a_halo_are_the_kinds() -> None:
    cells = Cells((1200, 1300), 1.0)
    x, y = np.meshgrid(np.arange(50.0, 1250, 36), np.arange(50.0, 1150, 36))
    points = np.column_stack([x.ravel(), y.ravel()])
    cells.draw(scattered(points), HOLLOW)
    n = len(points)
    assert count(cells.nuclei) / n == pytest.approx(HOLLOW.seen, abs=0.05)
    assert count(cells.halos) / n == pytest.approx(HOLLOW.halo, abs=0.05)
    assert count(cells.lacunae) / n == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("finer", [1, 3])
def test_what_lies_under_another_tissue_is_erased_and_nothing_else(finer: int) -> None:
    cells = Cells(SHAPE, 1.0, finer=finer)
    cells.draw(scattered(grid()), ROUND)
    before = [layer.copy() for layer in layers(cells)]
    place = (slice(20, 60), slice(90, 141))
    under = np.zeros((40, 51), bool)
    under[5:, 7:] = True
    cells.erase(under, place)
    gone = np.zeros(SHAPE, bool)
    gone[25:60, 97:141] = True
    gone = gone.repeat(finer, 0).repeat(finer, 1)
    for layer, old in zip(layers(cells), before, strict=True):
        assert not layer[gone].any()
        assert (layer == old)[~gone].all()
        assert old[gone].any()


def test_fat_is_clear_and_pushes_marrow_aside() -> None:
    cells = Cells(SHAPE, 1.3)
    cells.draw(scattered(grid(5.0)), MARROW_CELL)
    cells.fat(scattered(np.array([(110.0, 40.0)]), usual(1)))
    assert cells.lacunae[40, 110] == 255
    inside = cells.lacunae == 255
    assert inside.sum() / 1.3**2 == pytest.approx(np.pi * 13**2, rel=0.12)
    assert not cells.nuclei[inside].any()
    assert cells.nuclei[~inside].any()


def test_no_points_draw_nothing() -> None:
    cells = Cells(SHAPE, 1.0)
    nobody = Scattered(np.empty((0, 2)), luck(0))
    cells.draw(nobody, ROUND)
    cells.fat(nobody)
    assert not any(layer.any() for layer in layers(cells))


def test_the_same_luck_draws_the_same_cells() -> None:
    one, other = Cells(SHAPE, 1.7), Cells(SHAPE, 1.7)
    for cells in (one, other):
        cells.draw(scattered(grid()), HOLLOW)
    assert all((a == b).all() for a, b in zip(layers(one), layers(other), strict=True))
