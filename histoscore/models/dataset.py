"""Tiles for the segmentation networks, cut from painted scenes and coloured at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histoscore.models.augment import cut, random_colour, random_placement
from histoscore.phantom.scenes import DYE_STEP, StoredScene, load_scene
from histoscore.vocabulary import Tissue

UInt8 = NDArray[np.uint8]


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
        scenes: painted scenes, pixels (rows, columns, 5); priors: what the coarse network saw of
            each (rows / k, columns / k, context), empty where the network takes no context.
        mpp: µm per pixel of a tile; side_px: its side; focus: share of tiles that are centred on
            articular cartilage (the rest lie anywhere).
    """

    scenes: Sequence[StoredScene]
    priors: Sequence[UInt8]
    mpp: float
    side_px: int
    focus: float
    batch: int
    seed: int

    def batches(self, steps: int, start: int = 0) -> Iterator[Batch]:
        """Batches start…steps; each depends on the seed and its own number only."""
        anchors = [_anchors(scene.pixels) for scene in self.scenes]
        with ThreadPoolExecutor(1) as pool:
            ahead: list[Future[Batch]] = []
            for step in range(start, steps):
                while len(ahead) < 3 and step + len(ahead) < steps:
                    ahead.append(pool.submit(self._batch, step + len(ahead), anchors))
                yield ahead.pop(0).result()

    def _batch(self, step: int, anchors: Sequence[NDArray[np.intp]]) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        tiles = [self._tile(anchors, rng) for _ in range(self.batch)]
        images, tissue, zones = (np.stack(parts) for parts in zip(*tiles, strict=True))
        return Batch(
            to_tensor(images),
            torch.from_numpy(tissue.astype(np.int64)),
            torch.from_numpy(zones.astype(np.int64)),
        )

    def _tile(
        self, anchors: Sequence[NDArray[np.intp]], rng: np.random.Generator
    ) -> tuple[UInt8, UInt8, UInt8]:
        pick = int(rng.integers(len(self.scenes)))
        scene = self.scenes[pick]
        if rng.random() < self.focus and len(anchors[pick]):
            y, x = anchors[pick][rng.integers(len(anchors[pick]))]
            center = rng.normal((x, y), 0.18 * self.side_px)
        else:
            rows, columns = scene.pixels.shape[:2]
            center = rng.uniform(0, (columns, rows))
        zoom = self.mpp / scene.mpp * float(np.exp(rng.uniform(-0.28, 0.28)))
        matrix = random_placement(tuple(center), self.side_px, zoom, rng)
        dyes = cut(scene.pixels[..., :3], matrix, self.side_px, cv2.INTER_LINEAR)
        labels = cut(scene.pixels[..., 3:], matrix, self.side_px, cv2.INTER_NEAREST)
        image = random_colour(dyes, rng)
        if self.priors:
            image = np.dstack([image, self._prior(pick, matrix, rng)])
        return image, labels[..., 0], labels[..., 1]

    def _prior(self, pick: int, matrix: NDArray[np.float64], rng: np.random.Generator) -> UInt8:
        """What the coarse network saw here, now and then nothing: the fine one must also look."""
        prior = self.priors[pick]
        if rng.random() < 0.1:
            return np.zeros((self.side_px, self.side_px, prior.shape[2]), np.uint8)
        factor = prior.shape[0] / self.scenes[pick].pixels.shape[0]
        scaled = matrix * factor
        scaled[:, 2] += (factor - 1) / 2
        return cut(prior, scaled, self.side_px, cv2.INTER_LINEAR)


def to_tensor(images: UInt8) -> Tensor:
    """(n, h, w, 3 + context) bytes → (n, 3 + context, h, w): colour −1…1, context 0…1."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    tensor[:, :3] = tensor[:, :3] / 127.5 - 1
    tensor[:, 3:] /= 255
    return tensor.contiguous(memory_format=torch.channels_last)


def load_scenes(folder: Path, seeds: Sequence[int]) -> list[StoredScene]:
    """Scenes drawn before, mapped into memory."""
    return [load_scene(folder, seed) for seed in seeds]


def halved(scene: StoredScene) -> StoredScene:
    """The scene at twice the µm per pixel, as a lens would average it.

    Light is averaged, not density: a speck of dark nucleus in an empty cell must not tint both.
    """
    rows, columns = (n // 2 * 2 for n in scene.pixels.shape[:2])
    pixels = scene.pixels[:rows, :columns]
    density = pixels[..., :3].astype(np.float32) * DYE_STEP
    light = np.power(10.0, -density, dtype=np.float32)
    mean = cv2.resize(light, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    levels = np.clip(-np.log10(np.maximum(mean, 1e-4)) / DYE_STEP + 0.5, 0, 255)
    labels = pixels[::2, ::2, 3:]
    return StoredScene(np.dstack([levels.astype(np.uint8), labels]), scene.grades, scene.mpp * 2)


def _anchors(pixels: UInt8) -> NDArray[np.intp]:
    """(n, 2) rows and columns of some pixels of articular cartilage."""
    step = 8
    tissue = pixels[::step, ::step, 3]
    found = (tissue == Tissue.HYALINE) | (tissue == Tissue.CALCIFIED)
    return np.asarray(np.argwhere(found) * step, np.intp)
