"""Fingerprints: copies of a section are known again, other sections are not taken for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
import pytest

from histoscore.models.duplicates import fingerprint, same_picture
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.staining import render, sample_batch
from histoscore.records import RgbImage
from histoscore.vocabulary import Compartment

MPP = 6.1
SIZE_UM = (2600.0, 1400.0)


def section(animal: int, depth_um: float) -> RgbImage:
    """One section of an animal, at a depth of its series, on some glass."""
    chance = Chance((77, animal))
    at = Slice(chance.part("animal"), chance.part(f"section {depth_um}"), depth_um)
    knee = build_knee(at, {c: Disease(grade=2.0) for c in Compartment}, SIZE_UM)
    view = View((round(1700 / MPP), round(2900 / MPP)), MPP)
    scene = paint(knee, view)
    batch = sample_batch(np.random.default_rng(3))
    return render(scene.dyes, MPP, batch, chance.of("camera"), 1.0)


@pytest.fixture(scope="module")
def sections() -> dict[tuple[int, float], RgbImage]:
    """Two animals, two sections of each, 80 µm apart."""
    return {(animal, d): section(animal, d) for animal in range(2) for d in (400.0, 480.0)}


def as_jpeg(picture: RgbImage) -> RgbImage:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scaled(picture: RgbImage, factor: float) -> RgbImage:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=method)
    return np.asarray(resized, np.uint8)


COPIES: dict[str, Callable[[RgbImage], RgbImage]] = {
    "saved as JPEG": as_jpeg,
    "at half the scale": lambda picture: scaled(picture, 0.5),
    "enlarged": lambda picture: scaled(picture, 1.7),
    "cut a little closer": lambda picture: picture[4:-2, 3:-7],
    "darker": lambda picture: (picture * 0.9).astype(np.uint8),
    "turned by 180°, JPEG": lambda picture: as_jpeg(picture[::-1, ::-1].copy()),
    "mirrored, smaller": lambda picture: scaled(picture[:, ::-1].copy(), 0.6),
    "turned over": lambda picture: picture[::-1].copy(),
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_known_again(
    copied: Callable[[RgbImage], RgbImage], sections: dict[tuple[int, float], RgbImage]
) -> None:
    for picture in sections.values():
        assert same_picture(fingerprint(picture), fingerprint(copied(picture)))


def test_neighbouring_sections_and_other_animals_are_not_copies(
    sections: dict[tuple[int, float], RgbImage],
) -> None:
    prints = [fingerprint(picture) for picture in sections.values()]
    assert not any(same_picture(one, other) for one, other in combinations(prints, 2))


def test_a_fingerprint_is_256_bits(sections: dict[tuple[int, float], RgbImage]) -> None:
    assert len(bytes.fromhex(fingerprint(sections[0, 400.0]))) == 32


def test_bare_glass_is_like_nothing() -> None:
    blank = fingerprint(np.full((60, 80, 3), 240, np.uint8))
    assert blank == ""
    assert not same_picture(blank, blank)
    assert not same_picture("", "0f" * 32)
