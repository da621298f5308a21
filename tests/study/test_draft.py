"""`study new`: a sheet that read_study accepts, with its guesses marked."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from histoscore.errors import ManifestError
from histoscore.study import new_study, read_study


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(new_study(folder), newline="")))


@pytest.mark.parametrize(
    ("name", "animal", "side"),
    [
        ("M12_L_s3.svs", "M12", "L"),
        ("mouse-7 right SafO.ndpi", "mouse-7", "R"),
        ("M3_slide2_20x.tif", "M3", ""),
        ("2041.svs", "2041", ""),
        ("s1_L.svs", "s1_L", "L"),
        ("M1_L_and_R.svs", "M1_and", ""),
    ],
)
def test_animal_and_side_are_guessed_from_the_name(
    tmp_path: Path, name: str, animal: str, side: str
) -> None:
    touch(tmp_path, name)
    (row,) = rows_of(tmp_path)
    assert (row["slide"], row["animal"], row["side"]) == (name, animal, side)
    assert row["guess_note"].startswith("guessed, please check: animal")


def test_folders_are_guessed_to_be_groups_only_where_there_are_several(tmp_path: Path) -> None:
    touch(tmp_path, "sham/a.svs")
    assert rows_of(tmp_path)[0]["group"] == ""
    touch(tmp_path, "DMM/b.svs", "DMM/notes.txt", ".trash/c.svs")
    rows = rows_of(tmp_path)
    assert [(row["slide"], row["group"]) for row in rows] == [
        ("DMM/b.svs", "DMM"),
        ("sham/a.svs", "sham"),
    ]


def test_draft_is_a_readable_study(tmp_path: Path) -> None:
    touch(tmp_path, "M1_L.svs", "M2, odd.png", "=cmd|x.tif")
    sheet = tmp_path / "study.csv"
    sheet.write_text(new_study(tmp_path), encoding="utf-8")
    study = read_study(sheet)
    assert [row.path.name for row in study.rows] == ["=cmd|x.tif", "M1_L.svs", "M2, odd.png"]
    assert not any(line.startswith("=") for line in sheet.read_text().splitlines())


def test_folder_without_slides_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(ManifestError, match="holds no slide"):
        new_study(tmp_path)
    with pytest.raises(ManifestError, match="is not a folder"):
        new_study(tmp_path / "notes.txt")
