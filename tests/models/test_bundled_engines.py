"""The bundled networks on a slide: what engine and batch may change, and what they may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from histoscore.config import TileSettings
from histoscore.geometry import Box
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.pipeline.selftest.known_values import SLIDE
from histoscore.records import LabelArray, SegmentationMap
from histoscore.slides.open import open_slide

PART = Box(700, 500, 760, 540)
"""Of the self-test's slide: cartilage of a condyle and a plateau."""


@dataclass(frozen=True)
class Maps:
    coarse: SegmentationMap
    fine: LabelArray


def maps(engine: Any, batch: int) -> Maps:
    networks = Predictor.of(find_bundle("demo"), "cpu", TileSettings(batch=batch), engine)
    with open_slide(SLIDE) as slide:
        coarse = networks.coarse(slide, PART)
        wanted = np.zeros(coarse.tissue.shape[1:], bool)
        wanted[60:150, 60:200] = True
        return Maps(coarse, networks.fine(slide, coarse, wanted).tissue)


@pytest.fixture(scope="module")
def usual() -> Maps:
    return maps("torch", 8)


@pytest.mark.fault(60)
def test_the_same_again_is_the_same_to_the_byte(usual: Maps) -> None:
    again = maps("torch", 8)
    assert again.coarse.tissue.tobytes() == usual.coarse.tissue.tobytes()
    assert again.coarse.zones.tobytes() == usual.coarse.zones.tobytes()
    assert again.fine.tobytes() == usual.fine.tobytes()


@pytest.mark.fault(60)
@pytest.mark.parametrize(("engine", "batch"), [("torch", 3), ("openvino", 3)])
def test_engines_and_batches_agree_within_a_256th_and_one_pixel_in_ten_thousand(
    usual: Maps, engine: str, batch: int
) -> None:
    """The tolerance that docs/performance.md states for labels, and rounding to bytes."""
    other = maps(engine, batch)
    assert cv2.absdiff(other.coarse.tissue, usual.coarse.tissue).max() <= 1
    assert cv2.absdiff(other.coarse.zones, usual.coarse.zones).max() <= 1
    assert len(np.unique(usual.fine)) >= 4
    assert (other.fine == usual.fine).mean() >= 0.9999
