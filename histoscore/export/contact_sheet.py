"""contact_sheet.pdf: every section of a study at a glance, group by group, on pages to print."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from histoscore.export import wording
from histoscore.export.lettering import INK, font_file, shortened
from histoscore.export.origins import slide_origins, slides_by_group
from histoscore.export.pictures import small_jpeg
from histoscore.export.tables import reason_of
from histoscore.export.values import counted_grades
from histoscore.files import write_atomic
from histoscore.geojson import Rgb
from histoscore.records import SectionResult, SlideResult, StudyTables
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import format_rung

COLUMNS, ROWS = 4, 3
PAGE = landscape(A4)
MARGIN, GAP, HEADER, CAPTION, FOOTER = 26.0, 11.0, 26.0, 26.0, 12.0
"""Points."""

_PLAIN, _BOLD = "histoscore", "histoscore bold"
_GREY = (240, 242, 243)
_SOFT = (80, 95, 104)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A section, or a slide without one; `picture` may be missing."""

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
    _fonts()
    rl_config.useA85 = 0  # pictures as they are; as text they would take a quarter more
    foot, buffer = wording.provenance(tables), io.BytesIO()
    sheet = Canvas(buffer, pagesize=PAGE, invariant=1)  # invariant: no time in the file
    sheet.setTitle("histoscore contact sheet")
    sheet.setSubject(foot)
    for title, cells in _pages(tables, overlays):
        _draw(sheet, title, cells, foot)
        sheet.showPage()
    sheet.save()
    write_atomic(path, buffer.getvalue())


def _fonts() -> None:
    """The letters of the overlays, with every script that they have."""
    for name, bold in ((_PLAIN, False), (_BOLD, True)):
        registerFont(TTFont(name, font_file(bold)))


def _pages(
    tables: StudyTables, overlays: Mapping[tuple[str, int], Path]
) -> Iterator[tuple[str, Sequence[_Cell]]]:
    """Title and cells of each page; a group begins a page of its own."""
    blinded = all(origin.group is None for origin in slide_origins(tables).values())
    grades = counted_grades(tables)
    a_page = COLUMNS * ROWS
    for group, slides in slides_by_group(tables).items():
        cells = list(_cells(tables, slides, overlays, grades))
        count = -(-len(cells) // a_page)
        for number in range(count):
            name = "all sections, blinded" if blinded else group
            place = f" ({number + 1} of {count})" if count > 1 else ""
            yield name + place, cells[number * a_page : (number + 1) * a_page]
    if not tables.slides:
        yield "no slides", ()


def _cells(
    tables: StudyTables,
    slides: Sequence[SlideResult],
    overlays: Mapping[tuple[str, int], Path],
    grades: Mapping[Item, float | None],
) -> Iterator[_Cell]:
    for slide in slides:
        side = tables.sides.get(slide.slide)
        knee = f"{slide.animal} {side.value}" if side else slide.animal
        if not slide.sections:
            yield _Cell(f"{knee} · {slide.slide}", reason_of(slide), None)
        for section in slide.sections:
            yield _Cell(
                f"{knee} · {slide.slide} · section {section.section}",
                _grades(slide, section, grades),
                overlays.get((slide.slide, section.section)),
            )


def _grades(slide: SlideResult, section: SectionResult, grades: Mapping[Item, float | None]) -> str:
    if not section.status.is_graded:
        return section.reason or slide.reason
    items = (Item(slide.slide, section.section, c.compartment) for c in section.compartments)
    counted = {item.compartment: grades.get(item) for item in items}
    return " · ".join(
        f"{compartment.value} {'–' if grade is None else format_rung(grade)}"
        for compartment, grade in counted.items()
    )


def _draw(sheet: Canvas, title: str, cells: Sequence[_Cell], foot: str) -> None:
    """A page; y grows upward, as in every PDF."""
    wide, high = PAGE[0] - 2 * MARGIN, PAGE[1] - 2 * MARGIN
    top = PAGE[1] - MARGIN
    _write(sheet, (MARGIN, top - 14), title, 15, wide, _BOLD)
    _write(sheet, (MARGIN, MARGIN - 4), foot, 6.5, wide, _PLAIN, _SOFT)
    cell_wide = (wide - (COLUMNS - 1) * GAP) / COLUMNS
    cell_high = (high - HEADER - FOOTER - (ROWS - 1) * GAP) / ROWS
    for place, cell in enumerate(cells):
        row, column = divmod(place, COLUMNS)
        x = MARGIN + column * (cell_wide + GAP)
        y = top - HEADER - row * (cell_high + GAP) - cell_high + CAPTION
        _put(sheet, cell, (x, y, cell_wide, cell_high - CAPTION))
        _write(sheet, (x, y - 11), cell.title, 8.5, cell_wide, _BOLD)
        _write(sheet, (x, y - 22), cell.below, 8.5, cell_wide, _PLAIN, _SOFT)


def _write(
    sheet: Canvas,
    place: tuple[float, float],
    words: str,
    size: float,
    width: float,
    font: str,
    color: Rgb = INK,
) -> None:
    """One line, shortened to `width`."""
    line = shortened(words, width, partial(stringWidth, fontName=font, fontSize=size))
    sheet.setFont(font, size)
    sheet.setFillColorRGB(*(part / 255 for part in color))
    sheet.drawString(*place, line)


def _put(sheet: Canvas, cell: _Cell, box: tuple[float, float, float, float]) -> None:
    """The picture in the middle of its box (x, y, width, height), or a grey place."""
    jpeg = small_jpeg(cell.picture)
    if jpeg is None:
        sheet.setFillColorRGB(*(part / 255 for part in _GREY))
        sheet.rect(*box, stroke=0, fill=1)
    else:
        picture = ImageReader(io.BytesIO(jpeg))
        sheet.drawImage(picture, *box, preserveAspectRatio=True, anchor="c")
