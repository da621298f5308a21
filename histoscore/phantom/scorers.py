"""Simulated scorers: people with a bias, a scatter, a drift and blanks of their own.

What a scorer writes down for a compartment, in rungs (positions on the ladder, 0 the lowest):

    seen  = true rung + Normal(0, ambiguity)
    place = seen + caution · (middle − seen) + bias + drift · (t − ½) + Normal(0, noise)
    grade = the rung nearest to place, kept on the ladder; or blank, with the chance `missing`

`seen` is the same for every scorer and every read: some compartments look worse than they are, to
everybody. `middle` is the middle of the ladder, (rungs − 1) ÷ 2. Slides are read in a random order
of the scorer's own, a new one for each read, and t runs from 0 at the first slide to 1 at the last;
all compartments of a slide are read in one go. So, away from the ends of the ladder and with
caution 0, a scorer's error has the mean `bias`, changes by `drift` over a read, and scatters by
√(ambiguity² + noise² + drift² ÷ 12 + 1 ÷ 12), the last term from rounding. Two reads by one scorer
differ by their scatter only; two scorers differ by their biases as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, StringConstraints

from histoscore.config import Settings
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Ladder

SCORER_STREAM = 9_002
"""Scorers draw from a stream of seeds of their own: who grades changes nothing that is drawn."""

AMBIGUITY = 0.2
"""Scatter (rungs) of what a compartment looks like around what it is, for everybody alike."""


class ScorerPlan(Settings):
    """A simulated scorer; the module's text says how a grade comes about."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    bias: float = Field(0.0, allow_inf_nan=False, description="mean error (rungs)")
    noise: float = Field(
        0.5, ge=0, allow_inf_nan=False, description="scatter of a single grade (rungs)"
    )
    drift: float = Field(
        0.0,
        allow_inf_nan=False,
        description="change of the bias from the first to the last slide of a read (rungs)",
    )
    caution: float = Field(
        0.0, ge=0, le=1, description="share by which grades are pulled to the ladder's middle"
    )
    reads: int = Field(1, ge=1, description="times that the whole study is read")
    missing: float = Field(0.0, ge=0, le=1, description="chance that a grade is left blank")


def _named_apart(scorers: tuple[ScorerPlan, ...]) -> tuple[ScorerPlan, ...]:
    names = [scorer.name for scorer in scorers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two scorers are called {', '.join(twice)}; give each a name of its own")
    return scorers


Scorers = Annotated[tuple[ScorerPlan, ...], AfterValidator(_named_apart)]
"""The scorers of a study, as settings hold them: no two have one name."""

STANDARD_SCORERS: tuple[ScorerPlan, ...] = (
    ScorerPlan(name="scorer_A", bias=-0.15, noise=0.5, reads=2),
    ScorerPlan(name="scorer_B", bias=0.35, noise=0.7, drift=0.6),
    ScorerPlan(name="scorer_C", bias=0.1, noise=0.9, caution=0.15, missing=0.03),
)
"""One who is careful and reads twice, one who is severe and becomes more so, one who is new.

Their agreement is of the order that is published for people: a quadratically weighted kappa of
about 0.8 between two of them and 0.9 between two reads by one (`benchmarks/scorers.py`)."""


@dataclass(frozen=True, slots=True)
class GradedTruth:
    """A compartment of a section, whose knee it is, and its true grade."""

    slide: str
    section: int
    compartment: Compartment
    animal: str
    grade: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scorer wrote down for one compartment: a row of scorers.csv.

    Attributes:
        read: which of the scorer's reads it belongs to, from 1.
        grade: a rung of the ladder; None where it was left blank.
        turn: place of the slide in the order of this read, from 1.
    """

    slide: str
    section: int
    compartment: Compartment
    animal: str
    scorer: str
    read: int
    grade: float | None
    turn: int


@dataclass(frozen=True, slots=True)
class _Read:
    """One scorer's way through a study; turns and grades run along the truths."""

    scorer: str
    number: int
    turns: tuple[int, ...]
    grades: tuple[float | None, ...]


def read_slides(
    truths: Sequence[GradedTruth],
    scorers: Sequence[ScorerPlan],
    seed: int,
    *,
    ladder: Ladder = OARSI_MOUSE,
    ambiguity: float = AMBIGUITY,
) -> Iterator[Reading]:
    """Every grade of every scorer, in the order of the truths, then of the scorers and reads.

    Every read of every scorer draws from a generator of its own, made from the seed, the scorer's
    name and the number of the read: another scorer, another read or more blanks leave the other
    grades as they were.

    Args:
        truths: in the order of the study; a slide's may be apart.
        scorers: no two of one name.
        seed: of the study.
        ladder: of the truths and the grades.
        ambiguity: scatter (rungs) that all scorers share.

    Raises:
        ValueError: a true grade is not on the ladder.
    """
    if not truths:
        return
    seen = _seen(truths, seed, ladder, ambiguity)
    slides = _slide_numbers(truths)
    reads = [
        _read(scorer, number, seen, slides, seed, ladder)
        for scorer in scorers
        for number in range(1, scorer.reads + 1)
    ]
    for row, truth in enumerate(truths):
        place = (truth.slide, truth.section, truth.compartment, truth.animal)
        for read in reads:
            yield Reading(*place, read.scorer, read.number, read.grades[row], read.turns[row])


def _seen(
    truths: Sequence[GradedTruth], seed: int, ladder: Ladder, ambiguity: float
) -> NDArray[np.float64]:
    """(truths,) positions on the ladder, in rungs, where the compartments seem to lie."""
    rungs = np.array([ladder.index(truth.grade) for truth in truths], dtype=np.float64)
    rng = np.random.default_rng([SCORER_STREAM, seed])
    return rungs + ambiguity * rng.standard_normal(len(rungs))


def _slide_numbers(truths: Sequence[GradedTruth]) -> NDArray[np.intp]:
    """(truths,) number from 0 of the slide that each truth is on."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(truth.slide, len(numbers)) for truth in truths])


def _read(
    scorer: ScorerPlan,
    number: int,
    seen: NDArray[np.float64],
    slides: NDArray[np.intp],
    seed: int,
    ladder: Ladder,
) -> _Read:
    """One read of the study. What is drawn does not depend on the scorer's numbers."""
    rng = np.random.default_rng([SCORER_STREAM, seed, zlib.crc32(scorer.name.encode()), number])
    count = int(slides.max()) + 1
    turns = rng.permutation(count)[slides]
    scatter = rng.standard_normal(len(seen))
    blank = rng.random(len(seen)) < scorer.missing
    place = _expected(scorer, seen, _elapsed(turns, count), ladder) + scorer.noise * scatter
    rungs = np.clip(np.rint(place), 0, len(ladder) - 1).astype(int)
    grades = (
        None if skipped else ladder.rungs[rung] for rung, skipped in zip(rungs, blank, strict=True)
    )
    return _Read(scorer.name, number, tuple((turns + 1).tolist()), tuple(grades))


def _expected(
    scorer: ScorerPlan, seen: NDArray[np.float64], elapsed: NDArray[np.float64], ladder: Ladder
) -> NDArray[np.float64]:
    """(truths,) mean places, in rungs, before the scatter of the single grade."""
    middle = (len(ladder) - 1) / 2
    pulled = seen + scorer.caution * (middle - seen)
    return pulled + scorer.bias + scorer.drift * (elapsed - 0.5)


def _elapsed(turns: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Share of a read that has gone by, 0 at its first slide and 1 at its last; ½ for only one."""
    return turns / (count - 1) if count > 1 else np.full(len(turns), 0.5)
