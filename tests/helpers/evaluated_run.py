"""A finished run made from given grades, and the sheets of its scorers: nothing is scored."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoscore.config import LadderSettings, load_config
from histoscore.records import CompartmentResult, SectionResult, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import ModelFacts, SlideEntry, begin_record
from histoscore.study import read_study
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Ladder, Status

BANNER = "DEMONSTRATION MODEL: not validated on real tissue."
GROUPS = ("sham", "DMM + vehicle", "DMM + exosome")
RUNGS = OARSI_MOUSE.rungs

GradeOf = Callable[[int, Compartment], float | None]
"""(animal's number, compartment) → grade, None where there is none."""


@dataclass(frozen=True)
class Made:
    """Where the run and the sheets lie."""

    folder: Path
    run: Path
    scorers: Path
    truth: Path


def slide_of(animal: int) -> str:
    return f"slides/m{animal}.svs"


def true_grade(animal: int, compartment: Compartment) -> float:
    """Worse in the vehicle group and on the medial side; every rung is there with 12 animals."""
    worse = (0, 5, 3)[animal % 3] if compartment.is_medial else 0
    return RUNGS[min(7, worse + (animal // 3 + compartment.code) % 3)]


def off_by(steps: Sequence[int], of: GradeOf = true_grade) -> GradeOf:
    """A grader who is off by these numbers of rungs in turn."""

    def grade(animal: int, compartment: Compartment) -> float | None:
        true = of(animal, compartment)
        if true is None:
            return None
        step = steps[(4 * animal + compartment.code) % len(steps)]
        return RUNGS[min(7, max(0, RUNGS.index(true) + step))]

    return grade


def make_run(
    folder: Path,
    animals: int = 12,
    model: GradeOf | None = None,
    groups: Sequence[str] = GROUPS,
    name: str = "run",
    text: str = "slide",
    ladder: Ladder = OARSI_MOUSE,
) -> Path:
    """A run on `animals` slides of one section; groups in turn, two batches. No groups: blinded."""
    (folder / "slides").mkdir(parents=True, exist_ok=True)
    lines = ["slide,animal,group,batch"]
    for animal in range(animals):
        (folder / slide_of(animal)).write_text(f"{text} {animal}")
        group = groups[animal % len(groups)] if groups else ""
        lines.append(f"{slide_of(animal)},m{animal},{group},batch {animal // 3 % 2 + 1}")
    sheet = folder / "study.csv"
    sheet.write_text("\n".join(lines) + "\n")
    return _write_run(folder / name, sheet, model or off_by((0, 0, 1, 0, 0, -1, 0)), ladder)


def write_scorers(
    path: Path, scorers: Mapping[str, GradeOf], animals: int = 12, read: str | None = None
) -> Path:
    """A scorers' sheet; scorers called `NAME/2` are read 2 of NAME."""
    rows = [
        (slide_of(animal), 1, compartment.value, *_scorer(name), _text(grade(animal, compartment)))
        for name, grade in scorers.items()
        for animal in range(animals)
        for compartment in Compartment
    ]
    return write_rows(path, ("slide", "section", "compartment", "scorer", "read", "grade"), rows)


def write_truth(path: Path, animals: int = 12) -> Path:
    rows = [
        (
            slide_of(animal), 1, compartment.value, _text(true_grade(animal, compartment)),
            *true_areas(animal, compartment),
        )
        for animal in range(animals)
        for compartment in Compartment
    ]  # fmt: skip
    columns = ("slide", "section", "compartment", "grade", "hyaline_area_um2", "calcified_area_um2")
    return write_rows(path, columns, rows)


def true_areas(animal: int, compartment: Compartment) -> tuple[float, float]:
    """Hyaline and calcified; little is left of the worst."""
    place = RUNGS.index(true_grade(animal, compartment))
    return 24_000.0 - 3_200 * place + 10 * animal, 20_000.0 + 100 * compartment.code


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def make_all(folder: Path, animals: int = 12, model: GradeOf | None = None) -> Made:
    """A run, three scorers (A reads twice, C leaves gaps), and the truth."""
    scorers = {
        "A": off_by((0, 0, 0, 1, 0)),
        "A/2": off_by((0, 0, 0, 0, 1, 0)),
        "B": off_by((1, 0, 0, -1, 0, 1)),
        "C": lambda a, c: None if (a, c) == (2, Compartment.LTP) else off_by((-1, 0, 1, 0))(a, c),
    }
    return Made(
        folder,
        make_run(folder, animals, model),
        write_scorers(folder / "scorers.csv", scorers, animals),
        write_truth(folder / "truth.csv", animals),
    )


def _write_run(path: Path, sheet: Path, model: GradeOf, ladder: Ladder) -> Path:
    study = read_study(sheet)
    run = RunFolder(path)
    path.mkdir(parents=True)
    facts = ModelFacts(
        name="made up", sha256="5" * 64, validated_on_real_tissue=False, banner=BANNER,
        ladder=LadderSettings.of(ladder),
    )  # fmt: skip
    record = begin_record(
        sheet.name, study.sha256, load_config(), facts, "2024-05-06T07:08:09+00:00"
    )
    entries = []
    for number, row in enumerate(study.rows):
        sha256 = hashlib.sha256(row.path.read_bytes()).hexdigest()
        entries.append(SlideEntry(slide=row.slide, key=f"{number:032x}", sha256=sha256))
        run.commit(entries[-1].key, _result(row.slide, row.animal, number, model, ladder))
    run.write(run.study_path, study)
    run.write(run.record_path, record.model_copy(update={"slides": tuple(entries)}))
    return path


def _result(slide: str, animal: str, number: int, model: GradeOf, ladder: Ladder) -> SlideResult:
    parts = tuple(_part(number, c, model(number, c), ladder) for c in Compartment)
    section = SectionResult(
        section=1, x=0, y=0, width=900, height=600, area_um2=1e6,
        status=Status.SCORED, compartments=parts,
    )  # fmt: skip
    return SlideResult(slide=slide, animal=animal, status=Status.SCORED, sections=(section,))


def _part(
    animal: int, compartment: Compartment, grade: float | None, ladder: Ladder
) -> CompartmentResult:
    if grade is None:
        return CompartmentResult(
            compartment=compartment, status=Status.REVIEW, reason="cartilage not found"
        )
    place, last = ladder.index(grade), len(ladder) - 1
    hyaline, calcified = true_areas(animal, compartment)
    sure = 0.55 + 0.05 * ((animal + compartment.code) % 8)
    probabilities = np.full(len(ladder), (1 - sure) / last)
    probabilities[place] = sure
    return CompartmentResult(
        compartment=compartment,
        status=Status.SCORED,
        grade=grade,
        probabilities=tuple(probabilities.tolist()),
        grade_low=ladder.rungs[max(0, place - 1)],
        grade_high=ladder.rungs[min(last, place + 1)],
        hyaline_area_um2=hyaline * 1.05,
        calcified_area_um2=calcified - 100,
        surface_length_um=600.0,
        mean_thickness_um=hyaline / 600,
        safranin_fraction=None if place >= 7 else 1 - place / 10,
        lesion_extent=min(1.0, max(0, place - 3) / 5),
    )


def _scorer(name: str) -> tuple[str, str]:
    scorer, _, read = name.partition("/")
    return scorer, read or "1"


def _text(grade: float | None) -> str:
    return "" if grade is None else f"{grade:g}"
