"""Safranin O in growth plates, the reference beside every compartment's."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.geometry import Mpp, Placement
from histoscore.image.stain import REALISTIC
from histoscore.pipeline.strip_readouts import growth_plate_density
from histoscore.records import LabelArray, TissueMap
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Tissue

WHITE = (243.0, 238.0, 229.0)
SLIDE_MPP, COARSE_MPP = 0.65, 2.6


def stained(amount: np.ndarray) -> np.ndarray:
    """A picture with so much Safranin O and nothing else."""
    density = amount[..., None] * REALISTIC.matrix[0]
    return np.rint(np.array(WHITE) * 10**-density).astype(np.uint8)


def density_of(plate: slice, amount: float, around: float = 0.0) -> float | None:
    """Of a growth plate in some rows of a coarse map, on a slide four times as fine."""
    labels: LabelArray = np.full((60, 90), Tissue.BONE, np.uint8)
    labels[plate, 10:80] = Tissue.GROWTH_PLATE
    amounts = np.where(labels == Tissue.GROWTH_PLATE, amount, around)
    picture = stained(np.kron(amounts, np.ones((4, 4))))
    slide = PictureInMemory(picture, Mpp(SLIDE_MPP))
    place = Placement(0, 0, COARSE_MPP / SLIDE_MPP, Mpp(COARSE_MPP))
    return growth_plate_density(slide, TissueMap(labels, place), WHITE)


def test_it_is_the_mean_amount_in_the_plate_and_nothing_around_it() -> None:
    assert density_of(slice(20, 34), 0.62) == pytest.approx(0.62, abs=0.02)
    assert density_of(slice(20, 34), 0.3, around=0.9) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("plate", [slice(0, 0), slice(20, 22), slice(20, 24)])
def test_without_a_plate_worth_the_name_there_is_none(plate: slice) -> None:
    """Two rows are all border; of four two are left, 70 x 2 pixels, less than 2000 µm²."""
    assert density_of(plate, 0.62) is None
