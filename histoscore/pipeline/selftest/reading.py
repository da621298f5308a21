"""Is a known slide read as it was: header, scale, decoded pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from histoscore.export.selftest import Check, Part
from histoscore.files import write_atomic
from histoscore.geometry import Box, Mpp
from histoscore.pipeline.selftest.known_values import (
    EXACT,
    PIXELS,
    REDUCED,
    SLIDE,
    Golden,
    Tolerance,
    Value,
    compared,
)
from histoscore.records import RgbImage
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide

PART = Box(760, 560, 256, 192)
"""The part whose pixels are kept, in level-0 pixels: both cartilages, their bone, glass; it begins
and ends inside stored tiles."""

GREY_LEVELS = Tolerance(3)
"""Two decoders that keep to the JPEG standard may round a sample by one, and colour conversion
turns that into two or three of 255. Another scale, order of colours or place differs by tens."""
MEAN_COLOUR = Tolerance(0.5)

PICTURES = {
    "pixels at full size, largest difference (grey levels)": (PIXELS, 1),
    "pixels at half size, largest difference (grey levels)": (REDUCED, 2),
}


def read_known() -> dict[str, Value]:
    """What is read of the slide: header and mean colour."""
    with open_slide(SLIDE) as slide:
        info, whole = slide.info, slide.read_at(slide.info.whole, Mpp(slide.info.mpp))
        means = whole.reshape(-1, 3).mean(0)
        found: dict[str, Value] = {
            "format": info.format,
            "width (px)": info.width,
            "height (px)": info.height,
            "levels": len(info.levels),
            "pixel size (µm)": float(info.mpp),
            "pixel size from": info.mpp_source,
        }
    for colour, mean in zip(("red", "green", "blue"), means, strict=True):
        found[f"mean {colour} (grey levels)"] = round(float(mean), 3)
    return found


def reader_checks(golden: Golden) -> Iterator[Check]:
    """The slide's header and pixels against those that were kept."""
    found = read_known()
    for name, expected in golden.reader.items():
        tolerance = MEAN_COLOUR if name.startswith("mean ") else EXACT
        yield compared(Part.READER, name, expected, found.get(name), tolerance)
    with open_slide(SLIDE) as slide:
        for name, (kept, factor) in PICTURES.items():
            yield _picture_check(name, _kept(kept), _part(slide, factor))


def keep_pictures() -> None:
    """Write the pictures that later installations are held against: golden values are renewed."""
    with open_slide(SLIDE) as slide:
        for path, factor in PICTURES.values():
            done, data = cv2.imencode(".png", _part(slide, factor)[..., ::-1])
            assert done
            write_atomic(path, data.tobytes())


def _picture_check(name: str, kept: RgbImage, found: RgbImage) -> Check:
    if kept.shape != found.shape:
        return compared(Part.READER, name, str(kept.shape), str(found.shape))
    apart = int(np.abs(kept.astype(int) - found).max())
    return compared(Part.READER, name, 0, apart, GREY_LEVELS)


def _part(slide: Slide, factor: int) -> RgbImage:
    return slide.read_at(PART, Mpp(slide.info.mpp * factor))


def _kept(path: Path) -> RgbImage:
    with open_slide(path, sheet_mpp=1.0) as slide:
        return slide.read_at(slide.info.whole, Mpp(1.0))
