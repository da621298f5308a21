"""Where tissue lies on a slide: not glass, not ink, not dirt, not the edge of the coverslip.

Works in optical density against the glass of the slide itself, so that a tinted or shaded
background is glass and pale cartilage is tissue.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.image.glass import LEAST_COLOUR, LEAST_DENSITY, clear_glass, log_intensity
from histoscore.image.stain import Densities
from histoscore.records import Mask, RgbImage

SMALLEST_UM2 = 15_000.0
"""Specks below this are dust."""

_BLUR_UM, _CLOSE_UM, _OPEN_UM, _RECOVER_UM = 10.0, 40.0, 25.0, 40.0
_NOISE_FACTOR, _NOISIEST = 5.0, 1.5

_NEUTRAL = 0.22
"""Colour ÷ density below which something is grey: glass edges, dust, black ink."""
_GREY_SHARE = 0.6
_PALE, _COLOURLESS = 0.12, 0.06
"""Density, and difference between channels, below which something may be bare glass."""
_BARE_SHARE, _BAND_ELONGATION = 0.66, 4.0
"""How much of a band is bare or grey, and how long it is."""
_BLACK = 0.6
"""Density of every channel from which a pixel is black ink or dirt."""

_INK_STRONGEST, _INK_RATIO = 0.2, 2.2
"""Ink: the strongest channel's density, and how often it holds the weakest channel's."""
_INK_HUES = (0, 1)
"""Channels that green and blue ink, and red ink, absorb most. Orange is Safranin O, never ink."""
_INK_STRONG = 0.7
_INK_SHARE = 0.5
_INK_ONE_HUE = 0.96
"""A stroke is of one hue nearly everywhere; a section in strong Fast Green still holds others."""
_INK_ELONGATION = 4.0


def tissue_mask(overview: RgbImage, mpp: float) -> Mask:
    """Tissue on an overview picture, holes filled.

    Left out are pen marks, dust, coverslip edges and label borders. A joint space that is open
    to the outside stays outside.

    Args:
        overview: (rows, columns, 3).
        mpp: its µm per pixel, 2–32.

    Returns:
        (rows, columns), True on tissue.
    """
    density = _density(overview, mpp)
    candidates = _darker_than_glass(density)
    candidates &= ~_ink_pieces(candidates, density)
    tissue = _shaped(candidates, mpp)
    tissue &= ~_grey_pieces(tissue, density) & ~_bare_bands(tissue, density)
    return _filled(_large(tissue, SMALLEST_UM2 / mpp**2))


def _density(overview: RgbImage, mpp: float) -> Densities:
    """Optical density against the slide's own glass, lightly blurred against noise."""
    density = clear_glass(overview) - log_intensity(overview)
    sigma = max(0.6, _BLUR_UM / mpp)
    return np.asarray(cv2.GaussianBlur(density, (0, 0), sigma), np.float32)


def _darker_than_glass(density: Densities) -> Mask:
    mean, colour = density.mean(axis=2), np.ptp(density, axis=2)
    dark: Mask = mean > _threshold(mean, LEAST_DENSITY)
    coloured: Mask = (colour > _threshold(colour, LEAST_COLOUR)) & (mean > LEAST_DENSITY / 2)
    return dark | coloured


def _threshold(values: NDArray[np.float32], least: float) -> float:
    """`least`, or more where the glass itself is noisy; never above `_NOISIEST` times `least`."""
    glass = values[values < least]
    if not glass.size:
        return least
    middle = float(np.median(glass))
    spread = 1.4826 * float(np.median(np.abs(glass - middle)))
    return float(np.clip(middle + _NOISE_FACTOR * spread, least, _NOISIEST * least))


def _ink_pieces(candidates: Mask, density: Densities) -> Mask:
    """Pen marks that lie on the glass: pieces that are black, or of one pure colour and long.

    Judged piece by piece and never pixel by pixel: Safranin O in a growth plate and Fast Green
    in bone are as pure as ink, but a section holds more than one colour. A stroke that runs into
    tissue stays with it.
    """
    strongest, weakest = density.max(axis=2), density.min(axis=2)
    pure = (strongest > _INK_STRONGEST) & (strongest > _INK_RATIO * np.maximum(weakest, 0.02))
    count, labels = _pieces(candidates)
    black = weakest > _BLACK
    ink = _shares(labels, count, candidates & black)
    for hue in _INK_HUES:
        this_hue = candidates & (density.argmax(axis=2) == hue)
        one_hue = _shares(labels, count, this_hue) > _INK_ONE_HUE
        ink = np.maximum(ink, one_hue * _shares(labels, count, this_hue & pure & ~black))
    strong = _shares(labels, count, candidates & (strongest > _INK_STRONG))
    long = _elongation(candidates, labels, count) > _INK_ELONGATION
    drops = (ink > _INK_SHARE) & (long | (strong > _INK_SHARE))
    drops[0] = False
    return np.asarray(drops[labels], np.bool_)


