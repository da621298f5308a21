"""The truth sheet: read as phantoms write it, refused with everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.errors import ManifestError
from histoscore.study.truth import read_truth
from histoscore.vocabulary import OARSI_MOUSE, Compartment

HEADER = "slide,section,compartment,grade,hyaline_area_um2,calcified_area_um2,whole_share\n"


def sheet(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "truth.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def test_blank_is_missing_and_other_columns_are_left(tmp_path: Path) -> None:
    first, second = read_truth(
        sheet(tmp_path, "a.svs,1,MFC,0.5,25747.07,29223.9,1.0", "a.svs,2,ltp,,,0,0.4"), OARSI_MOUSE
    )
    assert (first.grade, first.hyaline_area_um2, first.section) == (0.5, 25747.07, 1)
    assert (second.grade, second.hyaline_area_um2, second.calcified_area_um2) == (None, None, 0)
    assert second.compartment is Compartment.LTP


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = sheet(
        tmp_path, "a.svs,1,MFC,0,1,1,1", "a.svs,0,MFC,0,1,1,1", "a.svs,1,XXX,0,1,1,1",
        "a.svs,1,MFC,1.5,1,1,1", "b.svs,1,MFC,0,-4,1,1", "a.svs,1,MFC,1,1,1,1", ",1,MFC,0,1,1,1",
    )  # fmt: skip
    with pytest.raises(ManifestError) as refusal:
        read_truth(path, OARSI_MOUSE)
    text = str(refusal.value)
    for part in (
        "row 3: section '0'", "row 4: compartment 'XXX'", "row 5", "row 6: hyaline_area_um2 -4",
        "rows 2 and 7: MFC of a.svs section 1 stands twice", "row 8: slide is blank", "6 problems",
    ):  # fmt: skip
        assert part in text


def test_a_sheet_without_compartments_is_no_truth(tmp_path: Path) -> None:
    path = sheet(tmp_path, "a.svs,1,0", header="slide,section,grade\n")
    with pytest.raises(ManifestError, match="the column compartment is missing"):
        read_truth(path, OARSI_MOUSE)
