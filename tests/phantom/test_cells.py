"""Cells are drawn where they are put, as large as they are, and vanish under other tissue."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.phantom.cells import FIBROBLAST, OSTEOCYTE, CellKind, Cells

ROUND = CellKind(nucleus=2.0, stretch=1.0, lacuna=5.0, halo=1.0)


def cells(px: float = 1.0) -> Cells:
    return Cells((90, 160), px, np.random.default_rng(4))


def grid() -> np.ndarray:
    """Points on the right half only."""
    x, y = np.meshgrid(np.arange(95.0, 150, 14), np.arange(12.0, 80, 14))
    return np.column_stack([x.ravel(), y.ravel()])


def test_cells_lie_at_their_points() -> None:
    layer = cells()
    layer.draw(grid(), ROUND)
    for drawn in layer.fields():
        assert drawn.shape == (90, 160)
        assert not drawn[:, :80].any()
    lacunae, nuclei, halos, walls = layer.fields()
    assert lacunae[:, 80:].mean() > nuclei[:, 80:].mean() > 0
    assert halos[:, 80:].mean() > lacunae[:, 80:].mean()
    assert not walls.any()


def test_a_cell_without_a_lacuna_is_a_nucleus_only() -> None:
    layer = cells()
    layer.draw(grid(), FIBROBLAST)
    lacunae, nuclei, halos, _ = layer.fields()
    assert nuclei.any()
    assert not lacunae.any()
    assert not halos.any()


def test_sizes_are_micrometres() -> None:
    """Twice the pixels a µm, four times the pixels a cell."""
    areas = []
    for px in (1.5, 3.0):
        layer = cells(px)
        layer.draw(grid()[::3], OSTEOCYTE)
        areas.append(float(layer.fields()[1].sum()))
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.3)


def test_what_lies_under_another_tissue_is_erased() -> None:
    layer = cells()
    layer.draw(grid(), ROUND)
    layer.fat(grid())
    under = np.zeros((90, 160), bool)
    under[:45] = True
    layer.erase(under)
    assert all(not drawn[under].any() for drawn in layer.fields())
    assert all(drawn[~under].any() for drawn in layer.fields()[::3])


def test_fat_is_clear_with_a_thin_wall() -> None:
    layer = cells(1.3)
    layer.fat(np.array([(110.0, 40.0)]))
    lacunae, _, _, walls = layer.fields()
    assert lacunae[40, 110] == 1
    assert walls[40, 110] == 0
    assert 0 < walls.sum() < lacunae.sum()


def test_no_points_draw_nothing() -> None:
    layer = cells()
    layer.draw(np.empty((0, 2)), ROUND)
    assert not any(drawn.any() for drawn in layer.fields())
