"""The light that clear glass lets through, over the whole slide: never quite even, never white."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.records import RgbImage

Background = NDArray[np.float32]
"""(rows, columns, 3) or (1, 1, 3): log10 of the intensity of clear glass."""

_BRIGHT_FLOOR = 150.0
_BRIGHTEST = 0.90
_FIRST_TOLERANCE, _TOLERANCE = 0.09, 0.04
"""How far below the estimate (mean density) a pixel may lie and still pass for glass."""
_COLOUR_TOLERANCE = 0.035
"""How far a channel may lie from the other channels' mean density, against the estimate."""
_LEAST_SHARE = 0.05
_LARGEST_FALL = 0.12
"""The light's unevenness may reach this far (log10) from its middle; more is tissue, not light."""
_SIDE = 160


def clear_glass(rgb: RgbImage) -> Background:
    """log10 intensity of clear glass at every pixel of an overview.

    The brightest colourless pixels give a first, even estimate; a quadratic surface through the
    pixels near it takes up shading. A picture that is all tissue has no glass to show: white
    paper is assumed then.
    """
    small = _shrunk(rgb)
    intensities = log_intensity(small)
    level = _even_estimate(small)
    if level is None:
        return np.full((1, 1, 3), np.log10(255), np.float32)
    surface = np.broadcast_to(level, intensities.shape)
    for tolerance in (_FIRST_TOLERANCE, _TOLERANCE, _TOLERANCE):
        glass = _near(intensities, surface, tolerance)
        if glass.mean() < _LEAST_SHARE:
            return level
        surface = _bounded(_quadratic(intensities, glass), level)
    enlarged = cv2.resize(surface, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def log_intensity(rgb: RgbImage) -> NDArray[np.float32]:
    """log10 of the intensities, 0 counted as half a grey level."""
    table = np.log10(np.maximum(np.arange(256), 0.5)).astype(np.float32)
    logs: NDArray[np.float32] = table[rgb]
    return logs


def _shrunk(rgb: RgbImage) -> RgbImage:
    factor = max(1.0, max(rgb.shape[:2]) / _SIDE)
    size = max(1, round(rgb.shape[1] / factor)), max(1, round(rgb.shape[0] / factor))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _even_estimate(small: RgbImage) -> Background | None:
    """Median of the brightest tenth; None where even that is too dark for glass."""
    pixels = small.reshape(-1, 3)
    brightness = pixels.min(axis=1)
    bright = pixels[brightness >= np.quantile(brightness, _BRIGHTEST)]
    level = np.median(bright, axis=0)
    if level.mean() < _BRIGHT_FLOOR:
        return None
    return np.log10(level).astype(np.float32).reshape(1, 1, 3)


def _near(
    intensities: NDArray[np.float32], surface: Background, tolerance: float
) -> NDArray[np.bool_]:
    density = surface - intensities
    mean = density.mean(axis=2)
    colour = np.abs(density - mean[..., None]).max(axis=2)
    near: NDArray[np.bool_] = (np.abs(mean) <= tolerance) & (colour <= _COLOUR_TOLERANCE)
    return near


def _quadratic(intensities: NDArray[np.float32], glass: NDArray[np.bool_]) -> Background:
    """Least-squares surface of second degree through the glass pixels, over the whole picture."""
    rows, columns = glass.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    factors = np.linalg.lstsq(terms[glass], intensities[glass], rcond=None)[0]
    return np.asarray(terms @ factors, np.float32)


def _bounded(surface: Background, level: Background) -> Background:
    bounded: Background = np.clip(surface, level - _LARGEST_FALL, level + _LARGEST_FALL)
    return bounded
