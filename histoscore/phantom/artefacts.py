"""What spoils a slide besides disease: dust, pen marks, a region out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from histoscore.phantom.raster import noise
from histoscore.records import RgbImage

_INKS = ((25, 40, 150), (20, 120, 60), (170, 30, 40), (25, 25, 30))


def add_dust(picture: RgbImage, mpp: float, rng: np.random.Generator) -> RgbImage:
    """A few dark specks and fibres of 5–40 µm."""
    spoiled = picture.copy()
    for _ in range(int(rng.integers(0, 8))):
        x, y = (int(rng.integers(0, n)) for n in picture.shape[1::-1])
        axes = (max(1, int(rng.uniform(3, 20) / mpp)), max(1, int(rng.uniform(2, 6) / mpp)))
        tone = int(rng.integers(30, 140))
        cv2.ellipse(
            spoiled, (x, y), axes, rng.uniform(0, 180), 0, 360, (tone,) * 3, -1, cv2.LINE_AA
        )
    return spoiled


def add_pen_mark(picture: RgbImage, mpp: float, rng: np.random.Generator) -> RgbImage:
    """A felt-pen stroke along one edge of the glass."""
    rows, columns = picture.shape[:2]
    ink = np.array(_INKS[rng.integers(len(_INKS))], float)
    y = rng.uniform(0.02, 0.06) * rows if rng.random() < 0.5 else rng.uniform(0.94, 0.98) * rows
    x = np.linspace(rng.uniform(0.1, 0.3), rng.uniform(0.6, 0.9), 60) * columns
    path = np.column_stack([x, y + rng.normal(0, 0.002 * rows, 60).cumsum()])
    stroke = np.zeros((rows, columns), np.uint8)
    width = max(2, int(rng.uniform(60, 110) / mpp))
    cv2.polylines(stroke, [path.astype(np.int32)], False, 255, width, cv2.LINE_AA)
    cover = (stroke.astype(np.float32) / 255)[..., None] * rng.uniform(0.85, 0.97)
    # Ink on glass lets light through: it multiplies what lies under it.
    inked = picture * (1 - cover) + picture * (ink / 255) * cover
    return np.asarray(np.clip(inked + 0.5, 0, 255), np.uint8)


def defocus(picture: RgbImage, mpp: float, rng: np.random.Generator) -> RgbImage:
    """One region goes softly out of focus."""
    shape = (picture.shape[0], picture.shape[1])
    where = np.clip(noise(shape, 900 / mpp, rng) - 0.8, 0, 1)[..., None]
    blurred = cv2.GaussianBlur(picture, (0, 0), rng.uniform(2.0, 4.0) / mpp)
    mixed = picture * (1 - where) + blurred * where
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)
