"""What an evaluation says: its headline, and sentences for people who do not read tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histoscore.scoring.clusters import MIN_ANIMALS
from histoscore.scoring.comparison import EvaluationRow
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.raters import ALL_SCORERS

TITLES = {
    "qwk": "QWK",
    "exact": "exact",
    "within_one": "within one rung",
    "mae": "MAE (grades)",
    "icc": "ICC(2,1)",
}
"""Statistics of the headline → what stands over their column."""

BLAND_ALTMAN = {
    "bias": "mean difference",
    "limit_low": "lower limit",
    "limit_high": "upper limit",
}
"""Differences of two graders, first − second (Bland & Altman 1986)."""

AREA_TITLES = {
    "hyaline_area_um2": "hyaline area",
    "calcified_area_um2": "calcified area",
    "bias_um2": "mean error (µm²)",
    "limit_low_um2": "lower limit of agreement (µm²)",
    "limit_high_um2": "upper limit of agreement (µm²)",
    "bias_percent": "mean error (%)",
    "limit_low_percent": "lower limit of agreement (%)",
    "limit_high_percent": "upper limit of agreement (%)",
    "median_relative_error": "median relative error",
    "p95_relative_error": "95th percentile of the relative error",
    "within_10_percent": "share within 10 %",
    "median_small_error_um2": "median error where the truth is below 3000 µm² (µm²)",
    "p95_small_error_um2": "95th percentile of it (µm²)",
    "dice": "Dice",
}
"""Measures and statistics of areas.csv → words."""

REFERENCE = "model vs reference"


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """A comparison in the headline table: its statistics, None where there is none."""

    name: str
    cells: tuple[EvaluationRow | None, ...]
    found: EvaluationRow | None

    @property
    def first(self) -> EvaluationRow | None:
        return next((cell for cell in self.cells if cell is not None), None)


def headline(
    evaluation: Evaluation, names: Sequence[str], statistics: Sequence[str] = tuple(TITLES)
) -> list[HeadlineRow]:
    """QWK, exact, within one, MAE and ICC of each comparison over everything."""
    return [
        HeadlineRow(
            name,
            tuple(evaluation.row(name, statistic) for statistic in statistics),
            evaluation.row(name, "found_share"),
        )
        for name in names
    ]


def number(value: float | None) -> str:
    """Two decimals, with a real minus; – for undefined."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def with_interval(row: EvaluationRow | None) -> str:
    """`0.84 (95 % 0.79 to 0.88)`, as far as there is one."""
    if row is None or row.value is None:
        return "undefined"
    if row.low is None or row.high is None:
        return f"{number(row.value)} (no interval)"
    return f"{number(row.value)} (95 % {number(row.low)} to {number(row.high)})"


def headline_sentence(evaluation: Evaluation) -> str:
    """How the model agrees, what it left ungraded, and how people agree among themselves."""
    kappa, found = (evaluation.row(REFERENCE, name) for name in ("qwk", "found_share"))
    if kappa is None or found is None:
        return "Nothing was compared."
    graded = found.n - found.n_missing
    text = (
        f"Model against reference: QWK {with_interval(kappa)} on {kappa.n} compartments of "
        f"{kappa.n_animals} animals; the model graded {graded} of the {found.n} that people graded."
    )
    people = [row.value for row in _people(evaluation) if row.value is not None]
    if not people:
        return f"{text} No two scorers graded the same compartments."
    between = f"{number(min(people))} to {number(max(people))}" if len(people) > 1 else ""
    return (
        f"{text} Scorer against scorer, where the model has a grade too: QWK "
        f"{between or number(people[0])}."
    )


def _people(evaluation: Evaluation) -> list[EvaluationRow]:
    """QWK of the comparisons in which nobody is judged, truths and medians left out."""
    rows = [
        evaluation.row(name, "qwk")
        for name in evaluation.comparisons
        if evaluation.row(name, "found_share") is None
        and not name.endswith((" vs truth", " vs others"))
        and " read " not in name
    ]
    return [row for row in rows if row is not None]


