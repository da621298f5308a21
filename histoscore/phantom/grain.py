"""Textures: periodic tiles of noise, fibres and cell walls, laid over a section at any scale.

A tile is drawn once a process and is the same for every knee; where it is laid, how large and
which way, is the section's. Tiles are bytes and are enlarged in whole numbers, so that a texture
is equal to the last bit whatever the processor.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histoscore.phantom.raster import Field, View, laid_under
from histoscore.records import LabelArray

SIDE = 1024
"""Pixels of a tile each way."""
GRAIN = 4
"""Pixels of a tile that one grain of its noise measures."""

_MIDDLE, _DEVIATION = 128, 40
_CELLS = 20
"""Cell walls of a tile, each way."""


def noise(view: View, scale_um: float, salt: int, stretch: tuple[float, float] = (1, 1)) -> Field:
    """Smooth noise over a view: deviation about 1, a grain of `scale_um`.

    `stretch` (rows, columns) lengthens the grain. What is finer than a pixel fades, as it does
    in a picture. The same salt gives the same field in every window of a frame.
    """
    steps = [_step(scale_um * longer / (GRAIN * view.mpp)) for longer in stretch]
    offsets = (salt % SIDE, salt // SIDE % SIDE)
    rows = _Spread(view.corner[1] + round(offsets[0] * steps[0]), view.shape[0], steps[0])
    columns = _Spread(view.corner[0] + round(offsets[1] * steps[1]), view.shape[1], steps[1])
    part = np.ascontiguousarray(_smooth()[np.ix_(rows.source, columns.source)])
    size = (columns.enlarged, rows.enlarged)
    if size != part.shape[::-1]:
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    part = part[rows.kept, columns.kept]
    return _centered(part, min(1.0, scale_um * min(stretch) / view.mpp))


def fibres(view: View, width_um: float, salt: int, angle: float, length: float = 1.0) -> Field:
    """Wavy fibres `width_um` wide along `angle` (degrees from the knee's x), deviation about 1."""
    return _centered(_laid(_fibrous(), view, width_um / 3, angle, salt, length), 1.0)


def walls(view: View, cell_um: float, salt: int, stretch: float = 1.0) -> Field:
    """Distance from the walls between close-packed cells `cell_um` wide, µm, at most a sixth."""
    px_um = cell_um * _CELLS / SIDE
    tile = _laid(_walled(), view, px_um, float(salt % 180), salt, stretch)
    return np.asarray(tile * np.float32(cell_um / 6 / 255))


class _Spread:
    """How a line of a window takes its pixels from a periodic line of tile pixels.

    Attributes:
        source: tile pixels that are needed. enlarged: pixels that they make. kept: the window's.
    """

    def __init__(self, first: int, count: int, step: float) -> None:
        block = round(4 * step)  # four tile pixels are a whole number of pixels
        low, high = first // block - 1, (first + count - 1) // block + 2
        self.source = np.arange(low * 4, high * 4) % SIDE
        self.enlarged = (high - low) * block
        start = first - low * block
        self.kept = slice(start, start + count)


def _step(pixels: float) -> float:
    """Pixels of a picture per pixel of a tile: 1 or more, in quarters."""
    return max(1.0, round(pixels * 4) / 4 if pixels < 8 else float(round(pixels)))


def _centered(tile: LabelArray, amount: float) -> Field:
    return np.asarray((tile.astype(np.float32) - _MIDDLE) * np.float32(amount / _DEVIATION))


def _laid(
    tile: LabelArray,
    view: View,
    px_um: float,
    angle: float,
    salt: int,
    length: float,
) -> LabelArray:
    """A tile under a view, one of its pixels `px_um` (times `length` along its rows)."""
    a = np.deg2rad(angle)
    turn = np.array([[np.cos(a) / length, np.sin(a) / length], [-np.sin(a), np.cos(a)]]) / px_um
    matrix = turn @ view.to_knee_matrix
    corner = np.array(view.corner)
    shift = turn @ view.to_knee(-corner[None])[0] + (salt % SIDE, salt // SIDE % SIDE)
    middle = corner + np.array(view.shape[::-1]) / 2
    # Brought near the middle of nine tiles: wrapping is slow where pixels leave them.
    shift -= np.floor((shift + matrix @ middle) / SIDE - 1) * SIDE
    lines = np.column_stack([matrix, shift])
    return laid_under(tile, lines, view.shape, cv2.BORDER_WRAP, view.corner)


@lru_cache(maxsize=1)
def _smooth() -> LabelArray:
    """Isotropic noise, one grain `GRAIN` pixels."""
    return _bytes(_blurred_noise((GRAIN / 2, GRAIN / 2), 1))


@lru_cache(maxsize=1)
def _fibrous() -> LabelArray:
    """Nine tiles of wavy fibres 3 px wide along the rows, in bundles."""
    fine = _blurred_noise((1.1, 26), 2) + 0.7 * _blurred_noise((3.2, 60), 3)
    bend = 7 * _blurred_noise((20, 46), 4) + 1.6 * _blurred_noise((7, 14), 5)
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    place = row + bend
    low = np.floor(place).astype(int)
    part = place - low
    bent = fine[low % SIDE, column] * (1 - part) + fine[(low + 1) % SIDE, column] * part
    return np.tile(_bytes(bent / bent.std()), (3, 3))


@lru_cache(maxsize=1)
def _walled() -> LabelArray:
    """Nine tiles of the distance to the nearest wall: 255 is a sixth of a cell or more."""
    rng = np.random.default_rng(6)
    cell = SIDE / _CELLS
    y, x = np.mgrid[0:_CELLS, 0:_CELLS]
    x = x + 0.5 * (y % 2)
    places = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.33, 0.33, (_CELLS**2, 2))
    tree = cKDTree((places % _CELLS) * cell, boxsize=SIDE)
    row, column = np.mgrid[0:SIDE:2, 0:SIDE:2]
    near = tree.query(np.column_stack([column.ravel(), row.ravel()]), k=2)[0]
    away = ((near[:, 1] - near[:, 0]) / 2).reshape(row.shape)
    part = np.clip(away / (cell / 6) * 255, 0, 255).astype(np.uint8)
    whole = cv2.resize(np.tile(part, (3, 3)), (3 * SIDE, 3 * SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.uint8)


def _blurred_noise(sigma: tuple[float, float], seed: int) -> NDArray[np.float64]:
    """Periodic Gaussian noise (SIDE, SIDE), blurred by sigma (rows, columns), deviation 1."""
    spectrum = np.fft.rfft2(np.random.default_rng(seed).normal(size=(SIDE, SIDE)))
    rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    reach = (rows * sigma[0]) ** 2 + (columns * sigma[1]) ** 2
    field = np.fft.irfft2(spectrum * np.exp(-2 * np.pi**2 * reach), s=(SIDE, SIDE))
    return np.asarray((field - field.mean()) / field.std())


def _bytes(field: NDArray[np.float64]) -> LabelArray:
    return np.clip(np.rint(field * _DEVIATION + _MIDDLE), 0, 255).astype(np.uint8)
