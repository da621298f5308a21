"""The figures of a study: in the report, and as files that go into a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from matplotlib.figure import Figure

from histoscore.export import figures, heatmap, values, wording
from histoscore.files import make_folder, slug, write_atomic
from histoscore.records import GroupComparison, StudyTables
from histoscore.vocabulary import Region

MEASURES = ("hyaline_area_um2", "calcified_area_um2", "mean_thickness_um")
"""Outcomes that are drawn beside the primary one, over the same region."""


@dataclass(frozen=True, slots=True)
class StudyFigure:
    """A figure; `name` is that of its files, `svg` an `<svg>` element with ids of its own."""

    name: str
    title: str
    caption: str
    is_primary: bool
    is_wide: bool
    svg: str
    drawing: Figure


def study_figures(tables: StudyTables) -> tuple[StudyFigure, ...]:
    """For each timepoint the primary outcome, areas, thickness, and compartments × animals."""
    found: list[StudyFigure | None] = []
    for timepoint in values.timepoints(tables):
        found += [
            _dots(tables, outcome, tables.primary_region, timepoint)
            for outcome in dict.fromkeys((tables.primary_outcome, *MEASURES))
        ]
        found.append(_heatmap(tables, timepoint))
    return tuple(figure for figure in found if figure is not None)


def write_figures(drawn: Sequence[StudyFigure], folder: Path, provenance: str) -> tuple[Path, ...]:
    """Writes each figure as `NAME.svg` and `NAME.png` (300 dpi); both carry the provenance."""
    make_folder(folder)
    paths = []
    for figure in drawn:
        words = f"{figure.title}. {figure.caption} {provenance}".strip()
        paths += [folder / f"{figure.name}.svg", folder / f"{figure.name}.png"]
        write_atomic(paths[-2], _standing_alone(figure.svg, words))
        write_atomic(paths[-1], figures.png_bytes(figure.drawing, words))
    return tuple(paths)


def _dots(
    tables: StudyTables, outcome: str, region: Region, timepoint: str | None
) -> StudyFigure | None:
    groups = values.values_by_group(tables, outcome, region, timepoint)
    if not any(group.present for group in groups):
        return None
    asked = (outcome, region, timepoint)
    comparisons = [c for c in tables.groups if (c.outcome, c.region, c.timepoint) == asked]
    drawing = figures.dot_drawing(groups, comparisons, outcome, region, tables.ladder)
    name = figures.figure_name(outcome, region, timepoint)
    svg = figures.svg_text(drawing, name)
    drawing.set_layout_engine("none")  # the places are found; the PNG takes the same
    return StudyFigure(
        name=name,
        title=_title(f"{values.outcome_title(outcome)}, {region.value}", timepoint),
        caption=_caption(groups, comparisons),
        is_primary=(outcome, region) == (tables.primary_outcome, tables.primary_region),
        is_wide=False,
        svg=svg,
        drawing=drawing,
    )


def _heatmap(tables: StudyTables, timepoint: str | None) -> StudyFigure | None:
    drawing = heatmap.heatmap(tables, timepoint)
    if drawing is None:
        return None
    groups = values.values_by_group(tables, heatmap.OUTCOME, Region.JOINT, timepoint)
    name = "compartments" if timepoint is None else f"compartments-{slug(timepoint)}"
    return StudyFigure(
        name=name,
        title=_title("highest grade by compartment and animal", timepoint),
        caption=heatmap.caption(groups),
        is_primary=False,
        is_wide=True,
        svg=figures.svg_text(drawing, name),
        drawing=drawing,
    )


def _caption(groups: Sequence[values.GroupValues], comparisons: Sequence[GroupComparison]) -> str:
    words = "One dot an animal; line: median, whiskers: quartiles."
    if any(c.p_adjusted is not None for c in comparisons):
        words += " p after Holm's adjustment."
    if missing := sum(value is None for group in groups for value in group.values):
        words += f" {missing} without a value: not drawn."
    return words


def _title(words: str, timepoint: str | None) -> str:
    return words if timepoint is None else f"{words}, {timepoint}"


def _standing_alone(svg: str, words: str) -> str:
    """The element as a file of its own, with what it shows in words."""
    told = f"<desc>{escape(wording.printable(words))}</desc>"
    body = re.sub(r"(<svg\b[^>]*>)", lambda head: head[1] + "\n " + told, svg, count=1)
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{body}\n'
