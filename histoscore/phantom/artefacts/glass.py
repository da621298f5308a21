"""What lies on, in and under the glass: dust, bubbles, the coverslip's edge, pen marks."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.artefacts.bubbles import add_bubbles
from histoscore.phantom.artefacts.coverslip import add_coverslip_edge
from histoscore.phantom.artefacts.dust import add_dust
from histoscore.phantom.artefacts.kinds import Artefact, ArtefactRates
from histoscore.phantom.artefacts.margins import sides_of
from histoscore.phantom.artefacts.pen import add_pen
from histoscore.records import RgbImage


def soil(
    picture: RgbImage, mpp: float, rates: ArtefactRates, rng: np.random.Generator
) -> tuple[Artefact, ...]:
    """Soils a slide in place, from the tissue upwards.

    Each kind has random numbers of its own: more dust moves no pen mark.

    Args:
        picture: (rows, columns, 3) of the slide.
        mpp: µm per pixel.
        rates: how often what comes.
        rng: the slide's random numbers.
    """
    bubbles, edge, dust, pen = (np.random.default_rng(s) for s in rng.integers(2**63, size=4))
    sides = sides_of(picture, mpp)
    found: list[Artefact | None] = []
    if bubbles.random() < rates.bubble:
        found += add_bubbles(picture, mpp, bubbles)
    if edge.random() < rates.coverslip:
        found.append(add_coverslip_edge(picture, sides, mpp, edge))
    if rates.dust:
        found.append(add_dust(picture, mpp, rates.dust, dust))
    if pen.random() < rates.pen:
        found.append(add_pen(picture, sides, mpp, pen))
    return tuple(artefact for artefact in found if artefact is not None)
