"""The verb evaluate: what it says, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.evaluated_run import BANNER, make_all, make_run

from histoscore.cli import run


def test_it_says_the_headline_the_banner_and_the_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_all(tmp_path, animals=6)
    make_run(tmp_path, animals=6, name="old")
    out = tmp_path / "out"
    arguments = ["evaluate", str(made.run), str(made.scorers), "--out", str(out)]
    arguments += ["--truth", str(made.truth), "--baseline", f"old={tmp_path / 'old'}"]
    assert run([*arguments, "--seed", "4", "--resamples", "100"]) == 0
    said = capsys.readouterr().out
    for part in ("QWK", "model − old", "A vs B", BANNER, str(out / "evaluation.html")):
        assert part in said
    assert (out / "areas.csv").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--baseline", "old"], "write a name and a run folder"),
        (["--baseline", "old=gone"], "is no run folder"),
        (["--baseline", "a=x", "--baseline", "a=y"], "the name is taken"),
        (["--annotations", "gone"], "is no folder"),
        (["--truth", "gone.csv"], "gone.csv: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_compared_ends_with_1_and_writes_nothing(
    more: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_all(tmp_path, animals=6)
    out = tmp_path / "out"
    arguments = ["evaluate", str(made.run), str(made.scorers), "--out", str(out)]
    assert run([*arguments, "--resamples", "100", *more]) == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", str(tmp_path), "s.csv", "--out", str(tmp_path / "out")]) == 1
    assert "is no run folder" in capsys.readouterr().err
