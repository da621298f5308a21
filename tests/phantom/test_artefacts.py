"""Artefacts spoil a part of the picture and leave the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.phantom.artefacts import add_dust, add_pen_mark, defocus

seeds = st.integers(0, 2**32 - 1)


def picture() -> np.ndarray:
    """Light glass with a fine texture, not square."""
    rows, columns = np.mgrid[0:420, 0:610]
    grey = 225 + 20 * np.sin(rows * 1.2) * np.sin(columns * 1.2)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


@settings(max_examples=20)
@given(seed=seeds)
def test_dust_is_small_and_dark(seed: int) -> None:
    clean = picture()
    spoiled = add_dust(clean, 2.0, np.random.default_rng(seed))
    changed = (spoiled != clean).any(axis=2)
    assert changed.mean() < 0.02
    assert not changed.any() or spoiled[changed].min() < 150
    assert (clean == picture()).all()


@settings(max_examples=20)
@given(seed=seeds)
def test_a_pen_mark_runs_along_an_edge_and_lets_light_through(seed: int) -> None:
    clean = picture()
    inked = add_pen_mark(clean, 4.0, np.random.default_rng(seed))
    rows, columns = np.nonzero((np.abs(inked.astype(int) - clean) > 30).any(axis=2))
    assert np.ptp(columns) > 150
    assert rows.max() < 0.25 * 420 or rows.min() > 0.75 * 420
    assert (inked <= clean).all()


def test_defocus_blurs_one_region_only() -> None:
    clean = picture()
    soft = defocus(clean, 2.0, np.random.default_rng(5))
    contrast = np.abs(np.diff(soft.astype(int), axis=1))[..., 0]
    sharp = np.abs(np.diff(clean.astype(int), axis=1))[..., 0]
    assert soft.shape == clean.shape
    assert contrast.mean() < 0.95 * sharp.mean()
    assert (contrast == sharp).mean() > 0.3
    assert soft.mean() == pytest.approx(clean.mean(), abs=1)
