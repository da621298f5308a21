"""`agree` on sheets of scorers: files, intervals, other ladders, refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from histoscore.cli import run
from histoscore.export.agreement import NAMES

HEAD = "slide,animal,section,compartment,scorer,read,grade\n"
RUNGS = [0, 0.5, 1, 2, 3, 4, 5, 6]


def sheet_of(folder: Path, animals: bool = True, scorers: str = "AB") -> Path:
    random = np.random.default_rng(2)
    lines = []
    for number in range(12):
        rung = int(random.integers(0, 7))
        for scorer in scorers:
            grade = RUNGS[rung + int(random.integers(0, 2))]
            animal = f"m{number // 2}" if animals else ""
            lines.append(f"{number}.svs,{animal},1,MTP,{scorer},1,{grade}\n")
    path = folder / "people.csv"
    path.write_text(HEAD + "".join(lines))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def value(folder: Path, comparison: str, statistic: str) -> dict[str, str]:
    (row,) = [
        row
        for row in rows_of(folder / "agreement.csv")
        if (row["comparison"], row["statistic"], row["stratum"]) == (comparison, statistic, "all")
    ]
    return row


def test_agreement_is_told_at_full_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, out = sheet_of(tmp_path), tmp_path / "out"
    assert run(["agree", str(sheet), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    grades = {s: [r["grade"] for r in rows_of(sheet) if r["scorer"] == s] for s in "AB"}
    places = [[RUNGS.index(float(grade)) for grade in given] for given in grades.values()]
    kappa = cohen_kappa_score(*places, labels=range(8), weights="quadratic")
    row = value(out, "A vs B", "qwk")
    assert float(row["value"]) == pytest.approx(kappa, abs=1e-14)
    assert (row["n"], row["n_animals"]) == ("12", "6")
    assert row["low"] != ""
    assert value(out, "all scorers", "icc_3_1")["value"] != ""
    said = capsys.readouterr().out
    assert "A vs B" in said
    assert "ICC(2,1) of all scorers" in said
    assert str(out / "agreement.csv") in said


def test_without_animals_intervals_are_over_slides_with_a_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, out = sheet_of(tmp_path, animals=False), tmp_path / "out"
    assert run(["agree", str(sheet), "--out", str(out)]) == 0
    assert value(out, "A vs B", "qwk")["n_animals"] == "12"
    assert "intervals are over slides" in capsys.readouterr().out


def test_biases_and_items_to_discuss_have_tables(tmp_path: Path) -> None:
    sheet, out = sheet_of(tmp_path, scorers="ABC"), tmp_path / "out"
    with sheet.open("a") as file:
        file.write("extra.svs,m9,2,LFC,A,1,0\nextra.svs,m9,2,LFC,B,1,4\n")
    assert run(["agree", str(sheet), "--out", str(out)]) == 0
    first = rows_of(out / "discuss.csv")[0]
    assert (first["slide"], first["animal"], first["section"]) == ("extra.svs", "m9", "2")
    assert (first["rungs_apart"], first["grades"]) == ("5", "A: 0; B: 4")
    biases = [row for row in rows_of(out / "scorer_bias.csv") if row["rung"] == "all"]
    assert [row["scorer"] for row in biases] == ["A", "B", "C"]


def test_one_scorer_who_read_twice_is_enough(tmp_path: Path) -> None:
    sheet = tmp_path / "people.csv"
    lines = [f"{n}.svs,m{n},1,MTP,A,{read},{n % 3}\n" for n in range(6) for read in (1, 2)]
    sheet.write_text(HEAD + "".join(lines))
    assert run(["agree", str(sheet), "--out", str(tmp_path / "out")]) == 0
    assert value(tmp_path / "out", "A read 1 vs read 2", "exact")["value"] == "1.0"
    assert rows_of(tmp_path / "out" / "scorer_bias.csv") == []


@pytest.mark.parametrize("ladder", ["0-14", "mankin.yaml"])
def test_another_ladder_is_a_name_or_a_file(
    ladder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mankin.yaml").write_text(f"name: mankin\nrungs: {list(range(15))}\n")
    lines = [f"{n}.svs,m{n},1,MTP,{s},1,{7 + n}\n" for n in range(6) for s in "AB"]
    Path("people.csv").write_text(HEAD + "".join(lines))
    assert run(["agree", "people.csv", "--out", "out", "--ladder", ladder]) == 0
    assert float(value(Path("out"), "A vs B", "qwk")["value"]) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.svs,m1,1,MTP,A,1,7\n", "7 is not a grade"),
        ("a.svs,m1,1,MTP,A,1,2\n", "nothing to compare"),
        ("a.svs,m1,1,MTP,A,1,2\na.svs,m2,1,MTP,B,1,2\n", "a.svs is of m2, in an earlier row of m1"),
        ("a.svs,m1,1,MTP,others,1,2\na.svs,m1,1,MTP,B,1,2\n", "no scorer can be called 'others'"),
    ],
)
def test_what_cannot_be_compared_ends_with_1_and_says_why(
    lines: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "people.csv"
    sheet.write_text(HEAD + lines)
    assert run(["agree", str(sheet), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_ladder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["agree", str(sheet_of(tmp_path)), "--out", str(tmp_path / "o"), "--ladder", "mank"]
    assert run(arguments) == 1
    assert "unknown ladder mank" in capsys.readouterr().err
