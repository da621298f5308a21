"""What stands in a study's outputs beside its own results."""

from __future__ import annotations

from dataclasses import dataclass, field

from histoscore.scoring.comparison import Grades
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.power import Power


@dataclass(frozen=True, slots=True)
class Additions:
    """People's work on a study, and what the next one could find.

    Attributes:
        decisions: people's grades that count in place of the model's.
        agreement: model and people held against each other; None without people's grades.
        power: of the primary outcome; empty where no groups are compared.
    """

    decisions: Grades = field(default_factory=dict)
    agreement: Evaluation | None = None
    power: tuple[Power, ...] = ()
