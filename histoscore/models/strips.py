"""Compartments of examples laid straight, as the grader learns them: found by the networks."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoscore.files import write_atomic
from histoscore.geometry import Mpp
from histoscore.image.strips import ABOVE_PX
from histoscore.models.dataset import UInt8, as_shown, recoloured
from histoscore.models.examples import Example
from histoscore.models.predict import Predictor
from histoscore.models.reading import read_section, read_strip
from histoscore.records import Strip
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Compartment

Colouring = Callable[[UInt8, bool, np.random.Generator], UInt8]


@dataclass(frozen=True, slots=True)
class ExampleStrip:
    """A compartment's strip before it has a random colour, beside its scorers' grades.

    `pixels` (depth, length, 5): three dye levels or R, G, B, and two label masks (0, 255).
    """

    pixels: NDArray[np.uint8]
    compartment: Compartment
    grades: Mapping[str, float]
    animal: str
    are_dyes: bool
    mpp: Mpp
    slide: str = ""
    section: int = 1

    def shown(self, rng: np.random.Generator) -> Strip:
        """As a slide would show it: in its own colour, a painted one in a random colour."""
        return self._strip(self.pixels, as_shown, ABOVE_PX, rng)

    def varied(self, rng: np.random.Generator) -> Strip:
        """In a random colour, either way round, shifted a little in depth."""
        pixels = self.pixels[:, :: rng.choice([-1, 1])]
        shift = int(rng.integers(-4, 5))
        rows = np.clip(np.arange(len(pixels)) - shift, 0, len(pixels) - 1)
        return self._strip(pixels[rows], recoloured, ABOVE_PX + shift, rng)

    def _strip(
        self, pixels: UInt8, colour: Colouring, tidemark_row: int, rng: np.random.Generator
    ) -> Strip:
        picture = colour(np.ascontiguousarray(pixels[..., :3]), self.are_dyes, rng)
        layers = np.dstack([picture, pixels[..., 3:]])
        return Strip(self.compartment, layers, tidemark_row, self.mpp)


def cut_strips(predictor: Predictor, example: Example, seed: int, file: Path) -> None:
    """Reads an example as a slide and stores the strips of its graded compartments.

    A painted scene is read in one random colour; its strips hold dyes, to be coloured anew at
    every step. Compartments that the networks do not find leave no strip.
    """
    drawn = example.facts.are_dyes
    colours = np.ascontiguousarray(example.pixels[..., :3])
    mpp = Mpp(example.facts.mpp)
    picture = as_shown(colours, drawn, np.random.default_rng([7_002, seed]))
    slide = PictureInMemory(picture, mpp)
    box = slide.info.whole
    reading = read_section(predictor, slide, box, example.facts.medial)
    # The dyes stand in for colours; turned over, since what lies outside a picture is white, and
    # means no dye.
    source = PictureInMemory(255 - colours, mpp) if drawn else slide
    strips = {}
    for measures in reading.measures if reading else ():
        if not example.facts.grades.get(measures.compartment):
            continue
        assert reading  # or there would be no measures
        strip = read_strip(source, reading.labels, measures, predictor.mpp_of("grader"))
        pixels = strip.pixels.copy()
        if drawn:
            pixels[..., :3] = 255 - pixels[..., :3]
        strips[measures.compartment.value] = pixels
    store = io.BytesIO()
    np.savez(store, allow_pickle=False, **strips)
    write_atomic(file, store.getvalue())


def load_strips(file: Path, example: Example, mpp: Mpp) -> list[ExampleStrip]:
    """The strips cut from an example, beside its grades."""
    facts = example.facts
    with np.load(file, allow_pickle=False) as stored:
        return [
            ExampleStrip(
                pixels=stored[name],
                compartment=Compartment(name),
                grades=facts.grades[Compartment(name)],
                animal=facts.animal,
                are_dyes=facts.are_dyes,
                mpp=mpp,
                slide=facts.slide,
                section=facts.section,
            )
            for name in stored.files
        ]


def wanted_shares(strips: Sequence[ExampleStrip], rungs: Sequence[float]) -> NDArray[np.float32]:
    """(n, rungs): for each strip the share of its scorers' grades on each rung."""
    shares = np.zeros((len(strips), len(rungs)), np.float32)
    for row, strip in enumerate(strips):
        for grade in strip.grades.values():
            shares[row, rungs.index(grade)] += 1 / len(strip.grades)
    return shares
