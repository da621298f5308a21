"""What the networks of a bundle say about a section: maps first, then grades."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from histoscore.config import TileSettings
from histoscore.errors import PredictionError
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.placed import box_around, seen_through
from histoscore.image.tiles import grid_over
from histoscore.models.blending import NOT_FINITE, LabelRows, ProbabilityRows
from histoscore.models.bundle import ModelBundle
from histoscore.models.engines import (
    EngineName,
    Precision,
    chosen_precision,
    driver_told,
    mixed,
)
from histoscore.models.filling import SlideTiles
from histoscore.models.heads import build_head
from histoscore.models.networks import N_TISSUES, N_ZONES
from histoscore.models.passes import Network, Passes, Tick
from histoscore.models.readers import readers_for
from histoscore.models.specs import GraderSpec, NetworkName, SegmentationSpec
from histoscore.models.strip_inputs import collate_strips
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
from histoscore.slides.reduced import FACTORS
from histoscore.vocabulary import IGNORE, OARSI_MOUSE, Ladder, Tissue

CONTEXT_CHANNELS = 3
"""What the fine network is told: articular cartilage, its look-alikes, nearness to the joint."""


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
        self.passes = Passes(
            networks, self.device, precision, engine, tiles.batch, readers_for(self.device)
        )
        for network in networks.values():
            network.module.to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def of(
        cls,
        bundle: ModelBundle,
        device: str,
        tiles: TileSettings,
        engine: EngineName | Literal["auto"] = "torch",
        precision: Precision | Literal["auto"] = "float32",
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
        return cls(networks, device, tiles, bundle.ladder, chosen_precision(precision), engine)

    @property
    def engine(self) -> str:
        """Engine, device and precision, as tables and run.json record them."""
        return self.passes.engine

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a slide's record should say of how it was computed; most often nothing."""
        return self.passes.remarks

    def mpp_of(self, network: NetworkName) -> Mpp:
        """Scale that a network sees at."""
        return Mpp(self._networks[network].spec.mpp)

    def facts(self) -> dict[str, str | int]:
        """What it runs on, for run.json."""
        return {
            "device": str(self.device),
            "engine": self.engine,
            "engine_threads": self.passes.threads,
        }

    def coarse(self, slide: Slide, box: Box, tick: Tick | None = None) -> SegmentationMap:
        """Tissue and zones of a section at the coarse network's scale.

        Raises:
            PredictionError: the network's output is not finite, or memory is short for one tile.
        """
        spec = self.passes.spec("coarse")
        downsample = spec.mpp / slide.info.mpp
        everywhere = Placement(box.x, box.y, downsample, Mpp(spec.mpp))
        # As coarse as the map: at full resolution a large section's mask would take gigabytes.
        shape = (math.ceil(box.height / downsample), math.ceil(box.width / downsample))
        grid = self._grid(slide, spec, np.ones(shape, bool), everywhere, box)
        place = placed(grid, box, slide)

        def canvas(device: torch.device) -> ProbabilityRows:
            rows, columns = box.shape_at(place.downsample)
            return ProbabilityRows(N_TISSUES + N_ZONES, rows, columns, grid.side_px, device)

        found = self.passes.over(
            "coarse", grid, place, SlideTiles(slide, grid.mpp), canvas, tick
        ).finished()
        return SegmentationMap(found[:N_TISSUES], found[N_TISSUES:], place)

    def fine(
        self,
        slide: Slide,
        coarse: SegmentationMap,
        wanted: Mask,
        tick: Tick | None = None,
    ) -> TissueMap:
        """Tissue at the fine network's scale where `wanted` (on the coarse map) is true.

        The map spans a box around `wanted`, on whole pixels of any reduced tile; where no tile was
        read the coarse map shows through. Raises as `coarse`.
        """
        spec = self.passes.spec("fine")
        box = box_around(wanted, coarse.placement).snapped(max(FACTORS))
        grid = self._grid(slide, spec, wanted, coarse.placement, box)
        place = placed(grid, box, slide)
        fill = SlideTiles(slide, grid.mpp, context_channels(coarse), coarse.placement)

        def canvas(device: torch.device) -> LabelRows:
            rows, columns = box.shape_at(place.downsample)
            return LabelRows(N_TISSUES, rows, columns, grid.side_px, device)

        tissue = self.passes.over("fine", grid, place, fill, canvas, tick).finished()
        show_through(coarse, place, tissue)
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
        with driver_told(), torch.inference_mode(), mixed(self.device, self._precision):
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

    def _grid(
        self, slide: Slide, spec: SegmentationSpec, mask: Mask, place: Placement, box: Box
    ) -> TileGrid:
        return grid_over(
            mask, place, spec.tile_px, Mpp(spec.mpp), slide.info.mpp, self.tiles.overlap, box
        )


def placed(grid: TileGrid, box: Box, slide: Slide) -> Placement:
    """Where the map of a box lies when it has the grid's scale."""
    return Placement(box.x, box.y, grid.mpp / slide.info.mpp, grid.mpp)


def show_through(coarse: SegmentationMap, place: Placement, tissue: LabelArray) -> None:
    """Where nothing was read (`IGNORE`), `tissue` (at `place`) becomes the coarse map's likeliest
    class."""
    unread = tissue == IGNORE
    if not unread.any():
        return
    tissue[unread] = 0
    best = np.zeros(tissue.shape, np.uint8)
    for kind, layer in zip(Tissue, coarse.tissue, strict=True):
        seen = seen_through(layer, coarse.placement, place, tissue.shape)
        likelier = unread & (seen > best)
        tissue[likelier] = kind
        best[likelier] = seen[likelier]


def context_channels(coarse: SegmentationMap) -> NDArray[np.uint8]:
    """What the fine network is told of the coarse map: (rows, columns, 3) bytes."""
    tissue, zones = coarse.tissue, coarse.zones
    channels = [
        _together(tissue, Tissue.HYALINE, Tissue.CALCIFIED),
        _together(tissue, Tissue.GROWTH_PLATE, Tissue.MENISCUS, Tissue.OTHER_CARTILAGE),
        255 - zones[0],
    ]
    return np.asarray(cv2.merge(channels))


def _together(tissue: NDArray[np.uint8], *kinds: Tissue) -> NDArray[np.uint8]:
    """(rows, columns) how likely any of these is."""
    layers = [tissue[kind] for kind in kinds]
    return np.asarray(reduce(cv2.add, layers))  # saturates at 255


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)
