"""What the picture says of each compartment's cartilage: stain, sharpness, and what hides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from histoscore.geometry import Placement
from histoscore.image.nuclei import count_nuclei
from histoscore.image.placed import box_around, mask_through
from histoscore.image.quality import cartilage_readouts
from histoscore.image.stain import Rgb, safranin_of
from histoscore.records import Morphometry, Strip, TissueMap
from histoscore.slides.base import Slide
from histoscore.vocabulary import Tissue

MIN_PLATE_UM2 = 2_000.0
"""Less growth plate than this is no reference."""


def with_readouts(
    measures: Sequence[Morphometry],
    strips: Sequence[Strip],
    white: Rgb,
    growth_plate: float | None,
    count_cells: bool = False,
) -> tuple[Morphometry, ...]:
    """The measures with what their strips show; `growth_plate` is the density to stand beside
    theirs."""
    return tuple(
        _read(one, strip, white, growth_plate, count_cells)
        for one, strip in zip(measures, strips, strict=True)
    )


def growth_plate_density(slide: Slide, coarse: TissueMap, white: Rgb) -> float | None:
    """Mean Safranin O (optical density along its vector) of a section's growth plates, without
    their borders; None where hardly any is seen."""
    plate = (coarse.tissue == Tissue.GROWTH_PLATE).astype(np.uint8)
    inner = cv2.erode(plate, np.ones((3, 3), np.uint8)) > 0
    place = coarse.placement
    if inner.sum() * place.mpp**2 < MIN_PLATE_UM2:
        return None
    box = box_around(inner, place)
    picture = slide.read_at(box, place.mpp)
    here = Placement(box.x, box.y, place.downsample, place.mpp)
    found = safranin_of(picture[mask_through(inner, place, here, picture.shape)], white)
    return found.density if found else None


def _read(
    measures: Morphometry,
    strip: Strip,
    white: Rgb,
    growth_plate: float | None,
    count_cells: bool,
) -> Morphometry:
    colour = np.ascontiguousarray(strip.pixels[..., :3])
    hyaline, calcified = (strip.pixels[..., layer] > 127 for layer in (3, 4))
    stain = safranin_of(colour[hyaline], white)
    quality = cartilage_readouts(colour, hyaline | calcified, white)
    sharpness, obscured = quality or (None, None)
    return replace(
        measures,
        safranin_fraction=stain.fraction if stain else None,
        safranin_density=stain.density if stain else None,
        growth_plate_safranin_density=growth_plate,
        focus=sharpness,
        obscured_fraction=obscured,
        chondrocyte_count=count_nuclei(colour, hyaline, strip.mpp, white) if count_cells else None,
    )
