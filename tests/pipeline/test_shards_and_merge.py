"""Shards of a study, each scored by itself, and the run that they are joined to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fake_scorer import SCORER, fake_model, times_scored, write_study
from helpers.programs import QUICK, finish
from helpers.run_tables import tables_of

from histoscore.config import load_config
from histoscore.errors import ManifestError, RunMismatchError, UsageError
from histoscore.pipeline.merge import merge_runs
from histoscore.pipeline.report import RunSummary, report_run
from histoscore.pipeline.shards import Shard, parse_shard
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.runs.folder import RunFolder
from histoscore.runs.verify import COMMITTED, verify

SLIDES = {f"knee {i}.svs": f"grade {i % 4}" for i in range(7)} | {"refused.svs": "refuse blurred"}


def score(sheet: Path, out: Path, shard: str | None = None, **settings: object) -> RunSummary:
    wanted = {"statistics.permutations": 1000, **settings}
    config = load_config(overrides=[f"{name}={value}" for name, value in wanted.items()])
    part = parse_shard(shard) if shard else None
    options = ScoreOptions(scorer=SCORER, model=fake_model, shard=part)
    return score_study(sheet, out, config, options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was scored as a whole, and in three shards; nobody touches it."""
    folder = tmp_path_factory.mktemp("made")
    sheet = write_study(folder, SLIDES)
    score(sheet, folder / "whole")
    for number in (1, 2, 3):
        score(sheet, folder / f"shard{number}", f"{number}/3")
    return folder


@pytest.fixture
def sheet(made: Path) -> Path:
    return made / "study.csv"


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> list[Path]:
    """The three shards, to be done with as one likes."""
    names = ("shard1", "shard2", "shard3")
    return [shutil.copytree(made / name, tmp_path / name) for name in names]


def test_a_shard_is_every_nth_slide() -> None:
    parts = [Shard(number, 3).part("abcdefgh") for number in (1, 2, 3)]
    assert parts == [("a", "d", "g"), ("b", "e", "h"), ("c", "f")]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "-1/3", "1/3/5", "a/b", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it as I/N"):
        parse_shard(text)


def test_shards_joined_are_the_run_in_one_go(
    made: Path, shards: list[Path], tmp_path: Path
) -> None:
    scored = times_scored(made)
    summary = merge_runs(shards[::-1], tmp_path / "merged")
    assert summary.exit_code == 2
    assert tables_of(tmp_path / "merged") == tables_of(made / "whole")
    assert times_scored(made) == scored
    assert verify(tmp_path / "merged") == []
    runs = (made / "whole", tmp_path / "merged")
    whole, merged = (json.loads((run / "run.json").read_text()) for run in runs)
    apart = dict.fromkeys(("started", "finished"))
    assert {**merged, **apart} == {**whole, **apart}


def test_the_merged_trail_says_where_each_result_is_from(
    shards: list[Path], tmp_path: Path
) -> None:
    trail = merge_runs(shards, tmp_path / "merged").run.trail
    merged = trail.last("shards merged")
    assert merged is not None
    assert str(shards[1]) in merged.details["shard 2/3"]
    origins = [event.details["shard"] for event in trail.events() if event.what == COMMITTED]
    assert origins == ["1/3", "2/3", "3/3", "1/3", "2/3", "3/3", "1/3", "2/3"]
    kept = tmp_path / "merged" / "shards" / "2-of-3.events.jsonl"
    assert kept.read_bytes() == (shards[1] / "events.jsonl").read_bytes()


def test_a_merged_run_stands_by_itself_and_takes_no_room(
    shards: list[Path], tmp_path: Path
) -> None:
    merged = merge_runs(shards, tmp_path / "merged").run
    first = RunFolder(shards[0])
    picture, origin = (run.overlay_path("knee 0.svs", 1) for run in (merged, first))
    assert picture.samefile(origin)
    first.clear_pictures("knee 0.svs")
    assert verify(merged.path) == []
    assert report_run(merged.path).exit_code == 2


def test_merging_again_changes_nothing_and_scoring_goes_on(
    made: Path, shards: list[Path], tmp_path: Path
) -> None:
    merge_runs(shards, tmp_path / "merged")
    before, scored = tables_of(tmp_path / "merged"), times_scored(made)
    merge_runs(shards, tmp_path / "merged")
    score(made / "study.csv", tmp_path / "merged")
    assert tables_of(tmp_path / "merged") == before
    assert times_scored(made) == scored
    assert verify(tmp_path / "merged") == []


