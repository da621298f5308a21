"""Overviews for tests: glass with a knee-like section, pens, dust and edges drawn on it."""

from __future__ import annotations

import cv2
import numpy as np

MPP = 8.0
ROWS, COLUMNS = 900, 1300

FAST_GREEN = (0.86, 0.39, 0.32)
SAFRANIN = (0.10, 0.54, 0.84)
GREEN_PEN = (1.00, 0.30, 0.38)
RED_PEN = (0.15, 1.00, 0.75)
BLACK_PEN = (1.05, 1.10, 1.20)
GREY = (0.35, 0.35, 0.36)

Density = np.ndarray


def empty(rows: int = ROWS, columns: int = COLUMNS) -> Density:
    """Optical density (rows, columns, 3) of clear glass."""
    return np.zeros((rows, columns, 3), np.float32)


def add_knee(density: Density, x: int, y: int, strength: float = 0.35) -> np.ndarray:
    """A section of 2.4 × 2.9 mm at (x, y): two bones with a gap, rims and bands of Safranin.

    Returns:
        True on the section.
    """
    mask = np.zeros(density.shape[:2], np.uint8)
    cv2.ellipse(mask, (x, y - 88), (140, 80), 5, 0, 360, 1, -1)
    cv2.ellipse(mask, (x + 6, y + 88), (150, 84), -4, 0, 360, 1, -1)
    section = mask.astype(bool)
    band = np.zeros_like(mask)
    cv2.line(band, (x - 120, y - 130), (x + 120, y - 120), 1, 16)
    cv2.line(band, (x - 130, y + 130), (x + 130, y + 120), 1, 16)
    cartilage = section & band.astype(bool)
    rng = np.random.default_rng(x * 1000 + y)
    texture = 1 + 0.15 * rng.standard_normal(mask.shape)[..., None]
    density[section] = (texture * strength * np.array(FAST_GREEN))[section]
    density[cartilage] = (texture * 2 * strength * np.array(SAFRANIN))[cartilage]
    return section


def add_stroke(
    density: Density, points: list[tuple[int, int]], ink: tuple[float, ...], width: int = 26
) -> np.ndarray:
    """A pen's line through points; True where it lies."""
    mask = np.zeros(density.shape[:2], np.uint8)
    cv2.polylines(mask, [np.array(points, np.int32)], False, 1, width)
    density[mask.astype(bool)] = ink
    return mask.astype(bool)


def photographed(
    density: Density,
    white: tuple[float, float, float] = (243, 243, 242),
    shading: float = 0.0,
    seed: int = 4,
) -> np.ndarray:
    """RGB of it: the light's colour, darker towards the corners by `shading`, camera noise."""
    rows, columns = density.shape[:2]
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    light = np.array(white) * (1 - shading * (x**2 + y**2) / 2)[..., None]
    noise = np.random.default_rng(seed).normal(0, 1.2, density.shape)
    return np.clip(np.rint(light * 10 ** (-density) + noise), 0, 255).astype(np.uint8)
