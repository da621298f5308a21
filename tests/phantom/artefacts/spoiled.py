"""What the artefact tests spoil: a patterned slide and a section, neither of them square."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely

from histoscore.phantom.artefacts import Artefact, ArtefactKind, ArtefactRates
from histoscore.vocabulary import Tissue

ROWS, COLUMNS = 430, 570
"""Of the slide."""

NONE = ArtefactRates(**dict.fromkeys(ArtefactRates.model_fields, 0.0))


def only(kind: ArtefactKind, rate: float = 1.0) -> ArtefactRates:
    """Nothing but one kind, always."""
    return NONE.model_copy(update={kind.value: rate})


def picture() -> np.ndarray:
    """A slide on which every pixel differs a little from its neighbours."""
    return _picture(ROWS, COLUMNS).copy()


@lru_cache
def _picture(rows: int, columns: int) -> np.ndarray:
    y, x = np.mgrid[0:rows, 0:columns]
    grey = 190 + 23 * ((x // 3 + y // 5) % 2) + (x * 7 + y * 3) % 13
    return np.stack([grey, grey - 20, grey + 9], axis=-1).astype(np.uint8)


def section(rows: int = 420, columns: int = 610) -> tuple[np.ndarray, np.ndarray]:
    """Dyes and labels of one oval piece of cartilage on a collar of bone."""
    dyes, tissue = _section(rows, columns)
    return dyes.copy(), tissue.copy()


@lru_cache
def _section(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    inside = x**2 + y**2 < 0.8
    tissue = np.where(inside, np.where(x**2 + y**2 < 0.3, Tissue.HYALINE, Tissue.BONE), 0)
    grain = (np.arange(rows)[:, None] * 5 + np.arange(columns) * 3) % 11
    dyes = np.stack([40 + grain, 25 + grain, 12 + grain], axis=-1) * inside[..., None]
    return dyes.astype(np.uint8), tissue.astype(np.uint8)


def covered(artefacts: tuple[Artefact, ...], changed: np.ndarray) -> np.ndarray:
    """For every changed pixel (rows, columns): does its centre lie in an outline?"""
    rows, columns = np.nonzero(changed)
    whole = shapely.union_all([a.outline for a in artefacts])
    shapely.prepare(whole)
    return np.asarray(shapely.contains_xy(whole, columns + 0.5, rows + 0.5))


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(rows, columns) pixels that differ in any channel."""
    return (a != b).reshape(*a.shape[:2], -1).any(axis=2)
