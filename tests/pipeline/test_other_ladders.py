"""Ladders that a laboratory wrote as YAML, from a scorers' sheet to the paper: none is capped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from helpers.evaluated_run import GradeOf, make_run, write_scorers
from sklearn.metrics import cohen_kappa_score

from histoscore.cli import run as histoscore
from histoscore.config import find_ladder
from histoscore.vocabulary import Compartment, Ladder

LADDERS = {
    "mankin": "name: mankin_0_14\nrungs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]\n",
    "synovitis": "name: synovitis_0_3\nrungs: [0, 1, 2, 3]\n",
}
GROUPS = ("sham", "DMM")


def graded(ladder: Ladder, steps: Sequence[int]) -> GradeOf:
    """The second group at the ladder's top, the first at its foot, off by these rungs in turn."""

    def grade(animal: int, compartment: Compartment) -> float:
        top = len(ladder) - 1
        place = (top if animal % 2 else 0) + steps[(3 * animal + compartment.code) % len(steps)]
        return ladder.rungs[min(top, max(0, place))]

    return grade


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_from_yaml_goes_all_the_way(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(LADDERS[name])
    ladder = find_ladder(str(file))
    top = f"{ladder.rungs[-1]:g}"
    people = {"A": graded(ladder, (0, 1, 0, -1)), "B": graded(ladder, (0, 0, -1, 1, 0))}
    scorers = write_scorers(tmp_path / "scorers.csv", people)

    agreed = tmp_path / "agreed"
    line = ["agree", str(scorers), "--out", str(agreed), "--ladder", str(file)]
    assert histoscore([*line, "--resamples", "200"]) == 0
    grades = {who: [r["grade"] for r in table(scorers) if r["scorer"] == who] for who in people}
    labels = [f"{rung:g}" for rung in ladder.rungs]
    places = [[labels.index(grade) for grade in given] for given in grades.values()]
    kappa = cohen_kappa_score(*places, labels=range(len(ladder)), weights="quadratic")
    told = {(r["comparison"], r["statistic"]): r for r in table(agreed / "agreement.csv")
            if r["stratum"] == "all"}  # fmt: skip
    assert float(told["A vs B", "qwk"]["value"]) == pytest.approx(kappa, abs=1e-12)
    assert {row["first"] for row in table(agreed / "confusion.csv")} == set(labels)

    compared = tmp_path / "compared"
    scores = tmp_path / "scores.csv"
    lines = [f"{r['slide']},{GROUPS[int(r['slide'][8:-4]) % 2]},{r['grade']}\n" for r in
             table(scorers)]  # fmt: skip
    scores.write_text("animal,group,grade\n" + "".join(lines))
    line = ["compare", str(scores), "--outcome", "grade", "--out", str(compared)]
    assert histoscore([*line, "--aggregate", "max"]) == 0
    (row,) = table(compared / "groups.csv")
    assert float(row["median_group"]) == ladder.rungs[-1]

    run = make_run(tmp_path, groups=GROUPS, model=graded(ladder, (0, -1, 0)), ladder=ladder)
    line = ["report", str(run), "--scorers", str(scorers), "--grades", "person"]
    assert histoscore(line) == 0
    parts = table(run / "compartments.csv")
    assert [c for c in parts[0] if c.startswith("p_")] == [f"p_{label}" for label in labels]
    assert {row["final_source"] for row in parts} == {"person"}
    animals = [r for r in table(run / "animals.csv") if r["region"] == "medial"]
    ill = {float(r["grade_max"]) for r in animals if r["group"] == "DMM"}
    assert ill <= set(ladder.rungs[-2:])  # the lower median of two scorers
    assert max(ill) == ladder.rungs[-1]
    (primary,) = [r for r in table(run / "groups.csv") if r["primary"] == "yes"]
    assert float(primary["median_group"]) == ladder.rungs[-1]
    assert float(primary["p"]) < 0.01

    book = openpyxl.load_workbook(run / "results.xlsx")
    titles = [str(cell.value) for cell in book["Compartments"][2]]
    finals = [row[titles.index("final_grade (grade)")] for row in
              book["Compartments"].iter_rows(min_row=3, values_only=True)]  # fmt: skip
    assert max(finals) == ladder.rungs[-1]
    kappas = {row[0]: row[4] for row in book["Agreement"].iter_rows(min_row=3, values_only=True)
              if row[3] == "qwk"}  # fmt: skip
    assert kappas["A vs B"] == pytest.approx(kappa, abs=5e-5)
    assert {"model vs A", "model vs reference"} <= kappas.keys()
    page = (run / "report.html").read_text("utf-8")
    assert f"the ladder {ladder.name}" in page
    assert f'<td class="n">{top}</td>' in page
    assert f"median {top} against" in page
