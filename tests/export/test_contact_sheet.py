"""contact_sheet.pdf: every section has its place, groups only where they are known."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_study import example_study
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from histoscore.export import contact_sheet
from histoscore.export.contact_sheet import COLUMNS, ROWS, write_contact_sheet
from histoscore.export.origins import NO_GROUP, slides_by_group
from histoscore.export.pictures import SMALL_BOX, write_small
from histoscore.records import SlideOrigin, StudyTables


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], list[str]]]:
    """Title, captions and lines below them of every page that is drawn."""
    drawn: list[tuple[str, list[str], list[str]]] = []
    draw = contact_sheet._draw

    def watched(sheet: Canvas, title: str, cells: list, foot: str) -> None:
        drawn.append((title, [c.title for c in cells], [c.below for c in cells]))
        draw(sheet, title, cells, foot)

    monkeypatch.setattr(contact_sheet, "_draw", watched)
    return drawn


def blinded(tables: StudyTables) -> StudyTables:
    animals = tuple(replace(score, group=None) for score in tables.animals)
    origins = {slide: replace(origin, group=None) for slide, origin in tables.origins.items()}
    return replace(tables, animals=animals, group_order=(), origins=origins)


def test_every_section_has_a_place_and_every_slide_without_one(
    tmp_path: Path, pages: list[tuple[str, list[str], list[str]]]
) -> None:
    tables = example_study()
    write_contact_sheet(tables, tmp_path / "a.pdf", {})
    titles = [title for _, cells, _ in pages for title in cells]
    places = sum(max(1, len(slide.sections)) for slide in tables.slides)
    assert len(titles) == len(set(titles)) == places
    below = [text for _, _, lines in pages for text in lines]
    assert "empty file" in below
    assert "no joint found" in below
    assert any(text.startswith("MFC 0 · MTP ") for text in below)


def test_groups_have_pages_of_their_own_in_their_order(
    tmp_path: Path, pages: list[tuple[str, list[str], list[str]]]
) -> None:
    tables = example_study()
    write_contact_sheet(tables, tmp_path / "a.pdf", {})
    named = [title.partition(" (")[0] for title, _, _ in pages]
    assert list(dict.fromkeys(named)) == list(slides_by_group(tables)) == list(tables.group_order)
    on_page = {cell for title, cells, _ in pages if title == "DMM + exosome" for cell in cells}
    assert any("slides/11.svs" in cell for cell in on_page)  # whose only slide failed


def test_slides_without_a_group_have_the_page_that_the_report_names(
    tmp_path: Path, pages: list[tuple[str, list[str], list[str]]]
) -> None:
    tables = example_study()
    origins = dict(tables.origins) | {tables.slides[11].slide: SlideOrigin()}
    write_contact_sheet(replace(tables, origins=origins), tmp_path / "a.pdf", {})
    assert [(title, len(cells)) for title, cells, _ in pages][-1] == (NO_GROUP, 1)


def test_a_blinded_study_shows_no_group(
    tmp_path: Path, pages: list[tuple[str, list[str], list[str]]]
) -> None:
    tables = example_study()
    write_contact_sheet(blinded(tables), tmp_path / "a.pdf", {})
    assert {title.partition(" (")[0] for title, _, _ in pages} == {"all sections, blinded"}
    data = (tmp_path / "a.pdf").read_bytes()
    assert not any(group.encode() in data for group in tables.group_order)


class Watched(Canvas):
    """What is put on a page: texts, pictures with their boxes, grey places."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.texts: list[str] = []
        self.pictures: list[tuple[tuple[int, int], tuple[float, ...]]] = []
        self.places = 0

    def drawString(self, x: float, y: float, text: str, *others: object) -> None:
        self.texts.append(text)

    def drawImage(self, image: ImageReader, *box: float, **options: object) -> None:
        assert options == {"preserveAspectRatio": True, "anchor": "c"}
        self.pictures.append((image.getSize(), box))

    def rect(self, *box: float, **options: object) -> None:
        self.places += 1


def drawn(picture: Path, words: str = "MFC 0") -> Watched:
    sheet, cell = Watched(), contact_sheet._Cell("M1", words, picture)
    contact_sheet._fonts()
    contact_sheet._draw(sheet, "sham", [cell], "foot")
    return sheet


