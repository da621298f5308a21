"""All files that a study's results become, beside the slides' own pictures and label maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from histoscore.export import wording
from histoscore.export.additions import Additions
from histoscore.export.contact_sheet import write_contact_sheet
from histoscore.export.mixed_model import write_mixed_model
from histoscore.export.prism import write_prism
from histoscore.export.profiles import profiles_csv
from histoscore.export.report import write_report
from histoscore.export.study_figures import study_figures, write_figures
from histoscore.export.tables import csv_text, review_table, write_tables
from histoscore.export.workbook import write_workbook
from histoscore.files import make_folder, write_atomic
from histoscore.records import StudyTables


def write_study_exports(
    tables: StudyTables,
    folder: Path,
    overlays: Mapping[tuple[str, int], Path] | None = None,
    additions: Additions | None = None,
) -> tuple[Path, ...]:
    """Writes tables, workbook, figures, report, contact sheet, Prism files, R script into a run.

    `overlays` maps (slide, section) to its picture; without it the pictures are those that the
    sections name, below `folder`. Every file is written atomically, and equal tables give equal
    bytes. Returns the paths in the order written; raises EnvironmentStopError.
    """
    make_folder(folder)
    beside = additions or Additions()
    pictures = section_overlays(tables, folder) if overlays is None else overlays
    paths = list(write_tables(tables, folder, beside.decisions))
    paths.append(folder / "profiles.csv")
    write_atomic(paths[-1], profiles_csv(tables))
    if beside.review:
        paths.append(folder / "scorers.csv")
        write_atomic(paths[-1], csv_text(review_table(beside.review)))
    write_workbook(tables, folder / "results.xlsx", beside)
    drawn = study_figures(tables)
    write_report(tables, folder / "report.html", pictures, drawn, beside)
    write_contact_sheet(tables, folder / "contact_sheet.pdf", pictures)
    paths += [folder / name for name in ("results.xlsx", "report.html", "contact_sheet.pdf")]
    paths += write_figures(drawn, folder / "figures", wording.provenance(tables))
    paths += write_prism(tables, folder / "prism")
    return (*paths, *write_mixed_model(tables, folder))


def section_overlays(tables: StudyTables, folder: Path) -> dict[tuple[str, int], Path]:
    """The overlay pictures that the sections name, (slide, section) → path."""
    return {
        (slide.slide, section.section): folder / section.overlay
        for slide in tables.slides
        for section in slide.sections
        if section.overlay
    }
