"""Everything that `agree` found, as tables and the terminal show it."""

from __future__ import annotations

from dataclasses import dataclass

from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.raters import Discussion, ScorerBias


@dataclass(frozen=True, slots=True)
class ScorerAgreement:
    """Scorers against each other: statistics, each one's bias by rung, what to discuss."""

    evaluation: Evaluation
    biases: tuple[ScorerBias, ...]
    discussions: tuple[Discussion, ...]
