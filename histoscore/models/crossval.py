"""What models that had not seen an animal say of it: a row for every graded compartment."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoscore.files import write_atomic
from histoscore.models.learning import Report
from histoscore.models.strips import ExampleStrip, wanted_shares
from histoscore.scoring.agreement import agreement, lower_median
from histoscore.scoring.calibration import Calibration, fit_calibration
from histoscore.vocabulary import Ladder, format_rung

FILE = "cross_validation.csv"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The grader's word on strips of animals that it has not learnt from, once a colour.

    `log_probabilities` (times × strips, rungs): all strips in the first colour, then in the next.
    `n_graded` compartments have a scorer's grade, found by the networks or not.
    """

    strips: Sequence[ExampleStrip]
    log_probabilities: NDArray[np.float64]
    n_graded: int

    @property
    def shown(self) -> list[ExampleStrip]:
        """The strip of every row."""
        times = len(self.log_probabilities) // max(1, len(self.strips))
        return list(self.strips) * times


def calibrated(parts: Sequence[HeldOut], ladder: Ladder, coverage: float) -> Calibration | None:
    """Temperature and threshold from held-out animals; None where there are none."""
    parts = [part for part in parts if part.strips]
    if not parts:
        return None
    logs = np.concatenate([part.log_probabilities for part in parts])
    shown = [strip for part in parts for strip in part.shown]
    wanted = wanted_shares(shown, ladder.rungs)
    return fit_calibration(logs, wanted, [s.animal for s in shown], coverage)


def write_cross_validation(
    out: Path, parts: Sequence[HeldOut], ladder: Ladder, report: Report
) -> Path:
    """Writes a row for every compartment, with its fold, grades and probabilities; says how well
    the most probable rung agrees with the scorers' lower median."""
    rungs = [format_rung(rung) for rung in ladder.rungs]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = ("fold", "animal", "slide", "section", "compartment", "scorers", "reference", "grade")
    table.writerow([*columns, *(f"p_{rung}" for rung in rungs)])
    pairs: list[tuple[float, float]] = []
    for fold, part in enumerate(parts, 1):
        for strip, row in zip(part.shown, np.exp(part.log_probabilities), strict=True):
            reference = lower_median(list(strip.grades.values()))
            grade = ladder.rungs[int(row.argmax())]
            pairs.append((reference, grade))
            scorers = "; ".join(f"{who} {format_rung(g)}" for who, g in strip.grades.items())
            place = (fold, strip.animal, strip.slide, strip.section, strip.compartment.value)
            grades = (scorers, format_rung(reference), format_rung(grade))
            table.writerow([*place, *grades, *(f"{p:.4f}" for p in row)])
    path = out / FILE
    write_atomic(path, text.getvalue())
    found = agreement([a for a, _ in pairs], [b for _, b in pairs], ladder)
    if found.n and found.mean_absolute_error is not None and found.exact is not None:
        kappa = "undefined" if found.kappa is None else f"{found.kappa:.3f}"
        report(
            f"cross-validation: {sum(len(p.strips) for p in parts)} of "
            f"{sum(p.n_graded for p in parts)} graded compartments found, QWK {kappa}, "
            f"exact {found.exact:.1%}, MAE {found.mean_absolute_error:.2f} ({path.name})"
        )
    return path
