"""A compartment's cartilage laid straight: columns along the surface, rows along the normals."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Box, Mpp, Placement, Points, resampled, sampled_along
from histoscore.image.lines import normals_facing
from histoscore.image.placed import mask_through
from histoscore.records import LabelMap, RgbImage, Strip, Surface
from histoscore.vocabulary import Compartment, Tissue

ABOVE_PX, BELOW_PX = 72, 24
"""Rows of a strip above and below the tidemark; together a multiple of 32."""


def strip_box(surface: Surface, downsample: float) -> Box:
    """Level-0 box that holds every pixel of a compartment's strip.

    Args:
        surface: curves in level-0 pixels.
        downsample: level-0 pixels per pixel of the strip.
    """
    reach = (ABOVE_PX + 4) * downsample
    low = np.floor(surface.tidemark.min(0) - reach).astype(int)
    high = np.ceil(surface.tidemark.max(0) + reach).astype(int)
    return Box(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def straighten(picture: NDArray[np.uint8], place: Placement, surface: Surface, mpp: Mpp) -> Strip:
    """The strip of one compartment.

    Args:
        picture: (rows, columns, 5) colour, hyaline and calcified mask (0 or 255).
        place: where the picture lies on the slide; its mpp should be the strip's.
        surface: the compartment's curves.
        mpp: µm per pixel of the strip.
    """
    line, outward = _frame(surface, place, mpp)
    depth = np.arange(ABOVE_PX, -BELOW_PX, -1.0) * (mpp / place.mpp)
    at = (line[None] + outward[None] * depth[:, None, None]).astype(np.float32)
    border = (255.0, 255.0, 255.0, 0.0)
    colour = cv2.remap(
        np.ascontiguousarray(picture[..., :3]),
        at[..., 0],
        at[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
    layers = cv2.remap(
        np.ascontiguousarray(picture[..., 3:]),
        at[..., 0],
        at[..., 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0.0, 0.0, 0.0, 0.0),
    )
    pixels = np.dstack([colour, layers]).astype(np.uint8, copy=False)
    pixels.setflags(write=False)
    return Strip(surface.compartment, pixels, ABOVE_PX, mpp)


def _frame(surface: Surface, place: Placement, mpp: float) -> tuple[Points, Points]:
    """Tidemark points `mpp` apart and outward unit normals, in pixels of the picture."""
    line = place.from_slide(surface.tidemark)
    toward = place.from_slide(surface.outer) - place.from_slide(surface.bone)
    step = mpp / place.mpp
    line, toward = resampled(line, step), sampled_along(line, toward, step)
    return line, normals_facing(line, toward)


def layered_picture(
    colour: RgbImage, place: Placement, labels: LabelMap, compartment: Compartment
) -> NDArray[np.uint8]:
    """(rows, columns, 5): colour beside a compartment's hyaline and calcified masks (0, 255).

    Args:
        colour: picture at `place`.
        labels: the section's label map, at its own placement.
    """
    mine = labels.compartments == compartment.code
    masks = [
        mask_through(mine & (labels.tissue == tissue), labels.placement, place, colour.shape)
        for tissue in (Tissue.HYALINE, Tissue.CALCIFIED)
    ]
    return np.dstack([colour, *(mask.astype(np.uint8) * 255 for mask in masks)])
