"""The range of appearance a model was trained within, so that other stains can be refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from histoscore.image.stain import stain_readouts, white_point
from histoscore.models.dataset import coloured
from histoscore.models.examples import Example
from histoscore.vocabulary import Tissue

READOUTS = ("pink_purple_share",)
"""Stain read-outs, shares from 0 to 1, that tell Safranin O / Fast Green from H&E and its kin."""
LOOK_UM = 8.0
"""Scale of the look: the overview's, where sections are judged before any network sees them."""
COLOURS_PER_EXAMPLE = 3
OUTSIDE = 0.005
"""Share of the training colours that count as freaks at either end."""


def appearance_limits(examples: Iterable[Example]) -> Mapping[str, tuple[float, float]]:
    """For each read-out the range beyond which a stain is foreign.

    The range of the training colours, widened half-way to the ends of the scale: a slide is
    refused only when it lies nearer to a wholly foreign stain than to anything seen.
    """
    looks = [
        look
        for number, example in enumerate(examples)
        for look in _looks(example, np.random.default_rng([7_004, number]))
    ]
    return {name: _range([look[name] for look in looks]) for name in READOUTS}


def _looks(example: Example, rng: np.random.Generator) -> Sequence[Mapping[str, float]]:
    """Read-outs of the example's tissue in a few random colours."""
    step = max(1, round(LOOK_UM / example.facts.mpp))
    pixels = np.ascontiguousarray(example.pixels[::step, ::step])
    tissue = pixels[..., 3] != Tissue.BACKGROUND
    looks = []
    for _ in range(COLOURS_PER_EXAMPLE):
        picture = coloured(pixels[..., :3], example, rng)
        looks.append(stain_readouts(picture[tissue], white_point(picture, tissue)))
    return looks


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [OUTSIDE, 1 - OUTSIDE])
    return round(float(low) / 2, 3), round((float(high) + 1) / 2, 3)
