"""Figures of an evaluation as SVG; the same values give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from histoscore.export.figures import COLORS, INK, STYLE, svg_text
from histoscore.scoring.areas import SMALL_UM2, AreaPairs, errors, relative_errors
from histoscore.scoring.clusters import Numbers
from histoscore.scoring.comparison import EvaluationRow
from histoscore.scoring.reliability import CurveBin
from histoscore.vocabulary import Ladder, format_rung

_LINE = "#9AA7AE"
_ACCENT = COLORS[0]


def confusion_figure(counts: Numbers, ladder: Ladder, name: str) -> str:
    """How often each pair of rungs was given: rows the first grader, columns the second.

    Shades are shares of the column, so that rare grades can be read as well.
    """
    first, second = (part.strip() for part in name.split(" vs ", 1))
    rungs = [format_rung(rung) for rung in ladder.rungs]
    columns = np.maximum(counts.sum(0), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.1, 3.9), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(counts / columns, cmap="Blues", vmin=0, vmax=1, origin="lower")
        for row, column in np.argwhere(counts > 0):
            dark = counts[row, column] / columns[column] > 0.55
            ink = "white" if dark else INK
            text = f"{int(counts[row, column])}"
            axes.text(column, row, text, ha="center", va="center", color=ink, size=8)
        axes.set_xticks(range(len(rungs)), rungs)
        axes.set_yticks(range(len(rungs)), rungs)
        axes.set_xlabel(_plain(f"grade by {second}"))
        axes.set_ylabel(_plain(f"grade by {first}"))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return svg_text(figure, f"confusion-{_id(name)}")


def reliability_figure(curve: Sequence[CurveBin], name: str) -> str:
    """Share right against confidence, with intervals; numbers are compartments in the bin."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.1, 3.9), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=_LINE, lw=1, ls="--", zorder=1)
        for point in curve:
            if point.mean_confidence is None or point.observed is None:
                continue
            x, y = point.mean_confidence, point.observed
            if point.observed_low is not None and point.observed_high is not None:
                axes.vlines(x, point.observed_low, point.observed_high, color=INK, lw=1, zorder=2)
            axes.scatter([x], [y], s=34, color=_ACCENT, edgecolor="white", lw=0.7, zorder=3)
            axes.annotate(
                str(point.n), (x, y), xytext=(6, -9), textcoords="offset points", size=8, color=INK
            )
        axes.set_xlim(0, 1.02)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("probability of the grade given")
        axes.set_ylabel("share that was right")
        return svg_text(figure, f"reliability-{_id(name)}")


def bland_altman_figure(
    pairs: AreaPairs, bias: float, limits: tuple[float, float], relative: bool
) -> str:
    """Error against the true area, with mean error and 95 % limits of agreement."""
    items = [i for i in pairs.paired if not relative or pairs.truth[i] >= SMALL_UM2]
    apart = relative_errors(pairs, items) * 100 if relative else errors(pairs, items)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color=_LINE, lw=0.8, zorder=1)
        axes.axhline(bias, color=INK, lw=1.3, zorder=2)
        for limit in limits:
            axes.axhline(limit, color=INK, lw=1, ls="--", zorder=2)
        truth = [pairs.truth[item] / 1000 for item in items]
        axes.scatter(truth, apart, s=13, color=_ACCENT, alpha=0.55, lw=0, zorder=3)
        axes.set_xlabel("true area (1000 µm²)")
        axes.set_ylabel("measured − true" + (" (% of true)" if relative else " (µm²)"))
        return svg_text(figure, f"areas-{pairs.measure}-{'relative' if relative else 'absolute'}")


def group_figure(rows: Sequence[EvaluationRow], name: str) -> str:
    """Mean signed error of each group in grades, with its interval; a row a group."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 0.9 + 0.42 * max(2, len(rows))), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color=_LINE, lw=0.8, zorder=1)
        places = list(range(len(rows)))[::-1]
        for place, row in zip(places, rows, strict=True):
            _draw_error(axes, place, row)
        axes.set_yticks(places, [_plain(f"{r.stratum} (n = {r.n_animals})") for r in rows])
        axes.set_ylim(-0.6, max(1, len(rows) - 1) + 0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean error in grades, first − second")
        return svg_text(figure, f"groups-{_id(name)}")


def _draw_error(axes: Any, place: int, row: EvaluationRow) -> None:
    if row.value is None:
        return
    if row.low is not None and row.high is not None:
        axes.hlines(place, row.low, row.high, color=INK, lw=1.4, zorder=2)
    axes.scatter([row.value], [place], s=40, color=_ACCENT, edgecolor="white", lw=0.7, zorder=3)


def _plain(text: str) -> str:
    """Text that matplotlib must not take for mathematics."""
    return text.replace("$", r"\$")


def _id(name: str) -> str:
    """A name as part of an XML id."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
