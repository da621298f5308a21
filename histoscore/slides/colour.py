"""Samples as files store them → 8-bit RGB on white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoscore.records import RgbImage

WHITE = 255


def white_canvas(rows: int, columns: int) -> RgbImage:
    """(rows, columns, 3) of (255, 255, 255): what lies outside a slide."""
    return np.full((rows, columns, 3), WHITE, np.uint8)


def grey_as_rgb(samples: NDArray[np.uint8]) -> RgbImage:
    """(rows, columns) or (rows, columns, 1) → (rows, columns, 3)."""
    return np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=2)


def on_white(rgb: RgbImage, alpha: NDArray[np.uint8], *, premultiplied: bool = False) -> RgbImage:
    """Colour (rows, columns, 3) with alpha (rows, columns), laid on white."""
    if alpha.size == 0 or int(alpha.min()) == 255:
        return np.ascontiguousarray(rgb)
    share = alpha[..., None].astype(np.float32) / 255
    colour = rgb if premultiplied else rgb * share
    return np.clip(np.rint(colour + WHITE * (1 - share)), 0, 255).astype(np.uint8)


def eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """8-bit samples as they are; the upper byte of 16-bit samples."""
    if samples.dtype == np.uint16:
        return (samples >> 8).astype(np.uint8)
    return samples.astype(np.uint8, copy=False)
