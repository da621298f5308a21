"""The pages in docs/ name what the code has: columns, words, rooms, versions, files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import histoscore
from histoscore.export import dictionary
from histoscore.export.dictionary import Column
from histoscore.image.quality import section_readouts
from histoscore.image.stain import stain_readouts
from histoscore.study.rows import COLUMNS, REQUIRED
from histoscore.vocabulary import OARSI_MOUSE, Status

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TABLES = {
    "slides.csv": dictionary.SLIDES,
    "sections.csv": dictionary.SECTIONS,
    "compartments.csv": dictionary.compartment_columns(OARSI_MOUSE),
    "profiles.csv": dictionary.PROFILES,
    "animals.csv": dictionary.ANIMALS,
    "groups.csv": dictionary.GROUPS,
    "section_grades.csv": dictionary.SECTION_GRADES,
}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def chapter(text: str, title: str) -> str:
    """The text under a `## title`, up to the next one."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str, header: str) -> list[str]:
    """The names in backticks in the first column of the tables under this header."""
    names: list[str] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:2]]
        inside = (inside and bool(cells)) or cells == [header]
        names += re.findall(r"`([^`]+)`", cells[0]) if inside and cells else []
    return names


@pytest.mark.parametrize(("name", "columns"), TABLES.items(), ids=TABLES)
def test_the_page_on_the_run_folder_has_the_columns_in_the_order_of_the_table(
    name: str, columns: tuple[Column, ...]
) -> None:
    told = first_cells(chapter(page("run-folder.md"), name), "column")
    without_readouts = [column for column in told if not column.startswith("readout_")]
    assert without_readouts == [column.name for column in columns]


def test_the_page_on_the_run_folder_has_every_readout() -> None:
    picture = np.random.default_rng(5).integers(40, 230, (9, 14, 3), dtype=np.uint8)
    mask = np.ones(picture.shape[:2], bool)
    measured = stain_readouts(picture) | section_readouts(picture, mask, mpp=3.7)
    told = first_cells(chapter(page("run-folder.md"), "sections.csv"), "column")
    readouts = {name for name in told if name.startswith("readout_")}
    assert readouts == {dictionary.readout_column(name).name for name in measured}


def test_the_page_on_the_run_folder_explains_every_status() -> None:
    told = first_cells(chapter(page("run-folder.md"), "Reading the tables"), "status")
    assert told == [status.value for status in Status]


def test_the_page_on_the_study_sheet_has_its_columns() -> None:
    text = chapter(page("study-sheet.md"), "Columns")
    assert first_cells(text, "column") == list(COLUMNS)
    for name in REQUIRED:
        assert re.search(rf"^\| `{name}` \|.*; required \| refused \|$", text, re.MULTILINE)


def test_the_example_sheet_is_one_that_is_read(tmp_path: Path) -> None:
    from histoscore.study import read_study

    example = page("study-sheet.md").split("```")[1].lstrip("\n")
    sheet = tmp_path / "study.csv"
    sheet.write_text(example, encoding="utf-8")
    study = read_study(sheet, allow_missing=True)
    assert [row.sections for row in study.rows] == ["all", (1, 3)]
    assert study.groups == ("sham", "DMM + vehicle")


def test_the_map_of_the_house_has_every_room() -> None:
    rooms = {
        path.stem
        for path in (ROOT / "histoscore").iterdir()
        if path.name not in ("__init__.py", "py.typed", "__pycache__")
    }
    told = first_cells(chapter(page("house.md"), "Rooms"), "room")
    assert {name.rstrip("/") for name in told} == rooms


def test_the_map_of_the_house_has_the_floors_that_the_linter_checks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    there = [layer for layer in layers if not layer.startswith("(")]
    drawn = page("house.md").split("```")[1].strip().splitlines()
    assert [re.findall(r"\w+", layer) for layer in there] == [
        re.findall(r"\w+", re.split(r" {3,}", line)[0]) for line in drawn
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_version_stands_alike_in_package_citation_and_changelog() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert (citation["version"], newest[1]) == (histoscore.__version__, histoscore.__version__)
