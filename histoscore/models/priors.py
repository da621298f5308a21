"""What the coarse network tells the fine one of an example, kept on disk."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoscore.geometry import Mpp
from histoscore.models.dataset import as_shown, scaled
from histoscore.models.examples import Example, store_array
from histoscore.models.predict import Predictor, context_channels
from histoscore.slides.memory import PictureInMemory


def prior_of(predictor: Predictor, example: Example, folder: Path) -> NDArray[np.uint8]:
    """(rows / k, columns / k, context) of an example, computed where it is not in `folder` yet."""
    file = folder / f"{example.name}.npy"
    if not file.exists():
        store_array(file, _seen_by_coarse(predictor, example))
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))


def number_of(name: str) -> int:
    """A seed from an example's name, the same on any machine."""
    return zlib.crc32(name.encode())


def _seen_by_coarse(predictor: Predictor, example: Example) -> NDArray[np.uint8]:
    """Its context channels; a painted scene is shown in one random colour."""
    small = scaled(example, predictor.mpp_of("coarse"))
    rng = np.random.default_rng([7_003, number_of(example.name)])
    picture = as_shown(np.ascontiguousarray(small.pixels[..., :3]), small.facts.are_dyes, rng)
    slide = PictureInMemory(picture, Mpp(small.facts.mpp))
    box = slide.info.whole
    return context_channels(predictor.coarse(slide, box))
