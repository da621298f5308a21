"""report.html: the study on one page that needs no other file.

Pictures and figures lie inside: of the sections one for each group, and links to the overlays of
all of them, which work where the page lies in its run folder. Nothing is loaded from elsewhere
and no script runs (a content security policy says so to the browser). All text of the study is
escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from histoscore.export import values, wording
from histoscore.export.additions import Additions
from histoscore.export.arrive import arrive_items
from histoscore.export.dictionary import RUNG
from histoscore.export.evaluation_wording import (
    BLAND_ALTMAN,
    TITLES,
    HeadlineRow,
    headline,
    headline_sentence,
    interval_sentence,
    scorers_sentence,
)
from histoscore.export.origins import flow_by_group, slides_by_group
from histoscore.export.pictures import data_uri
from histoscore.export.power_page import power_rows, power_sentence
from histoscore.export.quality import batches, flag_counts
from histoscore.export.representatives import Representative, representatives
from histoscore.export.study_figures import StudyFigure, study_figures
from histoscore.export.tables import reason_of
from histoscore.files import write_atomic
from histoscore.records import GroupComparison, SectionResult, StudyTables
from histoscore.scoring.comparison import Item
from histoscore.scoring.evaluation import Evaluation
from histoscore.scoring.power import SIZES
from histoscore.vocabulary import Compartment, Status

OverlayPaths = Mapping[tuple[str, int], Path]
"""Overlay picture of (slide, section)."""

PICTURE_WIDTH = 1200
"""Pixels of a section's picture: sharp at 10 cm in print."""
NOTHING = "–"
OPEN_ROWS = 40
"""A longer list of sections is folded up, and not printed."""


@dataclass(frozen=True, slots=True)
class RepresentativePicture:
    """A group's section as the report shows it; `picture` is a data URI, "" where there is none."""

    chosen: Representative
    picture: str
    words: str


@dataclass(frozen=True, slots=True)
class SectionRow:
    """A section in the list of all: its grades in the order MFC, MTP, LFC, LTP, and its picture's
    place beside the page ("" where it has none)."""

    group: str
    animal: str
    slide: str
    section: SectionResult
    grades: tuple[float | None, ...]
    link: str


def write_report(
    tables: StudyTables,
    path: Path,
    overlays: OverlayPaths | None = None,
    drawn: Sequence[StudyFigure] | None = None,
    additions: Additions | None = None,
) -> None:
    """Writes the report; `overlays` are the pictures of the sections, as far as there are any,
    and `drawn` the study's figures, where they are drawn already."""
    write_atomic(path, report_html(tables, overlays or {}, drawn, additions))


def report_html(
    tables: StudyTables,
    overlays: OverlayPaths,
    drawn: Sequence[StudyFigure] | None = None,
    additions: Additions | None = None,
) -> str:
    """The page as text; the same for the same tables and pictures."""
    beside = additions or Additions()
    template = page_environment().get_template("report.html.j2")
    return (
        template.render(
            title=tables.reading.get(wording.Facts.STUDY, "Study"),
            banner=wording.banner(tables),
            facts={k: v for k, v in tables.reading.items() if k != wording.Facts.BANNER},
            flow=wording.flow(tables),
            flows=flow_by_group(tables),
            primary=wording.primary_sentence(tables),
            result=wording.primary_result(tables),
            statistics=wording.statistics_sentence(tables),
            methods=wording.methods_paragraph(tables),
            arrive=arrive_items(tables),
            provenance=wording.provenance(tables),
            panels=study_figures(tables) if drawn is None else drawn,
            groups=_shown_comparisons(tables),
            level=wording.level(tables),
            power=power_rows(beside.power),
            power_sizes=SIZES,
            power_words=power_sentence(beside.power),
            agreement=_agreement(beside.agreement),
            representatives=_representatives(tables, overlays),
            flags=flag_counts(tables),
            batches=batches(tables),
            sections=_section_rows(tables),
            open_rows=OPEN_ROWS,
            compartments=[c.value for c in Compartment],
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
        "p": lambda p: (
            NOTHING if p is None else values.p_words(p).removeprefix("p ").removeprefix("= ")
        ),
        "percent": lambda share: NOTHING if share is None else f"{share:.0%}",
        "svg": lambda text: Markup(text),  # noqa: S704 (drawn by matplotlib, which escapes)
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


@dataclass(frozen=True, slots=True)
class _Agreement:
    """The report's section on people's grades."""

    words: str
    rows: list[HeadlineRow]
    differences: list[HeadlineRow]
    notices: tuple[str, ...]
    titles: tuple[str, ...] = tuple(TITLES.values())
    difference_titles: tuple[str, ...] = tuple(BLAND_ALTMAN.values())


def _agreement(found: Evaluation | None) -> _Agreement | None:
    if found is None:
        return None
    words = f"{headline_sentence(found)} {scorers_sentence(found)} {interval_sentence(found)}"
    names = found.comparisons
    differences = headline(found, names, tuple(BLAND_ALTMAN))
    return _Agreement(words, headline(found, names), differences, found.notices)


def _shown_comparisons(tables: StudyTables) -> list[GroupComparison]:
    """The primary comparisons first, then areas and grades of the same region."""
    shown = [
        c
        for c in tables.groups
        if c.primary or (c.region is tables.primary_region and c.outcome in values.OUTCOMES)
    ]
    order = values.outcome_order(tables)
    return sorted(shown, key=lambda c: (not c.primary, c.timepoint or "", order.index(c.outcome)))


def _representatives(tables: StudyTables, overlays: OverlayPaths) -> list[RepresentativePicture]:
    outcome = values.outcome_title(tables.primary_outcome)
    return [
        RepresentativePicture(
            one,
            data_uri(overlays.get((one.slide.slide, one.section.section)), PICTURE_WIDTH),
            f"{outcome}, {tables.primary_region.value}: {readable(one.value)} "
            f"(median of the group's {one.n} animals {readable(one.group_median)})",
        )
        for one in representatives(tables)
    ]


def _section_rows(tables: StudyTables) -> list[SectionRow]:
    """Every section, group by group, in the order of the sheet."""
    counted = values.counted_grades(tables)
    return [
        SectionRow(
            group,
            slide.animal,
            slide.slide,
            section,
            tuple(
                counted.get(Item(slide.slide, section.section, compartment))
                for compartment in Compartment
            ),
            quote(section.overlay) if section.overlay else "",
        )
        for group, slides in slides_by_group(tables).items()
        for slide in slides
        for section in slide.sections
    ]
