"""`compare` on tables of scores: what is written, what is said, what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from histoscore.cli import run
from histoscore.export.dictionary import GROUPS
from histoscore.scoring.effects import cliffs_delta
from histoscore.scoring.ranktests import kruskal_wallis, mann_whitney

TABLE = "animal,group,score\n" + "".join(
    f"{group}{n},{group},{value}\n"
    for group, values in {"NA": (0, 0, 1, 1.1), "=DMM": (3, 4, 4, 6)}.items()
    for n, value in enumerate(values)
)


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "groups.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table_in(folder: Path, text: str = TABLE) -> str:
    (folder / "scores.csv").write_text(text)
    return str(folder / "scores.csv")


def test_the_result_has_the_columns_of_a_run_at_full_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["compare", table_in(tmp_path), "--outcome", "score", "--out", str(out)]) == 0
    (row,) = results(out)
    assert list(row) == [column.name for column in GROUPS]
    p = mann_whitney([0, 0, 1, 1.1], [3, 4, 4, 6]).p
    assert (float(row["p"]), float(row["p_adjusted"])) == (p, p)
    assert float(row["cliffs_delta_low"]) == cliffs_delta([0, 0, 1, 1.1], [3, 4, 4, 6]).low
    assert (row["reference"], row["group"]) == ("NA", "'=DMM")
    assert (row["region"], row["timepoint"], row["primary"]) == ("", "", "")
    said = capsys.readouterr().out
    assert "score, by animal" in said
    assert str(out / "groups.csv") in said


def test_the_table_names_the_confidence_that_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", table_in(tmp_path), "--outcome", "score", "--out", str(tmp_path / "o")]
    assert run([*arguments, "--set", "confidence=0.9"]) == 0
    assert "Cliff's δ (90 %)" in capsys.readouterr().out


def test_reference_and_settings_are_the_users(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["compare", table_in(tmp_path), "--outcome", "score", "--out", str(out)]
    assert run([*arguments, "--reference", "=DMM", "--set", "min_animals=5"]) == 0
    (row,) = results(out)
    assert (row["reference"], row["group"], row["p"]) == ("'=DMM", "NA", "")
    assert "fewer than 5 animals" in row["note"]


def test_power_of_a_next_study_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("histoscore.scoring.power.SIZES", (4, 6))
    arguments = ["compare", table_in(tmp_path), "--outcome", "score", "--out", str(tmp_path / "o")]
    assert run([*arguments, "--power"]) == 0
    with (tmp_path / "o" / "power.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["responding"], row["n"]) for row in rows[:2]] == [("1.0", "4"), ("1.0", "6")]
    assert float(rows[1]["power"]) > 0.9
    assert str(tmp_path / "o" / "power.csv") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--outcome", "scroe"], "the column scroe is missing; did you mean score?"),
        (["--outcome", "score", "--reference", "sham"], "no group 'sham'"),
        (["--outcome", "score", "--aggregate", "mode"], "must be one of mean, max, sum, median"),
        (["--outcome", "score", "--where", "sex"], "write a column and a value"),
        (["--outcome", "score", "--where", "=x"], "write a column and a value"),
        (["--outcome", "score", "--set", "min_animal=3"], "did you mean min_animals?"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_says_why(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["compare", table_in(tmp_path), "--out", str(out), *options]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_results_do_not_fall_on_their_table_nor_into_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "groups.csv").write_text(TABLE)
    source = str(tmp_path / "groups.csv")
    assert run(["compare", source, "--outcome", "score", "--out", str(tmp_path)]) == 1
    assert "would overwrite" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("{}")
    inside = str(tmp_path / "more")
    assert run(["compare", source, "--outcome", "score", "--out", inside]) == 1
    assert "lies in a run" in capsys.readouterr().err


def test_fish_in_tanks_are_compared_by_tank(real_data: Path, tmp_path: Path) -> None:
    """671 animals in replicate tanks; the tanks A–F recur in every treatment."""
    table = real_data / "ordinal" / "rscabs_fish_histopathology.csv"
    asked = ["--outcome", "Kid_Tub_Dilation", "--group", "Treatment", "--out", str(tmp_path)]
    asked += ["--where", "Generation=F1", "--where", "Age=8_wk", "--where", "Genotypic_Sex=Female"]
    codes = [part for code in ("-1", "-2", "-3") for part in ("--missing", code)]
    assert run(["compare", str(table), *asked, *codes, "--animal", "Replicate"]) == 1
    assert run(["compare", str(table), *asked, *codes, "--animal", "Treatment,Replicate"]) == 0
    omnibus, *pairs = results(tmp_path)
    assert [row["group"] for row in pairs] == ["2", "3", "4", "5", "6"]
    tanks: dict[str, dict[str, list[float]]] = {}
    with table.open(encoding="utf-8-sig", newline="") as file:
        for fish in csv.DictReader(file):
            place = (fish["Generation"], fish["Age"], fish["Genotypic_Sex"])
            if place == ("F1", "8_wk", "Female") and float(fish["Kid_Tub_Dilation"] or -1) >= 0:
                tank = tanks.setdefault(fish["Treatment"], {}).setdefault(fish["Replicate"], [])
                tank.append(float(fish["Kid_Tub_Dilation"]))
    means = [[sum(tank) / len(tank) for tank in group.values()] for group in tanks.values()]
    assert [int(row["n_group"]) for row in pairs] == [len(group) for group in means[1:]]
    means = [group for group in means if len(group) >= 4]
    assert int(omnibus["n_group"]) == sum(map(len, means))
    assert float(omnibus["p"]) == pytest.approx(kruskal_wallis(means).p, abs=1e-12)
