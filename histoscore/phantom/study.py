"""A whole synthetic study on disk: slides, study sheet, simulated scorers, exact truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from histoscore.config import overridden, parse_settings
from histoscore.files import make_folder, write_atomic, write_json
from histoscore.phantom.anatomy import Knee, build_knee, sample_traits, vary
from histoscore.phantom.artefacts import add_dust, add_pen_mark, defocus
from histoscore.phantom.experiment import (
    AnimalPlan,
    PhantomSettings,
    plan_animals,
    scored_by,
    section_disease,
)
from histoscore.phantom.raster import View, noise
from histoscore.phantom.scanner import write_svs
from histoscore.phantom.staining import Batch, RgbImage, render, sample_batch
from histoscore.phantom.tissue import Scene, paint
from histoscore.phantom.truth import CompartmentTruth, compartment_truth
from histoscore.vocabulary import Side, format_rung

_STREAM = 9_001
"""Studies draw from a stream of seeds of their own: no training scene can be in one."""


@dataclass(frozen=True, slots=True)
class DrawnSection:
    """A section's picture-to-be and what is true of it."""

    scene: Scene
    truth: tuple[CompartmentTruth, ...]


@dataclass(frozen=True, slots=True)
class DrawnSlide:
    """A slide's picture, label map and truth, sections in reading order."""

    name: str
    animal: AnimalPlan
    picture: RgbImage
    tissue: np.ndarray
    medial: str
    sections: tuple[DrawnSection, ...]


def write_phantom_study(
    out: Path,
    animals: int,
    seed: int,
    appearance: str = "standard",
    overrides: Sequence[str] = (),
    report: object = None,
) -> None:
    """Writes study.csv, scorers.csv, truth.csv, slides/ and truth/ under `out`.

    Args:
        out: folder of the study.
        animals: how many, over all groups; one knee and one slide each.
        seed: of the whole study.
        appearance: `standard`, or `shifted`: a stain batch outside what training draws from.
        overrides: `key=value` for `PhantomSettings`.

    Raises:
        ConfigError: an override is not valid.
    """
    data = overridden({"appearance": appearance}, overrides)
    settings = parse_settings(PhantomSettings, data, "phantom --set")
    rng = np.random.default_rng([_STREAM, seed])
    batches = [sample_batch(rng, settings.appearance) for _ in range(settings.batches)]
    make_folder(out / "slides")
    make_folder(out / "truth")
    drawn = []
    for animal in plan_animals(animals, settings, rng):
        slide = draw_slide(animal, batches[animal.batch], settings, seed)
        write_svs(out / slide.name, slide.picture, settings.mpp, settings.quality, animal.name)
        _write_truth(out, slide, settings)
        drawn.append(_Row.of(slide))
        if callable(report):
            report(f"{slide.name}: {len(slide.sections)} sections")
    _write_tables(out, drawn, settings, np.random.default_rng([_STREAM, seed, 1]))


@dataclass(frozen=True, slots=True)
class _Row:
    """What the tables need of a slide once its pixels are written."""

    name: str
    animal: AnimalPlan
    medial: str
    truth: tuple[tuple[CompartmentTruth, ...], ...]

    @classmethod
    def of(cls, slide: DrawnSlide) -> _Row:
        return cls(slide.name, slide.animal, slide.medial, tuple(s.truth for s in slide.sections))


def draw_slide(
    animal: AnimalPlan, batch: Batch, settings: PhantomSettings, seed: int
) -> DrawnSlide:
    """All sections of one animal on one slide, top to bottom, mounted the same way round."""
    rng = np.random.default_rng([_STREAM, seed, 2, animal.number])
    traits = sample_traits(rng)
    # A left knee mirrors a right one, and either may be mounted upside down on the glass.
    mirrored = (animal.side is Side.LEFT) != bool(rng.random() < 0.3)
    count = int(rng.integers(settings.sections[0], settings.sections[1] + 1))
    sections = []
    for _ in range(count):
        knee = build_knee(vary(traits, rng, 0.02), section_disease(animal, rng), rng)
        scene = _trimmed(paint(knee, _view(settings, mirrored, rng), rng), rng)
        sections.append(DrawnSection(scene, _truth(knee)))
    dyes, tissue = _mounted([s.scene for s in sections], settings)
    picture = render(dyes, settings.mpp, batch, rng, rng.uniform(0.9, 1.1))
    if settings.artefacts:
        picture = _spoiled(picture, settings.mpp, rng)
    return DrawnSlide(
        f"slides/{animal.name}.svs",
        animal,
        picture,
        tissue,
        "right" if mirrored else "left",
        tuple(sections),
    )


