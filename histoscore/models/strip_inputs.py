"""A compartment laid straight, as the grader takes it: pixels, where it lies, what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from histoscore.image.morphometry import is_bare
from histoscore.models.dataset import to_tensor
from histoscore.models.specs import GraderSpec
from histoscore.records import Strip


def collate_strips(
    strips: Sequence[Strip], spec: GraderSpec
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The grader's three inputs: pixels, where the compartment lies, measures."""
    images, present, measures = [], [], []
    for strip in strips:
        pixels = strip.pixels
        if pixels.shape[1] > spec.tile_px:  # longer than any mouse condyle: squeezed to fit
            pixels = _squeezed(pixels, spec.tile_px)
        blank = spec.tile_px - pixels.shape[1]
        padded = np.pad(pixels, ((0, 0), (0, blank), (0, 0)), constant_values=255)
        padded[:, pixels.shape[1] :, 3:] = 0
        images.append(padded[..., : 3 + spec.context])
        present.append(np.arange(spec.tile_px) < pixels.shape[1])
        measures.append(strip_measures(strip))
    return (
        to_tensor(np.stack(images)),
        torch.from_numpy(np.stack(present)),
        torch.tensor(np.stack(measures), dtype=torch.float32),
    )


def _squeezed(pixels: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """(depth, columns, 5) shrunk to `length` columns; OpenCV takes four channels at most."""
    parts = [
        cv2.resize(np.ascontiguousarray(part), (length, len(pixels)), interpolation=cv2.INTER_AREA)
        for part in (pixels[..., :3], pixels[..., 3:])
    ]
    return np.dstack(parts).astype(np.uint8, copy=False)


def strip_measures(strip: Strip) -> NDArray[np.float64]:
    """Extent, mean, 10th percentile and spread of hyaline thickness, each about 0…1."""
    hyaline = (strip.pixels[..., 3] > 127).sum(0) * strip.mpp
    calcified = (strip.pixels[..., 4] > 127).sum(0) * strip.mpp
    bare = is_bare(hyaline, calcified)
    return np.array(
        [bare.mean(), hyaline.mean() / 50, np.percentile(hyaline, 10) / 50, hyaline.std() / 25]
    )
