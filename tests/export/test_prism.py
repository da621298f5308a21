"""Prism files: a column a group, a cell an animal, missing cells empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

from example_study import GROUPS, example_study

from histoscore.export.prism import prism_xml, write_prism


def tables_of(root: Xml.Element) -> dict[str, Xml.Element]:
    return {table.findtext("Title", ""): table for table in root.iter("Table")}


def test_one_table_a_region_with_the_attributes_prism_asks_for() -> None:
    tables = tables_of(Xml.fromstring(prism_xml(example_study(), "grade_max")))
    assert list(tables) == [
        f"grade_max {region}"
        for region in ("medial", "lateral", "joint", "MFC", "MTP", "LFC", "LTP")
    ]
    table = tables["grade_max medial"]
    wanted = {"TableType": "OneWay", "XFormat": "none", "YFormat": "replicates", "Replicates": "1"}
    assert wanted.items() <= table.attrib.items()


def test_one_column_a_group_and_one_cell_an_animal() -> None:
    table = tables_of(Xml.fromstring(prism_xml(example_study(), "grade_max")))["grade_max medial"]
    columns = table.findall("YColumn")
    assert tuple(column.findtext("Title") for column in columns) == GROUPS
    cells = [[cell.text for cell in column.iter("d")] for column in columns]
    assert cells == [["0", "0.5", "0", "0.5"], ["4", "3", "5", "4"], ["2", "3", None]]


def test_every_table_is_listed_and_names_are_escaped() -> None:
    study = example_study()
    odd = "<b>&\x00 group"
    animals = tuple(replace(s, group=odd) if s.group == "sham" else s for s in study.animals)
    root = Xml.fromstring(prism_xml(replace(study, animals=animals), "grade_sum"))
    listed = [ref.get("ID") for ref in root.findall("TableSequence/Ref")]
    assert listed == [table.get("ID") for table in root.iter("Table")]
    assert root.find("Table/YColumn[3]/Title").text == "<b>& group"


def test_one_file_an_outcome(tmp_path: Path) -> None:
    paths = write_prism(example_study(), tmp_path / "prism")
    assert [p.name for p in paths][:3] == ["grade_max.pzfx", "grade_sum.pzfx", "grade_mean.pzfx"]
    assert len(paths) == 8
    assert "Demonstration model" in paths[0].read_text(encoding="utf-8")
