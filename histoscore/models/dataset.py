"""Tiles for the segmentation networks, cut from examples and coloured at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histoscore.models.augment import (
    cut,
    random_colour,
    random_crop,
    random_placement,
    random_stain,
)
from histoscore.models.examples import Example
from histoscore.phantom.staining import DYE_STEP
from histoscore.vocabulary import IGNORE, Tissue

UInt8 = NDArray[np.uint8]

_BEYOND = 254
"""Label of what lies outside the picture, while a tile is cut."""
_CROPPED = 0.25
"""Share of tiles that meet the edge of a picture."""
_BLIND = 0.1
"""Share of tiles on which the fine network is told nothing: it must also look."""


@dataclass(frozen=True, slots=True)
class Batch:
    """(n, channels, h, w) images as the network takes them, and two (n, h, w) label tensors."""

    images: Tensor
    tissue: Tensor
    zones: Tensor


@dataclass(frozen=True, slots=True)
class TileSource:
    """Where tiles come from and how they are cut.

    Attributes:
        examples: sections with labels; priors: what the coarse network saw of each
            (rows / k, columns / k, context), empty where the network takes no context.
        mpp: µm per pixel of a tile; side_px: its side; focus: share of tiles that are centred on
            articular cartilage (the rest lie anywhere).
    """

    examples: Sequence[Example]
    priors: Sequence[UInt8]
    mpp: float
    side_px: int
    focus: float
    batch_size: int
    seed: int
    anchors: Sequence[NDArray[np.intp]] = ()

    def prepared(self) -> TileSource:
        """The same source with the places of cartilage looked up."""
        return replace(self, anchors=[_anchors(example.pixels) for example in self.examples])

    def batch(self, step: int) -> Batch:
        """Batch number `step`; it depends on the seed and its number only."""
        rng = np.random.default_rng([self.seed, step])
        tiles = [self._tile(rng) for _ in range(self.batch_size)]
        images, tissue, zones = (np.stack(parts) for parts in zip(*tiles, strict=True))
        return Batch(
            to_tensor(images),
            torch.from_numpy(tissue.astype(np.int64)),
            torch.from_numpy(zones.astype(np.int64)),
        )

    def _tile(self, rng: np.random.Generator) -> tuple[UInt8, UInt8, UInt8]:
        pick = int(rng.integers(len(self.examples)))
        example = self.examples[pick]
        center = self._center(pick, rng)
        zoom = self.mpp / example.facts.mpp * float(np.exp(rng.uniform(-0.28, 0.28)))
        matrix = random_placement(center, self.side_px, zoom, rng)
        pixels = example.pixels
        if rng.random() < _CROPPED:
            part = random_crop(pixels.shape, center, zoom * self.side_px / 2, rng)
            pixels, inside = pixels[part], _moved(matrix, part)
        else:
            inside = matrix
        glass = 0 if example.facts.are_dyes else 255  # no dark rim where a picture ends
        colours = cut(pixels[..., :3], inside, self.side_px, cv2.INTER_LINEAR, glass)
        labels = cut(pixels[..., 3:], inside, self.side_px, cv2.INTER_NEAREST, _BEYOND)
        image = coloured(colours, example, rng)
        beyond = labels[..., 0] == _BEYOND
        image[beyond] = 255  # as readers fill what lies outside a slide
        labels[beyond] = 0
        if self.priors:
            prior = self._prior(pick, matrix, rng)
            prior[beyond] = 0
            image = np.dstack([image, prior])
        return image, labels[..., 0], labels[..., 1]

    def _center(self, pick: int, rng: np.random.Generator) -> tuple[float, float]:
        """(x, y) of a tile: near articular cartilage, or anywhere."""
        if rng.random() < self.focus and len(self.anchors[pick]):
            y, x = self.anchors[pick][rng.integers(len(self.anchors[pick]))]
            return tuple(rng.normal((x, y), 0.18 * self.side_px))
        rows, columns = self.examples[pick].pixels.shape[:2]
        return tuple(rng.uniform(0, (columns, rows)))

    def _prior(self, pick: int, matrix: NDArray[np.float64], rng: np.random.Generator) -> UInt8:
        """What the coarse network saw here, now and then nothing."""
        prior = self.priors[pick]
        if rng.random() < _BLIND:
            return np.zeros((self.side_px, self.side_px, prior.shape[2]), np.uint8)
        factor = prior.shape[0] / self.examples[pick].pixels.shape[0]
        scaled = matrix * factor
        scaled[:, 2] += (factor - 1) / 2
        return cut(prior, scaled, self.side_px, cv2.INTER_LINEAR).copy()


def coloured(colours: UInt8, example: Example, rng: np.random.Generator) -> UInt8:
    """An example's first three channels as a picture in a random colour."""
    return recoloured(colours, example.facts.are_dyes, rng)


