"""Tiles for training: cut where they say, coloured at random, the same for the same step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histoscore.models.augment import random_colour
from histoscore.models.dataset import Batch, TileSource, halved, to_tensor
from histoscore.phantom.scenes import DYE_STEP, StoredScene
from histoscore.vocabulary import Compartment, Tissue

ROWS, COLUMNS, MPP = 420, 610, 1.0
MARK = (slice(60, 190), slice(330, 560))
"""A black block off the middle: hyaline cartilage of LFC; all else is clear glass."""


def marked_scene(mpp: float = MPP) -> StoredScene:
    pixels = np.zeros((ROWS, COLUMNS, 5), np.uint8)
    pixels[*MARK, :3] = 250
    pixels[*MARK, 3] = Tissue.HYALINE
    pixels[*MARK, 4] = Compartment.LFC.code
    return StoredScene(pixels, dict.fromkeys(Compartment, 0.0), mpp)


def source(seed: int = 5, priors: bool = False, mpp: float = 2.0, **changes: object) -> TileSource:
    scene = marked_scene()
    prior = np.zeros((ROWS // 4, COLUMNS // 4, 3), np.uint8)
    prior[15:47, 83:140] = (255, 0, 128)
    settings = {
        "scenes": [scene],
        "priors": [prior] if priors else [],
        "mpp": mpp,
        "side_px": 96,
        "focus": 0.8,
        "batch": 3,
        "seed": seed,
    }
    return TileSource(**(settings | changes))


def equal(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(getattr(one, part), getattr(other, part))
        for part in ("images", "tissue", "zones")
    )


def test_a_batch_is_what_the_networks_take() -> None:
    batch = next(source(priors=True).batches(1))
    assert batch.images.shape == (3, 6, 96, 96)
    assert batch.images.dtype == torch.float32
    assert batch.tissue.shape == batch.zones.shape == (3, 96, 96)
    assert batch.tissue.dtype == torch.int64
    assert -1 <= batch.images[:, :3].min() < batch.images[:, :3].max() <= 1
    assert 0 <= batch.images[:, 3:].min() < batch.images[:, 3:].max() <= 1


def test_a_batch_depends_on_seed_and_number_only() -> None:
    first = list(source().batches(4))
    assert all(equal(a, b) for a, b in zip(first, source().batches(4), strict=True))
    assert equal(next(source().batches(4, start=3)), first[3])
    assert not equal(next(source(seed=6).batches(1)), first[0])
    assert not equal(first[0], first[1])


def test_there_are_as_many_batches_as_steps() -> None:
    assert len(list(source().batches(5))) == 5
    assert len(list(source().batches(5, start=2))) == 3


@pytest.mark.parametrize("mpp", [1.3, 2.6])
def test_labels_follow_the_image(mpp: float) -> None:
    """Whatever the rotation, handedness, zoom and colour: the black block is the cartilage."""
    seen = 0
    for batch in source(mpp=mpp).batches(8):
        dark = batch.images[:, :3].mean(1) < 0
        labelled = batch.tissue == Tissue.HYALINE
        seen += int(labelled.sum())
        both, either = (dark & labelled).sum(), (dark | labelled).sum()
        assert both > 0.9 * either
        assert torch.equal(labelled, batch.zones == Compartment.LFC.code)
    assert seen > 8 * 3 * 96 * 96 * 0.1


def test_what_the_coarse_network_saw_follows_too_or_is_hidden() -> None:
    hidden = 0
    for batch in source(priors=True).batches(10):
        for context, labels in zip(batch.images[:, 3:], batch.tissue, strict=True):
            labelled = labels == Tissue.HYALINE
            if not context.any():
                hidden += int(labelled.any())
                continue
            told = context[0] > 0.5
            assert (told & labelled).sum() > 0.85 * (told | labelled).sum()
            assert context[1].max() == 0
    assert 0 < hidden < 10, "about every tenth"


def test_tiles_are_mirrored_as_often_as_not() -> None:
    """A block with one corner missing shows its handedness."""
    scene = marked_scene()
    pixels = scene.pixels.copy()
    pixels[60:125, 330:560, 3] = Tissue.CALCIFIED  # the half toward the upper edge
    pixels[60:190, 330:445, 3] = np.where(
        pixels[60:190, 330:445, 3] == Tissue.HYALINE, Tissue.BONE, Tissue.GROWTH_PLATE
    )
    turned = []
    for batch in source(
        scenes=[StoredScene(pixels, scene.grades, MPP)], mpp=3.2, focus=1.0
    ).batches(10):
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


class TestHalved:
    """A scene at twice the µm per pixel."""

    def test_light_is_averaged_and_not_density(self) -> None:
        pixels = np.zeros((6, 8, 5), np.uint8)
        pixels[:, ::2, 2] = 200  # every other column lets 1 % of the light through
        level = halved(StoredScene(pixels, {}, 1.0)).pixels[..., 2]
        expected = -np.log10((1 + 0.01) / 2) / DYE_STEP
        assert level == pytest.approx(expected, abs=1)
        assert expected < 40, "the mean density would be 100"

    def test_what_is_even_stays(self) -> None:
        pixels = np.full((6, 8, 5), 37, np.uint8)
        half = halved(StoredScene(pixels, {}, 1.0))
        assert (half.pixels == 37).all()

    def test_size_and_scale(self) -> None:
        scene = StoredScene(np.zeros((7, 11, 5), np.uint8), {}, 0.9)
        half = halved(scene)
        assert half.pixels.shape == (3, 5, 5)
        assert half.mpp == 1.8

    def test_labels_are_picked_and_never_mixed(self) -> None:
        pixels = np.zeros((8, 12, 5), np.uint8)
        pixels[:4, :, 3], pixels[4:, :, 3] = Tissue.HYALINE, Tissue.SOFT
        pixels[:, 6:, 4] = Compartment.LTP.code
        half = halved(StoredScene(pixels, {}, 1.0)).pixels
        assert np.array_equal(half[..., 3], np.repeat([[1], [1], [7], [7]], 6, 1))
        assert np.array_equal(half[..., 4], np.repeat([[0, 0, 0, 4, 4, 4]], 4, 0))


class TestColour:
    """Stain batches drawn at random."""

    dyes = np.zeros((40, 60, 3), np.uint8)
    dyes[8:30, 10:50] = (90, 20, 10)

    def test_the_same_numbers_give_the_same_colour(self) -> None:
        one, again, other = (
            random_colour(self.dyes, np.random.default_rng(seed)) for seed in (3, 3, 4)
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

    def test_stained_is_darker_than_clear(self) -> None:
        for seed in range(20):
            picture = random_colour(self.dyes, np.random.default_rng(seed)).astype(int)
            assert picture.shape == (40, 60, 3)
            assert picture[12:26, 14:46].mean() < picture[:5].mean()

    def test_safranin_leans_to_orange_or_pink_and_never_to_blue(self) -> None:
        pure = np.zeros((24, 30, 3), np.uint8)
        pure[..., 0] = 100
        looks = [random_colour(pure, np.random.default_rng(seed)) for seed in range(30)]
        red, green, blue = np.array([look.mean((0, 1)) for look in looks]).T
        assert (red > green).mean() > 0.9
        assert (red > blue).mean() > 0.9
