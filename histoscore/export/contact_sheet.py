"""contact_sheet.pdf: every section of a study at a glance, group by group, on pages to print."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from histoscore.export.lettering import INK, font, shortened
from histoscore.export.tables import reason_of
from histoscore.files import write_atomic
from histoscore.records import SectionResult, SlideResult, StudyTables
from histoscore.vocabulary import format_rung

DPI = 200
PAGE_PX = (2339, 1654)
"""A4 on its side."""
COLUMNS, ROWS = 4, 3
MARGIN_PX, GAP_PX, HEADER_PX, CAPTION_PX = 70, 30, 90, 76

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
    pages = [_page(title, cells) for title, cells in _pages(tables, overlays)]
    buffer = io.BytesIO()
    never = time.gmtime(0)  # equal tables give equal bytes
    pages[0].save(
        buffer,
        "PDF",
        save_all=True,
        append_images=pages[1:],
        resolution=DPI,
        quality=88,
        creationDate=never,
        modDate=never,
    )
    write_atomic(path, buffer.getvalue())


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


def _page(title: str, cells: Sequence[_Cell]) -> Image.Image:
    page = Image.new("RGB", PAGE_PX, "white")
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN_PX, MARGIN_PX), title, fill=INK, font=font(44, bold=True), anchor="lt")
    wide = (PAGE_PX[0] - 2 * MARGIN_PX - (COLUMNS - 1) * GAP_PX) // COLUMNS
    high = (PAGE_PX[1] - 2 * MARGIN_PX - HEADER_PX - (ROWS - 1) * GAP_PX) // ROWS
    for place, cell in enumerate(cells):
        row, column = divmod(place, COLUMNS)
        left = MARGIN_PX + column * (wide + GAP_PX)
        top = MARGIN_PX + HEADER_PX + row * (high + GAP_PX)
        _paste(page, draw, cell, (left, top, wide, high - CAPTION_PX))
        for line, (text, color) in enumerate(((cell.title, INK), (cell.below, _SOFT))):
            letters = font(26, bold=line == 0)
            at = left, top + high - CAPTION_PX + 8 + 33 * line
            draw.text(at, shortened(text, letters, wide), fill=color, font=letters, anchor="lt")
    return page


def _paste(
    page: Image.Image, draw: ImageDraw.ImageDraw, cell: _Cell, box: tuple[int, int, int, int]
) -> None:
    """The picture as large as the box (left, top, width, height) allows, in its middle."""
    left, top, width, height = box
    if cell.picture is None or not cell.picture.is_file():
        draw.rectangle((left, top, left + width, top + height), fill=_GREY)
        return
    with Image.open(cell.picture, formats=("PNG",)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    page.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
