"""evaluation.html: an evaluation on one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from histoscore.export import evaluation_figures as figures
from histoscore.export.evaluation_wording import (
    AREA_TITLES,
    TITLES,
    area_sentence,
    calibration_sentence,
    group_sentence,
    headline,
    headline_sentence,
    interval_sentence,
    rivals_sentence,
)
from histoscore.export.report import page_environment
from histoscore.export.wording import Facts
from histoscore.scoring.evaluation import Evaluation

_REFERENCES = ("model vs reference", "model vs truth")


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure with its heading and what it shows."""

    title: str
    svg: Markup
    caption: str


def evaluation_html(evaluation: Evaluation) -> str:
    """The page as text; the same for the same evaluation."""
    template = page_environment().get_template("evaluation.html.j2")
    page = template.render(
        title=evaluation.facts.get(Facts.STUDY, "Study"),
        banner=evaluation.banner,
        facts={k: v for k, v in evaluation.facts.items() if k != Facts.BANNER},
        titles=tuple(TITLES.values()),
        headline=headline(evaluation, evaluation.comparisons),
        headline_words=headline_sentence(evaluation),
        differences=headline(evaluation, evaluation.differences),
        rivals_words=rivals_sentence(evaluation),
        confusions=list(_confusions(evaluation)),
        curves=list(_curves(evaluation)),
        calibration_words=calibration_sentence(evaluation),
        groups=list(_groups(evaluation)),
        group_words=group_sentence(evaluation),
        areas=list(_areas(evaluation)),
        area_rows=[row for row in evaluation.area_rows if row.stratum_kind == "all"],
        area_titles=AREA_TITLES,
        area_words=area_sentence(evaluation),
        intervals=interval_sentence(evaluation),
        notices=evaluation.notices,
    )
    return page + "\n"


def _confusions(evaluation: Evaluation) -> Iterator[Panel]:
    people = [name for name in evaluation.comparisons if not _is_judged(evaluation, name)]
    for name in (*_REFERENCES, *people[:1]):
        counts = evaluation.confusions.get(name)
        if counts is not None and counts.sum():
            svg = figures.confusion_figure(counts, evaluation.ladder, name)
            caption = "Numbers are compartments, shades their share of the column."
            yield Panel(name, Markup(svg), caption)  # noqa: S704 (made by matplotlib)


def _is_judged(evaluation: Evaluation, name: str) -> bool:
    return evaluation.row(name, "found_share") is not None


def _curves(evaluation: Evaluation) -> Iterator[Panel]:
    for name in _REFERENCES:
        curve = [point for point in evaluation.curves if point.comparison == name]
        if any(point.n for point in curve):
            svg = figures.reliability_figure(curve, name)
            caption = "On the dashed line, confidence is what it says; below it, too high."
            yield Panel(name, Markup(svg), caption)  # noqa: S704 (made by matplotlib)


def _groups(evaluation: Evaluation) -> Iterator[Panel]:
    for name in _REFERENCES:
        rows = [
            row
            for row in evaluation.rows
            if (row.comparison, row.stratum_kind, row.statistic) == (name, "group", "bias")
        ]
        if rows:
            svg = figures.group_figure(rows, name)
            caption = "Dot: mean over the group's compartments; line: 95 % interval over animals."
            yield Panel(name, Markup(svg), caption)  # noqa: S704 (made by matplotlib)


def _areas(evaluation: Evaluation) -> Iterator[Panel]:
    rows = {
        (row.measure, row.statistic): row.value
        for row in evaluation.area_rows
        if row.stratum_kind == "all"
    }
    for pairs in evaluation.areas:
        for unit, words in (("um2", "in µm²"), ("percent", "in %")):
            names = ("bias", "limit_low", "limit_high")
            bias, low, high = (rows.get((pairs.measure, f"{name}_{unit}")) for name in names)
            if bias is None or low is None or high is None:
                continue
            svg = figures.bland_altman_figure(pairs, bias, (low, high), unit == "percent")
            title = f"{AREA_TITLES.get(pairs.measure, pairs.measure)}, {words}"
            caption = "Line: mean error; dashed: 95 % limits of agreement of one compartment."
            yield Panel(title, Markup(svg), caption)  # noqa: S704 (made by matplotlib)
