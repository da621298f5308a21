"""section_grades.csv and analysis.R: names stay what they are, the reference comes first."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_study import example_study

from histoscore.export.mixed_model import r_text, write_mixed_model
from histoscore.records import AnimalScore, CompartmentScore, StudyTables
from histoscore.vocabulary import Compartment, Knee, Side

GROUPS = ("NA", 'a "b" \\', "Käfig 2", "=1")
RSCRIPT = shutil.which("Rscript")
needs_r = pytest.mark.skipif(RSCRIPT is None, reason="R is not installed")


def has_ordinal() -> bool:
    return RSCRIPT is not None and ran("-e", 'quit(status = !requireNamespace("ordinal"))')[0] == 0


def ran(*line: str, folder: Path = Path()) -> tuple[int, str]:
    done = subprocess.run([str(RSCRIPT), *line], cwd=folder, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", errors="replace")


def large_study(reference: str, timepoints: tuple[str | None, ...] = (None,)) -> StudyTables:
    """Six animals a group and timepoint, two sections of both knees each; the animals 001, 002, …
    and the other knee is healthy."""
    study, random = example_study(), np.random.default_rng(3)
    animals: list[AnimalScore] = []
    scores: list[CompartmentScore] = []
    places = [(group, time) for time in timepoints for group in GROUPS for _ in range(6)]
    for number, (group, time) in enumerate(places, start=1):
        name = f"{number:03d}"
        ill = random.normal(2 * GROUPS.index(group) / 3, 0.7)
        animals.append(replace(study.animals[0], animal=name, group=group, timepoint=time))
        for knee, side in ((Knee.INDEX, Side.LEFT), (Knee.CONTRALATERAL, Side.RIGHT)):
            for section in (1, 2):
                worse = ill if knee is Knee.INDEX else 0.5
                grade = float(np.clip(round(random.normal(worse, 0.8)), 0, 4))
                one = replace(
                    study.scores[0], slide=f"{name}{side}.svs", animal=name, group=group, side=side
                )
                one = replace(one, knee=knee, timepoint=time, section=section, grade=grade)
                scores.append(replace(one, compartment=Compartment.MTP))
    scores.append(replace(scores[0], section=3, grade=None))
    return replace(
        study, animals=tuple(animals), scores=tuple(scores), group_order=GROUPS, reference=reference
    )


def script_of(tables: StudyTables, folder: Path) -> str:
    return write_mixed_model(tables, folder)[1].read_text("utf-8")


def test_the_table_has_a_row_a_compartment_and_a_missing_grade_is_empty(tmp_path: Path) -> None:
    tables = large_study("NA")
    path, _ = write_mixed_model(tables, tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(tables.scores)
    assert rows[0]["animal"] == "001"
    assert rows[0]["group"] == "NA"
    assert rows[-1]["grade"] == ""
    assert {row["group"] for row in rows} == {"NA", 'a "b" \\', "Käfig 2", "'=1"}


def test_the_configured_reference_comes_first(tmp_path: Path) -> None:
    script = script_of(large_study("Käfig 2"), tmp_path)
    assert r'groups <- c("K\U{e4}fig 2", "NA", "a \"b\" \\", "=1")' in script


def test_a_study_without_a_reference_has_the_order_of_the_sheet(tmp_path: Path) -> None:
    assert 'groups <- c("NA",' in script_of(replace(large_study("NA"), reference=None), tmp_path)


def test_a_blinded_study_names_no_group(tmp_path: Path) -> None:
    tables = large_study("NA")
    animals = tuple(replace(score, group=None) for score in tables.animals)
    blinded = replace(tables, animals=animals, group_order=(), reference=None)
    assert "groups <- c()" in script_of(blinded, tmp_path)


def test_the_models_have_the_animal_the_knee_within_it_and_timepoints(tmp_path: Path) -> None:
    script = script_of(large_study("NA"), tmp_path)
    for words in (
        "(1 | animal)", "(1 | knee_of)", "grade ~ group * knee", "grade ~ group * timepoint",
        'knee == "index"', "clmm(formula",
    ):  # fmt: skip
        assert words in script
    assert not re.search(r"\b(wilcox|kruskal|t)\.test|\baov\(|\blm\(", script)


@pytest.mark.parametrize("text", ['a"b\\c', "Käfig", "mouse 🐭", "tab\tnew\nline"])
@needs_r
def test_text_is_the_same_in_r(text: str, tmp_path: Path) -> None:
    code, out = ran("-e", f"cat(utf8ToInt({r_text(text)}))", folder=tmp_path)
    assert code == 0, out
    assert [int(number) for number in out.split()] == list(map(ord, text))


@needs_r
def test_r_reads_the_script_and_counts_the_animals_that_the_study_has(tmp_path: Path) -> None:
    tables = large_study("=1")
    write_mixed_model(tables, tmp_path)
    assert ran("-e", 'invisible(parse(file = "analysis.R"))', folder=tmp_path)[0] == 0
    _, out = ran("analysis.R", folder=tmp_path)
    assert "reference group: =1" in out
    counted = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert counted["animals"] == ["6"] * 4
    assert counted["knees"] == ["6"] * 4
    assert counted["sections"] == ["12"] * 4
    if not has_ordinal():
        assert 'install.packages("ordinal")' in out


@needs_r
def test_r_says_that_a_blinded_study_has_nothing_to_compare(tmp_path: Path) -> None:
    tables = large_study("NA")
    scores = tuple(replace(score, group=None) for score in tables.scores)
    animals = tuple(replace(score, group=None) for score in tables.animals)
    write_mixed_model(
        replace(tables, scores=scores, animals=animals, group_order=(), reference=None), tmp_path
    )
    code, out = ran("analysis.R", folder=tmp_path)
    assert code != 0
    assert "there is nothing to compare" in out


@pytest.mark.skipif(not has_ordinal(), reason="R's package ordinal is not installed")
def test_every_model_is_fitted(tmp_path: Path) -> None:
    write_mixed_model(large_study("=1", ("4 weeks", "NA")), tmp_path)
    code, out = ran("analysis.R", folder=tmp_path)
    assert code == 0, out
    assert "no model" not in out
    assert out.count("Cumulative Link Mixed Model") == 5  # two each a timepoint, and both together
    assert "groupNA:timepointNA" in out
    assert "group=1" not in out  # the reference has no coefficient
    assert re.search(r"knee_of +\(Intercept\)", out)
