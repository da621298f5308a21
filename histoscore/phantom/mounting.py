"""One animal's sections on one slide: cut in series, painted, mounted, coloured, spoiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely.affinity import translate

from histoscore.geometry import Points
from histoscore.phantom.artefacts import Artefact, blur_and_light, damage, soil
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.experiment import AnimalPlan, PhantomSettings, section_disease
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.truth import CompartmentTruth, compartment_truth
from histoscore.phantom.painting.section import Scene, paint
from histoscore.phantom.raster import View, blocks
from histoscore.phantom.scanner import FORMATS
from histoscore.phantom.staining import Batch, render
from histoscore.records import LabelArray, MedialSide, RgbImage
from histoscore.vocabulary import Compartment, Side, Tissue

STUDY_STREAM = 9_001
"""Studies draw from a stream of seeds of their own: no training scene can be in one."""

GRADABLE_SHARE = 0.8
"""A compartment of which less is whole could not be graded by anybody."""

_RIM_UM = 60.0
"""Glass around the tissue within a section's frame."""


@dataclass(frozen=True, slots=True)
class DrawnSection:
    """One section where it lies on its slide, and what is true of it.

    Attributes:
        number: from 1, in reading order.
        knee: its curves. view: how they lie in the section's frame.
        corner: level-0 (x, y) of the frame's first pixel.
        truth: of all compartments.
        whole: share (0–1) of each compartment's cartilage that no fold, tear or loss took.
    """

    number: int
    knee: Knee
    view: View
    corner: tuple[int, int]
    truth: tuple[CompartmentTruth, ...]
    whole: Mapping[Compartment, float]

    def to_slide(self, points: Points) -> Points:
        """Knee-frame µm → level-0 (x, y), pixel centres at whole numbers."""
        return self.view.to_pixels(points) + self.corner

    @property
    def gradable(self) -> tuple[CompartmentTruth, ...]:
        """Truth of the compartments that a person could grade."""
        return tuple(t for t in self.truth if self.whole[t.compartment] >= GRADABLE_SHARE)


@dataclass(frozen=True, slots=True)
class DrawnSlide:
    """A slide's picture, label map and truth.

    Attributes:
        name: path below the study's folder, as the study sheet gives it.
        animal: whose knee it is.
        mpp: µm per pixel.
        picture: (rows, columns, 3) level 0.
        tissue: (rows, columns) `Tissue` values under the picture.
        medial: where the medial half lies when the femur is turned up.
        sections: in reading order. artefacts: of the whole slide, in level-0 pixels.
    """

    name: str
    animal: AnimalPlan
    mpp: float
    picture: RgbImage
    tissue: LabelArray
    medial: MedialSide
    sections: tuple[DrawnSection, ...]
    artefacts: tuple[Artefact, ...]


