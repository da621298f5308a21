"""Figures of a study as SVG: one dot an animal, median and quartiles, p in words.

The same values give the same bytes: no date, no random jitter, ids from a fixed salt.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, withStroke
from numpy.typing import NDArray

from histoscore.export.values import GroupValues, outcome_title, p_words
from histoscore.files import slug
from histoscore.records import GroupComparison
from histoscore.vocabulary import Ladder, Region, format_rung

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Group colours (Okabe & Ito 2008): told apart by colour-blind eyes."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Group shapes: told apart in a black-and-white print."""

STYLE = {
    "svg.hashsalt": "histoscore",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
}
INK = "#22313A"
PNG_DPI = 300
_REACH = 0.35
"""How far from its group's middle a dot may lie, where groups are 1 apart."""
_CROWD = 20
"""Of more dots the median would not be seen behind them: it is drawn over them."""
_CASING = withStroke(linewidth=2.2, foreground="white")
_FAMILIES = "'DejaVu Sans', Verdana, Arial, Helvetica, sans-serif"
"""Of letters in an SVG: where the first is not installed a plain one stands in."""


def dot_figure(
    groups: Sequence[GroupValues],
    comparisons: Sequence[GroupComparison],
    outcome: str,
    region: Region,
    ladder: Ladder,
    timepoint: str | None = None,
) -> str:
    """The dot drawing as an `<svg>` element."""
    drawing = dot_drawing(groups, comparisons, outcome, region, ladder)
    return svg_text(drawing, figure_name(outcome, region, timepoint))


def dot_drawing(
    groups: Sequence[GroupValues],
    comparisons: Sequence[GroupComparison],
    outcome: str,
    region: Region,
    ladder: Ladder,
) -> Figure:
    """Groups side by side, a dot an animal, p over the pairs compared.

    `comparisons` are those of this outcome, region and timepoint; those without p are not drawn.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.9 + 1.15 * max(2, len(groups)), 3.5), layout="constrained")
        axes = figure.add_subplot()
        _label(axes, groups, outcome, region)
        low, high = _limit(axes, groups, outcome, ladder)
        for position, group in enumerate(groups):
            _draw_group(axes, position, group, near=(high - low) / 28)
        _draw_comparisons(axes, groups, comparisons)
    return figure


def figure_name(outcome: str, region: Region, timepoint: str | None) -> str:
    """A name that no other figure of the study has, fit for files and ids."""
    name = f"{outcome}-{region.value}"
    return name if timepoint is None else f"{name}-{slug(timepoint)}"


def spread(values: Sequence[float], near: float, step: float = 0.11) -> tuple[float, ...]:
    """Sideways offsets, in the order given, that part values closer than `near` about 0.

    Equal values lie side by side about the middle. Of others each takes the free place nearest the
    middle, so that no slope is seen where there is none.
    """
    order = np.argsort(values, kind="stable")
    ascending = np.asarray(values, dtype=np.float64)[order]
    breaks = np.flatnonzero(np.diff(ascending) >= near) + 1
    offsets = np.zeros(len(values))
    for cluster in np.split(order, breaks):
        places = _places([float(values[index]) for index in cluster], near)
        reach = float(np.abs(places).max()) or 1.0
        offsets[cluster] = places * min(step, _REACH / reach)
    return tuple(offsets.tolist())


def _places(ascending: Sequence[float], near: float) -> NDArray[np.float64]:
    """Places in steps from the middle, for values of one cluster."""
    n = len(ascending)
    if ascending[0] == ascending[-1]:
        return np.arange(n, dtype=np.float64) - np.float64((n - 1) / 2)
    places: list[int] = []
    for index, value in enumerate(ascending):
        taken = {p for p, other in zip(places, ascending, strict=False) if value - other < near}
        nearest = (half * sign for half in range(index + 1) for sign in (1, -1))
        places.append(next(place for place in nearest if place not in taken))
    return np.array(places, dtype=np.float64)


def _draw_group(axes: Any, position: int, group: GroupValues, near: float) -> None:
    values = group.present
    if not values:
        return
    color, marker = COLORS[position % len(COLORS)], MARKERS[position % len(MARKERS)]
    low, median, high = np.percentile(values, (25, 50, 75))
    size = min(38.0, max(9.0, 38 * 16 / len(values)))
    axes.scatter(
        np.add(position, spread(values, near, step=0.11 * (size / 38) ** 0.5)),
        values,
        s=size,
        marker=marker,
        facecolor=color,
        edgecolor="white",
        linewidth=0.7 * (size / 38) ** 0.5,
        alpha=0.92,
        zorder=2,
    )
    look: dict[str, Any] = {"color": INK, "zorder": 1}
    if len(values) > _CROWD:
        look = {"color": INK, "zorder": 3, "path_effects": [_CASING, Normal()]}
    axes.vlines(position, low, high, lw=1.1, **look)
    axes.hlines((low, high), position - 0.08, position + 0.08, lw=1.1, **look)
    thick = 1.4 if len(values) > _CROWD else 2.2
    axes.hlines(median, position - 0.24, position + 0.24, lw=thick, **look)


def _label(axes: Any, groups: Sequence[GroupValues], outcome: str, region: Region) -> None:
    names = [f"{literal(g.group)}\nn = {len(g.present)}" for g in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", length=3, color=INK)
    axes.set_ylabel(f"{outcome_title(outcome)}, {region.value}")
    axes.set_xlim(-0.6, max(1, len(groups) - 1) + 0.6)


def _limit(
    axes: Any, groups: Sequence[GroupValues], outcome: str, ladder: Ladder
) -> tuple[float, float]:
    """Grades and shares stand on 0, grades reach to the ladder's top; the rest fill the axis."""
    values = [v for group in groups for v in group.present]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if outcome in ("grade_max", "grade_mean", "grade_median"):
        rungs = [r for r in ladder.rungs if float(r).is_integer()]
        axes.set_yticks(rungs, [format_rung(r) for r in rungs])
        high = ladder.rungs[-1]
    if outcome in ("grade_max", "grade_mean", "grade_median", "grade_sum", "lesion_extent"):
        low = 0.0
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    axes.set_ylim(low - margin, high + margin)
    return low - margin, high + margin


