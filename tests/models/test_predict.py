"""Maps and grades from tiny networks whose answers are known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.fake_networks import NotANumber, OfContext, OnEveryPixel, network
from torch import nn

from histoscore.config import TileSettings
from histoscore.errors import PredictionError
from histoscore.geometry import Box, Mpp, Placement
from histoscore.models.dataset import to_tensor
from histoscore.models.passes import Network
from histoscore.models.predict import CONTEXT_CHANNELS, Predictor, context_channels
from histoscore.records import SegmentationMap
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Tissue, Zone

SLIDE_MPP = 0.731
ROWS, COLUMNS = 241, 357
EXACT = 0.51 / 255
"""What rounding to 255ths may do to a probability."""
WHOLE = Box(0, 0, COLUMNS, ROWS)


def cloudy(rows: int = ROWS, columns: int = COLUMNS, grain: float = 14) -> PictureInMemory:
    """A smooth random picture."""
    noise = np.random.default_rng(8).normal(size=(rows, columns, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    picture = np.clip(128 + smooth / smooth.std() * 45, 0, 255).astype(np.uint8)
    return PictureInMemory(picture, Mpp(SLIDE_MPP))


def predictor(
    module: nn.Module,
    mpp: float = SLIDE_MPP,
    tile_px: int = 96,
    fine: Network | None = None,
    **tiles: Any,
) -> Predictor:
    networks = {"coarse": network(module, mpp, tile_px)}
    return Predictor(networks | ({"fine": fine} if fine else {}), "cpu", TileSettings(**tiles))


def untiled(module: nn.Module, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        tissue, zones = module(to_tensor(picture[None]))
    return tissue.softmax(1)[0].numpy(), zones.softmax(1)[0].numpy()


def test_the_blended_map_is_what_the_network_says_untiled() -> None:
    slide, module = cloudy(), OnEveryPixel()
    found = predictor(module).coarse(slide, WHOLE)
    tissue, zones = untiled(module, slide.read_at(WHOLE, Mpp(SLIDE_MPP)))
    assert np.abs(found.tissue / 255 - tissue).max() < EXACT
    assert np.abs(found.zones / 255 - zones).max() < EXACT


@pytest.mark.parametrize("mpp", [1.0, 1.9, 0.5])
def test_so_it_is_at_another_scale_than_the_slides(mpp: float) -> None:
    slide, module = cloudy(), OnEveryPixel()
    found = predictor(module, mpp).coarse(slide, WHOLE)
    picture = slide.read_at(WHOLE, found.placement.mpp)
    assert found.tissue.shape == (len(Tissue), *picture.shape[:2])
    # A tile lies up to half a map pixel off its place; the picture is smooth.
    assert np.abs(found.tissue / 255 - untiled(module, picture)[0]).mean() < 0.01


@pytest.mark.parametrize("overlap", [0.0, 0.13, 0.5])
@pytest.mark.parametrize("batch", [1, 7])
def test_how_tiles_overlap_and_are_batched_does_not_show(overlap: float, batch: int) -> None:
    slide, module = cloudy(), OnEveryPixel()
    found = predictor(module, overlap=overlap, batch=batch).coarse(slide, WHOLE)
    usual = predictor(module).coarse(slide, WHOLE)
    assert cv2.absdiff(found.tissue, usual.tissue).max() <= 1
    assert cv2.absdiff(found.zones, usual.zones).max() <= 1


def test_a_shifted_grid_gives_the_same_map() -> None:
    slide, networks = cloudy(), predictor(OnEveryPixel())
    part = Box(83, 41, 250, 170)
    whole, alone = networks.coarse(slide, WHOLE), networks.coarse(slide, part)
    seen = whole.tissue[(slice(None), *part.slices())]
    assert cv2.absdiff(alone.tissue, seen).max() <= 1
    assert (alone.placement.x, alone.placement.y) == (83, 41)


@pytest.mark.parametrize("box", [WHOLE, Box(31, 17, 203, 119)])
@pytest.mark.parametrize("mpp", [0.9, 2.6])
def test_the_map_lies_where_the_box_lies(box: Box, mpp: float) -> None:
    found = predictor(OnEveryPixel(), mpp).coarse(cloudy(), box)
    place = found.placement
    assert (place.x, place.y) == (box.x, box.y)
    assert place.mpp == pytest.approx(mpp, rel=0.02)
    assert place.downsample == pytest.approx(place.mpp / SLIDE_MPP)
    assert found.tissue.shape[1:] == box.shape_at(place.downsample)


def test_a_landmark_comes_out_where_it_is() -> None:
    """A bright rectangle off the middle, seen at a coarser scale."""
    picture = np.zeros((600, 900, 3), np.uint8)
    picture[96:240, 420:780] = 255
    slide = PictureInMemory(picture, Mpp(SLIDE_MPP))
    module = OnEveryPixel()
    found = predictor(module, 2.6).coarse(slide, Box(0, 0, 900, 600))
    bright, dark = (untiled(module, np.full((1, 1, 3), v, np.uint8))[0][:, 0, 0] for v in (255, 0))
    clear = int(np.argmax(np.abs(bright - dark)))
    said = found.tissue[clear] / 255
    inside = np.abs(said - bright[clear]) < np.abs(said - dark[clear])
    rows, columns = np.nonzero(inside)
    d = found.placement.downsample
    corners = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1]) * d
    assert corners == pytest.approx([420, 780, 96, 240], abs=d)


def test_probabilities_sum_to_one_everywhere() -> None:
    networks = predictor(OnEveryPixel(), 1.7)
    found = networks.coarse(cloudy(), Box(-60, 20, 300, 310))
    assert np.abs(found.tissue.sum(0, int) - 255).max() <= len(Tissue) / 2
    assert np.abs(found.zones.sum(0, int) - 255).max() <= 3 / 2


def test_every_tile_is_ticked() -> None:
    ticks: list[tuple[int, int]] = []
    predictor(OnEveryPixel(), batch=5).coarse(cloudy(), WHOLE, lambda *tick: ticks.append(tick))
    done, total = zip(*ticks, strict=True)
    assert len(set(total)) == 1
    assert done[-1] == total[0]
    assert list(done[:-1]) == list(range(5, done[-1], 5))


def test_a_large_section_is_gridded_without_a_mask_of_its_size() -> None:
    """At full resolution the grid of a 200 000 × 150 000 px section would need 100s of GB."""
    ticks: list[tuple[int, int]] = []

    class EnoughError(Exception):
        pass

    def first(done: int, of: int) -> None:
        ticks.append((done, of))
        raise EnoughError

    class Blank(PictureInMemory):
        def read_at(self, box: Box, mpp: Mpp) -> np.ndarray:
            return np.full((96, 96, 3), 255, np.uint8)

    slide = Blank(np.zeros((2, 3, 3), np.uint8), Mpp(0.1))
    with pytest.raises(EnoughError):
        predictor(OnEveryPixel(), 8.0, overlap=0).coarse(slide, Box(0, 0, 200_000, 150_000), first)
    assert ticks == [(8, 27 * 20)]


class TestFine:
    """The fine pass: near cartilage only, and told what the coarse pass saw."""

    coarse_mpp, fine_mpp = 2.9, 1.1

    def coarse_map(self) -> SegmentationMap:
        """Hyaline cartilage in the right half, bone in the left."""
        d = self.coarse_mpp / SLIDE_MPP
        shape = WHOLE.shape_at(d)
        tissue = np.full((len(Tissue), *shape), 3, np.uint8)
        tissue[Tissue.BONE, :, : shape[1] // 2] = 234
        tissue[Tissue.HYALINE, :, shape[1] // 2 :] = 234
        zones = np.full((3, *shape), 85, np.uint8)
        return SegmentationMap(tissue, zones, Placement(0, 0, d, Mpp(self.coarse_mpp)))

    def fine(self, module: nn.Module, tile_px: int = 64) -> Predictor:
        fine = network(module, self.fine_mpp, tile_px, CONTEXT_CHANNELS)
        return predictor(OnEveryPixel(), self.coarse_mpp, fine=fine)

    def test_the_fine_network_is_told_what_the_coarse_one_saw(self) -> None:
        coarse = self.coarse_map()
        wanted = np.ones(coarse.tissue.shape[1:], bool)
        found = self.fine(OfContext()).fine(cloudy(), coarse, wanted)
        label = found.tissue
        edge = coarse.tissue.shape[2] // 2 * self.coarse_mpp / found.placement.mpp
        assert (label[:, : int(edge) - 3] == Tissue.BONE).all()
        right = label[:-4, int(edge) + 3 : -4]  # the map may reach a little past the coarse one
        assert (right == Tissue.HYALINE).all()

    def test_the_map_spans_what_is_wanted(self) -> None:
        coarse = self.coarse_map()
        wanted = np.zeros(coarse.tissue.shape[1:], bool)
        wanted[20:33, 40:71] = True
        found = self.fine(OnEveryPixel(CONTEXT_CHANNELS)).fine(cloudy(), coarse, wanted)
        d = coarse.placement.downsample
        place = found.placement
        assert (place.x, place.y) == (int(40 * d) // 8 * 8, int(20 * d) // 8 * 8)
        rows, columns = found.tissue.shape
        assert columns * place.downsample == pytest.approx(31 * d + 8, abs=10)
        assert rows * place.downsample == pytest.approx(13 * d + 8, abs=10)

    def test_where_no_tile_was_read_the_coarse_map_shows(self) -> None:
        slide, coarse = cloudy(482, 714), self.coarse_map()
        wanted = np.zeros(coarse.tissue.shape[1:], bool)
        wanted[:4, :4] = wanted[-4:, -4:] = True
        found = self.fine(OnEveryPixel(CONTEXT_CHANNELS), tile_px=32).fine(slide, coarse, wanted)
        rows, columns = found.tissue.shape
        apart = found.tissue[int(rows * 0.6) : -40, 40 : int(columns * 0.4)]
        assert (apart == Tissue.BONE).all()
        assert len(np.unique(found.tissue[:20, :20])) > 1

    def test_context_tells_cartilage_from_its_look_alikes_and_joint_from_shaft(self) -> None:
        tissue = np.zeros((len(Tissue), 1, 6), np.uint8)
        for column, kind in enumerate(
            (
                Tissue.HYALINE,
                Tissue.CALCIFIED,
                Tissue.GROWTH_PLATE,
                Tissue.MENISCUS,
                Tissue.OTHER_CARTILAGE,
                Tissue.BONE,
            )
        ):
            tissue[kind, 0, column] = 255
        zones = np.zeros((3, 1, 6), np.uint8)
        at = (Zone.FEMUR, Zone.TIBIA, Zone.FEMUR, Zone.TIBIA, Zone.NONE, Zone.NONE)
        for column, zone in enumerate(at):
            zones[zone, 0, column] = 255
        place = Placement(0, 0, 4, Mpp(2.9))
        told = context_channels(SegmentationMap(tissue, zones, place))[0] // 255
        assert told.tolist() == [[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.fault(43)
def test_a_map_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(PredictionError, match="not finite"):
        predictor(NotANumber(value)).coarse(cloudy(), WHOLE)


def test_what_it_runs_on_is_told() -> None:
    facts = predictor(OnEveryPixel()).facts()
    assert facts["device"] == "cpu"
    assert facts["engine"] == "torch cpu float32"
    assert facts["engine_threads"] == torch.get_num_threads()
