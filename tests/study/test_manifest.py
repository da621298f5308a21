"""The study sheet: text stays text, and everything that is wrong is said at once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from histoscore.errors import ManifestError
from histoscore.study import Study, StudyRow, read_study
from histoscore.vocabulary import Knee, Side


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with five slides (empty files: a sheet is checked without opening any)."""
    for name in ("a.svs", "b.svs", "c.svs", "d.svs", "knee é.svs"):
        (tmp_path / name).touch()
    return tmp_path


def study_of(folder: Path, text: str, **options: bool) -> Study:
    sheet = folder / "study.csv"
    sheet.write_text(text, encoding="utf-8")
    return read_study(sheet, **options)


def refusal_of(folder: Path, text: str) -> str:
    with pytest.raises(ManifestError) as refusal:
        study_of(folder, text)
    return str(refusal.value)


def test_smallest_sheet_names_slides_and_animals(folder: Path) -> None:
    study = study_of(folder, "slide,animal\na.svs,M1\nb.svs,M2\n")
    assert [(row.slide, row.animal) for row in study.rows] == [("a.svs", "M1"), ("b.svs", "M2")]
    assert [row.path for row in study.rows] == [folder / "a.svs", folder / "b.svs"]
    assert [row.row for row in study.rows] == [2, 3]
    assert not study.has_groups
    assert study.groups == ()
    assert study.notes == ()


def test_full_row_is_read_into_types(folder: Path) -> None:
    study = study_of(
        folder,
        "slide,animal,group,side,knee,medial,mpp,batch,sex,timepoint,orientation,sections,"
        "exclude,exclude_reason,cage\n"
        "a.svs,M1,DMM,right,contralateral,Left,0.4711,stain 2,f,8 wk,Frontal,3;1,x,torn,C7\n",
    )
    (row,) = study.rows
    assert (row.side, row.knee, row.medial) == (Side.RIGHT, Knee.CONTRALATERAL, "left")
    assert (row.mpp, row.batch, row.sex, row.timepoint) == (0.4711, "stain 2", "f", "8 wk")
    assert (row.orientation, row.sections) == ("coronal", (1, 3))
    assert (row.exclude, row.exclude_reason) == (True, "torn")
    assert row.extra == {"cage": "C7"}
    assert study.notes == ("columns carried through: cage",)


def test_row_survives_the_way_to_the_worker_as_json(folder: Path) -> None:
    text = "slide,animal,side,mpp,sections,cage\na.svs,M1,R,0.4711,2;1,C7\n"
    (row,) = study_of(folder, text).rows
    assert StudyRow.model_validate_json(row.model_dump_json()) == row


def test_blank_optional_cells_are_missing_not_zero(folder: Path) -> None:
    (row,) = study_of(folder, "slide,animal,group,side,mpp,sections\na.svs,M1,,,,\n").rows
    assert (row.group, row.side, row.mpp, row.medial, row.timepoint) == (None,) * 5
    assert (row.knee, row.sections, row.exclude) == (Knee.INDEX, "all", False)


@pytest.mark.parametrize("text", ["None", "NA", "N/A", "null", "nan", "001", "1E5", "MARCH1", "-"])
@pytest.mark.fault(26)
@pytest.mark.fault(27)
def test_text_is_text(folder: Path, text: str) -> None:
    study = study_of(folder, f"slide,animal,group,batch\na.svs,{text},{text},{text}\n")
    assert study.animals == study.groups == (text,)
    assert study.rows[0].batch == text


def test_groups_stand_in_order_of_first_appearance(folder: Path) -> None:
    text = "slide,animal,group\na.svs,1,vehicle\nb.svs,2,sham\nc.svs,3,vehicle\nd.svs,4,exosome\n"
    assert study_of(folder, text).groups == ("vehicle", "sham", "exosome")


def test_sheet_hash_is_that_of_its_bytes(folder: Path) -> None:
    study = study_of(folder, "slide,animal\na.svs,M1\n")
    assert study.sha256 == hashlib.sha256(study.path.read_bytes()).hexdigest()


def test_slide_is_verbatim_while_its_file_is_found(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "x.svs").touch()
    decomposed = "knee e\u0301.svs"
    text = f"slide,animal\n a.svs ,M1\nsub\\x.svs,M2\n{decomposed},M3\n{folder / 'b.svs'},M4\n"
    study = study_of(folder, text)
    assert [row.slide for row in study.rows][:3] == [" a.svs ", "sub\\x.svs", decomposed]
    assert all(row.path.exists() for row in study.rows)


def test_relative_sheet_path_resolves_slides_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_of(folder, "slide,animal\na.svs,M1\n")
    monkeypatch.chdir(folder.parent)
    (row,) = read_study(Path(folder.name) / "study.csv").rows
    assert row.path == folder / "a.svs"


