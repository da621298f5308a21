"""Tiles for training: cut where they say, coloured at random, the same for the same step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histoscore.models import dataset
from histoscore.models.dataset import Batch, TileSource, coloured, halved, to_tensor
from histoscore.models.examples import Colours, Example, ExampleFacts
from histoscore.phantom.staining import DYE_STEP
from histoscore.vocabulary import IGNORE, Tissue, Zone

ROWS, COLUMNS, MPP = 420, 610, 1.0
MARK = (slice(60, 190), slice(330, 560))
"""A black block off the middle: hyaline cartilage of the femur; all else is clear glass."""


def example(pixels: np.ndarray, mpp: float = MPP, colours: Colours = "dyes") -> Example:
    return Example("e1", ExampleFacts(colours=colours, mpp=mpp, animal="m1", slide="s1"), pixels)


def marked(colours: Colours = "dyes") -> Example:
    pixels = np.zeros((ROWS, COLUMNS, 5), np.uint8)
    pixels[..., :3] = 0 if colours == "dyes" else 236
    pixels[*MARK, :3] = 250 if colours == "dyes" else 4
    pixels[*MARK, 3] = Tissue.HYALINE
    pixels[*MARK, 4] = Zone.FEMUR
    return example(pixels, colours=colours)


def source(priors: bool = False, mpp: float = 2.0, **changes: object) -> TileSource:
    prior = np.zeros((ROWS // 4, COLUMNS // 4, 3), np.uint8)
    prior[15:47, 83:140] = (255, 0, 128)
    settings = {
        "examples": [marked()],
        "priors": [prior] if priors else [],
        "mpp": mpp,
        "side_px": 96,
        "focus": 0.8,
        "batch_size": 3,
        "seed": 5,
    }
    return TileSource(**(settings | changes)).prepared()  # type: ignore[arg-type]


def equal(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(getattr(one, part), getattr(other, part))
        for part in ("images", "tissue", "zones")
    )


def test_a_batch_is_what_the_networks_take() -> None:
    batch = source(priors=True).batch(0)
    assert batch.images.shape == (3, 6, 96, 96)
    assert batch.images.dtype == torch.float32
    assert batch.tissue.shape == batch.zones.shape == (3, 96, 96)
    assert batch.tissue.dtype == torch.int64
    assert -1 <= batch.images[:, :3].min() < batch.images[:, :3].max() <= 1
    assert 0 <= batch.images[:, 3:].min() < batch.images[:, 3:].max() <= 1


def test_a_batch_depends_on_seed_and_number_only() -> None:
    """Whichever were made before: a killed training goes on as if nothing had happened."""
    tiles = source()
    first = [tiles.batch(number) for number in range(3)]
    assert all(equal(source().batch(number), first[number]) for number in (2, 0, 1))
    assert not equal(source(seed=6).batch(0), first[0])
    assert not equal(first[0], first[1])


def several() -> list[Example]:
    """Three examples of one tissue each."""
    kinds = (Tissue.BONE, Tissue.MARROW, Tissue.SOFT)
    return [example(np.full((64, 96, 5), kind, np.uint8)) for kind in kinds]


def test_every_example_is_drawn_from() -> None:
    tiles = source(examples=several(), mpp=1.0, side_px=32, batch_size=24).batch(0)
    assert {Tissue.BONE, Tissue.MARROW, Tissue.SOFT} <= set(np.unique(tiles.tissue))


def test_as_many_tiles_as_wanted_are_centred_on_articular_cartilage() -> None:
    """The growth plate's cartilage is none; where the bone is not known it may be."""
    pixels = np.zeros((ROWS, COLUMNS, 5), np.uint8)
    pixels[:40, :, 3] = Tissue.HYALINE  # of a growth plate: no zone
    pixels[200:240, 100:200, 3] = Tissue.CALCIFIED
    pixels[200:240, 100:200, 4] = Zone.TIBIA
    pixels[300:340, 400:500, 3] = Tissue.HYALINE
    pixels[300:340, 400:500, 4] = IGNORE
    found = source(examples=[example(pixels)], focus=1.0).anchors[0]
    assert {(200 <= y < 240, 300 <= y < 340) for y, _ in found} == {(True, False), (False, True)}
    for y, x in found:
        assert pixels[y, x, 4] > 0


