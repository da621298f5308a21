"""Is a picture good enough to be graded? Read-outs only; limits are the configuration's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.image.glass import light_spread
from histoscore.image.stain import PAPER_WHITE, Rgb, optical_density
from histoscore.records import Mask, RgbImage

Grey = NDArray[np.uint8]

SATURATED = 252
"""A channel this bright or brighter is cut off."""
DARK = 1.3
"""Mean optical density from which a pixel is dark (5 % of the light left): folds, dirt, ink."""

_FINE, _MIDDLE, _COARSE = 0.7, 1.4, 2.8
"""Standard deviations of the blurs between which detail is measured (px): two octaves."""


def grey_of(rgb: RgbImage) -> Grey:
    """Luma (rows, columns) of a picture."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def focus(grey: Grey, mask: Mask | None = None) -> float:
    """Sharpness: detail in the finest octave over detail in the next, within `mask`.

    A ratio of standard deviations: without unit, independent of stain strength and exposure,
    falling as a picture is blurred. It depends on the scale read, so compare pictures of one mpp
    only: real sharp sections gave 0.7–0.75 at the scale they were scanned at and 1.0–1.4 at
    4 µm/px; blurred by two pixels, 0.4. 0 where there is no detail at all.
    """
    picture = grey.astype(np.float32)
    fine, middle, coarse = (
        cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (_FINE, _MIDDLE, _COARSE)
    )
    high, low = fine - middle, middle - coarse
    if mask is not None:
        high, low = high[mask], low[mask]
    below = float(np.std(low)) if low.size else 0.0
    return float(np.std(high)) / below if below > 0 else 0.0


def cartilage_readouts(
    rgb: RgbImage, cartilage: Mask, white: Rgb = PAPER_WHITE
) -> tuple[float, float] | None:
    """Sharpness of a compartment's cartilage and the share of it that is nearly black (folds, ink,
    dirt); None where the mask is empty.

    Args:
        rgb: (rows, columns, 3). cartilage: True on cartilage, same rows and columns.
    """
    if not cartilage.any():
        return None
    density = optical_density(rgb[cartilage], white).mean(axis=1)
    return focus(grey_of(rgb), cartilage), float((density >= DARK).mean())


def section_readouts(
    rgb: RgbImage, mask: Mask, mpp: float, white: Rgb = PAPER_WHITE
) -> dict[str, float]:
    """Quality of one section's picture; empty where `mask` holds no tissue.

    Args:
        rgb: (rows, columns, 3) of the section at `mpp`.
        mask: True on tissue, same rows and columns.

    Returns:
        `focus` and `focus_mpp` (the scale it was taken at), `mean_density`, the shares of tissue
        pixels that are cut off at white (`saturated_share`) and nearly black (`dark_share`), and
        how uneven the light is (`light_spread`).
    """
    tissue = rgb[mask]
    if not len(tissue):
        return {}
    density = optical_density(tissue, white).mean(axis=1)
    return {
        "focus": focus(grey_of(rgb), mask),
        "focus_mpp": float(mpp),
        "mean_density": float(density.mean()),
        "saturated_share": float((tissue >= SATURATED).all(axis=1).mean()),
        "dark_share": float((density >= DARK).mean()),
        "light_spread": light_spread(rgb),
    }
