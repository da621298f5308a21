"""Tiny networks whose answers are known, to put in the place of trained ones."""

from __future__ import annotations

import numpy as np
import torch
from helpers.drawn_knee import DrawnKnee
from torch import Tensor, nn

from histoscore.models.networks import N_TISSUES, N_ZONES
from histoscore.models.passes import Network
from histoscore.models.predict import CONTEXT_CHANNELS
from histoscore.models.specs import GraderSpec, NetworkName, SegmentationSpec
from histoscore.vocabulary import Tissue

_SHARPNESS = 120.0


class OnEveryPixel(nn.Module):
    """Logits from each pixel alone: tiles cannot matter."""

    def __init__(self, context: int = 0, seed: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        shape = (N_TISSUES + N_ZONES, 3 + context, 1, 1)
        self.weight = nn.Parameter(torch.randn(shape, generator=generator))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = nn.functional.conv2d(images, self.weight)
        return logits[:, :N_TISSUES], logits[:, N_TISSUES:]


class OfContext(nn.Module):
    """Says hyaline cartilage where the first context channel is bright, else bone."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        told = images[:, 3:4] - 0.5
        tissue = torch.zeros(len(images), N_TISSUES, *images.shape[2:])
        tissue[:, Tissue.HYALINE] = 40 * told[:, 0]
        tissue[:, Tissue.BONE] = -40 * told[:, 0]
        return tissue, torch.zeros(len(images), N_ZONES, *images.shape[2:])


class NotANumber(nn.Module):
    """A network that has gone wrong, for maps and for grades."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor, *rest: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if rest:
            return torch.full((len(images), 8), self.value)
        tissue = torch.zeros(len(images), N_TISSUES, *images.shape[2:])
        tissue[0, 2, 5, 7] = self.value
        return tissue, torch.zeros(len(images), N_ZONES, *images.shape[2:])


class ByColour(nn.Module):
    """Reads a painted knee back: each pixel is what has the nearest colour of the palette.

    |colour − c|² differs from −2 colour·c + |c|² by what is the same for all c, so the nearest
    colour is a 1 × 1 convolution's largest output.
    """

    def __init__(self, palette: np.ndarray) -> None:
        super().__init__()
        colours = torch.from_numpy(palette.astype(np.float32)) / 127.5 - 1
        self.register_buffer("weight", _SHARPNESS * 2 * colours.reshape(-1, 3, 1, 1))
        self.register_buffer("bias", -_SHARPNESS * (colours**2).sum(-1).flatten())
        self.shape = palette.shape[:2]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        scores = nn.functional.conv2d(images[:, :3], self.weight, self.bias)
        both = scores.unflatten(1, self.shape)
        return both.amax(2), both.amax(1)


class ByExtent(nn.Module):
    """A grader that looks at the measured extent alone: grade 0 where nothing is gone, then 3–6
    by quarters."""

    def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
        extent = measures[:, 0]
        place = torch.where(extent < 0.03, 0, 4 + (extent * 4).floor())
        return -2.0 * (torch.arange(8)[None] - place[:, None]).abs()


def palette() -> np.ndarray:
    """(tissues, zones, 3) colours, all well apart, white for the background alone."""
    warm = {
        Tissue.BACKGROUND: (255, 255, 255),
        Tissue.HYALINE: (226, 112, 52),
        Tissue.CALCIFIED: (170, 60, 60),
        Tissue.BONE: (126, 168, 158),
        Tissue.MARROW: (96, 70, 140),
        Tissue.GROWTH_PLATE: (238, 170, 60),
        Tissue.MENISCUS: (150, 110, 40),
        Tissue.SOFT: (190, 200, 216),
        Tissue.OTHER_CARTILAGE: (60, 130, 60),
    }
    shades = np.array([(0, 0, 0), (-14, 14, 0), (14, -14, 0)])
    colours = np.array([warm[tissue] for tissue in Tissue])[:, None] + shades[None]
    colours[Tissue.BACKGROUND, 1:] = (0, 0, 0)  # no bone is background
    return np.clip(colours, 0, 255).astype(np.uint8)


def painted(drawing: DrawnKnee) -> np.ndarray:
    """The drawing as a picture (rows, columns, 3) that `ByColour` can read."""
    return palette()[drawing.tissue, drawing.bones]


def network(module: nn.Module, mpp: float, tile_px: int, context: int = 0) -> Network:
    return Network(SegmentationSpec(context=context, mpp=mpp, tile_px=tile_px), module)


def grader(module: nn.Module, mpp: float, tile_px: int) -> Network:
    return Network(GraderSpec(mpp=mpp, tile_px=tile_px), module)


def reading_networks(coarse_mpp: float = 3.2, fine_mpp: float = 1.5) -> dict[NetworkName, Network]:
    """Networks that read a painted knee without a fault, and grade by extent."""
    return {
        "coarse": network(ByColour(palette()), coarse_mpp, 192),
        "fine": network(ByColour(palette()), fine_mpp, 256, CONTEXT_CHANNELS),
        "grader": grader(ByExtent(), 1.0, 1152),
    }
