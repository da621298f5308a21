"""contact_sheet.pdf: every section of a study at a glance, group by group, on pages to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscore.export import wording
from histoscore.export.lettering import INK
from histoscore.export.pdf_pages import A4_SIDEWAYS, PdfPage, pdf_bytes
from histoscore.export.pictures import small_jpeg
from histoscore.export.tables import reason_of
from histoscore.files import write_atomic
from histoscore.records import SectionResult, SlideResult, StudyTables
from histoscore.vocabulary import format_rung

COLUMNS, ROWS = 4, 3
MARGIN, GAP, HEADER, CAPTION, FOOTER = 26.0, 11.0, 26.0, 26.0, 12.0
"""Points."""

_GREY = (240, 242, 243)
_SOFT = (80, 95, 104)
_UNKNOWN = "no group known"


@dataclass(frozen=True, slots=True)
class _Cell:
    """A section, or a slide without one; `picture` may be missing."""

    group: str
    title: str
    below: str
    picture: Path | None


def write_contact_sheet(
    tables: StudyTables, path: Path, overlays: Mapping[tuple[str, int], Path]
) -> None:
    """Writes the pages: groups in their order, animals as in the sheet; a run that is still
    blinded shows no groups. Slides without a grade keep their place, with the reason.

    Args:
        overlays: picture of (slide, section), as far as there are any.
    """
    foot = wording.provenance(tables)
    pages = [_page(title, cells, foot) for title, cells in _pages(tables, overlays)]
    write_atomic(path, pdf_bytes(pages, "histoscore contact sheet", foot))


def _pages(
    tables: StudyTables, overlays: Mapping[tuple[str, int], Path]
) -> Iterator[tuple[str, Sequence[_Cell]]]:
    """Title and cells of each page; a group begins a page of its own."""
    cells = list(_cells(tables, overlays))
    known = any(cell.group for cell in cells)
    order = dict.fromkeys((*tables.group_order, *(cell.group for cell in cells)))
    a_page = COLUMNS * ROWS
    for group in order:
        mine = [cell for cell in cells if cell.group == group]
        count = -(-len(mine) // a_page)
        for number in range(count):
            name = (group or _UNKNOWN) if known else "all sections, blinded"
            place = f" ({number + 1} of {count})" if count > 1 else ""
            yield name + place, mine[number * a_page : (number + 1) * a_page]
    if not cells:
        yield "no slides", ()


def _cells(tables: StudyTables, overlays: Mapping[tuple[str, int], Path]) -> Iterator[_Cell]:
    groups = {score.animal: score.group or "" for score in tables.animals}
    for slide in tables.slides:
        group = groups.get(slide.animal, "")
        side = tables.sides.get(slide.slide)
        knee = f"{slide.animal} {side.value}" if side else slide.animal
        if not slide.sections:
            yield _Cell(group, f"{knee} · {slide.slide}", reason_of(slide), None)
        for section in slide.sections:
            yield _Cell(
                group,
                f"{knee} · {slide.slide} · section {section.section}",
                _grades(slide, section),
                overlays.get((slide.slide, section.section)),
            )


def _grades(slide: SlideResult, section: SectionResult) -> str:
    if not section.status.is_graded:
        return section.reason or slide.reason
    return " · ".join(
        f"{part.compartment.value} {'–' if part.grade is None else format_rung(part.grade)}"
        for part in section.compartments
    )


def _page(title: str, cells: Sequence[_Cell], foot: str) -> PdfPage:
    page = PdfPage()
    wide, high = A4_SIDEWAYS[0] - 2 * MARGIN, A4_SIDEWAYS[1] - 2 * MARGIN
    page.text(MARGIN, MARGIN + 14, title, 15, wide, INK, bold=True)
    page.text(MARGIN, A4_SIDEWAYS[1] - MARGIN + 4, foot, 6.5, wide, _SOFT, bold=False)
    cell_wide = (wide - (COLUMNS - 1) * GAP) / COLUMNS
    cell_high = (high - HEADER - FOOTER - (ROWS - 1) * GAP) / ROWS
    for place, cell in enumerate(cells):
        row, column = divmod(place, COLUMNS)
        x = MARGIN + column * (cell_wide + GAP)
        y = MARGIN + HEADER + row * (cell_high + GAP)
        _put(page, cell, (x, y, cell_wide, cell_high - CAPTION))
        below = y + cell_high - CAPTION + 11
        page.text(x, below, cell.title, 8.5, cell_wide, INK, bold=True)
        page.text(x, below + 11, cell.below, 8.5, cell_wide, _SOFT, bold=False)
    return page


def _put(page: PdfPage, cell: _Cell, box: tuple[float, float, float, float]) -> None:
    """The picture in its box (x, y, width, height), or a grey place."""
    jpeg = small_jpeg(cell.picture)
    if jpeg is None:
        page.rectangle(*box, _GREY)
    else:
        page.picture(jpeg, *box)
