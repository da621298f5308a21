"""From dye amounts to colour: Beer–Lambert with three dyes, a batch and a camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.phantom.raster import Field, noise

RgbImage = NDArray[np.uint8]

DYES = np.array([[0.10, 0.54, 0.84], [0.86, 0.39, 0.32], [0.60, 0.70, 0.39]], np.float32)
"""Rows: Safranin O, Fast Green, haematoxylin as unit optical density in R, G, B.

Safranin and haematoxylin lie near the published QuPath vectors (science.md section 2); the
published Fast Green (1, 0, 0) is idealised, real sections are blue-green.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that slides stained and scanned together share.

    Attributes:
        dyes: (3, 3) unit vectors; strength: per dye; background: RGB of empty glass.
        blur: PSF sigma in µm; grain: camera noise (grey levels); gamma: tone curve.
    """

    dyes: NDArray[np.float32]
    strength: NDArray[np.float32]
    background: NDArray[np.float32]
    blur: float
    grain: float
    gamma: float


def sample_batch(rng: np.random.Generator, appearance: str = "standard") -> Batch:
    """A batch from the standard range, or from the `shifted` one outside it."""
    shifted = appearance == "shifted"
    wobble = 0.09 if shifted else 0.035
    dyes = np.clip(DYES + rng.normal(0, wobble, (3, 3)), 0.01, None)
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    strength = np.exp(rng.normal(0, 0.16, 3))
    background = np.array([244, 243, 242]) - np.abs(rng.normal(0, 4, 3))
    if shifted:
        strength = strength * rng.choice([0.5, 1.7], 3)
        background = np.array([246, 226, 236]) - np.abs(rng.normal(0, 5, 3))
    return Batch(
        dyes.astype(np.float32),
        strength.astype(np.float32),
        background.astype(np.float32),
        blur=rng.uniform(0.5, 0.8) * (1.8 if shifted else 1),
        grain=rng.uniform(0.4, 0.9),
        gamma=float(np.exp(rng.normal(0, 0.05 if not shifted else 0.18))),
    )


def render(
    dyes: Field, mpp: float, batch: Batch, rng: np.random.Generator, thickness: float = 1.0
) -> RgbImage:
    """The colour picture of a painted section.

    Args:
        dyes: (rows, columns, 3) optical densities; mpp: µm per pixel; batch: stain and camera.
        rng: the section's random numbers (uneven light, camera noise).
        thickness: of the section, against the batch's usual.
    """
    density = (dyes * (batch.strength * thickness)) @ batch.dyes
    light = batch.background * np.power(10.0, -density, dtype=np.float32)
    light = cv2.GaussianBlur(light, (0, 0), max(batch.blur / mpp, 0.3))
    light *= (1 + 0.012 * noise(dyes.shape[:2], 900 / mpp, rng))[..., None]
    light = 255 * np.clip(light / 255, 0, 1) ** batch.gamma
    light += rng.normal(0, 1, (*light.shape[:2], 1)).astype(np.float32) * batch.grain
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)
