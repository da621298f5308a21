"""What the networks of a bundle say about a section: maps first, then grades."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

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
from histoscore.image.tiles import grid_over
from histoscore.models.blending import NOT_FINITE, LabelRows, ProbabilityMap
from histoscore.models.bundle import ModelBundle
from histoscore.models.cores import usable_cores
from histoscore.models.dataset import to_tensor
from histoscore.models.engines import (
    Engine,
    EngineName,
    Precision,
    TorchEngine,
    chosen_engine,
    mixed,
    torch_name,
)
from histoscore.models.feeding import Fill, fed
from histoscore.models.heads import build_head
from histoscore.models.networks import N_TISSUES, N_ZONES
from histoscore.models.openvino_engine import OpenVinoEngine, openvino_name
from histoscore.models.specs import GraderSpec, NetworkName, NetworkSpec, SegmentationSpec
from histoscore.records import (
    GradePrediction,
    LabelArray,
    Mask,
    SegmentationMap,
    Strip,
    TileGrid,
    TissueMap,
)
from histoscore.slides.base import Slide
from histoscore.vocabulary import OARSI_MOUSE, Ladder, Tissue

CONTEXT_CHANNELS = 3
"""What the fine network is told: articular cartilage, its look-alikes, nearness to the joint."""

Tick = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""


class Canvas(Protocol):
    """A map that tiles are blended into."""

    def add(self, values: torch.Tensor, row: int, column: int) -> None: ...


_Canvas = TypeVar("_Canvas", bound=Canvas)


@dataclass(frozen=True, slots=True)
class Network:
    """A network beside what it is fed; `sha256` of its file, where it came from one."""

    spec: NetworkSpec
    module: nn.Module
    sha256: str | None = None


class Predictor:
    """Coarse network, fine network and grader on one device."""

    def __init__(
        self,
        networks: Mapping[NetworkName, Network],
        device: str,
        tiles: TileSettings,
        ladder: Ladder = OARSI_MOUSE,
        precision: Precision = "float32",
        engine: EngineName | Literal["auto"] = "torch",
    ) -> None:
        self.tiles = tiles
        self.device = _device(device)
        self._networks = networks
        self._ladder, self._precision = ladder, precision
        self._engine_name = chosen_engine(engine, self.device)
        self._engines: dict[NetworkName, Engine] = {}
        self._batch = tiles.batch
        for network in networks.values():
            network.module.to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def of(
        cls,
        bundle: ModelBundle,
        device: str,
        tiles: TileSettings,
        engine: EngineName | Literal["auto"] = "torch",
    ) -> Predictor:
        """The networks of a bundle.

        Raises:
            ModelError: weights do not fit.
            ConfigError: that engine cannot be had.
        """
        networks = {
            name: Network(entry.spec, bundle.load(name), entry.sha256)
            for name, entry in bundle.details.networks.items()
        }
        return cls(networks, device, tiles, bundle.ladder, engine=engine)

    @property
    def engine(self) -> str:
        """Engine, device and precision, as tables and run.json record them."""
        if self._engine_name == "openvino":
            return openvino_name(self._precision)
        return torch_name(self.device, self._precision)

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
        """Tissue and zones of a section at the coarse network's scale.

        Raises:
            PredictionError: the network's output is not finite, or memory is short for one tile.
        """
        spec = self._spec("coarse")
        downsample = spec.mpp / slide.info.mpp
        everywhere = Placement(box.x, box.y, downsample, Mpp(spec.mpp))
        # As coarse as the map: at full resolution a large section's mask would take gigabytes.
        shape = (math.ceil(box.height / downsample), math.ceil(box.width / downsample))
        grid = self._grid(slide, spec, np.ones(shape, bool), everywhere, box)
        place = placed(grid, box, slide)

        def fill(tile: Box, pixels: NDArray[np.uint8]) -> None:
            pixels[:] = slide.read_at(tile, grid.mpp)

        def canvas(device: torch.device) -> ProbabilityMap:
            rows, columns = box.shape_at(place.downsample)
            return ProbabilityMap(N_TISSUES + N_ZONES, rows, columns, grid.side_px, device)

        found = self._segment("coarse", grid, place, fill, canvas, tick).finished()
        return SegmentationMap(found[:N_TISSUES], found[N_TISSUES:], place)

    def fine(
        self,
        slide: Slide,
        coarse: SegmentationMap,
        wanted: Mask,
        tick: Tick | None = None,
    ) -> TissueMap:
        """Tissue at the fine network's scale where `wanted` (on the coarse map) is true.

        The map spans the smallest box around `wanted`; where no tile was read the coarse map
        shows through. Raises as `coarse`.
        """
        spec = self._spec("fine")
        box = box_around(wanted, coarse.placement)
        grid = self._grid(slide, spec, wanted, coarse.placement, box)
        place = placed(grid, box, slide)
        context = context_channels(coarse)

        def fill(tile: Box, pixels: NDArray[np.uint8]) -> None:
            pixels[..., :3] = slide.read_at(tile, grid.mpp)
            here = Placement(tile.x, tile.y, place.downsample, grid.mpp)
            pixels[..., 3:] = seen_through(context, coarse.placement, here, pixels.shape)

        def canvas(device: torch.device) -> LabelRows:
            rows, columns = box.shape_at(place.downsample)
            return LabelRows(N_TISSUES, rows, columns, grid.side_px, device)

        tissue, read = self._segment("fine", grid, place, fill, canvas, tick).finished()
        show_through(coarse, place, tissue, read)
        tissue.setflags(write=False)
        return TissueMap(tissue, place)

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
        with torch.inference_mode(), mixed(self.device, self._precision):
            outputs = grader.module(*inputs).float().cpu()
        if not torch.isfinite(outputs).all():
            raise PredictionError(NOT_FINITE)
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

    def _grid(
        self, slide: Slide, spec: SegmentationSpec, mask: Mask, place: Placement, box: Box
    ) -> TileGrid:
        return grid_over(
            mask, place, spec.tile_px, Mpp(spec.mpp), slide.info.mpp, self.tiles.overlap, box
        )

    def _segment(
        self,
        network: NetworkName,
        grid: TileGrid,
        place: Placement,
        fill: Fill,
        canvas: Callable[[torch.device], _Canvas],
        tick: Tick | None,
    ) -> _Canvas:
        """A map put together from the tiles of a grid; in smaller batches where memory is short."""
        spec = self._spec(network)
        while True:
            shape = (self._batch, spec.tile_px, spec.tile_px, 3 + spec.context)
            engine = self._ready(network, shape)
            try:
                blend = canvas(engine.device)
                add_tiles(blend, engine, grid, place, shape, fill, tick)
            except torch.OutOfMemoryError:
                if self._batch == 1:
                    raise PredictionError(
                        f"out of memory on {self.device}, one tile at a time"
                    ) from None
                self._batch //= 2
                self._engines.clear()  # they are made for one shape
            else:
                return blend

    def _ready(self, network: NetworkName, shape: tuple[int, int, int, int]) -> Engine:
        """The network's engine, made at its first use."""
        if network not in self._engines:
            module, zones = self._networks[network].module, network == "coarse"
            if self._engine_name == "openvino":
                weights = self._networks[network].sha256
                engine: Engine = OpenVinoEngine(module, shape, self._precision, zones, weights)
            else:
                engine = TorchEngine(module, self.device, self._precision, zones)
            self._engines[network] = engine
        return self._engines[network]