def test_everything_wrong_is_told_at_once_with_its_row(folder: Path) -> None:
    message = refusal_of(
        folder,
        "slide,animal,group,side,knee,medial,mpp,orientation,sections,exclude\n"
        "a.svs,M1,A,up,,,,,,\n"
        "gone.svs,M2,A,L,other,,,,,\n"
        "b.svs,,A,L,,middle,,,,\n"
        "c.svs,M4,A,L,,,352.8,sagittal,0;1,maybe\n"
        "lost.svs,M5,A,L,,,,,,\n"
        "https://lab.example/d.svs,M6,A,L,,,,,,\n",
    )
    for expected in (
        "row 2, side: 'up' must be L or R",
        "row 3, knee: 'other' must be index or contralateral",
        "row 4, animal: is blank",
        "row 4, medial: 'middle' must be left or right",
        "row 5, mpp: implausible pixel size 352.8",
        "row 5, orientation: 'sagittal' is not supported",
        "row 5, sections: '0;1' must be all, first, or numbers",
        "row 5, exclude: 'maybe' must be",
        "row 6: the slide 'lost.svs' is not there",
        "row 7, slide: 'https://lab.example/d.svs' is a URL",
    ):
        assert expected in message
    assert "10 problems" in message


@pytest.mark.parametrize("mpp", ["0", "-0.5", "nan", "inf", "0.0005", "10000", "half", "0.5 um"])
@pytest.mark.fault(9)
def test_pixel_size_that_cannot_be_is_refused(folder: Path, mpp: str) -> None:
    assert "row 2, mpp:" in refusal_of(folder, f"slide,animal,mpp\na.svs,M1,{mpp}\n")


def test_decimal_comma_is_a_decimal(folder: Path) -> None:
    (row,) = study_of(folder, "slide;animal;mpp\na.svs;M1;0,7253\n").rows
    assert row.mpp == 0.7253


@pytest.mark.parametrize("sections", ["1;1", "-1", "1-3", "two", "1.5", "²"])
def test_section_choice_that_is_none_is_refused(folder: Path, sections: str) -> None:
    assert "row 2, sections:" in refusal_of(
        folder, f'slide,animal,sections\na.svs,M1,"{sections}"\n'
    )


@pytest.mark.parametrize("sections", ["1;3", "3 1", '"1, 3"'])
def test_section_numbers_may_be_separated_as_people_do(folder: Path, sections: str) -> None:
    (row,) = study_of(folder, f"slide,animal,sections\na.svs,M1,{sections}\n").rows
    assert row.sections == (1, 3)


@pytest.mark.parametrize("url", ["file:///x/a.svs", "s3://bucket/a.svs", "HTTP://h/a.svs"])
@pytest.mark.fault(29)
def test_urls_are_refused(folder: Path, url: str) -> None:
    assert "is a URL" in refusal_of(folder, f"slide,animal\n{url},M1\n")


def test_missing_slides_are_noted_where_they_are_allowed(folder: Path) -> None:
    study = study_of(folder, "slide,animal\ngone.svs,M1\n", allow_missing=True)
    assert study.rows[0].path == folder / "gone.svs"
    assert "'gone.svs' is not there" in study.notes[0]


def test_excluded_slide_need_not_be_there(folder: Path) -> None:
    text = "slide,animal,exclude,exclude_reason\ngone.svs,M1,yes,lost in staining\n"
    assert study_of(folder, text).rows[0].exclude


@pytest.mark.fault(30)
def test_name_too_long_for_any_file_system_is_a_missing_slide(folder: Path) -> None:
    assert "is not there" in refusal_of(folder, f"slide,animal\n{'x' * 5000}.svs,M1\n")


@pytest.mark.fault(23)
def test_animal_in_two_groups_is_refused(folder: Path) -> None:
    message = refusal_of(folder, "slide,animal,group\na.svs,M1,sham\nb.svs,M2,DMM\nc.svs,M1,DMM\n")
    assert "rows 2 and 4: the animal M1 stands in the groups sham and DMM" in message


def test_animal_with_and_without_group_is_refused(folder: Path) -> None:
    message = refusal_of(folder, "slide,animal,group\na.svs,M1,sham\nb.svs,M1,\n")
    assert "M1 stands in the groups sham and (blank)" in message


def test_contralateral_knee_may_carry_another_group(folder: Path) -> None:
    text = "slide,animal,group,side,knee\na.svs,M1,DMM,L,index\nb.svs,M1,control,R,contralateral\n"
    assert study_of(folder, text).groups == ("DMM", "control")


