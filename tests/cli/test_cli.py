"""The verbs: exit codes, what is said where, and how little `--help` loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.fake_scorer import BANNER, times_scored, write_study
from helpers.programs import QUICK, finish
from helpers.slide_files import write_picture, write_svs

from histoscore.cli import run
from histoscore.runs.lock import RunLock

VERBS = (
    "info",
    "check",
    "score",
    "merge",
    "report",
    "agree",
    "compare",
    "verify",
    "selftest",
    "phantom",
    "train",
    "model",
    "config",
)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_verbs_loads_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "cv2", "scipy", "openslide", "pydantic", "matplotlib"}
    assert loaded_by("import histoscore.cli") & heavy == set()


def test_the_parent_of_a_run_decodes_nothing() -> None:
    heavy = {"torch", "pandas", "cv2", "openslide", "tifffile", "PIL"}
    assert loaded_by("import histoscore.pipeline.study") & heavy == set()


def test_check_and_info_load_no_torch() -> None:
    assert "torch" not in loaded_by("import histoscore.pipeline.inspection")


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["score"],
        ["score", "study.csv"],
        ["score", "gone.csv", "--out", "run"],
        ["score", "gone.csv", "--out", "run", "--set", "tils.batch=4"],
        ["score", "gone.csv", "--out", "run", "--engine", "abacus"],
        ["config", "show", "--config", "gone.yaml"],
        ["verify", "no run here"],
        ["report", "no run here"],
        ["info", "gone.svs"],
        ["check", "gone.csv"],
        ["model", "info", "no such bundle"],
        ["study", "new", "no such folder"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_what_cannot_be_started_ends_with_1_and_a_plain_message(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_setting_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", "--set", "tils.batch=4"]) == 1
    assert "did you mean tiles?" in capsys.readouterr().err


def test_the_effective_configuration_is_yaml_that_can_be_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "show", "--set", "tiles.batch=4"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["tiles"]["batch"] == 4
    (tmp_path / "config.yaml").write_text(text)
    assert run(["config", "show", "--config", str(tmp_path / "config.yaml")]) == 0
    assert capsys.readouterr().out == text


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == 0
    assert "tiles" in json.loads(capsys.readouterr().out)["properties"]


def test_score_says_groups_counts_reasons_banner_and_places(tmp_path: Path) -> None:
    slides = {f"{i}.svs": f"grade {i % 2 * 3}" for i in range(9)} | {"x.svs": "refuse blurred"}
    sheet = write_study(tmp_path, slides)
    code, out, err = finish("score", sheet, "--out", tmp_path / "run", *QUICK)
    assert code == 2
    assert "grade_max of medial, by animal" in out
    assert "sham" in out
    assert "DMM" in out
    assert "9 scored, 1 failed" in out
    assert "x.svs: failed: blurred" in out
    assert BANNER in out
    assert str(tmp_path / "run" / "results.xlsx") in out
    assert str(tmp_path / "run" / "report.html") in out
    assert "[10/10] x.svs: failed: blurred" in err
    assert "slides/min" in err
    assert "tiles/s" in err
    assert "left" in err


def test_options_of_score_reach_the_configuration(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    (tmp_path / "c.yaml").write_text("tiles: {batch: 2}\n")
    arguments = ["--config", tmp_path / "c.yaml", "--model", "001", "--device", "cpu"]
    code, *_ = finish(
        "score", sheet, "--out", tmp_path / "run", *arguments, "--full-section", *QUICK
    )
    assert code == 0
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert (config["model"], config["device"], config["full_section"]) == ("001", "cpu", True)
    assert config["tiles"]["batch"] == 2


def test_a_run_in_use_ends_with_3_and_a_full_disk_with_4(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "disk /run/a.png"})
    with RunLock(tmp_path / "run"):
        assert finish("score", sheet, "--out", tmp_path / "run")[0] == 3
    code, _, err = finish("score", sheet, "--out", tmp_path / "run")
    assert code == 4
    assert "/run/a.png: cannot be written" in err
    assert "Traceback" not in err


def test_verify_names_what_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 2"})
    assert finish("score", sheet, "--out", tmp_path / "run", *QUICK)[0] == 0
    assert run(["verify", str(tmp_path / "run")]) == 0
    animals = tmp_path / "run" / "animals.csv"
    animals.write_text(animals.read_text().replace("m1", "m9"))
    capsys.readouterr()
    assert run(["verify", str(tmp_path / "run")]) == 1
    assert "animals.csv: changed since it was written" in capsys.readouterr().out


def test_report_rebuilds_what_is_gone(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "refuse no"})
    assert finish("score", sheet, "--out", tmp_path / "run", *QUICK)[0] == 2
    before = (tmp_path / "run" / "slides.csv").read_bytes()
    (tmp_path / "run" / "slides.csv").unlink()
    assert run(["report", str(tmp_path / "run")]) == 2
    assert (tmp_path / "run" / "slides.csv").read_bytes() == before
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 1}


def test_check_says_all_that_is_wrong_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_svs(tmp_path / "good.svs")
    write_svs(tmp_path / "other scale.svs", mpp="0.6")
    write_svs(tmp_path / "good too.svs")
    write_svs(tmp_path / "forgotten.svs")
    (tmp_path / "text.svs").write_text("not a slide at all\n" * 40)
    (tmp_path / "empty.svs").touch()
    write_picture(tmp_path / "snapshot.png")
    names = ("good", "good too", "other scale", "text", "empty", "gone")
    lines = [f"{name}.svs,m{place},sham\n" for place, name in enumerate(names)]
    sheet = tmp_path / "study.csv"
    sheet.write_text("slide,animal,group\n" + "".join(lines) + "snapshot.png,m9,DMM\n")
    assert run(["check", str(sheet)]) == 2
    out = capsys.readouterr().out
    assert "row 5: text.svs: not a slide; content looks like plain text" in out
    assert "row 6: empty.svs: empty file" in out
    assert "row 7: gone.svs: no such file" in out
    assert "row 8: snapshot.png: no believable pixel size" in out
    assert "other scale.svs: 0.6 µm/px, where the study's usual is 0.47" in out
    assert "forgotten.svs: is not in the sheet" in out
    assert "3 of 7 slides can be scored" in out


def test_check_is_content_with_a_good_study(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs")
    (tmp_path / "study.csv").write_text("slide,animal\na.svs,m1\n")
    assert run(["check", str(tmp_path / "study.csv")]) == 0


def test_info_says_what_a_slide_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slide = write_svs(tmp_path / "a.svs")
    assert run(["info", str(slide)]) == 0
    out = capsys.readouterr().out
    assert "0.4711 µm/px (from: scanner)" in out
    assert "label image  present" in out
    assert "sections" in out


def test_info_takes_the_scale_that_a_picture_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = write_picture(tmp_path / "a.png")
    assert run(["info", str(picture)]) == 2
    assert "no believable pixel size" in capsys.readouterr().err
    assert run(["info", str(picture), "--mpp", "0.5"]) == 0
    assert "0.5 µm/px (from: sheet)" in capsys.readouterr().out


def test_a_first_study_sheet_is_written_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_svs(tmp_path / "m7_L.svs")
    assert run(["study", "new", str(tmp_path)]) == 0
    text = (tmp_path / "study.csv").read_text()
    assert "m7_L.svs" in text
    assert run(["study", "new", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "study.csv").read_text() == text
