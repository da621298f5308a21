"""Overlapping tiles become one map: each fades toward its border, so that no border shows.

Sums stay on the network's device, and nothing is fetched from it before rows are finished: one
transfer a row of tiles, none a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histoscore.errors import PredictionError
from histoscore.image.tiles import blend_window
from histoscore.records import LabelArray
from histoscore.vocabulary import IGNORE

NOT_FINITE = "model output not finite: the network gave NaN or infinity"


class _Rows(ABC):
    """A map that tiles are blended into; only a band of its rows is held as sums.

    Tiles come row by row, from above.
    """

    def __init__(self, channels: int, rows: int, columns: int, side: int, device: torch.device):
        self._band = _Band(channels, side, columns, side, device)
        self._rows = rows
        self._top: int | None = None
        """Row of the map that is the band's first; None before the first tile."""

    def add(self, values: Tensor, row: int, column: int) -> None:
        """Adds a tile (channels, side, side) with its corner at (row, column) of the map; it may
        reach beyond the map. Raises PredictionError for one above that was not finite."""
        if self._top is None:
            self._top = row
        if row > self._top:
            self._store(min(row - self._top, self._band.rows))
            self._top = row
        self._band.add(values, 0, column)

    def _finish(self) -> None:
        if self._top is not None:
            self._store(self._band.rows)

    def _store(self, count: int) -> None:
        """Keeps what the band's first rows say; the rest moves up."""
        assert self._top is not None  # a tile was added
        first, last = max(self._top, 0), min(self._top + count, self._rows)
        if last > first:
            sums, weights = self._band.held(first - self._top, last - first)
            _check_finite(sums)
            self._keep(slice(first, last), sums, weights)
        self._band.move_up(count)

    @abstractmethod
    def _keep(self, rows: slice, sums: Tensor, weights: Tensor) -> None:
        """Keeps rows of the map: sums (channels, rows, columns) and the sums of the weights."""


class ProbabilityRows(_Rows):
    """What a network says of every pixel, in 255ths: for coarse networks."""

    def __init__(self, channels: int, rows: int, columns: int, side: int, device: torch.device):
        super().__init__(channels, rows, columns, side, device)
        self._said = np.zeros((channels, rows, columns), np.uint8)

    def finished(self) -> NDArray[np.uint8]:
        """(channels, rows, columns) probabilities × 255; 0 where no tile was read.

        Raises:
            PredictionError: a tile was not finite.
        """
        self._finish()
        self._said.setflags(write=False)
        return self._said

    def _keep(self, rows: slice, sums: Tensor, weights: Tensor) -> None:
        factors = 255 / weights.clamp(min=1e-12)
        said = torch.empty(sums.shape, dtype=torch.uint8, device=sums.device)
        for said_layer, layer in zip(said, sums, strict=True):  # all at once take much memory
            said_layer.copy_((layer * factors).round_())
        self._said[:, rows] = said.cpu().numpy()


class LabelRows(_Rows):
    """The most probable class of every pixel: for fine networks."""

    def __init__(self, channels: int, rows: int, columns: int, side: int, device: torch.device):
        super().__init__(channels, rows, columns, side, device)
        self._labels = np.full((rows, columns), IGNORE, np.uint8)

    def finished(self) -> LabelArray:
        """Labels (rows, columns); `IGNORE` where no tile was read.

        Raises:
            PredictionError: a tile was not finite.
        """
        self._finish()
        return self._labels

    def _keep(self, rows: slice, sums: Tensor, weights: Tensor) -> None:
        # The largest sum is the largest mean: nothing needs to be divided.
        labels = _largest(sums).masked_fill_(weights <= 0, IGNORE)
        self._labels[rows] = labels.cpu().numpy()


class _Band:
    """Rows of weighted sums of what tiles say, and the sums of the weights.

    It is a tile wider than the map on both sides, so that no tile has to be cut.
    """

    def __init__(
        self, channels: int, rows: int, columns: int, side: int, device: torch.device
    ) -> None:
        self.rows, self._columns, self._side = rows, columns, side
        self._sums = torch.zeros((channels, rows, columns + 2 * side), device=device)
        self._weights = torch.zeros((rows, columns + 2 * side), device=device)
        self._window = torch.from_numpy(blend_window(side)).to(device)

    def add(self, values: Tensor, row: int, column: int) -> None:
        """Adds a tile; one that lies wholly beside the map is left out."""
        side = self._side
        if not (0 <= row <= self.rows - side and -side <= column <= self._columns):
            return
        here = (slice(row, row + side), slice(column + side, column + 2 * side))
        self._sums[(slice(None), *here)].addcmul_(values, self._window)
        self._weights[here] += self._window

    def held(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Sums (channels, count, columns) of some rows, and the weights."""
        here = (slice(first, first + count), slice(self._side, self._side + self._columns))
        return self._sums[(slice(None), *here)], self._weights[here]

    def move_up(self, count: int) -> None:
        for layer in (*self._sums, self._weights):  # a copy of one layer at a time
            kept = layer[count:].clone()
            layer.zero_()
            layer[: len(kept)] = kept


def _largest(sums: Tensor) -> Tensor:
    """(rows, columns) which of (classes, rows, columns) is largest, as bytes; the first of equals.

    `argmax` along a leading axis takes several times as long.
    """
    best = sums[0].clone()
    label = torch.zeros_like(best, dtype=torch.uint8)
    for number, layer in enumerate(sums[1:], 1):
        label.masked_fill_(layer > best, number)
        torch.maximum(best, layer, out=best)
    return label


def _check_finite(values: Tensor) -> None:
    """By the sum: what is not finite stays so in it, and it is read only once."""
    if not torch.isfinite(values.sum()):
        raise PredictionError(NOT_FINITE)