def test_a_picture_stands_whole_in_its_place_above_its_words(tmp_path: Path) -> None:
    Image.fromarray(np.full((900, 300, 3), (220, 0, 0), np.uint8)).save(tmp_path / "one.png")
    sheet = drawn(tmp_path / "one.png")
    ((size, (x, y, width, height)),) = sheet.pictures
    assert size == (100, 300)
    assert 0 < x < x + width < contact_sheet.PAGE[0] / COLUMNS + contact_sheet.MARGIN
    assert contact_sheet.PAGE[1] * (1 - 1 / ROWS) - contact_sheet.MARGIN < y
    assert y + height < contact_sheet.PAGE[1] - contact_sheet.MARGIN
    assert sheet.texts == ["sham", "foot", "M1", "MFC 0"]


def test_the_small_copy_goes_in_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(np.full((900, 1800, 3), (220, 0, 0), np.uint8)).save(tmp_path / "one.png")
    small = write_small(tmp_path / "one.png")
    with Image.open(small) as opened:
        assert opened.size == (SMALL_BOX[0], SMALL_BOX[0] // 2)
    tables = example_study()
    slide = next(slide for slide in tables.slides if slide.sections)
    overlays = {(slide.slide, slide.sections[0].section): tmp_path / "one.png"}
    write_contact_sheet(tables, tmp_path / "a.pdf", overlays)
    assert small.read_bytes() in (tmp_path / "a.pdf").read_bytes()


def test_a_missing_picture_leaves_a_grey_place(tmp_path: Path) -> None:
    sheet = drawn(tmp_path / "gone.png")
    assert not sheet.pictures
    assert sheet.places == 1


@pytest.mark.parametrize("words", ["Käfig (3) \\ µm", "Мышь № 7"])
def test_a_line_too_long_is_cut_in_any_script(tmp_path: Path, words: str) -> None:
    assert words in drawn(tmp_path / "gone.png", words).texts
    cut = drawn(tmp_path / "gone.png", 20 * words).texts[-1]
    assert cut.startswith(words)
    assert cut.endswith("…")


def test_a_group_of_more_than_a_page_goes_on_on_the_next(
    pages: list[tuple[str, list[str], list[str]]], tmp_path: Path
) -> None:
    tables = example_study()
    graded = next(slide for slide in tables.slides if slide.sections)
    many = tuple(graded.model_copy(update={"slide": f"{n}.svs"}) for n in range(COLUMNS * ROWS + 1))
    write_contact_sheet(replace(tables, slides=many), tmp_path / "a.pdf", {})
    assert [title.rpartition(" (")[2] for title, _, _ in pages] == ["1 of 2)", "2 of 2)"]
    assert len(pages[1][1]) == len(graded.sections)


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        write_contact_sheet(example_study(), tmp_path / name, {})
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_the_grades_are_those_that_count(
    tmp_path: Path, pages: list[tuple[str, list[str], list[str]]]
) -> None:
    tables = example_study()
    scores = tuple(replace(score, grade=6.0) for score in tables.scores)
    write_contact_sheet(replace(tables, scores=scores), tmp_path / "a.pdf", {})
    below = [text for _, _, lines in pages for text in lines if text.startswith("MFC")]
    assert set(below) == {"MFC 6 · MTP 6 · LFC 6 · LTP 6"}


def test_no_section_takes_more_than_a_small_picture(tmp_path: Path) -> None:
    """As hard to pack as a picture can be; 2000 of them are then 20 to 120 MB, never gigabytes."""
    noise = np.random.default_rng(4).integers(0, 255, (1800, 1700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "one.png")
    small = write_small(tmp_path / "one.png")
    with Image.open(small) as opened:
        assert opened.width <= SMALL_BOX[0]
        assert opened.height == SMALL_BOX[1]
    tables = example_study()
    slide = next(slide for slide in tables.slides if slide.sections)
    overlays = {(slide.slide, 1): tmp_path / "one.png"}
    write_contact_sheet(tables, tmp_path / "without.pdf", {})
    write_contact_sheet(tables, tmp_path / "with.pdf", overlays)
    sizes = [(tmp_path / name).stat().st_size for name in ("without.pdf", "with.pdf")]
    assert 0 < sizes[1] - sizes[0] < 60_000
