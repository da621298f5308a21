"""What the networks of a bundle say about a section: maps first, then grades."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histoscore.config import TileSettings
from histoscore.errors import PredictionError
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.morphometry import is_bare
from histoscore.image.placed import box_around, seen_through
from histoscore.image.tiles import blend_window, grid_over
from histoscore.models.bundle import ModelBundle
from histoscore.models.dataset import to_tensor
from histoscore.models.heads import build_head
from histoscore.models.networks import N_TISSUES, N_ZONES
from histoscore.models.specs import GraderSpec, NetworkName, NetworkSpec, SegmentationSpec
from histoscore.records import GradePrediction, Mask, SegmentationMap, Strip, TileGrid
from histoscore.slides.base import Slide
from histoscore.vocabulary import OARSI_MOUSE, Ladder, Tissue

CONTEXT_CHANNELS = 3
"""What the fine network is told: articular cartilage, its look-alikes, nearness to the joint."""

Tick = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network beside what it is fed."""

    spec: NetworkSpec
    module: nn.Module


class Predictor:
    """Coarse network, fine network and grader on one device."""

    def __init__(
        self,
        networks: Mapping[NetworkName, Network],
        device: str,
        tiles: TileSettings,
        ladder: Ladder = OARSI_MOUSE,
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.tiles = tiles
        self.device = _device(device)
        self._networks = networks
        self._ladder, self._precision = ladder, precision
        for network in networks.values():
            network.module.to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def of(cls, bundle: ModelBundle, device: str, tiles: TileSettings) -> Predictor:
        """The networks of a bundle. Raises ModelError where weights do not fit."""
        networks = {
            name: Network(entry.spec, bundle.load(name))
            for name, entry in bundle.details.networks.items()
        }
        return cls(networks, device, tiles, bundle.ladder)

    @property
    def engine(self) -> str:
        """Engine, device and precision, as tables and run.json record them."""
        return f"torch {self.device.type} {self._precision}"

    def mpp_of(self, network: NetworkName) -> Mpp:
        """Scale that a network sees at."""
        return Mpp(self._networks[network].spec.mpp)

    def facts(self) -> dict[str, str | int]:
        """What it runs on, for run.json."""
        return {
            "device": str(self.device),
            "engine": self.engine,
            "engine_threads": torch.get_num_threads(),
        }

    def coarse(self, slide: Slide, box: Box, tick: Tick | None = None) -> SegmentationMap:
        """Tissue and zones of a section at the coarse network's scale."""
        spec = self._spec("coarse")
        downsample = spec.mpp / slide.info.mpp
        everywhere = Placement(box.x, box.y, downsample, Mpp(spec.mpp))
        # As coarse as the map: at full resolution a large section's mask would take gigabytes.
        shape = (math.ceil(box.height / downsample), math.ceil(box.width / downsample))
        grid = self._grid(slide, spec, np.ones(shape, bool), everywhere, box)
        return self._segment(slide, "coarse", grid, box, None, tick)

    def fine(
        self,
        slide: Slide,
        coarse: SegmentationMap,
        wanted: Mask,
        tick: Tick | None = None,
    ) -> SegmentationMap:
        """The map at the fine network's scale where `wanted` (on the coarse map) is true.

        The map spans the smallest box around `wanted`; where no tile was read the coarse map
        shows through.
        """
        spec = self._spec("fine")
        box = box_around(wanted, coarse.placement)
        grid = self._grid(slide, spec, wanted, coarse.placement, box)
        return self._segment(slide, "fine", grid, box, coarse, tick)

    def grade(self, strips: Sequence[Strip]) -> tuple[GradePrediction, ...]:
        """Probabilities over the ladder for each compartment's strip.

        Raises:
            PredictionError: the network's output is not finite.
        """
        if not strips:
            return ()
        grader = self._networks["grader"]
        assert isinstance(grader.spec, GraderSpec)  # the bundle's card was checked
        inputs = (part.to(self.device) for part in collate_strips(strips, grader.spec))
        with self._mode():
            outputs = grader.module(*inputs).float().cpu()
        _finite(outputs.numpy())
        log_probabilities = build_head(grader.spec.head, self._ladder).log_probabilities(outputs)
        probabilities = np.exp(log_probabilities.numpy().astype(np.float64))
        probabilities /= probabilities.sum(1, keepdims=True)
        return tuple(
            GradePrediction(strip.compartment, tuple(map(float, row)))
            for strip, row in zip(strips, probabilities, strict=True)
        )

    def _spec(self, network: NetworkName) -> SegmentationSpec:
        spec = self._networks[network].spec
        assert isinstance(spec, SegmentationSpec)  # the bundle's card was checked
        return spec

    @contextmanager
    def _mode(self) -> Iterator[None]:
        half = self._precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, half):
            yield

    def _grid(
        self, slide: Slide, spec: SegmentationSpec, mask: Mask, place: Placement, box: Box
    ) -> TileGrid:
        return grid_over(
            mask, place, spec.tile_px, Mpp(spec.mpp), slide.info.mpp, self.tiles.overlap, box
        )

    def _segment(
        self,
        slide: Slide,
        network: NetworkName,
        grid: TileGrid,
        box: Box,
        coarse: SegmentationMap | None,
        tick: Tick | None,
    ) -> SegmentationMap:
        downsample = grid.mpp / slide.info.mpp
        place = Placement(box.x, box.y, downsample, grid.mpp)
        blend = _Blend(box.shape_at(downsample), grid.side_px)
        context = context_channels(coarse) if coarse else None
        done = 0
        tiles, size = grid.boxes(), self.tiles.batch
        for boxes in (tiles[i : i + size] for i in range(0, len(tiles), size)):
            images = [self._tile(slide, b, grid, coarse, context) for b in boxes]
            probabilities = self._forward(network, np.stack(images))
            for b, values in zip(boxes, probabilities, strict=True):
                column, row = ((b.x - box.x) / downsample, (b.y - box.y) / downsample)
                blend.add(values, round(row), round(column))
            done += len(boxes)
            if tick:
                tick(done, len(grid))
        return blend.finished(place, coarse)

    def _tile(
        self,
        slide: Slide,
        box: Box,
        grid: TileGrid,
        coarse: SegmentationMap | None,
        context: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8]:
        tile = slide.read_at(box, grid.mpp)
        if coarse is None or context is None:
            return tile
        place = Placement(box.x, box.y, grid.mpp / slide.info.mpp, grid.mpp)
        return np.dstack([tile, seen_through(context, coarse.placement, place, tile.shape)])

    def _forward(self, network: NetworkName, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w, channels) → (n, 8 + 3, h, w) probabilities, both heads softmaxed."""
        with self._mode():
            tissue, zones = self._networks[network].module(to_tensor(images).to(self.device))
            both = torch.cat([tissue.float().softmax(1), zones.float().softmax(1)], 1)
        return _finite(both.cpu().numpy())


class _Blend:
    """Overlapping tiles, each fading toward its border, so that no border shows."""

    def __init__(self, shape: tuple[int, int], side: int) -> None:
        self.sum = np.zeros((N_TISSUES + N_ZONES, *shape), np.float32)
        self.weight = np.zeros(shape, np.float32)
        self.window = blend_window(side)

    def add(self, values: NDArray[np.float32], row: int, column: int) -> None:
        rows, columns = self.weight.shape
        side = len(self.window)
        top, left = max(0, row), max(0, column)
        bottom, right = min(rows, row + side), min(columns, column + side)
        if bottom <= top or right <= left:
            return
        inside = (slice(top - row, bottom - row), slice(left - column, right - column))
        here = (slice(top, bottom), slice(left, right))
        window = self.window[inside]
        self.sum[(slice(None), *here)] += values[(slice(None), *inside)] * window
        self.weight[here] += window

    def finished(self, place: Placement, around: SegmentationMap | None) -> SegmentationMap:
        read = self.weight > 0
        self.sum[:, read] /= self.weight[read]
        if around is not None and not read.all():
            both = np.concatenate([around.tissue, around.zones])
            for channel, values in zip(self.sum, both, strict=True):
                shown = seen_through(values, around.placement, place, self.weight.shape)
                channel[~read] = shown[~read]
        self.sum.setflags(write=False)
        return SegmentationMap(self.sum[:N_TISSUES], self.sum[N_TISSUES:], place)


def context_channels(coarse: SegmentationMap) -> NDArray[np.uint8]:
    """What the fine network is told of the coarse map: (rows, columns, 3) bytes."""
    tissue, zones = coarse.tissue, coarse.zones
    channels = [
        tissue[Tissue.HYALINE] + tissue[Tissue.CALCIFIED],
        tissue[Tissue.GROWTH_PLATE] + tissue[Tissue.MENISCUS],
        1 - zones[0],
    ]
    return np.clip(np.dstack(channels) * 255 + 0.5, 0, 255).astype(np.uint8)


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


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def _finite(values: NDArray[np.floating]) -> NDArray[np.floating]:
    if not np.isfinite(values).all():
        raise PredictionError("model output not finite: the network gave NaN or infinity")
    return values
