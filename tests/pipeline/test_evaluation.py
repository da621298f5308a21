"""A run against its scorers, end to end: what is compared, on what, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.evaluated_run import (
    BANNER,
    make_all,
    make_run,
    off_by,
    slide_of,
    true_grade,
    write_rows,
    write_scorers,
)

from histoscore.errors import ManifestError, UsageError
from histoscore.pipeline.evaluation import EvaluationOptions, evaluate_run, evaluation_of
from histoscore.pipeline.graded import GradedRun, read_run
from histoscore.pipeline.readings import read_people
from histoscore.scoring.agreement import lower_median
from histoscore.scoring.comparison import Item
from histoscore.scoring.evaluation import Evaluation
from histoscore.vocabulary import Compartment

QUICK = EvaluationOptions(resamples=200)


def evaluated(
    folder: Path, scorers: Path, options: EvaluationOptions = QUICK, name: str = "run"
) -> Evaluation:
    return evaluation_of(read_run(folder / name), scorers, options)


def value(found: Evaluation, comparison: str, statistic: str) -> float:
    row = found.row(comparison, statistic)
    assert row is not None
    assert row.value is not None
    return row.value


def test_every_comparison_is_made(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    make_run(tmp_path, name="old", model=off_by((2, -1, 0)))
    options = EvaluationOptions(
        truth=made.truth, baselines={"old": tmp_path / "old"}, resamples=200
    )
    found = evaluated(tmp_path, made.scorers, options)
    assert found.comparisons == (
        "model vs reference", "model vs truth", "model vs A", "model vs B", "model vs C",
        "A vs B", "A vs C", "B vs C", "A vs others", "B vs others", "C vs others",
        "A vs truth", "B vs truth", "C vs truth", "A read 1 vs read 2",
        "majority vs reference", "morphometry only vs reference", "old vs reference",
    )  # fmt: skip
    assert found.differences == ("model − majority", "model − morphometry only", "model − old")
    assert value(found, "model − old", "qwk") == pytest.approx(
        value(found, "model vs reference", "qwk") - value(found, "old vs reference", "qwk")
    )
    assert {row.measure for row in found.area_rows} == {"hyaline_area_um2", "calcified_area_um2"}
    assert found.banner == BANNER


def test_people_and_model_stand_on_the_same_compartments(tmp_path: Path) -> None:
    def model(animal: int, compartment: Compartment) -> float | None:
        return None if animal == 4 else true_grade(animal, compartment)

    made = make_all(tmp_path, model=model)
    found = evaluated(tmp_path, made.scorers)
    rows = [found.row(name, "exact") for name in ("model vs A", "model vs C", "A vs B", "B vs C")]
    assert {(row.n, row.n_missing, row.n_animals) for row in rows if row} == {(43, 4, 11)}
    reference = found.row("model vs reference", "exact")
    assert reference is not None
    assert (reference.n, reference.n_missing) == (44, 4)
    assert value(found, "model vs reference", "found_share") == pytest.approx(44 / 48)
    assert any("4 of 48 compartments" in notice for notice in found.notices)


def test_scorers_of_different_slides_are_compared_on_their_own(tmp_path: Path) -> None:
    make_run(tmp_path)
    sheet = write_scorers(
        tmp_path / "s.csv",
        {
            "A": lambda a, c: true_grade(a, c) if a < 7 else None,
            "B": lambda a, c: true_grade(a, c) if a >= 5 else None,
        },
    )
    found = evaluated(tmp_path, sheet)
    counts = {name: found.row(name, "exact") for name in ("model vs A", "model vs B", "A vs B")}
    assert [row.n for row in counts.values() if row] == [28, 28, 8]
    assert counts["model vs A"] is not None
    assert "its own compartments" in counts["model vs A"].note


def test_the_reference_is_the_lower_median_of_first_reads(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    readings = read_people(made.scorers, read_run(made.run))
    reference = readings.reference()
    for item in (Item(slide_of(5), 1, Compartment.MTP), Item(slide_of(2), 1, Compartment.LTP)):
        own = [readings.by_read[s]["1"][item] for s in "ABC" if item in readings.by_read[s]["1"]]
        assert reference[item] == lower_median(own)
    assert len(readings.reference(without="C")) == 48


def test_a_reread_fills_only_what_the_first_read_left_blank(tmp_path: Path) -> None:
    make_run(tmp_path)
    rows = [
        (slide_of(0), 1, "MFC", "A", 10, 5), (slide_of(0), 1, "MFC", "A", 2, 1),
        (slide_of(0), 1, "MTP", "A", 2, ""), (slide_of(0), 1, "MTP", "A", 10, 3),
    ]  # fmt: skip
    columns = ("slide", "section", "compartment", "scorer", "read", "grade")
    sheet = write_rows(tmp_path / "s.csv", columns, rows)
    readings = read_people(sheet, read_run(tmp_path / "run"))
    assert {item.compartment.value: g for item, g in readings.first("A").items()} == {
        "MFC": 1, "MTP": 3
    }  # fmt: skip


def test_renaming_the_scorers_renames_the_rows(tmp_path: Path) -> None:
    make_run(tmp_path)
    graders = {"A": off_by((0, 1)), "B": off_by((0, 0, -1))}
    first = evaluated(tmp_path, write_scorers(tmp_path / "1.csv", graders))
    renamed = {"Z": graders["A"], "Y": graders["B"]}
    second = evaluated(tmp_path, write_scorers(tmp_path / "2.csv", renamed))
    names = {"model vs A": "model vs Z", "model vs B": "model vs Y", "A vs B": "Z vs Y"}
    for name in first.comparisons:
        one, other = first.row(name, "qwk"), second.row(names.get(name, name), "qwk")
        assert one is not None
        assert other is not None
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)


def test_a_perfect_model_beats_majority(tmp_path: Path) -> None:
    make_run(tmp_path, model=true_grade)
    found = evaluated(tmp_path, write_scorers(tmp_path / "s.csv", {"A": true_grade}))
    row = found.row("model − majority", "exact")
    assert row is not None
    assert row.low is not None
    assert row.low > 0
    assert found.row("model vs reference", "qwk") is not None
    assert value(found, "model vs reference", "slope") == pytest.approx(1)


def test_seed_and_resamples_decide_the_intervals(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    first, again, other = (
        evaluated(tmp_path, made.scorers, EvaluationOptions(seed=seed, resamples=150))
        for seed in (1, 1, 2)
    )
    assert first.rows == again.rows
    assert [row.value for row in first.rows] == [row.value for row in other.rows]
    assert [row.low for row in first.rows] != [row.low for row in other.rows]


def test_a_blinded_run_says_nothing_by_group(tmp_path: Path) -> None:
    make_run(tmp_path, groups=())
    found = evaluated(tmp_path, write_scorers(tmp_path / "s.csv", {"A": true_grade}))
    assert "group" not in {row.stratum_kind for row in found.rows}
    assert any("groups are not known" in notice for notice in found.notices)


def test_rows_on_foreign_slides_are_told_and_only_foreign_ones_refused(tmp_path: Path) -> None:
    make_run(tmp_path, animals=6)
    more = write_scorers(tmp_path / "more.csv", {"A": true_grade}, animals=8)
    found = evaluated(tmp_path, more)
    assert any("8 rows left out" in n and "m6.svs" in n for n in found.notices)
    rows = [("x.svs", 1, "MFC", "A", 0)]
    foreign = write_rows(
        tmp_path / "x.csv", ("slide", "section", "compartment", "scorer", "grade"), rows
    )
    with pytest.raises(UsageError, match=r"none of its slides .*slides/m0\.svs"):
        evaluated(tmp_path, foreign)


def test_slashes_of_windows_name_the_same_slide(tmp_path: Path) -> None:
    run: GradedRun = read_run(make_run(tmp_path, animals=2))
    assert run.slide_named("slides\\m1.svs") == "slides/m1.svs"
    assert run.slide_named("slides/m7.svs") is None


def test_a_sheet_that_contradicts_the_run_about_an_animal_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path)
    columns = ("slide", "section", "compartment", "scorer", "grade", "animal")
    rows = [(slide_of(0), 1, "MFC", "A", 0, "m0"), (slide_of(1), 1, "MFC", "A", 0, "m9")]
    with pytest.raises(ManifestError, match=r"row 3: slides/m1\.svs is of the animal m9"):
        evaluated(tmp_path, write_rows(tmp_path / "s.csv", columns, rows))


@pytest.mark.parametrize("name", ["model", "reference", "majority"])
def test_names_that_the_evaluation_uses_are_refused(name: str, tmp_path: Path) -> None:
    make_run(tmp_path)
    with pytest.raises(ManifestError, match="rename the scorer"):
        evaluated(tmp_path, write_scorers(tmp_path / "s.csv", {name: true_grade}))
    sheet = write_scorers(tmp_path / "s.csv", {"A": true_grade})
    options = EvaluationOptions(baselines={name: tmp_path / "run"})
    with pytest.raises(UsageError, match="choose another"):
        evaluated(tmp_path, sheet, options)


def test_a_baseline_on_other_files_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path)
    sheet = write_scorers(tmp_path / "s.csv", {"A": true_grade})
    (tmp_path / "elsewhere" / "slides").mkdir(parents=True)
    other = make_run(tmp_path / "elsewhere", text="rescanned")
    with pytest.raises(UsageError, match=r"m0\.svs is another file"):
        evaluated(tmp_path, sheet, EvaluationOptions(baselines={"old": other}))


def test_out_must_not_lie_in_the_sealed_run(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    with pytest.raises(UsageError, match="sealed"):
        evaluate_run(made.run, made.scorers, made.run / "evaluation", QUICK)


def test_nothing_is_written_into_the_run(tmp_path: Path) -> None:
    made = make_all(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in made.run.rglob("*")}
    summary = evaluate_run(made.run, made.scorers, tmp_path / "out", QUICK)
    assert {path: path.stat().st_mtime_ns for path in made.run.rglob("*")} == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in summary.files
    )