def test_where_files_have_one_name_only_they_are_copied(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("histoscore.files.os.link", no_links)
    merged = merge_runs(shards, tmp_path / "merged").run
    assert merged.overlay_path("knee 0.svs", 1).stat().st_nlink == 1
    assert verify(merged.path) == []


def test_a_shard_makes_no_tables_and_is_whole(made: Path, sheet: Path, shards: list[Path]) -> None:
    scored = times_scored(made)
    summary = score(sheet, shards[1], "2/3")
    assert summary.record.counts == {"scored": 2, "failed": 1}
    assert summary.tables.groups == ()
    assert not list(shards[1].glob("*.csv"))
    assert verify(shards[1]) == []
    assert times_scored(made) == scored
    with pytest.raises(UsageError, match="is shard 2/3 of a study; join all shards first"):
        report_run(shards[1])


@pytest.mark.fault(37)
@pytest.mark.parametrize("other", ["3/3", "2/4", None])
def test_a_shards_folder_takes_no_other_part(
    sheet: Path, shards: list[Path], other: str | None
) -> None:
    with pytest.raises(RunMismatchError, match=f"shard: 2/3 → {other or 'none'}"):
        score(sheet, shards[1], other)


@pytest.mark.fault(21)
def test_one_file_in_two_shards_is_found_when_they_meet(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "grade 1"})
    (tmp_path / "b.svs").write_bytes((tmp_path / "a.svs").read_bytes())
    shards = [tmp_path / "s1", tmp_path / "s2"]
    for number, folder in enumerate(shards, start=1):
        score(sheet, folder, f"{number}/2")
    with pytest.raises(ManifestError, match=r"rows 2 and 3: a\.svs \(m1\) and b\.svs \(m2\)"):
        merge_runs(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.fault(21)
def test_a_double_is_skipped_as_in_one_go_whichever_shard_scored_it(tmp_path: Path) -> None:
    for name in ("a.svs", "b.svs", "c.svs"):
        (tmp_path / name).write_text("grade 1\n")
    (tmp_path / "x.svs").write_text("grade 2\n")
    sheet = tmp_path / "study.csv"
    rows = [
        "a.svs,m1,sham,",
        "b.svs,m1,sham,",
        "x.svs,m2,DMM,",
        "c.svs,m1,sham,",
        "a.svs,m1,sham,yes",
    ]
    sheet.write_text("\n".join(["slide,animal,group,exclude", *rows, ""]))
    score(sheet, tmp_path / "whole")
    shards = [tmp_path / "s1", tmp_path / "s2"]
    for number, folder in enumerate(shards, start=1):
        score(sheet, folder, f"{number}/2")
    merge_runs(shards, tmp_path / "merged")
    assert tables_of(tmp_path / "merged") == tables_of(tmp_path / "whole")
    assert b"duplicate of a.svs" in tables_of(tmp_path / "merged")["slides.csv"]
    assert verify(tmp_path / "merged") == []


def other_config(sheet: Path, shards: list[Path]) -> None:
    score(sheet, shards[1].with_name("other"), "2/3", **{"tiles.batch": 4})
    shards[1] = shards[1].with_name("other")


def other_sheet(sheet: Path, shards: list[Path]) -> None:
    other = shards[1].with_name("again.csv")
    for name in SLIDES:
        shutil.copy(sheet.with_name(name), other.with_name(name))
    other.write_text(sheet.read_text().replace("DMM", "DMM+exo"))
    score(other, shards[1].with_name("other"), "2/3")
    shards[1] = shards[1].with_name("other")


def other_cut(sheet: Path, shards: list[Path]) -> None:
    score(sheet, shards[1].with_name("other"), "2/4")
    shards[1] = shards[1].with_name("other")


def twice(sheet: Path, shards: list[Path]) -> None:
    shards.append(shards[0])


def missing(sheet: Path, shards: list[Path]) -> None:
    del shards[1]


def whole(sheet: Path, shards: list[Path]) -> None:
    shards.append(sheet.with_name("whole"))


def unfinished(sheet: Path, shards: list[Path]) -> None:
    next(shards[1].glob("results/*/result.json")).unlink()


def changed(sheet: Path, shards: list[Path]) -> None:
    next(shards[1].glob("overlays/*.png")).write_bytes(b"another")


def no_run(sheet: Path, shards: list[Path]) -> None:
    shards[1] = shards[1].with_name("nowhere")


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (other_config, r"no shards of one study.*config\.tiles\.batch: auto → 4"),
        (other_sheet, r"no shards of one study.*study sheet \(sha256\): \w+ → \w+"),
        (other_cut, "shard: of 3 → of 4"),
        (twice, "shard 1/3 is given twice: .*shard1 and .*shard1"),
        (missing, r"shards are missing: 2/3; score each with --shard"),
        (whole, "whole: is a whole run, and no shard of one"),
        (unfinished, r"the run is not finished \(1 of 3 slides have no result"),
        (changed, "is not what was committed; score that shard again"),
        (no_run, "nowhere: is no run folder"),
    ],
)
def test_what_does_not_belong_together_is_not_joined(
    sheet: Path,
    shards: list[Path],
    tmp_path: Path,
    spoil: Callable[[Path, list[Path]], None],
    told: str,
) -> None:
    spoil(sheet, shards)
    with pytest.raises(UsageError, match=f"(?s){told}"):
        merge_runs(shards, tmp_path / "merged")
    assert not (tmp_path / "merged" / "SHA256SUMS").exists()


def test_shards_that_ran_on_other_devices_are_joined_and_told_apart(
    shards: list[Path], tmp_path: Path
) -> None:
    run, other = RunFolder(shards[2]), {"device": "cuda", "engine_threads": 8}
    run.write(run.record_path, run.record().model_copy(update=other))
    record = merge_runs(shards, tmp_path / "merged").record
    assert (record.device, record.engine, record.engine_threads) == ("cpu + cuda", "fake", None)


def test_the_verbs_say_what_a_shard_is_and_join_them(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    code, said, err = finish("score", sheet, "--out", tmp_path / "s1", "--shard", "1/1", *QUICK)
    assert code == 0, err
    assert f"shard 1/1  {tmp_path / 's1'}" in said
    assert "histoscore merge RUN… --out RUN" in said
    assert "workbook" not in said
    code, said, err = finish("merge", tmp_path / "s1", "--out", tmp_path / "merged")
    assert code == 0, err
    assert "results.xlsx" in said
