"""What the scanner does to a slide: a region out of focus, seams, uneven light."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.artefacts.fields import add_seams, add_uneven_light, field_px
from histoscore.phantom.artefacts.focus import add_blur
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactRates
from histoscore.records import RgbImage


def blur_and_light(
    picture: RgbImage, mpp: float, rates: ArtefactRates, rng: np.random.Generator
) -> tuple[Artefact, ...]:
    """Scans a slide badly, in place: focus first, then the light, then the stitching.

    Seams and uneven light share the scanner's fields. Arguments as for `glass.soil`.
    """
    blur, fields, light, seam = (np.random.default_rng(s) for s in rng.integers(2**63, size=4))
    side = field_px(mpp, fields)
    offset = int(fields.integers(side))
    found: list[Artefact | None] = []
    if blur.random() < rates.blur:
        found.append(add_blur(picture, mpp, blur))
    if light.random() < rates.light:
        found.append(add_uneven_light(picture, mpp, side, offset, light))
    if seam.random() < rates.seam:
        found.append(add_seams(picture, mpp, side, offset, seam))
    return tuple(artefact for artefact in found if artefact is not None)
