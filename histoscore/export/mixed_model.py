"""section_grades.csv and analysis.R: the grades of sections and the model that a reader may fit.

Sections are no animals, so nothing here tests them: the script's model has the animal as random
effect, and is run by whoever wants it.
"""

from __future__ import annotations

from importlib.resources import files as package_files
from pathlib import Path

from histoscore.export import values, wording
from histoscore.export.dictionary import SECTION_GRADES
from histoscore.export.tables import Table, csv_text
from histoscore.files import write_atomic
from histoscore.records import StudyTables


def write_mixed_model(tables: StudyTables, folder: Path) -> tuple[Path, Path]:
    """Writes the table and the script, which names the groups, the reference first."""
    grades, script = folder / "section_grades.csv", folder / "analysis.R"
    write_atomic(grades, csv_text(section_grades(tables)))
    template = package_files("histoscore.export") / "templates" / "analysis.R"
    line = " ".join(wording.printable(wording.provenance(tables)).split())
    groups = f"# the first is the reference group\ngroups <- {_groups(tables)}"
    body = template.read_text(encoding="utf-8")
    write_atomic(script, f"# Tables of: {line}\n\n{groups}\n\n{body}")
    return grades, script


def section_grades(tables: StudyTables) -> Table:
    """A row a compartment of a section that counts; a missing grade is empty."""
    names = [column.name for column in SECTION_GRADES]
    rows = tuple(tuple(getattr(score, name) for name in names) for score in tables.scores)
    return Table("section_grades", SECTION_GRADES, rows)


def r_text(text: str) -> str:
    """Text as R source: plain ASCII, so that no locale reads it otherwise."""
    return '"' + "".join(map(_r_character, text)) + '"'


def _groups(tables: StudyTables) -> str:
    names = [group for group in values.group_names(tables).values() if group is not None]
    first = [group for group in names if group == tables.reference]
    ordered = dict.fromkeys((*first, *names))
    return f"c({', '.join(map(r_text, ordered))})"


def _r_character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\U{{{ord(character):x}}}"
