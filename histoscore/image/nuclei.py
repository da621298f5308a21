"""Nuclei in cartilage: small spots that take the red light away.

Safranin O lets red light through and haematoxylin does not, so a nucleus is a dark spot of its own
size in the red channel, whatever the matrix around it has bound. Found as maxima of the difference
of two Gaussians (Lindeberg 1998: a disc of radius r answers most at r / √2).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.image.stain import PAPER_WHITE, Rgb, optical_density
from histoscore.records import Mask, RgbImage

RADIUS_UM = 2.3
"""Of a chondrocyte's nucleus."""
APART_UM = 4.0
"""Two nuclei are at least this far from each other."""
LEAST_CONTRAST, OF_SPREAD = 0.015, 2.5
"""By how much a spot stands out from its surroundings: optical density, and in robust standard
deviations of what the cartilage varies by. Chosen on phantoms of both appearances."""
LONGEST = 6.0
"""Curvature across a spot ÷ along it: more is a line, as the tidemark is (Lowe 2004)."""
_RATIO = 1.6
"""Of the two Gaussians: the closest to a Laplacian (Marr and Hildreth 1980)."""


def count_nuclei(rgb: RgbImage, mask: Mask, mpp: float, white: Rgb = PAPER_WHITE) -> int:
    """Nuclei whose middle lies in a mask.

    Args:
        rgb: (rows, columns, 3) at `mpp`, 1.0 or finer. mask: True on cartilage, same rows and
            columns. white: the light's colour.
    """
    if not mask.any():
        return 0
    red = np.ascontiguousarray(optical_density(rgb, white)[..., 0])
    sigma = RADIUS_UM / np.sqrt(2) / mpp
    smooth = np.asarray(cv2.GaussianBlur(red, (0, 0), sigma), np.float32)
    spots = smooth - cv2.GaussianBlur(red, (0, 0), _RATIO * sigma)
    reach = max(1, round(APART_UM / mpp / 2))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    peaks = (spots == cv2.dilate(spots, around)) & (spots >= _threshold(spots[mask])) & mask
    peaks &= _is_round(smooth)
    # A flat top has several highest pixels.
    return int(cv2.connectedComponents(peaks.astype(np.uint8), connectivity=8)[0]) - 1


def _is_round(smooth: NDArray[np.float32]) -> Mask:
    along_x, along_y, mixed = (
        cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((2, 0), (0, 2), (1, 1))
    )
    determinant = along_x * along_y - mixed * mixed
    trace = along_x + along_y
    round_: Mask = determinant * (LONGEST + 1) ** 2 > trace * trace * LONGEST
    return round_


def _threshold(values: NDArray[np.float32]) -> float:
    middle = np.median(values)
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return max(LEAST_CONTRAST, OF_SPREAD * spread)
