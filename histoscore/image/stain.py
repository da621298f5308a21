"""Colour as dyes: optical density, white point, unmixing, and what stain a slide carries.

Safranin O does not bind in proportion across slides (section thickness, Fast Green time and
decalcification change it), so nothing here normalises; read-outs are raw, with one white point a
slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoscore.image.glass import glass_colour
from histoscore.records import Mask, RgbImage

Rgb = tuple[float, float, float]
Densities = NDArray[np.float32]
"""(…, 3) optical densities in R, G, B, or amounts of three dyes."""

PAPER_WHITE: Rgb = (255.0, 255.0, 255.0)

SAFRANIN_MIN = 0.15
"""Amount of Safranin O (as optical density along its vector) from which a pixel is positive."""

COLOURED_MIN = 0.04
"""Difference between the highest and the lowest channel's density of a coloured pixel."""

_MIN_WHITE_PIXELS = 50
_WHITE_FLOOR = 160.0


@dataclass(frozen=True, slots=True)
class Safranin:
    """Of some pixels: the share that is positive, and the mean amount (optical density along the
    dye's vector). Raw: neither is comparable between slides that were stained apart."""

    fraction: float
    density: float


@dataclass(frozen=True, slots=True)
class DyeVectors:
    """Optical densities in R, G, B of one unit of each dye, of any length."""

    safranin: Rgb
    fast_green: Rgb
    haematoxylin: Rgb

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3): a row of unit length for each dye, in the order of the fields."""
        rows = np.array([self.safranin, self.fast_green, self.haematoxylin], np.float64)
        lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / lengths


PUBLISHED = DyeVectors(
    safranin=(0.094, 0.493, 0.865), fast_green=(1.0, 0.0, 0.0), haematoxylin=(0.651, 0.701, 0.290)
)
"""From a published QuPath script for mouse Safranin O / Fast Green (C. Sanchez); its Fast Green
looks idealised and its haematoxylin is QuPath's stock vector."""

REALISTIC = DyeVectors(
    safranin=(0.094, 0.493, 0.865),
    fast_green=(0.86, 0.39, 0.32),
    haematoxylin=(0.651, 0.701, 0.290),
)
"""The same with a blue-green Fast Green, as it looks on real slides."""


def optical_density(rgb: RgbImage, white: Rgb = PAPER_WHITE) -> Densities:
    """−log10(intensity / white) of each channel, at least 0; same shape as `rgb`."""
    tables = np.stack([_density_table(channel) for channel in white])
    return np.stack([tables[channel][rgb[..., channel]] for channel in range(3)], axis=-1)


def white_point(rgb: RgbImage, tissue: Mask) -> Rgb:
    """The light's colour: the median of the brighter half of the glass around the tissue.

    Where the mask leaves hardly any glass, gaps in the tissue are looked at; a picture without
    any has no light to offer, and paper white is returned.

    Args:
        rgb: overview (rows, columns, 3).
        tissue: True where there is tissue, same rows and columns.
    """
    glass = rgb[~tissue]
    glass = glass[glass.min(axis=1) >= _WHITE_FLOOR] if len(glass) else glass
    if len(glass) < _MIN_WHITE_PIXELS:
        return glass_colour(rgb)
    brightness = glass.mean(axis=1)
    red, green, blue = np.median(glass[brightness >= np.median(brightness)], axis=0)
    return float(red), float(green), float(blue)


def unmix(rgb: RgbImage, vectors: DyeVectors = REALISTIC, white: Rgb = PAPER_WHITE) -> Densities:
    """Amounts (…, 3) of Safranin O, Fast Green and haematoxylin, at least 0.

    Three channels and three dyes: least squares is exact before amounts below 0 are cut off.
    """
    inverse = np.linalg.pinv(vectors.matrix).astype(np.float32)
    amounts: Densities = optical_density(rgb, white) @ inverse
    return np.maximum(amounts, 0)


def is_safranin(amounts: Densities) -> Mask:
    """Where `unmix` found at least `SAFRANIN_MIN` of Safranin O, and more of it than of Fast
    Green."""
    positive: Mask = (amounts[..., 0] >= SAFRANIN_MIN) & (amounts[..., 0] > amounts[..., 1])
    return positive


def safranin_of(
    rgb: RgbImage, white: Rgb = PAPER_WHITE, vectors: DyeVectors = REALISTIC
) -> Safranin | None:
    """Safranin O in some pixels (n, 3), or in a picture; None for no pixels."""
    if not rgb.size:
        return None
    amounts = unmix(rgb, vectors, white)
    return Safranin(float(is_safranin(amounts).mean()), float(amounts[..., 0].mean()))


def stain_readouts(rgb_tissue_pixels: RgbImage, white: Rgb = PAPER_WHITE) -> dict[str, float]:
    """Descriptors that tell Safranin O / Fast Green from other stains; empty for no pixels.

    Args:
        rgb_tissue_pixels: (n, 3), or a picture, of tissue only.
        white: the slide's white point.

    Returns:
        Of the coloured pixels the shares that absorb most in blue (`orange_share`: Safranin O),
        in red (`blue_green_share`: Fast Green) and in green (`pink_purple_share`: eosin,
        haematoxylin, pink Safranin); `coloured_share` of all pixels; `median_density`, the mean
        over channels; `hue_spread`, 0 (one colour) to 1 (colours from all around the wheel).
    """
    density = optical_density(rgb_tissue_pixels.reshape(-1, 3), white)
    if not len(density):
        return {}
    coloured = density[np.ptp(density, axis=1) >= COLOURED_MIN]
    red, green, blue = _strongest_shares(coloured)
    return {
        "orange_share": blue,
        "blue_green_share": red,
        "pink_purple_share": green,
        "coloured_share": len(coloured) / len(density),
        "median_density": float(np.median(density.mean(axis=1))),
        "hue_spread": _hue_spread(coloured),
    }


def _density_table(white: float) -> Densities:
    """Density of each of the 256 intensities; 0 counts as half a grey level."""
    intensity = np.maximum(np.arange(256), 0.5)
    return np.maximum(-np.log10(intensity / white), 0).astype(np.float32)


def _strongest_shares(density: Densities) -> tuple[float, float, float]:
    if not len(density):
        return 0.0, 0.0, 0.0
    counts = np.bincount(density.argmax(axis=1), minlength=3) / len(density)
    return float(counts[0]), float(counts[1]), float(counts[2])


def _hue_spread(density: Densities) -> float:
    """1 − length of the mean direction on the colour circle (circular variance)."""
    if not len(density):
        return 0.0
    around = density[:, 0] - density[:, 1:].mean(axis=1)
    across = (density[:, 1] - density[:, 2]) * (np.sqrt(3) / 2)
    angle = np.arctan2(across, around)
    return float(1 - np.hypot(np.cos(angle).mean(), np.sin(angle).mean()))
