"""Prism files: one `.pzfx` an outcome, in it one table a region (and timepoint).

A table is a column table as Prism draws its dot plots from: one column a group in the study's
order, one row an animal, a missing value an empty cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from histoscore.export import values, wording
from histoscore.export.values import GroupValues
from histoscore.files import make_folder, write_atomic
from histoscore.records import StudyTables


def write_prism(tables: StudyTables, folder: Path) -> tuple[Path, ...]:
    """Writes `<outcome>.pzfx` for every outcome into the folder, the primary outcome first."""
    make_folder(folder)
    paths = []
    for outcome in values.outcome_order(tables):
        paths.append(folder / f"{outcome}.pzfx")
        write_atomic(paths[-1], prism_xml(tables, outcome))
    return tuple(paths)


def prism_xml(tables: StudyTables, outcome: str) -> bytes:
    """One outcome's Prism file as bytes."""
    root = Xml.Element("GraphPadPrismFile", PrismXMLVersion="5.00")
    _info(root, tables, outcome)
    sequence = Xml.SubElement(root, "TableSequence")
    for number, (title, groups) in enumerate(_tables(tables, outcome)):
        Xml.SubElement(sequence, "Ref", ID=f"Table{number}", Selected="1" if number == 0 else "0")
        root.append(_table(f"Table{number}", title, groups))
    Xml.indent(root)
    body: bytes = Xml.tostring(root, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"


def _tables(tables: StudyTables, outcome: str) -> list[tuple[str, tuple[GroupValues, ...]]]:
    found = []
    for timepoint in values.timepoints(tables):
        for region in values.region_order(tables):
            groups = values.values_by_group(tables, outcome, region, timepoint)
            title = f"{outcome} {region.value}" + (f" {timepoint}" if timepoint else "")
            if groups:
                found.append((title, groups))
    return found


def _info(root: Xml.Element, tables: StudyTables, outcome: str) -> None:
    sequence = Xml.SubElement(root, "InfoSequence")
    Xml.SubElement(sequence, "Ref", ID="Info0", Selected="1")
    info = Xml.SubElement(root, "Info", ID="Info0")
    _text(info, "Title", f"histoscore {outcome}")
    words = [wording.banner(tables), "One value an animal.", wording.provenance(tables)]
    _text(info, "Notes", " ".join(filter(None, words)))


def _table(identity: str, title: str, groups: Sequence[GroupValues]) -> Xml.Element:
    table = Xml.Element(
        "Table",
        ID=identity,
        XFormat="none",
        YFormat="replicates",
        Replicates="1",
        TableType="OneWay",
        EVFormat="AsteriskAfterNumber",
    )
    _text(table, "Title", title)
    for group in groups:
        column = Xml.SubElement(table, "YColumn", Width="90", Decimals="4", Subcolumns="1")
        _text(column, "Title", group.group)
        cells = Xml.SubElement(column, "Subcolumn")
        for value in group.values:
            cell = Xml.SubElement(cells, "d")
            cell.text = None if value is None else f"{value:.10g}"
    return table


def _text(parent: Xml.Element, name: str, text: str) -> None:
    Xml.SubElement(parent, name).text = wording.printable(text)
