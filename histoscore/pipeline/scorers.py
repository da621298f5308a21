"""`agree`: from a sheet of scorers' grades alone to their agreement, without a run or a slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.errors import ManifestError, UsageError
from histoscore.pipeline.comparisons import People
from histoscore.pipeline.readings import gathered
from histoscore.pipeline.score_table import check_place
from histoscore.scoring.clusters import MIN_ANIMALS, Bootstrap
from histoscore.scoring.comparison import Frame, Item, Place, confusion_counts, grade_rows
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.raters import discussions, joint_rows, scorer_biases
from histoscore.scoring.scorers import ScorerAgreement
from histoscore.study import read_scorers
from histoscore.study.names import slide_spelling
from histoscore.study.people import ScorerGrade
from histoscore.vocabulary import Ladder

OTHERS = "others"
"""A name that comparisons use themselves, so no scorer can have it."""


@dataclass(frozen=True, slots=True)
class AgreementSummary:
    """What was found, and the files it stands in; agreement.csv is the first."""

    agreement: ScorerAgreement
    files: tuple[Path, ...]


def agree_sheet(
    scorers: Path, out: Path, ladder: Ladder, seed: int = 0, resamples: int = 2000
) -> AgreementSummary:
    """Hold the scorers of a sheet against each other, and write agreement.csv and its companions.

    Raises:
        ManifestError: the sheet is wrong; the text lists everything that is.
        UsageError: nothing was graded twice, or `out` is no place for the result.
    """
    from histoscore.export.agreement import NAMES, write_agreement

    for name in NAMES:
        check_place(out, scorers, name)
    found = agreement_of(scorers, ladder, Bootstrap(seed, resamples))
    return AgreementSummary(found, write_agreement(found, out))


def agreement_of(scorers: Path, ladder: Ladder, bootstrap: Bootstrap) -> ScorerAgreement:
    """The agreement of the scorers of a sheet; writes nothing. Raises as `agree_sheet`."""
    rows = read_scorers(scorers, ladder)
    places, notices = _places(scorers, rows)
    readings = gathered(_placed(rows), notices)
    frame = Frame(places, ladder, bootstrap)
    comparisons = list(People(readings, tuple(places)).comparisons())
    if not any(one.paired for one in comparisons):
        raise UsageError(
            f"{scorers}: no compartment was graded by two scorers or in two reads; there is "
            "nothing to compare"
        )
    by_scorer = {name: readings.first(name) for name in readings.scorers}
    items = tuple(dict.fromkeys(item for own in by_scorer.values() for item in own))
    several = len(by_scorer) > 1
    evaluation = Evaluation(
        rows=(
            *(row for one in comparisons for row in grade_rows(one, frame)),
            *(joint_rows(by_scorer, items, frame) if several else ()),
        ),
        confusions={one.name: confusion_counts(one, ladder) for one in comparisons},
        curves=(),
        ladder=ladder,
        notices=(*notices, *_remarks(places)),
        seed=bootstrap.seed,
        resamples=bootstrap.resamples,
    )
    biases = tuple(
        bias for name in by_scorer if several for bias in scorer_biases(name, by_scorer, frame)
    )
    return ScorerAgreement(evaluation, biases, discussions(by_scorer, items, frame))


def _placed(rows: Sequence[ScorerGrade]) -> list[tuple[ScorerGrade, Item]]:
    """Rows with what they grade; spellings of a slide that differ in slashes are one slide."""
    names: dict[str, str] = {}
    return [(row, Item(_name(row, names), row.section, row.compartment)) for row in rows]


def _name(row: ScorerGrade, names: dict[str, str]) -> str:
    return names.setdefault(slide_spelling(row.slide), row.slide)


def _places(path: Path, rows: Sequence[ScorerGrade]) -> tuple[dict[str, Place], tuple[str, ...]]:
    """Slide → whose it is; a slide without an animal stands for one of its own.

    Raises:
        ManifestError: a slide is given to two animals, or a scorer has a name that is taken.
    """
    names: dict[str, str] = {}
    animals: dict[str, str | None] = {}
    problems = []
    for row in rows:
        slide = _name(row, names)
        known = animals.get(slide)
        if known and row.animal and known != row.animal:
            problems.append(
                f"row {row.row}: {slide} is of {row.animal}, in an earlier row of {known}"
            )
        animals[slide] = known or row.animal
    problems += [
        f"row {row.row}: no scorer can be called {OTHERS!r}, a name that comparisons use"
        for row in rows
        if row.scorer == OTHERS
    ][:1]
    if problems:
        raise ManifestError(f"{path}: contradicts itself\n  " + "\n  ".join(problems))
    places = {slide: Place(name or f"slide {slide}") for slide, name in animals.items()}
    return places, _unknown(animals)


def _unknown(animals: Mapping[str, str | None]) -> tuple[str, ...]:
    nameless = sum(name is None for name in animals.values())
    if not nameless:
        return ()
    if nameless == len(animals):
        return (
            "the sheet does not name animals: intervals are over slides, and too narrow where an "
            "animal has several",
        )
    return (f"{nameless} slides have no animal; each counts as an animal of its own",)


def _remarks(places: Mapping[str, Place]) -> tuple[str, ...]:
    animals = len({place.animal for place in places.values()})
    return (f"{animals} animals: too few for intervals",) if animals < MIN_ANIMALS else ()
