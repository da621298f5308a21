"""A finished run against people's grades: from sheets and records to tables and a page.

No slide is opened, and nothing is written into the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histoscore.errors import UsageError
from histoscore.pipeline.comparisons import MODEL_REFERENCE, MODEL_TRUTH, Judges
from histoscore.pipeline.graded import GradedRun, read_run
from histoscore.pipeline.readings import OWN_NAMES, Readings, read_people, read_true
from histoscore.scoring.areas import AreaPairs, area_rows, dice_rows
from histoscore.scoring.clusters import MIN_ANIMALS, Bootstrap
from histoscore.scoring.comparison import (
    Comparison,
    EvaluationRow,
    Frame,
    Item,
    confusion_counts,
    difference_rows,
    found_rows,
    grade_rows,
    group_gap_row,
)
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.raters import joint_rows
from histoscore.scoring.reliability import calibration_curve, calibration_rows
from histoscore.study.truth import AREAS, TrueCompartment


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What else there is to compare with, and how intervals are drawn.

    `baselines` are other runs on the same slides by name; `seed` None is the run's own.
    """

    truth: Path | None = None
    annotations: Path | None = None
    baselines: Mapping[str, Path] = field(default_factory=dict)
    seed: int | None = None
    resamples: int = 2000


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """What was found, and the files it stands in; the page is the last one."""

    evaluation: Evaluation
    files: tuple[Path, ...]


def evaluate_run(
    run: Path, scorers: Path, out: Path, options: EvaluationOptions | None = None
) -> EvaluationSummary:
    """Evaluate a run and write evaluation.csv, its companions and evaluation.html to a folder.

    Raises:
        UsageError: no finished run, nothing to compare with, or `out` lies in the run.
        ManifestError: a sheet is wrong; the text lists everything that is.
        EnvironmentStopError: a file cannot be written.
    """
    from histoscore.export.evaluation import write_evaluation

    graded = read_run(run)
    _check_place(run, out)
    evaluation = evaluation_of(graded, scorers, options or EvaluationOptions())
    return EvaluationSummary(evaluation, write_evaluation(evaluation, out))


def evaluation_of(run: GradedRun, scorers: Path, options: EvaluationOptions) -> Evaluation:
    """The evaluation of a run that was read; writes nothing. Raises as `evaluate_run`."""
    readings = read_people(scorers, run)
    true, notices = read_true(options.truth, run) if options.truth else ({}, ())
    truth = {item: row.grade for item, row in true.items() if row.grade is not None}
    judges = Judges(run, readings, truth)
    seed = run.record.config.statistics.seed if options.seed is None else options.seed
    frame = Frame(run.places, run.ladder, Bootstrap(seed, options.resamples))
    model, people = list(judges.with_model()), list(judges.people.comparisons())
    rivals = list(judges.baselines(_other_runs(run, options.baselines, readings.scorers)))
    judged = [*model, *(rival for _, rival in rivals)]
    rows = [row for one in judged + people for row in grade_rows(one, frame)]
    rows += [row for one in judged for row in found_rows(one, frame)]
    rows += [row for one in judged if (row := group_gap_row(one, frame))]
    rows += _differences(model[0], rivals, frame)
    certain = [one for one in model if one.name in (MODEL_REFERENCE, MODEL_TRUTH)]
    for one in certain:
        rows += calibration_rows(one, run.confidence, run.sets, frame)
    area, pairs, remarks = _areas(run, true, options.annotations, frame)
    return Evaluation(
        rows=tuple(rows),
        confusions={one.name: confusion_counts(one, run.ladder) for one in model + people}
        | {rival.name: confusion_counts(rival, run.ladder) for _, rival in rivals},
        curves=tuple(
            point for one in certain for point in calibration_curve(one, run.confidence, frame)
        ),
        ladder=run.ladder,
        area_rows=area,
        areas=pairs,
        facts=run.facts,
        banner=run.record.model.banner,
        notices=(*readings.notices, *notices, *remarks, *_remarks(run, model[0])),
        seed=seed,
        resamples=options.resamples,
    )


