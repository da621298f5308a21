"""All files of a study at once: there, atomic, and the same again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from example_study import example_study
from matplotlib.figure import Figure

from histoscore.export import figures
from histoscore.export.arrive import arrive_items
from histoscore.export.report import report_html
from histoscore.export.study import section_overlays, write_study_exports
from histoscore.export.wording import (
    level,
    methods_paragraph,
    provenance,
    statistics_sentence,
)


def test_the_files_of_the_contract_are_written(tmp_path: Path) -> None:
    paths = write_study_exports(example_study(), tmp_path / "run")
    names = {p.relative_to(tmp_path / "run").as_posix() for p in paths}
    tables = {"slides.csv", "sections.csv", "compartments.csv", "animals.csv", "groups.csv"}
    pages = {"results.xlsx", "report.html", "contact_sheet.pdf"}
    assert tables | pages | {"profiles.csv", "section_grades.csv", "analysis.R"} <= names
    assert {"prism/grade_max.pzfx", "figures/grade_max-medial.svg"} <= names
    assert "figures/compartments.png" in names
    on_disk = {p for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert on_disk == set(paths)


def test_equal_tables_give_equal_files(tmp_path: Path) -> None:
    first = write_study_exports(example_study(), tmp_path / "a")
    second = write_study_exports(example_study(), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_figure_is_drawn_once_for_report_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    svg_text = figures.svg_text

    def watched(drawing: Figure, name: str) -> str:
        names.append(name)
        return svg_text(drawing, name)

    monkeypatch.setattr(figures, "svg_text", watched)
    paths = write_study_exports(example_study(), tmp_path)
    written = [path.stem for path in paths if path.suffix == ".svg"]
    assert sorted(names) == sorted(written)
    assert len(set(names)) == len(names)


def test_overlays_are_those_that_the_sections_name(tmp_path: Path) -> None:
    found = section_overlays(example_study(), tmp_path)
    assert found["slides/04.svs", 1] == tmp_path / "overlays" / "one.png"
    assert ("slides/10.svs", 1) not in found


def test_methods_name_version_unit_and_banner() -> None:
    text = methods_paragraph(example_study())
    for words in ("histoscore 0.1.0", "The animal was the experimental unit", "10 could be graded"):
        assert words in text
    assert text.endswith("do not use these numbers.")


def test_no_test_is_claimed_where_none_was_made() -> None:
    described = tuple(replace(c, p=None) for c in example_study().groups)
    sentence = statistics_sentence(replace(example_study(), groups=described))
    assert sentence == "No groups were compared; the animals are described only."


def test_arrive_has_its_ten_items() -> None:
    items = arrive_items(example_study())
    assert [title.split()[0] for title, _ in items] == [str(n) for n in range(1, 11)]
    assert "sham, DMM + vehicle and DMM + exosome" in items[0][1]


def test_exports_need_no_torch() -> None:
    code = "import sys, histoscore.export.study, histoscore.export.zarr_labels; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"torch", "timm", "openslide"} & set(loaded.stdout.split())


def test_the_confidence_is_the_configured_one() -> None:
    tables = replace(example_study(), confidence=0.9)
    assert "with 90 % intervals" in statistics_sentence(tables)
    assert "95 %" not in report_html(tables, {}).split("<h2>Methods", 1)[0]
    assert level(replace(tables, confidence=0.999)) == "99.9 %"


def test_a_line_says_what_made_an_export() -> None:
    assert provenance(example_study()).startswith("histoscore 0.1.0 · model demo · ")
    assert "study sheet sha256 abab" in provenance(example_study())