def recoloured(colours: UInt8, are_dyes: bool, rng: np.random.Generator) -> UInt8:
    """Dyes, or a slide's own colours, as a picture of a batch drawn at random."""
    return (random_colour if are_dyes else random_stain)(colours, rng)


def as_shown(colours: UInt8, are_dyes: bool, rng: np.random.Generator) -> UInt8:
    """Colours as a slide shows them: its own; of painted dyes those of a random batch."""
    return random_colour(colours, rng) if are_dyes else colours


def to_tensor(images: UInt8) -> Tensor:
    """(n, h, w, 3 + context) bytes → (n, 3 + context, h, w) as networks take it."""
    return normalised(torch.from_numpy(images))


def normalised(images: Tensor) -> Tensor:
    """(n, h, w, 3 + context) bytes → (n, 3 + context, h, w): colour −1…1, context 0…1.

    On the device where the bytes lie: they are a quarter of what would else be sent there.
    """
    tensor = images.permute(0, 3, 1, 2).float()
    tensor[:, :3] = tensor[:, :3] / 127.5 - 1
    tensor[:, 3:] /= 255
    return tensor.contiguous(memory_format=torch.channels_last)


def scaled(example: Example, mpp: float) -> Example:
    """The example halved until it is as coarse as `mpp`, or nearly."""
    while example.facts.mpp * 2 <= 0.8 * mpp:
        example = halved(example)
    return example


def halved(example: Example) -> Example:
    """The example at twice the µm per pixel, as a lens would average it.

    Light is averaged, not density: a speck of dark nucleus in an empty cell must not tint both.
    Of four labels the most frequent stays.
    """
    rows, columns = (n // 2 * 2 for n in example.pixels.shape[:2])
    pixels = example.pixels[:rows, :columns]
    colours = _averaged(pixels[..., :3], example.facts.are_dyes)
    halves = np.dstack([colours, _majority(pixels[..., 3:])])
    facts = example.facts.model_copy(update={"mpp": example.facts.mpp * 2})
    return Example(example.name, facts, halves)


def _averaged(colours: UInt8, are_dyes: bool) -> UInt8:
    size = (colours.shape[1] // 2, colours.shape[0] // 2)
    if not are_dyes:
        picture = np.ascontiguousarray(colours)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    light = np.power(10.0, -colours.astype(np.float32) * DYE_STEP, dtype=np.float32)
    mean = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    levels = -np.log10(np.maximum(mean, 1e-4)) / DYE_STEP
    return np.asarray(np.clip(levels + 0.5, 0, 255), np.uint8)


def _majority(labels: UInt8) -> UInt8:
    """Half as many rows and columns: the commonest of four labels; of equals the first."""
    a, b, c, d = (labels[row::2, column::2] for row in (0, 1) for column in (0, 1))
    second = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
    return np.where((a == b) | (a == c) | (a == d), a, second)


def _moved(matrix: NDArray[np.float64], part: tuple[slice, slice]) -> NDArray[np.float64]:
    """The tile → scene matrix for a scene of which only a part is left."""
    moved = matrix.copy()
    moved[:, 2] -= (part[1].start, part[0].start)
    return moved


def _anchors(pixels: UInt8) -> NDArray[np.intp]:
    """(n, 2) rows and columns of some pixels of articular cartilage."""
    step = 8
    tissue = np.asarray(pixels[::step, ::step, 3])
    zones = np.asarray(pixels[::step, ::step, 4])
    found = (tissue == Tissue.HYALINE) | (tissue == Tissue.CALCIFIED)
    found &= (zones > 0) | (zones == IGNORE)
    return np.asarray(np.argwhere(found) * step, np.intp)
