"""Compartments × animals as a coloured table: where in the knee each animal is ill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from histoscore.export import values
from histoscore.export.figures import INK, STYLE, literal
from histoscore.records import StudyTables
from histoscore.vocabulary import Compartment, Region, format_rung

OUTCOME = "grade_max"
COLORS = "YlOrBr"
"""Light to dark, told apart by colour-blind eyes and in a black-and-white print."""

_A_LINE, _A_PANEL = 5, 40
_PANEL, _NAMES, _ROW, _HEAD = 1.78, 0.76, 0.165, 0.44
"""Inches: a panel's width, of it the animals' names; a row's height; title and compartments."""
_MISSING = "#E3E6E8"

_Panel = tuple[str, tuple[str, ...], NDArray[np.float64]]
"""Title, animals, grades (animals, compartments) with NaN where there is none."""


def heatmap(tables: StudyTables, timepoint: str | None) -> Figure | None:
    """Highest grade of every animal in every compartment, group beside group; None where no
    animal has a grade. A group of more than 40 animals goes on in the next panel."""
    panels = [panel for group in _groups(tables, timepoint) for panel in _split(group)]
    if not any(np.isfinite(grades).any() for _, _, grades in panels):
        return None
    lines = [panels[start : start + _A_LINE] for start in range(0, len(panels), _A_LINE)]
    heights = [_HEAD + _ROW * max(len(animals) for _, animals, _ in line) for line in lines]
    wide, high = _PANEL * max(2, *map(len, lines)), sum(heights)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(wide, high))
        for place, line in enumerate(lines):
            bottom = high - sum(heights[: place + 1])
            for column, panel in enumerate(line):
                rows = (heights[place] - _HEAD) / _ROW
                box = (_PANEL * column + _NAMES, bottom, _PANEL - _NAMES - 0.1, _ROW * rows)
                axes = figure.add_axes((box[0] / wide, box[1] / high, box[2] / wide, box[3] / high))
                _draw(axes, panel, round(rows), tables.ladder.rungs[-1])
    return figure


def _groups(tables: StudyTables, timepoint: str | None) -> list[_Panel]:
    """A panel a group, its animals in the study's order."""
    by_compartment = [
        values.values_by_group(tables, OUTCOME, Region(compartment.value), timepoint)
        for compartment in Compartment
    ]
    return [
        (
            parts[0].group,
            parts[0].animals,
            np.array([part.values for part in parts], dtype=np.float64).T,
        )
        for parts in zip(*by_compartment, strict=True)
    ]


def _split(panel: _Panel) -> list[_Panel]:
    title, animals, grades = panel
    count = -(-len(animals) // _A_PANEL)
    step = -(-len(animals) // count)
    return [
        (
            title if count == 1 else f"{title} ({place + 1}/{count})",
            animals[place * step : (place + 1) * step],
            grades[place * step : (place + 1) * step],
        )
        for place in range(count)
    ]


def _draw(axes: Any, panel: _Panel, rows: int, top: float) -> None:
    """Cells of one height in the whole line, a grade in each; no colour where there is none."""
    title, animals, grades = panel
    colors = mpl.colormaps[COLORS]
    edges = np.arange(len(Compartment) + 1) - 0.5, np.arange(len(animals) + 1) - 0.5
    mesh = np.ma.masked_invalid(grades)
    axes.pcolormesh(*edges, mesh, cmap=colors, vmin=0, vmax=top, edgecolor="white", linewidth=0.8)
    for (row, column), grade in np.ndenumerate(grades):
        _write(axes, row, column, float(grade), colors, top)
    axes.set_xlim(-0.5, len(Compartment) - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for place, compartment in enumerate(Compartment):
        _say(axes, -0.8, place, compartment.value, INK, size=6)
    for place, animal in enumerate(animals):
        _say(axes, place, -0.6, _short(animal, 14), INK, "right")
    left = -0.5 - len(Compartment) * _NAMES / (_PANEL - _NAMES - 0.1)
    _say(axes, -1.8, left, _short(title, 22), INK, "left", size=8, weight="bold")
    axes.set_axis_off()


def _write(axes: Any, row: int, column: int, grade: float, colors: Any, top: float) -> None:
    if np.isnan(grade):
        box = (column - 0.46, row - 0.44)
        axes.add_patch(mpl.patches.Rectangle(box, 0.92, 0.88, facecolor=_MISSING))
        _say(axes, row, column, "–", INK)
        return
    red, green, blue, _ = colors(grade / top)
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    ink = "white" if is_dark else "black"
    _say(axes, row, column, format_rung(grade), ink)


def _say(
    axes: Any, row: float, column: float, words: str, ink: str, side: str = "center", **look: Any
) -> None:
    axes.text(
        column, row, words, ha=side, va="center", color=ink, clip_on=False, **{"size": 6.5} | look
    )


def _short(words: str, length: int) -> str:
    return literal(words if len(words) <= length else words[: length - 1] + "…", wraps=False)


def caption(groups: Sequence[values.GroupValues]) -> str:
    """What is seen, for the figure's foot."""
    n = sum(len(group.animals) for group in groups)
    return (
        f"Highest grade of each compartment over an animal's sections, {n} animals; the darker "
        "the worse. –: no grade."
    )
