"""The light that clear glass lets through, over the whole slide: never quite even, never white."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.image.placed import grown
from histoscore.records import Mask, RgbImage

Background = NDArray[np.float32]
"""(rows, columns, 3) or (1, 1, 3): log10 of the intensity of clear glass."""

_BRIGHT_FLOOR = 150.0
_BRIGHTEST = 0.96
_ALIKE_LEVELS = 8
_TOLERANCE, _ROUNDS = 0.025, 5
"""How far (mean density) a pixel may lie from the estimate and pass for glass. Shading deeper
than that is followed round by round; a wider tolerance would take pale tissue for glass."""
_COLOUR_TOLERANCE = 0.02
"""How far a channel may lie from the other channels' mean density, against the estimate."""
_LEAST_SHARE = 0.05
_FIELDS, _GLASS_FIELDS, _FIELD_SHARE = 3, 6, 0.2
"""A surface is fitted only where, of 3 × 3 fields, six hold this share of glass: drawn through a
corner of glass it would bend into pale tissue."""
_LARGEST_FALL, _LARGEST_RISE = 0.12, 0.02
"""How far (log10) shading may take the light below or above the brightest glass."""
_ROUGHEST, _DARKEST = 0.006, 0.3
"""Density that glass may vary by within five pixels of an overview (tissue varies by more), and
that it may have where the light is worst."""
_SIDE = 160

LEAST_DENSITY = 0.035
"""Mean optical density (over channels) from which a pixel may be tissue."""
LEAST_COLOUR = 0.045
"""Difference between channels from which a pixel may be tissue, however pale."""
_BARE_BLUR_UM = 2.0
_BARE_OPEN_UM = 8.0
LEAST_BARE_UM2 = 10_000.0
"""A piece of bare glass below this may be the inside of a fat cell, which is tissue; pieces that
only a gap of twice `_BARE_OPEN_UM` joins are several, as fat cells with a thin wall are."""


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
    for _ in range(_ROUNDS):
        glass = _near(intensities, surface)
        if not _is_all_around(glass):
            return level
        surface = _bounded(_quadratic(intensities, glass), level)
    enlarged = cv2.resize(surface, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def glass_colour(rgb: RgbImage) -> tuple[float, float, float]:
    """Mean R, G, B of the clear glass; paper white where the picture shows none."""
    red, green, blue = 10 ** clear_glass(rgb).mean(axis=(0, 1), dtype=np.float64)
    return float(red), float(green), float(blue)


def bare_glass(rgb: RgbImage, mpp: float) -> Mask:
    """Where a section's picture shows glass and nothing on it, between tissues too.

    A joint space is glass; the inside of a fat cell or a vessel looks like it and is not, so
    pieces below `LEAST_BARE_UM2` are left out. So are the half-covered pixels at tissue's edge.

    Args:
        rgb: (rows, columns, 3) at the scale of cells.
        mpp: its µm per pixel.

    Returns:
        (rows, columns), True on glass.
    """
    density = cv2.GaussianBlur(
        clear_glass(rgb) - log_intensity(rgb), (0, 0), max(0.6, _BARE_BLUR_UM / mpp)
    )
    bare = (np.abs(density.mean(axis=2)) < LEAST_DENSITY) & (np.ptp(density, axis=2) < LEAST_COLOUR)
    radius = _BARE_OPEN_UM / mpp
    wide = grown(~grown(~bare, radius), radius)
    count, pieces = cv2.connectedComponents(wide.astype(np.uint8), connectivity=4)
    keeps = np.bincount(pieces.ravel(), minlength=count) >= LEAST_BARE_UM2 / mpp**2
    keeps[0] = False
    return np.asarray(keeps[pieces], np.bool_)


def light_spread(rgb: RgbImage) -> float:
    """How much darker than the brightest glass of an overview its darkest glass is (0–1): light
    that falls off over the slide. 0 where there is too little glass to tell.

    Glass is what has no colour and no structure, however dark it is (an estimate that starts at the
    brightest would call the rest of a steep fall tissue), and lies on one smooth surface, as a pale
    piece of tissue in it does not.
    """
    small = _shrunk(rgb)
    level = _even_estimate(small)
    if level is None:
        return 0.0
    density = level - log_intensity(small)
    mean = density.mean(axis=2)
    colour = np.abs(density - mean[..., None]).max(axis=2)
    around = cv2.blur(mean, (5, 5))
    rough = np.sqrt(np.maximum(cv2.blur(mean * mean, (5, 5)) - around * around, 0))
    glass = (colour <= _COLOUR_TOLERANCE) & (rough <= _ROUGHEST) & (mean <= _DARKEST)
    if glass.mean() < _LEAST_SHARE:
        return 0.0
    surface = around
    for _ in range(_ROUNDS):
        surface = _quadratic(around[..., None], glass)[..., 0]
        apart = np.abs(around - surface)
        glass &= apart <= max(2 * float(np.median(apart[glass])), _ROUGHEST)
    brightest, darkest = np.quantile(surface[glass], (0.01, 0.99))
    return float(1 - 10 ** (brightest - darkest))


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
    """Colour of the brightest pixels; None where even they are too dark for glass.

    Scanners fill what they did not scan with pure white: it counts only where nothing else
    looks like glass.
    """
    pixels = small.reshape(-1, 3)
    scanned = pixels[(pixels < 255).any(axis=1)]
    level = _brightest(scanned) if len(scanned) else None
    if level is None or _share_alike(scanned, level) * len(scanned) < _LEAST_SHARE * len(pixels):
        level = _brightest(pixels)
    if level.mean() < _BRIGHT_FLOOR:
        return None
    return np.log10(level).astype(np.float32).reshape(1, 1, 3)


def _brightest(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    brightness = pixels.min(axis=1)
    bright = pixels[brightness >= np.quantile(brightness, _BRIGHTEST)]
    return np.asarray(np.median(bright, axis=0), np.float64)


def _share_alike(pixels: NDArray[np.uint8], level: NDArray[np.float64]) -> float:
    return float((np.abs(pixels - level).max(axis=1) <= _ALIKE_LEVELS).mean())


def _near(intensities: NDArray[np.float32], surface: Background) -> NDArray[np.bool_]:
    density = surface - intensities
    mean = density.mean(axis=2)
    colour = np.abs(density - mean[..., None]).max(axis=2)
    near: NDArray[np.bool_] = (np.abs(mean) <= _TOLERANCE) & (colour <= _COLOUR_TOLERANCE)
    return near


def _is_all_around(glass: NDArray[np.bool_]) -> bool:
    fields = [
        field
        for band in np.array_split(glass, _FIELDS, axis=0)
        for field in np.array_split(band, _FIELDS, axis=1)
        if field.size
    ]
    return sum(bool(field.mean() >= _FIELD_SHARE) for field in fields) >= _GLASS_FIELDS


def _quadratic(intensities: NDArray[np.float32], glass: NDArray[np.bool_]) -> Background:
    """Least-squares surface of second degree through the glass pixels, over the whole picture."""
    rows, columns = glass.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    factors = np.linalg.lstsq(terms[glass], intensities[glass], rcond=None)[0]
    return np.asarray(terms @ factors, np.float32)


def _bounded(surface: Background, level: Background) -> Background:
    bounded: Background = np.clip(surface, level - _LARGEST_FALL, level + _LARGEST_RISE)
    return bounded