@pytest.mark.parametrize("mpp", [1.3, 2.6])
@pytest.mark.parametrize("colours", ["dyes", "rgb"])
def test_labels_follow_the_image(mpp: float, colours: Colours) -> None:
    """Whatever the rotation, handedness, zoom, colour and edge: the black block is the
    cartilage."""
    seen = 0
    tiles = source(mpp=mpp, examples=[marked(colours)])
    for batch in map(tiles.batch, range(8)):
        dark = batch.images[:, :3].mean(1) < 0
        labelled = batch.tissue == Tissue.HYALINE
        seen += int(labelled.sum())
        both, either = (dark & labelled).sum(), (dark | labelled).sum()
        assert both > 0.9 * either
        assert torch.equal(labelled, batch.zones == Zone.FEMUR)
    assert seen > 8 * 3 * 96 * 96 * 0.1


def test_what_the_coarse_network_saw_follows_too_or_is_hidden() -> None:
    hidden, both, either = 0, 0, 0
    for batch in map(source(priors=True).batch, range(10)):
        for context, labels in zip(batch.images[:, 3:], batch.tissue, strict=True):
            labelled = labels == Tissue.HYALINE
            if not context.any():
                hidden += int(labelled.any())
                continue
            told = context[0] > 0.5
            both += int((told & labelled).sum())
            either += int((told | labelled).sum())
            assert context[1].max() == 0
    assert both > 0.9 * either > 0
    assert 0 < hidden < 10, "about every tenth"


def test_tiles_are_mirrored_as_often_as_not() -> None:
    """A block of four tissues shows its handedness."""
    pixels = marked().pixels.copy()
    pixels[60:125, 330:560, 3] = Tissue.CALCIFIED  # the half toward the upper edge
    pixels[60:190, 330:445, 3] = np.where(
        pixels[60:190, 330:445, 3] == Tissue.HYALINE, Tissue.BONE, Tissue.GROWTH_PLATE
    )
    turned = []
    for batch in map(source(examples=[example(pixels)], mpp=3.2, focus=1.0).batch, range(10)):
        for labels in batch.tissue.numpy():
            quarters = [Tissue.GROWTH_PLATE, Tissue.CALCIFIED, Tissue.HYALINE, Tissue.BONE]
            if all((labels == q).sum() > 150 for q in quarters):
                a, b, c = (np.argwhere(labels == q).mean(0) for q in quarters[:3])
                turned.append(np.sign(np.linalg.det(np.stack([b - a, c - a]))))
    assert len(turned) > 5
    assert {-1.0, 1.0} == set(turned)


def test_colour_is_minus_one_to_one_and_context_zero_to_one() -> None:
    pixels = np.array([[[[0, 255, 127, 0, 255]]]], np.uint8)
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 5, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([-1, 1, 127 / 127.5 - 1, 0, 1])


def test_images_keep_rows_and_columns_apart() -> None:
    pixels = np.zeros((1, 32, 64, 3), np.uint8)
    pixels[0, 3, 50, 1] = 255
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 3, 32, 64)
    assert tensor[0, 1, 3, 50] == 1