def _view(settings: PhantomSettings, mirrored: bool, rng: np.random.Generator) -> View:
    shape = (round(settings.height_um / settings.mpp), round(settings.width_um / settings.mpp))
    center = (rng.uniform(-30, 30), -90 + rng.uniform(-40, 40))
    return View(shape, settings.mpp, center, rng.uniform(-7, 7), mirrored)


def _trimmed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene as a piece of tissue: nothing beyond a wavy outline a little inside its frame."""
    rows, columns = scene.tissue.shape
    px = 1 / scene.view.mpp
    margin = 45 * px
    edge = np.minimum.outer(
        np.minimum(np.arange(rows), np.arange(rows)[::-1]),
        np.minimum(np.arange(columns), np.arange(columns)[::-1]),
    ).astype(np.float32)
    shape = (rows, columns)
    wave = 22 * px * noise(shape, 260 * px, rng) + 5 * px * noise(shape, 40 * px, rng)
    gone = edge + wave < margin
    dyes, tissue, zones = scene.dyes.copy(), scene.tissue.copy(), scene.zones.copy()
    soft = cv2.GaussianBlur((~gone).astype(np.float32), (0, 0), 1.2 * px)
    dyes *= soft[..., None]
    tissue[gone], zones[gone] = 0, 0
    return Scene(dyes, tissue, zones, scene.view)


def _truth(knee: Knee) -> tuple[CompartmentTruth, ...]:
    return tuple(compartment_truth(bed) for bed in knee.beds)


def _mounted(scenes: Sequence[Scene], settings: PhantomSettings) -> tuple[np.ndarray, np.ndarray]:
    """The sections' dyes and labels below each other, with clean glass between and around."""
    gap = round(settings.gap_um / settings.mpp)
    rim = round(40 / settings.mpp)
    dyes, tissue = [], []
    for scene in scenes:
        if dyes:
            blank = (gap, scene.tissue.shape[1])
            dyes.append(np.zeros((*blank, 3), np.float32))
            tissue.append(np.zeros(blank, np.uint8))
        dyes.append(scene.dyes)
        tissue.append(scene.tissue)
    frame = ((rim, rim), (rim, rim))
    return (
        np.pad(np.vstack(dyes), (*frame, (0, 0))),
        np.pad(np.vstack(tissue), frame),
    )


def _spoiled(picture: RgbImage, mpp: float, rng: np.random.Generator) -> RgbImage:
    picture = add_dust(picture, mpp, rng)
    if rng.random() < 0.12:
        picture = add_pen_mark(picture, mpp, rng)
    if rng.random() < 0.10:
        picture = defocus(picture, mpp, rng)
    return picture


def _write_truth(out: Path, slide: DrawnSlide, settings: PhantomSettings) -> None:
    """Label map (PNG of `Tissue` values) and the measures (JSON) of one slide."""
    stem = out / "truth" / Path(slide.name).stem
    buffer = io.BytesIO()
    Image.fromarray(slide.tissue).save(buffer, "PNG")
    write_atomic(stem.with_suffix(".labels.png"), buffer.getvalue())
    sections = [
        {t.compartment.value: _plain(t) for t in section.truth} for section in slide.sections
    ]
    write_json(
        stem.with_suffix(".json"),
        {"slide": slide.name, "mpp": settings.mpp, "medial": slide.medial, "sections": sections},
    )


def _plain(truth: CompartmentTruth) -> dict[str, float | str]:
    return {f.name: getattr(truth, f.name) for f in fields(CompartmentTruth)}


def _write_tables(
    out: Path, rows: Sequence[_Row], settings: PhantomSettings, rng: np.random.Generator
) -> None:
    study = [
        (
            r.name,
            r.animal.name,
            r.animal.group.name,
            r.animal.side.value,
            r.medial,
            f"batch {r.animal.batch + 1}",
        )
        for r in rows
    ]
    _write_csv(out / "study.csv", ("slide", "animal", "group", "side", "medial", "batch"), study)
    truth, scores = [], []
    for row in rows:
        for number, section in enumerate(row.truth, 1):
            for t in section:
                place = (row.name, number, t.compartment.value)
                grade, *measures = astuple(t)[1:]
                truth.append((*place, format_rung(grade), *(f"{m:.4f}" for m in measures)))
                scores += [
                    (*place, row.animal.name, s.name, format_rung(scored_by(s, t.grade, rng)))
                    for s in settings.scorers
                ]
    columns = tuple(f.name for f in fields(CompartmentTruth))[1:]
    _write_csv(out / "truth.csv", ("slide", "section", "compartment", *columns), truth)
    _write_csv(
        out / "scorers.csv",
        ("slide", "section", "compartment", "animal", "scorer", "grade"),
        scores,
    )


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, text.getvalue())
