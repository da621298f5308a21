"""What stands in a study's outputs beside its own results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from histoscore.scoring.comparison import Item
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.power import Power
from histoscore.vocabulary import Compartment, Side

Decisions = Mapping[Item, float | None]
"""People's grades by compartment; None: a person found that it cannot be graded."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """What one scorer says of one compartment in a run's review; a row of scorers.csv."""

    slide: str
    section: int
    compartment: Compartment
    scorer: str
    grade: float | None
    animal: str
    side: Side | None
    mode: str
    gradable: bool
    model_grade: float | None
    model_shown: bool
    flagged: bool
    comment: str
    reason: str
    time: str


@dataclass(frozen=True, slots=True)
class Additions:
    """People's work on a study, and what the next one could find.

    Attributes:
        decisions: people's grades that are final in place of the model's.
        review: what scorers decided on the review page.
        agreement: model and people held against each other; None without people's grades.
        power: of the primary outcome; empty where no groups are compared.
    """

    decisions: Decisions = field(default_factory=dict)
    review: tuple[ReviewRow, ...] = ()
    agreement: Evaluation | None = None
    power: tuple[Power, ...] = ()
