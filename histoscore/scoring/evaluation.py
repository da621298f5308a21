"""Everything that an evaluation found, as tables and pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from histoscore.scoring.areas import AreaPairs
from histoscore.scoring.clusters import Numbers
from histoscore.scoring.comparison import EvaluationRow
from histoscore.scoring.reliability import CurveBin
from histoscore.vocabulary import Ladder


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run held against people (and truth), and people against each other.

    Attributes:
        rows: statistics of grades, the comparisons in the order in which they are shown.
        confusions: comparison → (rungs, rungs) counts, row the first grader's rung.
        area_rows, areas: empty without truth or outlines.
        facts: about the run, label → text. banner: empty where the model is validated.
        notices: what was left out or cannot be said.
    """

    rows: tuple[EvaluationRow, ...]
    confusions: Mapping[str, Numbers]
    curves: tuple[CurveBin, ...]
    ladder: Ladder
    area_rows: tuple[EvaluationRow, ...] = ()
    areas: tuple[AreaPairs, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    banner: str = ""
    notices: tuple[str, ...] = ()
    seed: int = 0
    resamples: int = 0

    @property
    def comparisons(self) -> tuple[str, ...]:
        """Names of the comparisons of grades, differences between two of them left out."""
        return tuple(self.confusions)

    @property
    def differences(self) -> tuple[str, ...]:
        """Names of the paired differences."""
        names = dict.fromkeys(row.comparison for row in self.rows)
        return tuple(name for name in names if name not in self.confusions)

    def row(
        self, comparison: str, statistic: str, kind: str = "all", stratum: str = "all"
    ) -> EvaluationRow | None:
        """The row of grades with these names, None where there is none."""
        wanted = (comparison, statistic, kind, stratum)
        named = ((r.comparison, r.statistic, r.stratum_kind, r.stratum) for r in self.rows)
        return dict(zip(named, self.rows, strict=True)).get(wanted)
