"""report.html: one file, nothing from elsewhere, nothing unescaped, the same bytes again."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from example_study import BANNER, EVIL, example_study, group_of
from PIL import Image

from histoscore.export.report import PICTURE_WIDTH, readable, report_html
from histoscore.records import SlideOrigin

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Balance(HTMLParser):
    """Collects tags and text; fails on a tag that closes another."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overlays") / "one.png"
    pixels = np.full((1100, 1800, 3), (200, 120, 90), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def page(overlay: Path) -> str:
    return report_html(example_study(), {("slides/04.svs", 1): overlay})


def parsed(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.mark.fault(32)
def test_it_is_well_formed_and_runs_no_script(page: str) -> None:
    assert not {"script", "link", "iframe", "object"} & parsed(page).seen
    assert "default-src 'none'" in page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    for target in re.findall(r'src="([^"]*)"', page):
        assert target.startswith("data:image/jpeg;base64,"), target
    for target in re.findall(r'href="([^"]*)"', page):
        assert target.startswith("#") or target == "overlays/one.png", target
    assert "@import" not in page


@pytest.mark.fault(32)
def test_names_are_escaped(page: str) -> None:
    assert EVIL not in page
    assert EVIL in parsed(page).text
    assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", page)


def test_banner_reasons_and_animals_stand_in_it(page: str) -> None:
    text = parsed(page).text
    for words in (BANNER, "empty file", "no joint found", "MARCH1", "p = 0.0571", "made-up study"):
        assert words in text


def test_the_overlay_lies_inside_made_smaller(page: str) -> None:
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (PICTURE_WIDTH, round(PICTURE_WIDTH * 1100 / 1800))
    assert page.count("no picture") == 2


def test_a_group_is_shown_by_the_section_nearest_its_median(page: str) -> None:
    text = " ".join(parsed(page).text.split())
    assert "animal MARCH1" not in text
    assert "animal -5, slides/04.svs, section 1" in text
    assert "highest grade, medial: 4 (median of the group's 4 animals 4)" in text


def test_every_section_is_listed_with_a_link_to_its_picture(page: str) -> None:
    text = parsed(page).text
    assert "11 sections with their grades" in text
    assert page.count('href="overlays/one.png"') == 10
    assert "<details open>" in page


def test_figures_of_area_thickness_and_compartments_stand_in_it(page: str) -> None:
    for title in ("calcified cartilage area", "mean hyaline thickness", "by compartment and"):
        assert title in parsed(page).text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_flow_says_what_became_of_each_group(page: str) -> None:
    flow = page[page.index("What became of") : page.index("Slides without a grade")]
    rows = re.findall(r"<tr[^>]*><td>(DMM \+ exosome|all)</td>(.*?)</tr>", flow)
    cells = {name: re.findall(r">(\d+)<", row) for name, row in rows}
    assert cells["DMM + exosome"] == ["4", "2", "4", "2", "0", "1", "0", "1", "3", "2"]
    assert cells["all"] == ["12", "10", "12", "10", "0", "1", "0", "1", "11", "10"]


def test_batches_that_go_with_groups_are_warned_of() -> None:
    study = example_study()
    origins = {
        slide.slide: SlideOrigin(group=group_of(i), batch=f"day {i // 4}", sex="f")
        for i, slide in enumerate(study.slides)
    }
    page = report_html(replace(study, origins=origins), {})
    text = parsed(page).text
    assert "Batch and group are confounded: sham and DMM + vehicle;" in text
    assert "Sex, as in the study sheet: sham 4 f; DMM + vehicle 4 f" in text


def test_it_is_the_same_again(page: str, overlay: Path) -> None:
    assert report_html(example_study(), {("slides/04.svs", 1): overlay}) == page


def test_an_empty_study_still_gives_a_page() -> None:
    empty = replace(
        example_study(), slides=(), scores=(), animals=(), groups=(), reading={}, group_order=()
    )
    text = parsed(report_html(empty, {})).text
    assert "No groups were compared." in text
    assert "Demonstration" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.0286, "0.0286"), (-7500.4, "−7\u202f500"), (0, "0"), (22.158, "22.2")],
)
def test_numbers_are_written_for_reading(value: float | None, words: str) -> None:
    assert readable(value) == words
