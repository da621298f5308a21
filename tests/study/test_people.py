"""Scorers' grades and the key of a blinded study."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.errors import ManifestError
from histoscore.study import read_key, read_scorers
from histoscore.study.people import ScorerGrade
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side


def scorers_from(folder: Path, text: str) -> tuple[ScorerGrade, ...]:
    path = folder / "scorers.csv"
    path.write_text(text, encoding="utf-8")
    return read_scorers(path, OARSI_MOUSE)


def test_grades_are_rungs_and_blank_is_missing(tmp_path: Path) -> None:
    first, blank = scorers_from(
        tmp_path,
        "slide,section,compartment,scorer,grade,animal,side,read\n"
        'a.svs,1,MFC,Ann,"0,5",M1,L,2\na.svs,2,mtp,Ann,,M1,L,2\n',
    )
    assert (first.slide, first.section, first.compartment) == ("a.svs", 1, Compartment.MFC)
    assert (first.scorer, first.grade, first.read) == ("Ann", 0.5, "2")
    assert (first.animal, first.side) == ("M1", Side.LEFT)
    assert blank.grade is None
    assert blank.compartment is Compartment.MTP


def test_all_bad_cells_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as refusal:
        scorers_from(
            tmp_path,
            "slide,section,compartment,scorer,grade\n"
            "a.svs,1,MFC,Ann,2.5\na.svs,0,MFC,Ann,2\na.svs,1,patella,Ann,2\n"
            "a.svs,1,LFC,,2\na.svs,1,LTP,Ann,severe\na.svs,2,LTP,Ann,nan\n",
        )
    message = str(refusal.value)
    for expected in (
        "row 2: 2.5 is not a grade of oarsi_mouse_2010 (0, 0.5, 1, 2, 3, 4, 5, 6)",
        "row 3: section '0' must be a number from 1",
        "row 4: compartment 'patella' must be one of MFC, MTP, LFC, LTP",
        "row 5: scorer is blank",
        "row 6: 'severe' is not a number",
        "row 7: 'nan' is not a number",
    ):
        assert expected in message


def test_grading_twice_needs_a_read_number(tmp_path: Path) -> None:
    header = "slide,section,compartment,scorer,grade,read\n"
    twice = "a.svs,1,MFC,Ann,2,{}\na.svs,1,MFC,Ann,3,{}\n"
    assert len(scorers_from(tmp_path, header + twice.format(1, 2))) == 2
    with pytest.raises(ManifestError, match=r"rows 2 and 3: Ann graded MFC .* twice \(2, 3\)"):
        scorers_from(tmp_path, header + twice.format("", ""))


def test_missing_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="scorer is missing; did you mean reader"):
        scorers_from(tmp_path, "slide,section,compartment,reader,grade\na.svs,1,MFC,Ann,2\n")


def test_key_gives_each_animal_its_group_as_text(tmp_path: Path) -> None:
    path = tmp_path / "key.csv"
    path.write_text("animal,group\n001,None\n 2 ,NA\n001,None\n")
    assert read_key(path) == {"001": "None", "2": "NA"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("animal,group\nM1,A\nM1,B\n", "row 3: M1 is in the groups A and B"),
        ("animal,group\nM1,\n", "row 2: needs both"),
        ("animal,group\nM1,A\nM1 ,A\n", "look the same"),
        ("animal\nM1\n", "the column group is missing"),
    ],
)
def test_key_that_cannot_open_a_study_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "key.csv"
    path.write_text(text)
    with pytest.raises(ManifestError, match=reason):
        read_key(path)
