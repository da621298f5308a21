"""One animal's sections on one slide: painted, trimmed, mounted below each other, coloured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from histoscore.phantom.anatomy import build_knee
from histoscore.phantom.artefacts import add_dust, add_pen_mark, defocus
from histoscore.phantom.experiment import AnimalPlan, PhantomSettings, section_disease
from histoscore.phantom.raster import Field, View, noise
from histoscore.phantom.staining import Batch, render
from histoscore.phantom.tissue import Scene, paint
from histoscore.phantom.traits import Traits, sample_traits, vary
from histoscore.phantom.truth import CompartmentTruth, compartment_truth
from histoscore.records import LabelArray, Mask, MedialSide, RgbImage
from histoscore.vocabulary import Side

STUDY_STREAM = 9_001
"""Studies draw from a stream of seeds of their own: no training scene can be in one."""

_RIM_UM = 100.0
"""Glass around the outermost sections."""


@dataclass(frozen=True, slots=True)
class DrawnSection:
    """A section's picture-to-be and what is true of it."""

    scene: Scene
    truth: tuple[CompartmentTruth, ...]


@dataclass(frozen=True, slots=True)
class DrawnSlide:
    """A slide's picture, label map and truth.

    Attributes:
        name: path below the study's folder, as the study sheet gives it.
        animal: whose knee it is.
        picture: (rows, columns, 3) level 0.
        tissue: (rows, columns) `Tissue` values under the picture.
        medial: where the medial half lies.
        sections: in reading order.
    """

    name: str
    animal: AnimalPlan
    picture: RgbImage
    tissue: LabelArray
    medial: MedialSide
    sections: tuple[DrawnSection, ...]


def draw_slide(
    animal: AnimalPlan, batch: Batch, settings: PhantomSettings, seed: int
) -> DrawnSlide:
    """All sections of one animal on one slide, top to bottom, mounted the same way round.

    What is drawn hangs on the study's seed and the animal's number alone, so that a slide stays
    the same however many animals a study has.
    """
    rng = np.random.default_rng([STUDY_STREAM, seed, 2, animal.number])
    traits = sample_traits(rng)
    # A left knee mirrors a right one, and either may be mounted upside down on the glass.
    mirrored = (animal.side is Side.LEFT) != bool(rng.random() < 0.3)
    least, most = settings.sections
    count = least + int((rng.random(most - least) < settings.more_sections).sum())
    sections = tuple(_section(traits, animal, settings, mirrored, rng) for _ in range(count))
    dyes, tissue = _mounted([s.scene for s in sections], settings)
    picture = render(dyes, settings.mpp, batch, rng, rng.uniform(0.9, 1.1))
    if settings.artefacts:
        picture = _spoiled(picture, settings.mpp, rng)
    medial: MedialSide = "right" if mirrored else "left"
    return DrawnSlide(f"slides/{animal.name}.svs", animal, picture, tissue, medial, sections)


def _section(
    traits: Traits,
    animal: AnimalPlan,
    settings: PhantomSettings,
    mirrored: bool,
    rng: np.random.Generator,
) -> DrawnSection:
    knee = build_knee(vary(traits, rng, 0.02), section_disease(animal, rng), rng)
    scene = _trimmed(paint(knee, _view(settings, mirrored, rng), rng), rng)
    return DrawnSection(scene, tuple(compartment_truth(bed) for bed in knee.beds))


def _view(settings: PhantomSettings, mirrored: bool, rng: np.random.Generator) -> View:
    shape = (round(settings.height_um / settings.mpp), round(settings.width_um / settings.mpp))
    center = (rng.uniform(-30, 30), -90 + rng.uniform(-40, 40))
    return View(shape, settings.mpp, center, rng.uniform(-7, 7), mirrored)


def _trimmed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene as a piece of tissue: nothing beyond a wavy outline a little inside its frame."""
    gone = _beyond_outline(scene.view, rng)
    soft = cv2.GaussianBlur((~gone).astype(np.float32), (0, 0), 1.2 / scene.view.mpp)
    tissue, zones = (np.where(gone, 0, labels) for labels in (scene.tissue, scene.zones))
    return Scene(scene.dyes * soft[..., None], tissue, zones, scene.view)


def _beyond_outline(view: View, rng: np.random.Generator) -> Mask:
    px = 1 / view.mpp
    wave = 22 * px * noise(view.shape, 260 * px, rng) + 5 * px * noise(view.shape, 40 * px, rng)
    return np.asarray(_to_frame(view.shape) + wave < 45 * px)


def _to_frame(shape: tuple[int, int]) -> Field:
    """(rows, columns) distance of every pixel to the nearest edge of the array, pixels."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in shape)
    return np.minimum.outer(rows, columns).astype(np.float32)


def _mounted(scenes: Sequence[Scene], settings: PhantomSettings) -> tuple[Field, LabelArray]:
    """The sections' dyes and labels below each other, with clean glass between and around."""
    rim = round(_RIM_UM / settings.mpp)
    gap = round(settings.gap_um / settings.mpp)
    rows, columns = scenes[0].tissue.shape
    height = len(scenes) * (rows + gap) - gap
    dyes = np.zeros((height + 2 * rim, columns + 2 * rim, 3), np.float32)
    tissue = np.zeros(dyes.shape[:2], np.uint8)
    for index, scene in enumerate(scenes):
        top = rim + index * (rows + gap)
        place = (slice(top, top + rows), slice(rim, rim + columns))
        dyes[place], tissue[place] = scene.dyes, scene.tissue
    return dyes, tissue


def _spoiled(picture: RgbImage, mpp: float, rng: np.random.Generator) -> RgbImage:
    """The usual amount of artefacts: dust, now and then a pen mark or a region out of focus."""
    picture = add_dust(picture, mpp, rng)
    if rng.random() < 0.12:
        picture = add_pen_mark(picture, mpp, rng)
    if rng.random() < 0.10:
        picture = defocus(picture, mpp, rng)
    return picture
