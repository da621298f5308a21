"""profiles.csv: thickness along every compartment's tidemark, too long for a workbook's sheet.

A large study has a million rows, so they are written as lines of text and never held as a table.
"""

from __future__ import annotations

from collections.abc import Iterator

from histoscore.export.dictionary import LENGTH, PROFILES
from histoscore.export.tables import Table, csv_text
from histoscore.records import PROFILE_STEP_UM, SlideResult, StudyTables


def profiles_csv(tables: StudyTables) -> str:
    """The file's text, columns as `dictionary.PROFILES` has them."""
    head = csv_text(Table("profiles", PROFILES, ()))
    return head + "".join(block for slide in tables.slides for block in _blocks(slide))


def _blocks(slide: SlideResult) -> Iterator[str]:
    """The lines of each compartment that has a profile."""
    for section in slide.sections:
        for result in section.compartments:
            whose = (slide.slide, slide.animal, section.section, result.compartment.value)
            hyaline = LENGTH.texts(result.hyaline_profile_um)
            calcified = LENGTH.texts(result.calcified_profile_um)
            places = LENGTH.texts([(n + 0.5) * PROFILE_STEP_UM for n in range(len(hyaline))])
            start = csv_text(Table("", PROFILES[:4], (whose,))).split("\n", 1)[1][:-1]
            yield "".join(
                f"{start},{place},{one},{other}\n"
                for place, one, other in zip(places, hyaline, calcified, strict=True)
            )