def draw_slide(
    animal: AnimalPlan, batch: Batch, mpp: float, settings: PhantomSettings, seed: int
) -> DrawnSlide:
    """All sections of one animal on one slide, mounted the same way round.

    What is drawn hangs on the study's seed and the animal's number alone, so that a slide stays
    the same however many animals a study has.
    """
    chance = Chance((STUDY_STREAM, seed, 2, animal.number))
    plan = _plan(animal, mpp, settings, chance)
    places = [_place(c, v.shape) for c, v in zip(plan.corners, plan.views, strict=True)]
    picture = _glass(plan.shape, places, mpp, batch, chance)
    tissue = np.zeros(plan.shape, np.uint8)
    sections, artefacts = [], []
    for number, (view, corner) in enumerate(zip(plan.views, plan.corners, strict=True), 1):
        at = _slice(chance, number, settings)
        size = (settings.width_um, settings.height_um)
        knee = build_knee(at, section_disease(animal, at), size)
        scene = paint(knee, view)
        before = _cartilage(scene, knee)
        found = _damaged(scene, settings, at.own.of("damage"))
        thickness = at.own.uniform("thickness", 0.9, 1.1)
        place = places[number - 1]
        picture[place] = render(scene.dyes, mpp, batch, at.own.of("camera"), thickness)
        tissue[place] = scene.tissue
        artefacts += [_moved(artefact, corner) for artefact in found]
        truth = tuple(compartment_truth(bed) for bed in knee.beds)
        after = _cartilage(scene, knee)
        whole = {c: _share(after[c], before[c]) for c in Compartment}
        sections.append(DrawnSection(number, knee, view, corner, truth, whole))
    artefacts += _spoiled(picture, mpp, settings, chance)
    name = f"slides/{animal.name}{FORMATS[settings.format].ending}"
    return DrawnSlide(
        name, animal, mpp, picture, tissue, plan.medial, tuple(sections), tuple(artefacts)
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where sections lie on a slide: its shape, a view and a corner each, the medial side."""

    shape: tuple[int, int]
    views: tuple[View, ...]
    corners: tuple[tuple[int, int], ...]
    medial: MedialSide


def _plan(animal: AnimalPlan, mpp: float, settings: PhantomSettings, chance: Chance) -> _Plan:
    rng = chance.of("mounting")
    # A left knee mirrors a right one, and either may be turned over on the glass.
    mirrored = (animal.side is Side.LEFT) != bool(rng.random() < 0.3)
    over = 180.0 if rng.random() < settings.upside_down else 0.0
    least, most = settings.sections
    count = least + int((rng.random(most - least) < settings.more_sections).sum())
    if rng.random() < settings.empty_slides:
        count = 0
    turns = np.clip(rng.normal(0, settings.turn_deg, count), -25, 25)
    views = tuple(_view(settings, mpp, turn + over, mirrored) for turn in turns)
    shape, corners = _laid_out(views, round(settings.gap_um / mpp), settings, mpp, rng)
    return _Plan(shape, views, corners, "right" if mirrored else "left")


def _view(settings: PhantomSettings, mpp: float, angle: float, mirrored: bool) -> View:
    """A frame just large enough for the turned tissue and a rim of glass."""
    a = np.deg2rad(angle)
    width, height = settings.width_um, settings.height_um
    across = abs(np.cos(a)) * width + abs(np.sin(a)) * height + 2 * _RIM_UM
    down = abs(np.sin(a)) * width + abs(np.cos(a)) * height + 2 * _RIM_UM
    return View((round(down / mpp), round(across / mpp)), mpp, (0.0, -60.0), angle, mirrored)


def _laid_out(
    views: tuple[View, ...],
    gap: int,
    settings: PhantomSettings,
    mpp: float,
    rng: np.random.Generator,
) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """Shape of the slide and corners of the frames: rows of sections, read like a page."""
    if not views:
        return (round(settings.height_um / mpp), round(settings.width_um / mpp)), ()
    in_row = 1 if len(views) == 1 else int(rng.integers(1, min(3, len(views)) + 1))
    high = max(view.shape[0] for view in views) + gap
    wide = max(view.shape[1] for view in views) + gap
    corners = []
    for index, view in enumerate(views):
        row, column = divmod(index, in_row)
        spare = (wide - view.shape[1], high - view.shape[0])
        jitter = rng.uniform(0.35, 0.65, 2)
        corners.append(
            (column * wide + round(spare[0] * jitter[0]), row * high + round(spare[1] * jitter[1]))
        )
    return (-(-len(views) // in_row) * high, in_row * wide), tuple(corners)


def _slice(chance: Chance, number: int, settings: PhantomSettings) -> Slice:
    """The section's place in the series that its animal's knee was cut into."""
    depth = chance.uniform("depth", 0, 1500) + (number - 1) * settings.section_step_um
    return Slice(chance.part("animal"), chance.part("section", number), depth)


def _place(corner: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    return slice(corner[1], corner[1] + shape[0]), slice(corner[0], corner[0] + shape[1])


def _glass(
    shape: tuple[int, int],
    places: Sequence[tuple[slice, slice]],
    mpp: float,
    batch: Batch,
    chance: Chance,
) -> RgbImage:
    """Empty glass as the batch's camera sees it; left out where a section will lie."""
    picture = np.empty((*shape, 3), np.uint8)
    pane = render(np.zeros((1024, 1024, 3), np.uint8), mpp, batch, chance.of("glass"))
    for rows, columns in blocks(View(shape, mpp), 1024):
        if not any(_holds(p[0], rows) and _holds(p[1], columns) for p in places):
            part = picture[rows, columns]
            part[:] = pane[: part.shape[0], : part.shape[1]]
    return picture


def _holds(outer: slice, inner: slice) -> bool:
    return bool(outer.start <= inner.start and inner.stop <= outer.stop)


def _cartilage(scene: Scene, knee: Knee) -> dict[Compartment, int]:
    """Pixels of each compartment's cartilage."""
    counts = {}
    for bed in knee.beds:
        place = scene.view.bounds(np.vstack([bed.hyaline_ring(), bed.calcified_ring()]))
        tissue, zones = (
            layer[place or (slice(0), slice(0))] for layer in (scene.tissue, scene.zones)
        )
        found = (tissue == Tissue.HYALINE) | (tissue == Tissue.CALCIFIED)
        counts[bed.compartment] = int((found & (zones == bed.compartment.code)).sum())
    return counts


def _share(left: int, before: int) -> float:
    return left / before if before else 0.0


def _damaged(
    scene: Scene, settings: PhantomSettings, rng: np.random.Generator
) -> tuple[Artefact, ...]:
    if settings.rates is None:
        return ()
    return damage(scene.dyes, scene.tissue, scene.view.mpp, settings.rates, rng)


def _moved(artefact: Artefact, corner: tuple[int, int]) -> Artefact:
    """A section's artefact where it lies on the slide."""
    outline = artefact.outline
    return replace(artefact, outline=outline and translate(outline, *corner))


def _spoiled(
    picture: RgbImage, mpp: float, settings: PhantomSettings, chance: Chance
) -> tuple[Artefact, ...]:
    """Dirt, ink and glass first, then what lens and scanner do to all of it."""
    if settings.rates is None:
        return ()
    on_glass = soil(picture, mpp, settings.rates, chance.of("dirt"))
    return on_glass + blur_and_light(picture, mpp, settings.rates, chance.of("optics"))