def add_tiles(
    blend: Canvas,
    engine: Engine,
    grid: TileGrid,
    place: Placement,
    shape: tuple[int, int, int, int],
    fill: Fill,
    tick: Tick | None = None,
) -> None:
    """What an engine says of every tile of a grid, blended into a map that lies at `place`.

    Args:
        shape: of a batch. fill: writes a tile's pixels. tick: told after every batch.
    """
    pinned = engine.device.type == "cuda"
    done = 0
    with closing(fed(fill, grid.boxes(), shape, usable_cores(), pinned)) as batches:
        for batch in batches:
            said = engine(batch.tiles)
            for box, values in zip(batch.boxes, said[: len(batch.boxes)], strict=True):
                column, row = (
                    (box.x - place.x) / place.downsample,
                    (box.y - place.y) / place.downsample,
                )
                blend.add(values, round(row), round(column))
            done += len(batch.boxes)
            if tick:
                tick(done, len(grid))


def placed(grid: TileGrid, box: Box, slide: Slide) -> Placement:
    """Where the map of a box lies when it has the grid's scale."""
    return Placement(box.x, box.y, grid.mpp / slide.info.mpp, grid.mpp)


def show_through(coarse: SegmentationMap, place: Placement, tissue: LabelArray, read: Mask) -> None:
    """Where nothing was `read`, `tissue` (at `place`) becomes the coarse map's likeliest class."""
    if read.all():
        return
    best = np.full(tissue.shape, -1, np.float32)
    for kind, layer in zip(Tissue, coarse.tissue, strict=True):
        seen = seen_through(layer, coarse.placement, place, tissue.shape)
        likelier = ~read & (seen > best)
        tissue[likelier] = kind
        best[likelier] = seen[likelier]


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
