"""A whole synthetic study on disk: slides, study sheet, simulated scorers, exact truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from shapely.affinity import translate

from histoscore.config import overridden, parse_settings, read_yaml
from histoscore.files import make_folder, write_atomic, write_json
from histoscore.geojson import dumps
from histoscore.phantom.experiment import AnimalPlan, PhantomSettings, plan_animals, scanner_mpp
from histoscore.phantom.knee.outlines import SectionOutlines, truth_features
from histoscore.phantom.knee.truth import CompartmentTruth
from histoscore.phantom.mounting import STUDY_STREAM, DrawnSection, DrawnSlide, draw_slide
from histoscore.phantom.scanner import FORMATS, Scan, write_label_map, write_slide
from histoscore.phantom.scorers import GradedTruth, read_slides
from histoscore.phantom.staining import sample_batch
from histoscore.records import MedialSide
from histoscore.vocabulary import IGNORE, Compartment, Tissue, format_rung

VERSION = 2
"""Of what is drawn: the same seed gives the same study while this stays."""

_MEASURES = tuple(f.name for f in fields(CompartmentTruth))[2:]
_STUDY_COLUMNS = ("slide", "animal", "group", "side", "medial", "mpp", "batch")
_TRUTH_COLUMNS = ("slide", "section", "compartment", "grade", *_MEASURES, "whole_share")
_SCORER_COLUMNS = ("slide", "section", "compartment", "animal", "scorer", "read", "grade")

Cells = tuple[object, ...]
"""A row of a table."""


def write_phantom_study(
    out: Path,
    animals: int,
    seed: int,
    appearance: str | None = None,
    overrides: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
    config: Path | None = None,
) -> None:
    """Writes study.csv, scorers.csv, truth.csv, slides/ and truth/ under `out`.

    Args:
        out: folder of the study; made where it is missing.
        animals: how many, over all groups; one knee and one slide each.
        seed: of the whole study; the same seed gives the same bytes.
        appearance: `standard`, or `shifted`: stain, scanner and artefacts outside what training
            draws from. None: the configuration's, else standard.
        overrides: `key=value` for `PhantomSettings`.
        report: told a line after every slide.
        config: YAML file of `PhantomSettings`; see configs/phantom.yaml.

    Raises:
        ConfigError: the configuration or an override is not valid.
        EnvironmentStopError: a file cannot be written.
    """
    data = read_yaml(config) if config else {}
    if appearance is not None:
        data["appearance"] = appearance
    where = str(config) if config else "phantom --set"
    settings = parse_settings(PhantomSettings, overridden(data, overrides), where)
    make_folder(out / "slides")
    make_folder(out / "truth")
    slides = list(_drawn(out, animals, seed, settings, report or _silent))
    _write_csv(out / "study.csv", _STUDY_COLUMNS, (_study_row(s, settings) for s in slides))
    _write_csv(out / "truth.csv", _TRUTH_COLUMNS, _truth_rows(slides))
    _write_csv(out / "scorers.csv", _SCORER_COLUMNS, _scorer_rows(slides, settings, seed))


@dataclass(frozen=True, slots=True)
class _Written:
    """What the tables need of a slide once its pixels are on disk."""

    name: str
    animal: AnimalPlan
    mpp: float
    medial: MedialSide
    truths: tuple[tuple[int, CompartmentTruth, float], ...]
    """(section number, truth, share that is whole) of every gradable compartment, in reading
    order."""

    @classmethod
    def of(cls, slide: DrawnSlide) -> _Written:
        truths = tuple(
            (section.number, truth, section.whole[truth.compartment])
            for section in slide.sections
            for truth in section.gradable
        )
        return cls(slide.name, slide.animal, slide.mpp, slide.medial, truths)


def _drawn(
    out: Path, animals: int, seed: int, settings: PhantomSettings, report: Callable[[str], None]
) -> Iterator[_Written]:
    """Draws and writes one slide after the other: only one is in memory at a time."""
    rng = np.random.default_rng([STUDY_STREAM, seed])
    batches = [sample_batch(rng, settings.appearance) for _ in range(settings.batches)]
    mpp = scanner_mpp(settings, rng)
    for animal in plan_animals(animals, settings, rng):
        slide = draw_slide(animal, batches[animal.batch], mpp, settings, seed)
        scan = Scan(mpp, settings.quality)
        write_slide(out / slide.name, slide.picture, settings.format, scan, animal.name)
        _write_truth(out / "truth" / animal.name, slide, seed, settings)
        report(f"{slide.name}: {len(slide.sections)} sections")
        yield _Written.of(slide)


def _silent(line: str) -> None:
    """Tells nobody."""


def _write_truth(stem: Path, slide: DrawnSlide, seed: int, settings: PhantomSettings) -> None:
    """Label map, outlines for QuPath, and all that is known of one slide as JSON."""
    palette = {int(tissue): tissue.color for tissue in Tissue} | {IGNORE: (30, 30, 30)}
    write_label_map(stem.with_suffix(".labels.tif"), slide.tissue, slide.mpp, palette)
    outlines = [_outlines(section) for section in slide.sections]
    spoiled = [
        (artefact.kind.value, translate(artefact.outline, -0.5, -0.5), artefact.facts)
        for artefact in slide.artefacts
        if artefact.outline is not None
    ]
    features = truth_features(slide.name, outlines, spoiled)
    write_atomic(stem.with_suffix(".geojson"), dumps(features))
    write_json(
        stem.with_suffix(".json"),
        {
            "slide": slide.name,
            "phantom_version": VERSION,
            "seed": seed,
            "settings": settings.model_dump(mode="json"),
            "mpp": slide.mpp,
            "medial": slide.medial,
            "sections": [_section_facts(section) for section in slide.sections],
            "artefacts": [
                {"kind": artefact.kind.value, **artefact.facts} for artefact in slide.artefacts
            ],
        },
    )


def _outlines(section: DrawnSection) -> SectionOutlines:
    soft = section.knee.soft
    other = {Tissue.MENISCUS: [meniscus.ring for meniscus in soft.menisci]}
    return SectionOutlines(
        section.number, section.knee.beds, section.truth, section.to_slide, other
    )


def _section_facts(section: DrawnSection) -> dict[str, Any]:
    """Measures and disease of a section's compartments, also of those that nobody could grade."""
    gradable = {truth.compartment for truth in section.gradable}
    return {
        "section": section.number,
        "depth_um": section.knee.at.depth_um,
        "turned_deg": section.view.angle,
        "compartments": {
            bed.compartment.value: asdict(truth)
            | {
                "drawn": asdict(bed.disease),
                "whole_share": section.whole[bed.compartment],
                "gradable": bed.compartment in gradable,
            }
            for bed, truth in zip(section.knee.beds, section.truth, strict=True)
        },
    }


def _study_row(slide: _Written, settings: PhantomSettings) -> Cells:
    animal = slide.animal
    mpp = "" if FORMATS[settings.format].carries_mpp else f"{slide.mpp:g}"
    batch = f"batch {animal.batch + 1}"
    return slide.name, animal.name, animal.group.name, animal.side, slide.medial, mpp, batch


def _truth_rows(slides: Iterable[_Written]) -> Iterator[Cells]:
    for slide in slides:
        for number, truth, whole in slide.truths:
            measures = (_written(getattr(truth, name)) for name in _MEASURES)
            grade = format_rung(truth.grade)
            yield slide.name, number, truth.compartment, grade, *measures, _written(whole)


def _written(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _scorer_rows(
    slides: Iterable[_Written], settings: PhantomSettings, seed: int
) -> Iterator[Cells]:
    truths = [
        GradedTruth(
            slide.name, number, Compartment(truth.compartment), slide.animal.name, truth.grade
        )
        for slide in slides
        for number, truth, _ in slide.truths
    ]
    for r in read_slides(truths, settings.scorers, seed):
        grade = "" if r.grade is None else format_rung(r.grade)
        yield r.slide, r.section, r.compartment, r.animal, r.scorer, r.read, grade


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[Cells]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, text.getvalue())