def _pieces(mask: Mask) -> tuple[int, NDArray[np.int32]]:
    """Number of labels, background 0 included, and the label of every pixel."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count, np.asarray(labels, np.int32)


def _shares(labels: NDArray[np.int32], count: int, chosen: Mask) -> NDArray[np.float64]:
    """Of every labelled piece, the share of its pixels that are chosen."""
    pixels = np.bincount(labels.ravel(), minlength=count)
    return np.bincount(labels[chosen], minlength=count) / np.maximum(pixels, 1)


def _elongation(mask: Mask, labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Area of every piece over that of the largest disc inside it: 1 for a disc, 5 for a bar."""
    inside = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    radii = np.zeros(count)
    np.maximum.at(radii, labels.ravel(), depth.ravel())
    pixels = np.bincount(labels.ravel(), minlength=count)
    return pixels / (np.pi * np.maximum(radii, 1) ** 2)


def _shaped(tissue: Mask, mpp: float) -> Mask:
    """Without lines and specks: closed, opened, then grown back into what was there before."""
    closed = _eroded(_dilated(tissue, _disc(_CLOSE_UM / mpp)), _disc(_CLOSE_UM / mpp))
    core = _dilated(_eroded(closed, _disc(_OPEN_UM / mpp)), _disc(_OPEN_UM / mpp))
    return _dilated(core, _disc(_RECOVER_UM / mpp)) & closed


def _grey(density: Densities) -> Mask:
    return np.asarray(np.ptp(density, axis=2) < _NEUTRAL * density.mean(axis=2), np.bool_)


def _grey_pieces(tissue: Mask, density: Densities) -> Mask:
    """Pieces that are grey for the most part: stained tissue always has a colour."""
    count, labels = _pieces(tissue)
    drops = _shares(labels, count, tissue & _grey(density)) > _GREY_SHARE
    drops[0] = False
    return np.asarray(drops[labels], np.bool_)


def _bare_bands(tissue: Mask, density: Densities) -> Mask:
    """Glass beyond the coverslip: pale without a colour or, near the coverslip's edge, grey for
    the most part; long, and at the picture's border. A section that the border cuts is coloured."""
    count, labels = _pieces(tissue)
    pale = (density.mean(axis=2) < _PALE) & (np.ptp(density, axis=2) < _COLOURLESS)
    plain = pale | _grey(density)
    bare = _shares(labels, count, tissue & plain) > _BARE_SHARE
    long = _elongation(tissue, labels, count) > _BAND_ELONGATION
    border = np.zeros(count, np.bool_)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[edge] = True
    drops = bare & long & border
    drops[0] = False
    return np.asarray(drops[labels], np.bool_)


def _large(mask: Mask, least_pixels: float) -> Mask:
    count, labels = _pieces(mask)
    keeps = np.bincount(labels.ravel(), minlength=count) >= least_pixels
    keeps[0] = False
    return np.asarray(keeps[labels], np.bool_)


def _filled(mask: Mask) -> Mask:
    """With its holes filled: everything that no way of glass connects to the outside."""
    padded = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    labels = cv2.connectedComponents(padded, connectivity=4)[1]
    outside: Mask = labels == labels[0, 0]
    return ~outside[1:-1, 1:-1]


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _dilated(mask: Mask, disc: NDArray[np.uint8]) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.bool_)


def _eroded(mask: Mask, disc: NDArray[np.uint8]) -> Mask:
    """Beyond the picture counts as tissue, so that the picture's border does not eat any."""
    border = cv2.BORDER_CONSTANT
    eroded = cv2.erode(mask.astype(np.uint8), disc, borderType=border, borderValue=1)
    return np.asarray(eroded, np.bool_)