class TestBeyondThePicture:
    """What a tile shows where the example ends: white, and no tissue, as readers fill it."""

    @pytest.mark.parametrize("colours", ["dyes", "rgb"])
    def test_it_is_white_and_background(self, colours: Colours) -> None:
        pixels = np.full((60, 90, 5), 120, np.uint8)
        pixels[..., 3], pixels[..., 4] = Tissue.SOFT, Zone.TIBIA
        tiles = source(examples=[example(pixels, colours=colours)], mpp=1.0, focus=0.0)
        beyond = 0
        for batch in map(tiles.batch, range(4)):
            outside = batch.tissue != Tissue.SOFT
            beyond += int(outside.sum())
            assert (batch.tissue[outside] == Tissue.BACKGROUND).all()
            assert (batch.zones[outside] == Zone.NONE).all()
            assert (batch.zones[~outside] == Zone.TIBIA).all()
            assert (batch.images.permute(0, 2, 3, 1)[outside] == 1).all()
        assert beyond > 5000

    def test_the_coarse_network_saw_nothing_there(self) -> None:
        pixels = np.full((60, 90, 5), 120, np.uint8)
        pixels[..., 3] = Tissue.SOFT
        told = np.full((15, 23, 3), 200, np.uint8)
        tiles = source(examples=[example(pixels)], mpp=1.0, focus=0.0).batch(0)
        assert tiles.images.shape[1] == 3
        tiles = TileSource([example(pixels)], [told], 1.0, 96, 0.0, 12, 5).prepared().batch(0)
        outside = tiles.tissue != Tissue.SOFT
        context = tiles.images[:, 3:].permute(0, 2, 3, 1)
        assert outside.any()
        assert (context[outside] == 0).all()
        assert context[~outside].max() > 0.7

    def test_a_real_picture_has_no_dark_rim(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """White glass to the very edge: nothing dark may come in from beyond."""
        monkeypatch.setattr(dataset, "random_stain", lambda picture, rng: picture)
        pixels = np.full((60, 90, 5), 255, np.uint8)
        pixels[..., 3:] = 0
        tiles = source(examples=[example(pixels, colours="rgb")], mpp=1.0, focus=0.0)
        assert all(tiles.batch(number).images.min() == 1 for number in range(6))

    def test_pictures_end_now_and_then_in_the_middle_of_a_tile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pixels = np.full((600, 900, 5), 120, np.uint8)
        pixels[..., 3], pixels[..., 4] = Tissue.HYALINE, Zone.NONE
        pixels[200:400, 300:600, 4] = Zone.FEMUR  # all tiles well inside
        ends = {}
        for share in (0.0, 1.0):
            monkeypatch.setattr(dataset, "_CROPPED", share)
            tiles = source(examples=[example(pixels)], mpp=1.0, focus=1.0, batch_size=12)
            gone = tiles.batch(0).tissue == Tissue.BACKGROUND
            ends[share] = [float(g.float().mean()) for g in gone]
        assert ends[0.0] == [0.0] * 12
        assert sum(0.05 < gone < 0.95 for gone in ends[1.0]) >= 6, "a part is cut away"


def test_an_examples_own_colours_are_varied_and_dyes_are_painted() -> None:
    pixels = np.full((30, 40, 3), 100, np.uint8)
    stained, scanned = (
        coloured(pixels, example(pixels, colours=colours), np.random.default_rng(2))
        for colours in ("dyes", "rgb")
    )
    assert stained.shape == scanned.shape == pixels.shape
    assert not np.array_equal(stained, scanned)


class TestHalved:
    """An example at twice the µm per pixel."""

    def test_light_is_averaged_and_not_density(self) -> None:
        pixels = np.zeros((6, 8, 5), np.uint8)
        pixels[:, ::2, 2] = 200  # every other column lets 1 % of the light through
        level = halved(example(pixels)).pixels[..., 2]
        expected = -np.log10((1 + 0.01) / 2) / DYE_STEP
        assert level == pytest.approx(expected, abs=1)
        assert expected < 40, "the mean density would be 100"

    def test_what_is_even_stays(self) -> None:
        pixels = np.full((6, 8, 5), 37, np.uint8)
        half = halved(example(pixels))
        assert (half.pixels == 37).all()

    def test_size_and_scale(self) -> None:
        whole = example(np.zeros((7, 11, 5), np.uint8), mpp=0.9)
        half = halved(whole)
        assert half.pixels.shape == (3, 5, 5)
        assert half.facts == whole.facts.model_copy(update={"mpp": 1.8})
        assert half.name == whole.name

    def test_a_pictures_own_colours_are_averaged(self) -> None:
        pixels = np.zeros((6, 8, 5), np.uint8)
        pixels[:, ::2, :3] = 200
        assert (halved(example(pixels, colours="rgb")).pixels[..., :3] == 100).all()

    @given(labels=arrays(np.uint8, (6, 8), elements=st.sampled_from([0, 1, 2, 7, IGNORE])))
    def test_of_four_labels_the_most_frequent_stays(self, labels: np.ndarray) -> None:
        pixels = np.zeros((6, 8, 5), np.uint8)
        pixels[..., 3] = labels
        half = halved(example(pixels)).pixels[..., 3]
        for row in range(3):
            for column in range(4):
                four = labels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel().tolist()
                assert four.count(half[row, column]) == max(map(four.count, four))

    def test_labels_are_picked_and_never_mixed(self) -> None:
        pixels = np.zeros((8, 12, 5), np.uint8)
        pixels[:4, :, 3], pixels[4:, :, 3] = Tissue.HYALINE, Tissue.SOFT
        pixels[:, 6:, 4] = Zone.TIBIA
        half = halved(example(pixels)).pixels
        assert np.array_equal(half[..., 3], np.repeat([[1], [1], [7], [7]], 6, 1))
        assert np.array_equal(half[..., 4], np.repeat([[0, 0, 0, 2, 2, 2]], 4, 0))