def test_one_knee_cannot_be_index_and_contralateral(folder: Path) -> None:
    text = "slide,animal,side,knee\na.svs,M1,L,index\nb.svs,M1,L,contralateral\n"
    assert "the knee M1 L is both index and contralateral" in refusal_of(folder, text)


@pytest.mark.fault(21)
def test_slide_of_two_animals_is_refused_however_it_is_written(folder: Path) -> None:
    (folder / "link.svs").symlink_to(folder / "a.svs")
    message = refusal_of(folder, "slide,animal\na.svs,M1\nlink.svs,M2\n")
    assert "rows 2 and 3: the slide" in message
    assert "given to the animals M1 and M2" in message


def test_slide_named_twice_for_one_animal_is_left_to_the_run(folder: Path) -> None:
    assert len(study_of(folder, "slide,animal\na.svs,M1\na.svs,M1\n").rows) == 2


@pytest.mark.parametrize(
    "other", ["M1 ", "M1\u00a0", "\ufeffM1", "Ｍ1"], ids=["space", "NBSP", "BOM", "full width"]
)
@pytest.mark.fault(27)
def test_ids_that_look_the_same_are_refused(folder: Path, other: str) -> None:
    message = refusal_of(folder, f"slide,animal\na.svs,M1\nb.svs,{other}\n")
    assert "rows 2 and 3:" in message
    assert "look the same but are written differently" in message


@pytest.mark.fault(27)
def test_ids_in_two_unicode_forms_are_refused(folder: Path) -> None:
    assert "look the same" in refusal_of(folder, "slide,animal\na.svs,Zoe\u0301\nb.svs,Zo\u00e9\n")


def test_stray_space_round_a_group_is_no_new_group(folder: Path) -> None:
    text = "slide,animal,group\na.svs,M1,sham\nb.svs,M2,sham \n"
    assert study_of(folder, text).groups == ("sham",)


def test_groups_that_differ_by_capitals_are_noted(folder: Path) -> None:
    study = study_of(folder, "slide,animal,group\na.svs,M1,sham\nb.svs,M2,Sham\n")
    assert study.groups == ("sham", "Sham")
    assert any("'sham' and 'Sham'" in note for note in study.notes)


@pytest.mark.fault(25)
def test_misspelt_columns_get_a_suggestion(folder: Path) -> None:
    message = refusal_of(folder, "slid,animal_id,exlude,cage\na.svs,M1,x,7\n")
    assert "the column slide is missing; did you mean slid?" in message
    assert "the column animal is missing; did you mean animal_id?" in message
    assert "unknown column 'exlude'; did you mean exclude?" in message
    assert "cage" not in message


@pytest.mark.fault(25)
def test_missing_column_does_not_hide_what_else_is_wrong(folder: Path) -> None:
    message = refusal_of(folder, "slide,knee\na.svs,both\nftp://x/b.svs,\n")
    assert "3 problems" in message
    for expected in ("column animal is missing", "row 2, knee:", "row 3, slide:"):
        assert expected in message


@pytest.mark.parametrize(("column", "wanted"), [("filename", "slide"), ("mouse", "animal")])
def test_common_other_names_get_a_suggestion(folder: Path, column: str, wanted: str) -> None:
    header = {"slide": "slide", "animal": "animal"} | {wanted: column}
    message = refusal_of(folder, f"{header['slide']},{header['animal']}\na.svs,M1\n")
    assert f"the column {wanted} is missing; did you mean {column}?" in message


@pytest.mark.fault(25)
def test_column_near_a_known_one_that_is_present_is_carried_through(folder: Path) -> None:
    (row,) = study_of(folder, "slide,animal,group,group2\na.svs,M1,A,B\n").rows
    assert row.extra == {"group2": "B"}


@pytest.mark.fault(25)
def test_duplicated_column_is_refused(folder: Path) -> None:
    message = refusal_of(folder, "slide,animal,Animal\na.svs,M1,M2\n")
    assert "row 1: the column animal stands 2 times" in message


def test_exclude_reason_without_exclude_is_noted(folder: Path) -> None:
    study = study_of(folder, "slide,animal,exclude,exclude_reason\na.svs,M1,,fold\n")
    assert study.notes == ("row 2: has an exclude_reason but is not excluded",)


def test_animal_without_group_in_a_grouped_study_is_noted(folder: Path) -> None:
    study = study_of(folder, "slide,animal,group\na.svs,M1,sham\nb.svs,M2,\n")
    assert study.notes == ("the animal M2 has no group: it is scored but not compared",)


def test_header_alone_is_refused(folder: Path) -> None:
    assert "there are no slides" in refusal_of(folder, "slide,animal\n")


def test_reading_sheets_loads_no_heavy_library() -> None:
    code = (
        "import sys, histoscore.study;"
        "print([m for m in ('torch', 'cv2', 'pandas', 'openpyxl', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
