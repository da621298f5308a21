"""From dye amounts to colour: Beer–Lambert with three dyes, a batch and a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.phantom.raster import Field, noise
from histoscore.records import RgbImage

Appearance = Literal["standard", "shifted"]
"""`standard`: what training draws from; `shifted`: a stain and a camera outside of that."""

DYES = np.array([[0.10, 0.54, 0.84], [0.86, 0.39, 0.32], [0.60, 0.70, 0.39]], np.float32)
"""Rows: Safranin O, Fast Green, haematoxylin as unit optical density in R, G, B.

Safranin and haematoxylin lie near the published QuPath vectors (science.md section 2); the
published Fast Green (1, 0, 0) is idealised, real sections are blue-green.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that slides stained and scanned together share.

    Attributes:
        dyes: (3, 3) unit vectors of optical density in R, G, B, rows as in `DYES`.
        strength: (3,) how strong each dye came out, 1 is usual.
        background: (3,) RGB of empty glass, 0–255.
        blur: sigma of the optics, µm.
        grain: camera noise, grey levels.
        gamma: exponent of the tone curve, 1 is none.
    """

    dyes: NDArray[np.float32]
    strength: NDArray[np.float32]
    background: NDArray[np.float32]
    blur: float
    grain: float
    gamma: float


def sample_batch(rng: np.random.Generator, appearance: Appearance = "standard") -> Batch:
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


def transmitted(dyes: Field, batch: Batch, thickness: float = 1.0) -> Field:
    """Light (rows, columns, 3; 0–255) that dyes let through, by Beer–Lambert.

    Args:
        dyes: (rows, columns, 3) optical densities of the three dyes.
        batch: what the dyes absorb, and the light on empty glass.
        thickness: of the section, against the batch's usual.
    """
    density = (dyes * (batch.strength * thickness)) @ batch.dyes
    return np.asarray(batch.background * np.power(10.0, -density, dtype=np.float32))


def render(
    dyes: Field, mpp: float, batch: Batch, rng: np.random.Generator, thickness: float = 1.0
) -> RgbImage:
    """The colour picture of a painted section.

    Args:
        dyes: (rows, columns, 3) optical densities of the three dyes.
        mpp: µm per pixel.
        batch: stain and camera.
        rng: the section's random numbers (uneven light, camera noise).
        thickness: of the section, against the batch's usual.
    """
    shape = (dyes.shape[0], dyes.shape[1])
    light = transmitted(dyes, batch, thickness)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), max(batch.blur / mpp, 0.3)), np.float32)
    light *= (1 + 0.012 * noise(shape, 900 / mpp, rng))[..., None]
    light = np.asarray(255 * np.clip(light / 255, 0, 1) ** batch.gamma, np.float32)
    light += rng.normal(0, 1, (*shape, 1)).astype(np.float32) * batch.grain
    return np.asarray(np.clip(light + 0.5, 0, 255), np.uint8)
