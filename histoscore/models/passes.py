"""Passes of segmentation networks over a section: tiles in, one map out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from histoscore.errors import DamagedSlideError, PredictionError
from histoscore.geometry import Box, Placement
from histoscore.models.engines import (
    Engine,
    EngineName,
    Precision,
    TorchEngine,
    chosen_engine,
    driver_told,
    engine_name,
)
from histoscore.models.feeding import Fill, TileBatch, fed
from histoscore.models.filling import SlideTiles
from histoscore.models.openvino_engine import OpenVinoEngine
from histoscore.models.readers import Readers
from histoscore.models.specs import NetworkName, NetworkSpec, SegmentationSpec
from histoscore.processes import usable_cores
from histoscore.records import TileGrid

Tick = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""

TileShape = tuple[int, int, int, int]
"""(batch, rows, columns, channels)."""


_BATCH, _BATCHES = 8, {"cuda": 32}
"""Tiles at once where nobody says, by device (docs/performance.md)."""


class Canvas(Protocol):
    """A map that tiles are blended into."""

    def add(self, values: Tensor, row: int, column: int) -> None: ...


_Canvas = TypeVar("_Canvas", bound=Canvas)


@dataclass(frozen=True, slots=True)
class Network:
    """A network beside what it is fed; `sha256` of its file, where it came from one."""

    spec: NetworkSpec
    module: nn.Module
    sha256: str | None = None


class Passes:
    """Runs segmentation networks over grids of tiles, each in an engine made at its first use.

    Args:
        networks: by name; what is not a segmentation network is passed over.
        device: where they run. precision: of their arithmetic.
        engine: what runs them. batch: tiles at once; auto: as suits the device.
        readers: processes that read tiles; without them threads of this one do.

    Raises:
        ConfigError: that engine cannot be had.
    """

    def __init__(
        self,
        networks: Mapping[NetworkName, Network],
        device: torch.device,
        precision: Precision,
        engine: EngineName | Literal["auto"],
        batch: int | Literal["auto"],
        readers: Readers | None = None,
    ) -> None:
        self._networks, self._device, self._precision = networks, device, precision
        self._chosen = chosen_engine(engine, device)
        self._engines: dict[NetworkName, Engine] = {}
        self._batch = _BATCHES.get(device.type, _BATCH) if batch == "auto" else batch
        self._asked = self._batch
        self._readers = readers

    @property
    def engine(self) -> str:
        """Engine, device and precision, as tables and run.json record them."""
        return engine_name(self._chosen, self._device, self._precision)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a slide's record should say of how it was computed."""
        if self._batch == self._asked:
            return ()
        return (
            f"memory of {self._device} was short: {self._batch} tiles at once instead of "
            f"{self._asked}",
        )

    @property
    def threads(self) -> int:
        """Threads that the engine computes in."""
        return usable_cores() if self._chosen == "openvino" else torch.get_num_threads()

    def spec(self, network: NetworkName) -> SegmentationSpec:
        """What a segmentation network is fed."""
        spec = self._networks[network].spec
        assert isinstance(spec, SegmentationSpec)  # the bundle's card was checked
        return spec

    def over(
        self,
        network: NetworkName,
        grid: TileGrid,
        place: Placement,
        fill: Fill,
        canvas: Callable[[torch.device], _Canvas],
        tick: Tick | None,
    ) -> _Canvas:
        """What a network says of every tile of a grid, blended into a map; in smaller batches
        where memory is short.

        Args:
            place: where the map lies. fill: writes a tile's pixels.
            canvas: an empty map on the engine's device. tick: told after every batch.

        Raises:
            PredictionError: memory is short for a single tile.
            DeviceError: the GPU's driver failed.
        """
        readers = self._readers
        while True:
            shape = self.shape(network)
            try:
                with driver_told():
                    engine = self.ready(network, shape)
                    blend = canvas(engine.device)
                    blend_tiles(blend, engine, grid, place, shape, fill, tick, readers)
            except DamagedSlideError:
                if readers is None:
                    raise
                readers = None  # this process's slide may pass over it, and counts what it does
            except torch.OutOfMemoryError:
                if self._batch == 1:
                    raise PredictionError(
                        f"out of memory on {self._device}, one tile at a time"
                    ) from None
                self._batch //= 2
                self._engines.clear()  # they are made for one shape
            else:
                engine.release()
                return blend

    def ready(self, network: NetworkName, shape: TileShape) -> Engine:
        """The network's engine for batches of that shape."""
        if network not in self._engines:
            one, zones = self._networks[network], network == "coarse"
            self._engines[network] = (
                OpenVinoEngine(one.module, shape, self._precision, zones, one.sha256)
                if self._chosen == "openvino"
                else TorchEngine(one.module, self._device, self._precision, zones)
            )
        return self._engines[network]

    def shape(self, network: NetworkName) -> TileShape:
        """Of the batches that a segmentation network is given."""
        spec = self.spec(network)
        return (self._batch, spec.tile_px, spec.tile_px, 3 + spec.context)


def blend_tiles(
    blend: Canvas,
    engine: Engine,
    grid: TileGrid,
    place: Placement,
    shape: TileShape,
    fill: Fill,
    tick: Tick | None = None,
    readers: Readers | None = None,
) -> None:
    """What an engine says of every tile of a grid, blended into a map that lies at `place`.

    Args:
        shape: of a batch. fill: writes a tile's pixels. tick: told after every batch.
    """
    done = 0
    with closing(_tiles(fill, grid.boxes(), shape, engine.device, readers)) as batches:
        for batch in batches:
            said = engine(batch.tiles)
            for box, values in zip(batch.boxes, said[: len(batch.boxes)], strict=True):
                row = round((box.y - place.y) / place.downsample)
                column = round((box.x - place.x) / place.downsample)
                blend.add(values, row, column)
            done += len(batch.boxes)
            if tick:
                tick(done, len(grid))


def _tiles(
    fill: Fill,
    boxes: Sequence[Box],
    shape: TileShape,
    device: torch.device,
    readers: Readers | None,
) -> Generator[TileBatch, None, None]:
    if readers and isinstance(fill, SlideTiles) and readers.serve(fill, shape):
        return readers.fed(fill, boxes, shape)
    return fed(fill, boxes, shape, usable_cores(), pinned=device.type == "cuda")