def _draw_comparisons(
    axes: Any, groups: Sequence[GroupValues], comparisons: Sequence[GroupComparison]
) -> None:
    """Brackets over the pairs, the widest on top; the axis grows to hold them."""
    places = {group.group: index for index, group in enumerate(groups)}
    pairs = [
        (abs(places[c.group] - places[c.reference]), places[c.reference], places[c.group], p)
        for c in comparisons
        if c.reference in places
        and c.group in places
        and (p := adjusted(c)) is not None
        and not c.family.endswith(" parametric")  # a pair has one bracket, the rank test's
    ]
    low, high = axes.get_ylim()
    step = (high - low) * 0.1
    for level, (_, start, end, p) in enumerate(sorted(pairs)):
        y = high + step * (level + 0.15)
        tick = step * 0.18
        axes.plot([start, start, end, end], [y - tick, y, y, y - tick], color=INK, lw=0.8)
        axes.text((start + end) / 2, y + tick * 0.6, p_words(p), ha="center", va="bottom", size=8)
    if pairs:
        ticks = [t for t in axes.get_yticks() if low <= t <= high]
        axes.set_ylim(low, high + step * (len(pairs) + 0.7))
        axes.set_yticks(ticks)
        axes.spines["left"].set_bounds(low, high)


def adjusted(comparison: GroupComparison) -> float | None:
    """The p that people should read: the adjusted one where there is one."""
    return comparison.p if comparison.p_adjusted is None else comparison.p_adjusted


def literal(text: str, wraps: bool = True) -> str:
    """Text that matplotlib must not take for mathematics; `wraps`: in lines, cut at blanks."""
    lines = re.sub(r"(.{9,}?)\s", r"\1" + "\n", text) if wraps else text
    return lines.replace("$", r"\$")


def svg_text(figure: Any, prefix: str) -> str:
    """A figure as an `<svg>` element; `prefix` keeps its ids apart from other figures' ids."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace("'DejaVu Sans'", _FAMILIES)
    text = re.sub(r'(\bid=")', rf"\1{prefix}-", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\1{prefix}-", text)
    return text.strip()


def png_bytes(figure: Any, description: str) -> bytes:
    """A figure as a PNG to print; `description` is kept in the file."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        told = {"Software": None, "Description": description}
        FigureCanvasAgg(figure).print_figure(
            buffer, format="png", dpi=PNG_DPI, metadata=told, facecolor="white"
        )
    return buffer.getvalue()
