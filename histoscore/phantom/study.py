"""A whole synthetic study on disk: slides, study sheet, simulated scorers, exact truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from histoscore.config import overridden, parse_settings
from histoscore.files import make_folder, write_atomic, write_json
from histoscore.phantom.experiment import AnimalPlan, PhantomSettings, plan_animals, scored_by
from histoscore.phantom.mounting import STUDY_STREAM, DrawnSlide, draw_slide
from histoscore.phantom.scanner import write_svs
from histoscore.phantom.staining import sample_batch
from histoscore.phantom.truth import CompartmentTruth
from histoscore.records import MedialSide
from histoscore.vocabulary import format_rung

_MEASURES = tuple(f.name for f in fields(CompartmentTruth))[2:]
_STUDY_COLUMNS = ("slide", "animal", "group", "side", "medial", "batch")
_TRUTH_COLUMNS = ("slide", "section", "compartment", "grade", *_MEASURES)
_SCORER_COLUMNS = ("slide", "section", "compartment", "animal", "scorer", "grade")

Cells = tuple[object, ...]
"""A row of a table."""


def write_phantom_study(
    out: Path,
    animals: int,
    seed: int,
    appearance: str = "standard",
    overrides: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> None:
    """Writes study.csv, scorers.csv, truth.csv, slides/ and truth/ under `out`.

    Args:
        out: folder of the study; made where it is missing.
        animals: how many, over all groups; one knee and one slide each.
        seed: of the whole study; the same seed gives the same bytes.
        appearance: `standard`, or `shifted`: a stain batch outside what training draws from.
        overrides: `key=value` for `PhantomSettings`.
        report: told a line after every slide.

    Raises:
        ConfigError: an override is not valid.
        EnvironmentStopError: a file cannot be written.
    """
    data = overridden({"appearance": appearance}, overrides)
    settings = parse_settings(PhantomSettings, data, "phantom --set")
    make_folder(out / "slides")
    make_folder(out / "truth")
    drawn = list(_drawn(out, animals, seed, settings, report or _silent))
    _write_tables(out, drawn, settings, np.random.default_rng([STUDY_STREAM, seed, 1]))


@dataclass(frozen=True, slots=True)
class _Written:
    """What the tables need of a slide once its pixels are on disk."""

    name: str
    animal: AnimalPlan
    medial: MedialSide
    sections: tuple[tuple[CompartmentTruth, ...], ...]

    def truths(self) -> Iterator[tuple[int, CompartmentTruth]]:
        """(section number, truth) of every compartment, in reading order."""
        for number, section in enumerate(self.sections, 1):
            for truth in section:
                yield number, truth


def _drawn(
    out: Path, animals: int, seed: int, settings: PhantomSettings, report: Callable[[str], None]
) -> Iterator[_Written]:
    """Draws and writes one slide after the other: only one is in memory at a time."""
    rng = np.random.default_rng([STUDY_STREAM, seed])
    batches = [sample_batch(rng, settings.appearance) for _ in range(settings.batches)]
    for animal in plan_animals(animals, settings, rng):
        slide = draw_slide(animal, batches[animal.batch], settings, seed)
        write_svs(out / slide.name, slide.picture, settings.mpp, settings.quality, animal.name)
        _write_truth(out, slide, settings)
        report(f"{slide.name}: {len(slide.sections)} sections")
        yield _Written(slide.name, animal, slide.medial, tuple(s.truth for s in slide.sections))


def _silent(line: str) -> None:
    """Tells nobody."""


def _write_truth(out: Path, slide: DrawnSlide, settings: PhantomSettings) -> None:
    """Label map (PNG of `Tissue` values) and the measures (JSON) of one slide."""
    stem = out / "truth" / Path(slide.name).stem
    buffer = io.BytesIO()
    Image.fromarray(slide.tissue).save(buffer, "PNG")
    write_atomic(stem.with_suffix(".labels.png"), buffer.getvalue())
    sections = [{t.compartment.value: asdict(t) for t in s.truth} for s in slide.sections]
    write_json(
        stem.with_suffix(".json"),
        {"slide": slide.name, "mpp": settings.mpp, "medial": slide.medial, "sections": sections},
    )


def _write_tables(
    out: Path, slides: Sequence[_Written], settings: PhantomSettings, rng: np.random.Generator
) -> None:
    _write_csv(out / "study.csv", _STUDY_COLUMNS, map(_study_row, slides))
    _write_csv(out / "truth.csv", _TRUTH_COLUMNS, _truth_rows(slides))
    _write_csv(out / "scorers.csv", _SCORER_COLUMNS, _scorer_rows(slides, settings, rng))


def _study_row(slide: _Written) -> Cells:
    animal = slide.animal
    batch = f"batch {animal.batch + 1}"
    return slide.name, animal.name, animal.group.name, animal.side, slide.medial, batch


def _truth_rows(slides: Iterable[_Written]) -> Iterator[Cells]:
    for slide in slides:
        for number, truth in slide.truths():
            measures = (f"{getattr(truth, name):.4f}" for name in _MEASURES)
            yield slide.name, number, truth.compartment, format_rung(truth.grade), *measures


def _scorer_rows(
    slides: Iterable[_Written], settings: PhantomSettings, rng: np.random.Generator
) -> Iterator[Cells]:
    for slide in slides:
        for number, truth in slide.truths():
            place = (slide.name, number, truth.compartment, slide.animal.name)
            for scorer in settings.scorers:
                yield *place, scorer.name, format_rung(scored_by(scorer, truth.grade, rng))


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[Cells]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, text.getvalue())