def scorers_sentence(evaluation: Evaluation) -> str:
    """The ICCs of all scorers at once; empty where there is only one."""
    told = [
        f"{title} {with_interval(row)} on {row.n} compartments"
        for statistic, title in (("icc", "ICC(2,1)"), ("icc_3_1", "ICC(3,1)"))
        if (row := evaluation.row(ALL_SCORERS, statistic)) is not None
    ]
    return f"All scorers at once: {'; '.join(told)}." if told else ""


def rivals_sentence(evaluation: Evaluation) -> str:
    """Whether the model is better than predictors that do not look at the picture."""
    parts = [
        f"{name} {with_interval(row)}"
        for name in evaluation.differences
        if (row := evaluation.row(name, "qwk")) is not None
    ]
    if not parts:
        return "There was nothing else to compare the model with."
    return (
        "Differences on the same compartments and the same resamples of animals; where an interval "
        f"holds 0, either may be the better one. In QWK: {'; '.join(parts)}."
    )


def calibration_sentence(evaluation: Evaluation) -> str:
    """What the probabilities and the sets promise, and what was seen."""
    error, coverage, width = (
        evaluation.row(REFERENCE, name) for name in ("ece", "set_coverage", "set_width")
    )
    text = f"Confidence and share right differ by {with_interval(error)} on average."
    if coverage is None or coverage.value is None:
        return f"{text} The run has no sets of grades: its bundle is not calibrated."
    return (
        f"{text} The sets from grade_low to grade_high are made to hold 90 % of the grades; they "
        f"hold {with_interval(coverage)}, and are {with_interval(width)} rungs wide."
    )


def group_sentence(evaluation: Evaluation) -> str:
    """Whether the error depends on the group, and whether effects shrink."""
    steep = evaluation.row(REFERENCE, "slope")
    gap = next(
        (r for r in evaluation.rows if (r.comparison, r.statistic) == (REFERENCE, "bias_gap")), None
    )
    text = (
        f"A grade more by the reference is {with_interval(steep)} grades more by the model; below "
        "1 a difference between groups comes out smaller than it is, as it also does where the "
        "reference itself is noisy."
    )
    if gap is None:
        return text
    return (
        f"{text} Between groups the error differs by {with_interval(gap)} grades ({gap.stratum})."
    )


def area_sentence(evaluation: Evaluation) -> str:
    """How well areas and outlines fit; empty where there is nothing to hold them against."""
    rows = {(r.measure, r.statistic): r for r in evaluation.area_rows if r.stratum_kind == "all"}
    parts = [
        f"{AREA_TITLES[pairs.measure]}: {_area_words(rows, pairs.measure)}"
        for pairs in evaluation.areas
    ]
    parts += [
        f"Dice of {measure} {with_interval(row)} over {row.n} sections"
        for (measure, statistic), row in rows.items()
        if statistic == "dice"
    ]
    return f"{'; '.join(parts)}." if parts else ""


def _area_words(rows: dict[tuple[str, str], EvaluationRow], measure: str) -> str:
    close, p95 = rows[measure, "within_10_percent"], rows[measure, "p95_relative_error"]
    share = "–" if close.value is None else f"{close.value:.0%}"
    worst = "–" if p95.value is None else f"{p95.value:.0%}"
    return f"{share} of {close.n} within 10 % of the truth, 95 % within {worst}"


def interval_sentence(evaluation: Evaluation) -> str:
    """How the intervals were made, and what they leave out."""
    return (
        f"Intervals: 95 %, percentiles of {evaluation.resamples} resamples of whole animals (seed "
        f"{evaluation.seed}); none below {MIN_ANIMALS} animals. They say how much the numbers "
        "would change with other animals of the same kind, read by the same scorers; they say "
        "nothing about other laboratories, stains or scanners."
    )
