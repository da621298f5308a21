"""From dye amounts to colour: Beer–Lambert with three dyes, a batch and a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.records import LabelArray, RgbImage

Appearance = Literal["standard", "shifted"]
"""`standard`: what training draws from; `shifted`: a stain and a camera outside of that."""

DYES = np.array([[0.13, 0.60, 0.79], [0.93, 0.29, 0.24], [0.60, 0.70, 0.39]], np.float32)
"""Rows: Safranin O, Fast Green, haematoxylin as unit optical density in R, G, B.

Measured on real Safranin O / Fast Green sections (`python -m benchmarks.realism`); Safranin and
haematoxylin lie near the published QuPath vectors (science.md section 2), whose Fast Green
(1, 0, 0) is idealised: real sections are blue-green.
"""

DYE_STEP = 0.01
"""Optical density of one level of stored dyes."""

BAND_ROWS = 512
_FINENESS = 256
"""Steps of the optical density of a colour in one `DYE_STEP`."""
_DENSEST = 65_535
_GRAIN = 1024


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
        sharpened: how much of the detail the scanner adds once more, in quarters; 0 is none.
    """

    dyes: NDArray[np.float32]
    strength: NDArray[np.float32]
    background: NDArray[np.float32]
    blur: float
    grain: float
    gamma: float
    sharpened: float = 0.0


def sample_batch(rng: np.random.Generator, appearance: Appearance = "standard") -> Batch:
    """A batch from the standard range, or from the `shifted` one outside it."""
    shifted = appearance == "shifted"
    wobble = 0.09 if shifted else 0.035
    dyes = np.clip(DYES + rng.normal(0, wobble, (3, 3)), 0.01, None)
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    strength = np.exp(rng.normal(0, [0.2, 0.2, 0.16]))
    background = np.array([245, 244, 244]) - abs(rng.normal(0, 5)) - np.abs(rng.normal(0, 2, 3))
    if shifted:
        strength = strength * rng.choice([0.5, 1.7], 3)
        background = np.array([246, 226, 236]) - np.abs(rng.normal(0, 5, 3))
    return Batch(
        dyes.astype(np.float32),
        strength.astype(np.float32),
        background.astype(np.float32),
        blur=rng.uniform(0.4, 0.7) * (2.0 if shifted else 1),
        grain=rng.uniform(0.4, 1.2),
        gamma=float(np.exp(rng.normal(0, 0.05 if not shifted else 0.18))),
        sharpened=float(rng.choice([0.0, 0.25, 0.5])),
    )


def render(
    dyes: LabelArray, mpp: float, batch: Batch, rng: np.random.Generator, thickness: float = 1.0
) -> RgbImage:
    """The colour picture of a painted section.

    Light through dyes by Beer–Lambert: background · 10^−Σ amount · vector. Done in whole numbers
    and tables, a band of rows at a time: the same bytes on any processor, and little memory.

    Args:
        dyes: (rows, columns, 3) optical densities of the three dyes in steps of `DYE_STEP`.
        mpp: µm per pixel.
        batch: stain and camera.
        rng: the section's random numbers (camera noise).
        thickness: of the section, against the batch's usual.
    """
    camera = _Camera.of(mpp, batch, rng, thickness)
    picture = np.empty(dyes.shape, np.uint8)
    for top in range(0, len(dyes), BAND_ROWS):
        bottom = min(len(dyes), top + BAND_ROWS)
        first, last = max(0, top - camera.margin), min(len(dyes), bottom + camera.margin)
        light = camera.light(dyes[first:last])
        picture[top:bottom] = light[top - first : bottom - first]
        camera.add_noise(picture[top:bottom], top)
    return picture


@dataclass(frozen=True, slots=True)
class _Camera:
    """Tables and sizes that turn dye levels into grey levels.

    Attributes:
        weights: (3, 3) of dye and channel, in steps of the tables.
        tables: (3, 65536) grey level of an optical density, by channel.
        sigma: of the blur, pixels. sharpened, margin: how much, rows needed beyond a band.
        brighter, darker: (side, side) grey levels that the camera's noise adds and takes.
    """

    weights: NDArray[np.uint16]
    tables: LabelArray
    sigma: float
    sharpened: float
    margin: int
    brighter: LabelArray
    darker: LabelArray

    @classmethod
    def of(cls, mpp: float, batch: Batch, rng: np.random.Generator, thickness: float) -> _Camera:
        amounts = batch.dyes.astype(float) * batch.strength.astype(float)[:, None] * thickness
        density = np.arange(_DENSEST + 1) * (DYE_STEP / _FINENESS)
        light = batch.background.astype(float)[:, None] * np.power(10.0, -density)
        toned = 255 * np.clip(light / 255, 0, 1) ** batch.gamma
        sigma = max(batch.blur / mpp, 0.3)
        noise = np.rint(rng.normal(0, batch.grain, (_GRAIN, _GRAIN)))
        return cls(
            np.rint(amounts * _FINENESS).astype(np.uint16),
            np.rint(toned).astype(np.uint8),
            sigma,
            batch.sharpened,
            int(np.ceil(4 * sigma + 4 * max(1.0, sigma))) + 4,
            np.clip(noise, 0, 9).astype(np.uint8),
            np.clip(-noise, 0, 9).astype(np.uint8),
        )

    def light(self, dyes: LabelArray) -> RgbImage:
        levels = [np.ascontiguousarray(dyes[..., k]).astype(np.uint16) for k in range(3)]
        channels = []
        for channel, table in enumerate(self.tables):
            parts = [_product(levels[k], int(self.weights[k, channel])) for k in range(3)]
            density = cv2.add(cv2.add(parts[0], parts[1]), parts[2])
            channels.append(np.take(table, np.asarray(density, np.uint16)))
        picture = np.asarray(cv2.GaussianBlur(np.dstack(channels), (0, 0), self.sigma), np.uint8)
        if self.sharpened:
            soft = cv2.GaussianBlur(picture, (0, 0), max(1.0, self.sigma))
            picture = _sharpened(picture, np.asarray(soft, np.uint8), round(4 * self.sharpened))
        return np.asarray(picture, np.uint8)

    def add_noise(self, picture: RgbImage, top: int) -> None:
        """Grey camera noise, in place; its pattern goes on from band to band."""
        rows = np.arange(top, top + len(picture)) % _GRAIN
        for left in range(0, picture.shape[1], _GRAIN):
            part = picture[:, left : left + _GRAIN]
            for tile, change in ((self.brighter, cv2.add), (self.darker, cv2.subtract)):
                grey = tile[rows, : part.shape[1]]
                part[:] = change(np.ascontiguousarray(part), cv2.merge([grey, grey, grey]))


def _sharpened(picture: RgbImage, soft: RgbImage, quarters: int) -> RgbImage:
    """picture + quarters/4 · (picture − soft), in whole numbers."""
    more = picture.astype(np.int16) * np.int16(4 + quarters) - soft * np.int16(quarters) + 2
    return np.asarray(np.clip(more >> 2, 0, 255), np.uint8)


def _product(levels: NDArray[np.uint16], weight: int) -> NDArray[np.uint16]:
    """levels · weight, at most what two bytes hold."""
    if weight * 255 > _DENSEST:
        levels = np.minimum(levels, np.uint16(_DENSEST // weight))
    return levels * np.uint16(weight)
