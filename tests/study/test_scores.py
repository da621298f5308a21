"""Tables of anybody's scores: text stays text, and what cannot be read is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.errors import ManifestError
from histoscore.study.scores import ScoreColumns, ScoreTable, read_scores


def scores_of(folder: Path, text: str, **columns: object) -> ScoreTable:
    table = folder / "scores.csv"
    table.write_text(text, encoding="utf-8")
    return read_scores(table, ScoreColumns(**({"outcomes": ("score",)} | columns)))  # type: ignore[arg-type]


def test_rows_of_an_animal_are_gathered_in_the_order_of_the_table(tmp_path: Path) -> None:
    text = "animal,group,score\nm2,DMM,3\nm1,sham,0.5\nm2,DMM,4\n"
    table = scores_of(tmp_path, text)
    assert table.groups == {"m2": "DMM", "m1": "sham"}
    assert table.group_order == ("DMM", "sham")
    assert table.values == {"score": {"m2": (3, 4), "m1": (0.5,)}}


def test_text_stays_text(tmp_path: Path) -> None:
    names = ["001", "1E5", "MARCH1", "=1+1", "NA", "None", "null", "nan"]
    lines = [f"{name},{name},1" for name in names]
    table = scores_of(tmp_path, "\n".join(["animal,group,score", *lines]))
    assert list(table.groups.items()) == [(name, name) for name in names]


def test_capitals_of_columns_do_not_matter(tmp_path: Path) -> None:
    table = scores_of(tmp_path, "Animal,GROUP,Score\nm1,sham,2\n")
    assert table.values == {"score": {"m1": (2,)}}


def test_a_unit_may_be_named_by_several_columns(tmp_path: Path) -> None:
    text = "dose,tank,score\n1,A,0\n2,A,3\n1,A,1\n"
    table = scores_of(tmp_path, text, group="dose", animal=("dose", "tank"))
    assert table.groups == {"dose=1, tank=A": "1", "dose=2, tank=A": "2"}
    assert table.values["score"] == {"dose=1, tank=A": (0, 1), "dose=2, tank=A": (3,)}


def test_a_unit_in_two_groups_is_refused_with_the_way_out(tmp_path: Path) -> None:
    text = "dose,tank,score\n1,A,0\n1,B,0\n2,A,3\n2,B,3\n2,A,3\n"
    with pytest.raises(ManifestError) as error:
        scores_of(tmp_path, text, group="dose", animal=("tank",))
    assert "2 problems" in str(error.value)
    assert "rows 2 and 4: A is in the groups 1 and 2" in str(error.value)
    assert "--animal dose,tank" in str(error.value)


def test_missing_is_blank_or_a_code_and_never_a_number(tmp_path: Path) -> None:
    text = "animal,group,score\na,g,-1\nb,g,-1.0\nc,g,\nd,g,ND\ne,g,-2\n"
    table = scores_of(tmp_path, text, missing=("-1", "ND"))
    assert table.values["score"] == {"a": (), "b": (), "c": (), "d": (), "e": (-2,)}
    assert table.notices == (
        "score: 4 of 5 rows have no value; 4 animals have none",
        "score: -2 count as values; if they stand for missing ones, say so: --missing -2",
    )


def test_every_cell_that_is_no_number_is_told_at_once(tmp_path: Path) -> None:
    text = "animal,group,score,other\na,g,NA,1\nb,g,mild,2\nc,g,NA,x\nd,g,inf,2\n"
    with pytest.raises(ManifestError) as error:
        scores_of(tmp_path, text, outcomes=("score", "other"))
    told = str(error.value)
    assert "4 problems" in told
    assert "rows 2, 4: score is 'NA', which is not a number" in told
    assert "--missing NA" in told
    assert "row 3: score is 'mild'" in told
    assert "row 4: other is 'x'" in told
    assert "row 5: score is 'inf'" in told


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    assert scores_of(tmp_path, "animal;group;score\na;g;1,5\n").values == {"score": {"a": (1.5,)}}


def test_only_the_rows_that_are_asked_for_are_read(tmp_path: Path) -> None:
    text = "animal,group,sex,age,score\na,g,f,8,1\na,h,m,8,unread\nb,h,f,16,2\nc,h,f,4,x\n"
    table = scores_of(tmp_path, text, where={"sex": ("f",), "age": ("8", "16")})
    assert table.values["score"] == {"a": (1,), "b": (2,)}
    assert table.notices == ("2 of 4 rows fit --where",)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"sex": ("femal",)}, r"no row has sex = 'femal'; did you mean female"),
        ({"sex": ("x",)}, r"no row has sex = 'x'; it has male, female"),
        ({"sex": ("male",), "age": ("16",)}, "no row fits all"),
        ({"agee": ("8",)}, "the column agee is missing; did you mean age"),
    ],
)
def test_what_is_nowhere_in_the_table_is_refused(
    tmp_path: Path, where: dict[str, tuple[str, ...]], message: str
) -> None:
    text = "animal,group,sex,age,score\na,g,male,8,1\nb,g,female,16,1\n"
    with pytest.raises(ManifestError, match=message):
        scores_of(tmp_path, text, where=where)


def test_rows_without_a_group_are_left_out_and_told(tmp_path: Path) -> None:
    table = scores_of(tmp_path, "animal,group,score\na,g,1\nb,,2\n")
    assert table.groups == {"a": "g"}
    assert table.notices == ("1 rows without a group left out",)


def test_blank_and_lookalike_animals_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"row 3: animal is blank"):
        scores_of(tmp_path, "animal,group,score\na,g,1\n,g,2\n")
    with pytest.raises(ManifestError, match="look the same"):
        scores_of(tmp_path, "animal,group,score\nm1,g,1\nm\uff11,g,2\n")
