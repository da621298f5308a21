"""report.html: the study on one page that needs no other file.

Pictures and figures lie inside; nothing is loaded from elsewhere and no script runs (a content
security policy says so to the browser). All text of the study is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from histoscore.export import figures, values, wording
from histoscore.export.dictionary import RUNG
from histoscore.export.tables import reason_of
from histoscore.files import write_atomic
from histoscore.records import (
    GroupComparison,
    SectionResult,
    SlideResult,
    StudyTables,
)
from histoscore.vocabulary import Region, Status

OverlayPaths = Mapping[tuple[str, int], Path]
"""Overlay picture of (slide, section)."""

PICTURE_WIDTH = 900
NOTHING = "–"
_JPEG_QUALITY = 82


@dataclass(frozen=True, slots=True)
class SectionPicture:
    """A section as the report shows it; `picture` is a data URI, empty where there is none."""

    slide: SlideResult
    section: SectionResult
    group: str
    picture: str


@dataclass(frozen=True, slots=True)
class FigurePanel:
    """A figure with its heading and the number of the animals in it."""

    title: str
    svg: Markup
    is_primary: bool
    caption: str


def write_report(tables: StudyTables, path: Path, overlays: OverlayPaths | None = None) -> None:
    """Writes the report; `overlays` are the pictures of the sections, as far as there are any."""
    write_atomic(path, report_html(tables, overlays or {}))


def report_html(tables: StudyTables, overlays: OverlayPaths) -> str:
    """The page as text; the same for the same tables and pictures."""
    template = page_environment().get_template("report.html.j2")
    return (
        template.render(
            title=tables.reading.get(wording.Facts.STUDY, "Study"),
            banner=wording.banner(tables),
            facts={k: v for k, v in tables.reading.items() if k != wording.Facts.BANNER},
            flow=wording.flow(tables),
            primary=wording.primary_sentence(tables),
            statistics=wording.statistics_sentence(tables),
            methods=wording.methods_paragraph(tables),
            panels=_panels(tables),
            groups=_shown_comparisons(tables),
            level=wording.level(tables),
            sections=_pictures(tables, overlays),
            ungraded=[(s, reason_of(s)) for s in tables.slides if not s.status.is_graded],
        )
        + "\n"
    )


def page_environment() -> Environment:
    """Templates of the pages: everything is escaped, an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader("histoscore.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "grade": lambda value: RUNG.text(value) or NOTHING,
        "number": readable,
        "outcome": values.outcome_title,
        "p": lambda p: NOTHING if p is None else figures.p_words(p).removeprefix("p = "),
        "status": lambda status: wording.STATUS_WORDS[status],
        "two": lambda value: NOTHING if value is None else f"{value:.2f}".replace("-", "−"),
        "words": lambda flag: str(flag).replace("_", " "),
    }
    environment.tests["of_all_groups"] = values.is_of_all_groups
    environment.tests["graded"] = lambda item: Status(item.status).is_graded
    return environment


def readable(value: float | None) -> str:
    """A number for reading: thousands set apart and whole, else three digits; – for missing."""
    if value is None:
        return NOTHING
    text = f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _panels(tables: StudyTables) -> list[FigurePanel]:
    """The primary outcome, and the hyaline area of the same region; one panel a timepoint."""
    outcomes = dict.fromkeys((tables.primary_outcome, "hyaline_area_um2"))
    panels = [
        _panel(tables, outcome, tables.primary_region, timepoint)
        for timepoint in values.timepoints(tables)
        for outcome in outcomes
    ]
    return [panel for panel in panels if panel is not None]


def _panel(
    tables: StudyTables, outcome: str, region: Region, timepoint: str | None
) -> FigurePanel | None:
    groups = values.values_by_group(tables, outcome, region, timepoint)
    if not any(group.present for group in groups):
        return None
    comparisons = [
        c
        for c in tables.groups
        if (c.outcome, c.region, c.timepoint) == (outcome, region, timepoint)
    ]
    svg = figures.dot_figure(groups, comparisons, outcome, region, tables.ladder, timepoint)
    missing = sum(value is None for group in groups for value in group.values)
    title = f"{values.outcome_title(outcome)}, {region.value}" + (
        f", {timepoint}" if timepoint else ""
    )
    caption = "One dot an animal; line: median, whiskers: quartiles."
    if any(c.p_adjusted is not None for c in comparisons):
        caption += " p after Holm's adjustment."
    if missing:
        caption += f" {missing} without a value: not drawn."
    is_primary = (outcome, region) == (tables.primary_outcome, tables.primary_region)
    return FigurePanel(title, Markup(svg), is_primary, caption)  # noqa: S704 (made by matplotlib)


def _shown_comparisons(tables: StudyTables) -> list[GroupComparison]:
    """The primary comparisons first, then areas and grades of the same region."""
    shown = [
        c
        for c in tables.groups
        if c.primary or (c.region is tables.primary_region and c.outcome in values.OUTCOMES)
    ]
    order = values.outcome_order(tables)
    return sorted(shown, key=lambda c: (not c.primary, c.timepoint or "", order.index(c.outcome)))


def _pictures(tables: StudyTables, overlays: OverlayPaths) -> list[SectionPicture]:
    groups = {s.animal: s.group or "" for s in tables.animals}
    return [
        SectionPicture(
            slide,
            section,
            groups.get(slide.animal, ""),
            _data_uri(overlays.get((slide.slide, section.section))),
        )
        for slide in tables.slides
        for section in slide.sections
    ]


def _data_uri(path: Path | None) -> str:
    """A PNG, made smaller, as a JPEG inside the page; empty where the file is not there."""
    if path is None or not path.is_file():
        return ""
    with Image.open(path, formats=("PNG",)) as picture:
        rgb = picture.convert("RGB")
    if rgb.width > PICTURE_WIDTH:
        height = max(1, round(rgb.height * PICTURE_WIDTH / rgb.width))
        rgb = rgb.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
