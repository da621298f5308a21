"""A slide's result counts when it and all its pictures are there, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.errors import RunMismatchError, UsageError
from histoscore.files import sha256_of
from histoscore.records import SectionResult, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.vocabulary import Status

KEY = "0123456789abcdef"
SECTION = SectionResult(
    section=1, x=3, y=5, width=70, height=40, area_um2=9e5, status=Status.SCORED
)
RESULT = SlideResult(
    slide="x/knee 7.svs", animal="m1", status=Status.SCORED, seconds=1.5, sections=(SECTION,)
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def draw_pictures(run: RunFolder) -> None:
    run.overlay_path(RESULT.slide, 1).write_bytes(b"picture")
    run.geojson_path(RESULT.slide).write_bytes(b"{}")
    store = run.label_path(RESULT.slide, 1)
    (store / "0").mkdir(parents=True)
    (store / "0" / "0.0").write_bytes(b"chunk")


def test_a_committed_result_comes_back_as_it_was(run: RunFolder) -> None:
    draw_pictures(run)
    run.commit(KEY, RESULT)
    assert run.committed(KEY) == RESULT


def test_nothing_is_committed_before_it_is(run: RunFolder) -> None:
    draw_pictures(run)
    assert run.committed(KEY) is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"key": "0123456789abcdef"}', b"\xff\xfe"])
def test_a_damaged_result_is_not_believed(run: RunFolder, damage: bytes) -> None:
    run.commit(KEY, RESULT)
    run.result_path(KEY).write_bytes(damage)
    assert run.committed(KEY) is None


def test_a_result_under_another_key_is_not_believed(run: RunFolder) -> None:
    run.commit(KEY, RESULT)
    run.result_path("other").parent.mkdir()
    run.result_path("other").write_bytes(run.result_path(KEY).read_bytes())
    assert run.committed("other") is None


@pytest.mark.parametrize("picture", ["overlay", "geojson", "chunk"])
@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.fault(35)
def test_a_result_without_its_pictures_is_not_believed(
    run: RunFolder, picture: str, gone: bool
) -> None:
    draw_pictures(run)
    run.commit(KEY, RESULT)
    path = {
        "overlay": run.overlay_path(RESULT.slide, 1),
        "geojson": run.geojson_path(RESULT.slide),
        "chunk": run.label_path(RESULT.slide, 1) / "0" / "0.0",
    }[picture]
    if gone:
        path.unlink()
    else:
        path.write_bytes(b"another")
    assert run.committed(KEY) is None


def test_clearing_takes_a_slides_pictures_and_no_others(run: RunFolder) -> None:
    draw_pictures(run)
    other = run.overlay_path("x/knee 7.svs.svs", 1)
    other.write_bytes(b"picture")
    run.clear_pictures(RESULT.slide)
    assert run.file_names() == [other.relative_to(run.path).as_posix()]


def test_a_first_attempt_leaves_all_pictures_and_a_second_clears_the_slides(run: RunFolder) -> None:
    run.begin(KEY, RESULT.slide)
    draw_pictures(run)
    other = run.overlay_path("x/knee 8.svs", 1)
    other.write_bytes(b"picture")
    run.begin("another", "x/knee 8.svs")
    assert other.exists()
    run.begin(KEY, RESULT.slide)
    assert run.file_names() == [other.relative_to(run.path).as_posix()]
    assert run.begun() == {KEY, "another"}


@pytest.mark.parametrize("slide", ["../../outside.svs", "/etc/passwd", "CON", "a\nb", "x" * 400])
@pytest.mark.fault(29)
@pytest.mark.fault(30)
def test_what_is_written_never_takes_its_place_from_the_sheet(run: RunFolder, slide: str) -> None:
    for path in (run.overlay_path(slide, 2), run.geojson_path(slide), run.label_path(slide, 2)):
        assert path.resolve().is_relative_to(run.path.resolve())
        assert path.parent.parent == run.path


def test_a_folder_without_a_run_is_told(run: RunFolder) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        run.record()


def test_a_record_of_a_later_version_is_told(run: RunFolder) -> None:
    run.record_path.write_text('{"from": "the future"}')
    with pytest.raises(RunMismatchError, match=r"run\.json: cannot be read"):
        run.record()


def test_sums_take_hashes_that_were_just_found_and_find_the_rest(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    run.write_sums({"a.csv": "known", "gone.csv": "not listed"})
    lines = run.sums_path.read_text().splitlines()
    assert lines == ["known  a.csv", f"{sha256_of(tmp_path / 'b.csv')}  b.csv"]