def agreement_in(run: GradedRun, readings: Readings, resamples: int = 2000) -> Evaluation:
    """The part of an evaluation that a study's own outputs show: the model against people, people
    against each other and themselves, and the ICC of all at once; the numbers of `evaluate`."""
    judges = Judges(run, readings, {})
    seed = run.record.config.statistics.seed
    frame = Frame(run.places, run.ladder, Bootstrap(seed, resamples))
    model, people = list(judges.with_model()), list(judges.people.comparisons())
    by_scorer = {name: readings.first(name) for name in readings.scorers}
    items = tuple(readings.reference())
    return Evaluation(
        rows=(
            *(row for one in model + people for row in grade_rows(one, frame)),
            *(row for one in model for row in found_rows(one, frame)),
            *(joint_rows(by_scorer, items, frame) if len(by_scorer) > 1 else ()),
        ),
        confusions={one.name: confusion_counts(one, run.ladder) for one in model + people},
        curves=(),
        ladder=run.ladder,
        notices=(*readings.notices, *_remarks(run, model[0])),
        seed=seed,
        resamples=resamples,
    )


def _differences(
    model: Comparison, rivals: list[tuple[str, Comparison]], frame: Frame
) -> Iterator[EvaluationRow]:
    for name, rival in rivals:
        yield from difference_rows(model, rival, f"model − {name}", frame)


def _areas(
    run: GradedRun,
    true: Mapping[Item, TrueCompartment],
    annotations: Path | None,
    frame: Frame,
) -> tuple[tuple[EvaluationRow, ...], tuple[AreaPairs, ...], tuple[str, ...]]:
    """Rows on areas and outlines, the pairs of areas behind them, and remarks."""
    truths = {
        measure: {i: area for i, row in true.items() if (area := getattr(row, measure)) is not None}
        for measure in AREAS
    }
    pairs = tuple(
        AreaPairs(MODEL_TRUTH, measure, run.areas(measure), areas, tuple(areas))
        for measure, areas in truths.items()
        if areas
    )
    rows = [row for one in pairs for row in area_rows(one, frame)]
    if annotations is None:
        return tuple(rows), pairs, ()
    from histoscore.pipeline.annotations import compare_outlines

    found = compare_outlines(run, annotations)
    rows += dice_rows(found.overlaps, found.n_missing, "", frame)
    return tuple(rows), pairs, found.notices


def _other_runs(
    run: GradedRun, baselines: Mapping[str, Path], scorers: tuple[str, ...]
) -> dict[str, dict[Item, float]]:
    """Grades of other runs on the same slides, by name."""
    grades = {}
    for name, path in baselines.items():
        if name in (*OWN_NAMES, *scorers):
            raise UsageError(f"--baseline {name}: the name is taken; choose another")
        other = read_run(path)
        _check_same_slides(run, other)
        grades[name] = other.grades
    return grades


def _check_same_slides(run: GradedRun, other: GradedRun) -> None:
    if other.ladder != run.ladder:
        raise UsageError(
            f"{other.folder.path}: grades on {other.ladder.name}, the run on {run.ladder.name}"
        )
    hashes = {entry.slide: entry.sha256 for entry in run.record.slides}
    for entry in other.record.slides:
        if entry.slide in hashes and entry.sha256 != hashes[entry.slide]:
            raise UsageError(
                f"{other.folder.path}: its slide {entry.slide} is another file than the run's; "
                "score the same slides"
            )
    if not hashes.keys() & {entry.slide for entry in other.record.slides}:
        raise UsageError(f"{other.folder.path}: has none of the slides of {run.folder.path}")


def _check_place(run: Path, out: Path) -> None:
    if out.resolve().is_relative_to(run.resolve()):
        raise UsageError(
            f"{out}: lies in the run, whose files are sealed; choose a folder beside it"
        )


def _remarks(run: GradedRun, reference: Comparison) -> Iterator[str]:
    """What a reader should know before reading a number."""
    missing = len(reference.items) - len(reference.paired)
    if missing:
        yield (
            f"{missing} of {len(reference.items)} compartments that a person graded have no grade "
            "by the model (withheld, not found, or the slide failed); agreement is of the rest"
        )
    animals = {run.places[item.slide].animal for item in reference.paired}
    if len(animals) < MIN_ANIMALS:
        yield f"{len(animals)} animals: too few for intervals"
    if all(place.group is None for place in run.places.values()):
        yield "the groups are not known (a blinded run); nothing is said by group"
