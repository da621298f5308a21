"""Where tissue lies on a slide: not glass, not ink, not dirt, not the edge of the coverslip.

Works in optical density against the glass of the slide itself, so that a tinted or shaded
background is glass and pale cartilage is tissue.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.image.glass import clear_glass, log_intensity
from histoscore.image.stain import Densities
from histoscore.records import Mask, RgbImage

LEAST_DENSITY = 0.035
"""Mean optical density (over channels) from which a pixel may be tissue."""
LEAST_COLOUR = 0.045
"""Difference between channels from which a pixel may be tissue, however pale."""

SMALLEST_UM2 = 15_000.0
"""Specks below this are dust."""

_BLUR_UM, _CLOSE_UM, _OPEN_UM, _RECOVER_UM = 10.0, 40.0, 25.0, 40.0
_NOISE_FACTOR = 5.0

_NEUTRAL = 0.22
"""Colour ÷ density below which something is grey: glass edges, dust, black ink."""
_GREY_SHARE = 0.6
_BLACK = 0.65
"""Density of every channel from which a pixel is black ink or dirt."""

_INK_STRONGEST, _INK_RATIO = 0.30, 2.4
"""Ink: the strongest channel's density, and how often it must hold the weakest channel's."""
_INK_ON_GLASS = 0.4
"""Share of an ink-coloured piece's rim that must be glass; a growth plate's rim is tissue."""
_INK_SMALLEST_UM2 = 20_000.0
_INK_HALO_UM = 60.0
_SHADOW_SHARE = 0.3
"""A piece of whose rim ink takes this share is the ink's own pale border."""


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
    ink = _ink(density, candidates, mpp)
    tissue = _shaped(candidates & ~ink, mpp)
    tissue &= ~_grey_pieces(tissue, density)
    tissue &= ~_ink_shadows(tissue, ink, mpp)
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
    """`least`, or more where the glass itself is noisy; never above three times `least`."""
    glass = values[values < least]
    if not glass.size:
        return least
    middle = float(np.median(glass))
    spread = 1.4826 * float(np.median(np.abs(glass - middle)))
    return float(np.clip(middle + _NOISE_FACTOR * spread, least, 3 * least))


def _ink(density: Densities, candidates: Mask, mpp: float) -> Mask:
    """Pen marks: black anywhere, and pieces of one pure colour that lie on glass.

    Safranin O in a growth plate and Fast Green in bone can be as pure as ink, but there the rim
    of the piece is tissue.
    """
    strongest, weakest = density.max(axis=2), density.min(axis=2)
    pure = (strongest > _INK_STRONGEST) & (strongest > _INK_RATIO * np.maximum(weakest, 0.02))
    black = weakest > _BLACK
    lying_on_glass = np.zeros_like(black)
    for hue in range(3):
        piece = pure & (density.argmax(axis=2) == hue) & ~black
        lying_on_glass |= _on_glass(piece, candidates, mpp)
    halo = _disc(_INK_HALO_UM / mpp)
    marks = _large(black | lying_on_glass, _INK_SMALLEST_UM2 / mpp**2)
    return _dilated(marks, halo) & _like_ink(density, marks, halo)


def _on_glass(piece: Mask, candidates: Mask, mpp: float) -> Mask:
    """The parts of `piece` whose rim is mostly glass."""
    rest = candidates & ~_dilated(piece, _disc(_CLOSE_UM / mpp))
    near_tissue = _dilated(rest, _disc(2 * _CLOSE_UM / mpp))
    count, labels = cv2.connectedComponents(piece.astype(np.uint8), connectivity=8)
    rim = piece & ~_eroded(piece, _disc(1))
    rims = np.bincount(labels[rim], minlength=count)
    free = np.bincount(labels[rim & ~near_tissue], minlength=count)
    keeps = free >= _INK_ON_GLASS * np.maximum(rims, 1)
    keeps[0] = False
    return np.asarray(keeps[labels], np.bool_)


def _like_ink(density: Densities, marks: Mask, halo: NDArray[np.uint8]) -> Mask:
    """Marks, and the pale border of marks where it shows the same strongest channel."""
    strongest = density.argmax(axis=2)
    alike = np.zeros_like(marks)
    for hue in range(3):
        alike |= _dilated(marks & (strongest == hue), halo) & (strongest == hue)
    return alike | marks


def _shaped(tissue: Mask, mpp: float) -> Mask:
    """Without lines and specks: closed, opened, then grown back into what was there before."""
    closed = _eroded(_dilated(tissue, _disc(_CLOSE_UM / mpp / 2)), _disc(_CLOSE_UM / mpp / 2))
    core = _dilated(_eroded(closed, _disc(_OPEN_UM / mpp)), _disc(_OPEN_UM / mpp))
    return _dilated(core, _disc(_RECOVER_UM / mpp)) & closed


def _grey_pieces(tissue: Mask, density: Densities) -> Mask:
    """Pieces that are grey for the most part: stained tissue always has a colour."""
    mean, colour = density.mean(axis=2), np.ptp(density, axis=2)
    grey = colour < _NEUTRAL * mean
    count, labels = cv2.connectedComponents(tissue.astype(np.uint8), connectivity=8)
    pixels = np.bincount(labels.ravel(), minlength=count)
    greys = np.bincount(labels[grey], minlength=count)
    drops = greys > _GREY_SHARE * np.maximum(pixels, 1)
    drops[0] = False
    return np.asarray(drops[labels], np.bool_)


def _ink_shadows(tissue: Mask, ink: Mask, mpp: float) -> Mask:
    """Pieces that run along ink: the blurred border of a stroke, never a section beside one."""
    count, labels = cv2.connectedComponents(tissue.astype(np.uint8), connectivity=8)
    rim = tissue & ~_eroded(tissue, _disc(1))
    near_ink = _dilated(ink, _disc(_INK_HALO_UM / mpp))
    rims = np.bincount(labels[rim], minlength=count)
    beside = np.bincount(labels[rim & near_ink], minlength=count)
    drops = beside > _SHADOW_SHARE * np.maximum(rims, 1)
    drops[0] = False
    return np.asarray(drops[labels], np.bool_)


def _large(mask: Mask, least_pixels: float) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keeps = stats[:, cv2.CC_STAT_AREA] >= least_pixels
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
