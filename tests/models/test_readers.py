"""Tiles read by processes are the tiles that threads read; nothing is left behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import active_children
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fake_networks import OnEveryPixel, network
from helpers.slide_files import write_svs, write_tiff

from histoscore.config import TileSettings
from histoscore.errors import DamagedSlideError
from histoscore.geometry import Mpp, Placement
from histoscore.image.tiles import grid_over
from histoscore.models.feeding import fed
from histoscore.models.filling import SlideTiles
from histoscore.models.passes import Passes
from histoscore.models.predict import Predictor
from histoscore.models.readers import Readers, readers_for
from histoscore.records import TileGrid
from histoscore.slides.base import Slide
from histoscore.slides.memory import PictureInMemory
from histoscore.slides.open import open_slide

SIDE_PX, BATCH = 64, 5
TILE_MPP = Mpp(1.37)


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    made = Readers(2)
    yield made
    made.close()


@pytest.fixture(params=[write_svs, write_tiff])
def slide(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Slide]:
    with open_slide(request.param(tmp_path / "slide.svs")) as opened:
        yield opened


def grid(slide: Slide) -> TileGrid:
    whole = slide.info.whole
    place = Placement(0, 0, 8, Mpp(slide.info.mpp * 8))
    mask = np.ones(whole.shape_at(8), bool)
    return grid_over(mask, place, SIDE_PX, TILE_MPP, slide.info.mpp, 0.25, whole)


def with_context(slide: Slide, mpp: Mpp, seed: int = 0) -> SlideTiles:
    context = np.random.default_rng(seed).integers(0, 256, (90, 150, 3), np.uint8)
    return SlideTiles(slide, mpp, context, Placement(-7, 3, 10.3, Mpp(4.9)))


@pytest.mark.parametrize("channels", [3, 6])
def test_every_tile_is_as_threads_read_it(readers: Readers, slide: Slide, channels: int) -> None:
    tiles = grid(slide)
    shape = (BATCH, SIDE_PX, SIDE_PX, channels)
    # The second pass has the first one's slide and ring, and a context of its own.
    for seed in range(2):
        told = with_context(slide, tiles.mpp, seed)
        fill = told if channels == 6 else SlideTiles(slide, tiles.mpp)
        assert readers.serve(fill, shape)
        count = 0
        pairs = zip(
            readers.fed(fill, tiles.boxes(), shape),
            fed(fill, tiles.boxes(), shape, threads=1, pinned=False),
            strict=True,
        )
        for ours, theirs in pairs:
            assert ours.boxes == theirs.boxes
            held = len(ours.boxes)
            assert torch.equal(ours.tiles[:held], theirs.tiles[:held])
            count += held
        assert count == len(tiles) > 2 * BATCH


def test_maps_are_the_same(readers: Readers, slide: Slide) -> None:
    tiles = grid(slide)
    place = Placement(0, 0, tiles.mpp / slide.info.mpp, tiles.mpp)

    class Sums:
        def __init__(self) -> None:
            self.found: list[float] = []

        def add(self, values: torch.Tensor, row: int, column: int) -> None:
            self.found.append(float(values.sum()) + row * 1e3 + column)

    def found(used: Readers | None) -> list[float]:
        networks = {"coarse": network(OnEveryPixel(), TILE_MPP, SIDE_PX)}
        passes = Passes(networks, torch.device("cpu"), "float32", "torch", BATCH, used)  # type: ignore[arg-type]
        fill = SlideTiles(slide, tiles.mpp)
        return passes.over("coarse", tiles, place, fill, lambda _: Sums(), None).found

    assert found(readers) == found(None)


def test_what_reading_raises_arrives_with_its_reason(readers: Readers, tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "slide.tif")
    with open_slide(path) as slide:
        tiles = grid(slide)
        with path.open("r+b") as file:
            file.truncate(200)
        with pytest.raises(DamagedSlideError) as told:
            list(
                readers.fed(
                    SlideTiles(slide, tiles.mpp), tiles.boxes(), (BATCH, SIDE_PX, SIDE_PX, 3)
                )
            )
    assert str(told.value)


def test_a_picture_in_memory_is_left_to_threads(readers: Readers) -> None:
    picture = PictureInMemory(np.zeros((40, 60, 3), np.uint8), TILE_MPP)
    assert not readers.serve(SlideTiles(picture, TILE_MPP), (BATCH, 8, 8, 3))


def test_where_there_is_little_memory_to_share_threads_read(
    readers: Readers, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 64_000_000

    monkeypatch.setattr("histoscore.models.readers.shutil.disk_usage", lambda _: Usage)
    monkeypatch.setattr("histoscore.models.readers._SHARED", Path("/"))
    fill = SlideTiles(slide, TILE_MPP)
    assert readers.serve(fill, (8, 64, 64, 3))
    assert not readers.serve(fill, (64, 512, 512, 3))


def test_who_stops_early_can_ask_again(readers: Readers, slide: Slide) -> None:
    tiles = grid(slide)
    fill, shape = with_context(slide, tiles.mpp), (BATCH, SIDE_PX, SIDE_PX, 6)
    with closing(readers.fed(fill, tiles.boxes(), shape)) as batches:
        next(batches)
    assert sum(len(batch.boxes) for batch in readers.fed(fill, tiles.boxes(), shape)) == len(tiles)


def test_nothing_is_left_when_they_go(tmp_path: Path) -> None:
    before = set(active_children())
    made = Readers(1)
    with open_slide(write_svs(tmp_path / "slide.svs")) as slide:
        tiles = grid(slide)
        fill = SlideTiles(slide, tiles.mpp)
        list(made.fed(fill, tiles.boxes()[:2], (1, SIDE_PX, SIDE_PX, 3)))
    names = [ring.shared.name for ring in made._rings.values()]
    assert set(active_children()) > before
    assert names
    del made
    gc.collect()
    assert set(active_children()) == before
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_fed_by_them(slide: Slide) -> None:
    networks = {"coarse": network(OnEveryPixel(), TILE_MPP, SIDE_PX)}
    box = slide.info.whole
    maps = []
    for device in ("cuda", "cpu"):
        predictor = Predictor(networks, device, TileSettings(batch=BATCH))  # type: ignore[arg-type]
        for _ in range(3):  # the ring and what was opened are used again
            found = predictor.coarse(slide, box)
        maps.append(found.tissue.astype(int))
    assert np.abs(maps[0] - maps[1]).max() <= 2


def test_a_processor_s_networks_keep_their_cores() -> None:
    assert readers_for(torch.device("cpu")) is None
