"""Files are whole or absent, whatever fails on the way."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore import files
from histoscore.errors import EnvironmentStopError
from histoscore.files import (
    append_line,
    json_text,
    make_folder,
    sha256_of,
    slug,
    sweep_leftovers,
    write_atomic,
    write_json,
)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000  # longer than one chunk
    (tmp_path / "slide.svs").write_bytes(content)
    assert sha256_of(tmp_path / "slide.svs") == hashlib.sha256(content).hexdigest()


def test_text_is_written_as_utf8_without_changing_line_ends(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.csv", "µm²\n")
    assert (tmp_path / "a.csv").read_bytes() == b"\xc2\xb5m\xc2\xb2\n"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.csv", "long old content")
    write_atomic(tmp_path / "a.csv", "new")
    assert (tmp_path / "a.csv").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def failing_on(call: int, real: Callable[..., Any], error: OSError) -> Callable[..., Any]:
    """`real`, but for its `call`-th call, which raises."""
    calls = 0

    def run(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        return real(*arguments, **named)

    return run


@pytest.mark.parametrize(
    ("operation", "call"),
    [("fsync", 1), ("replace", 1), ("fsync", 2), ("open", 1)],
    ids=["flush of the file", "rename", "flush of the folder", "opening the folder"],
)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
@pytest.mark.fault(33)
@pytest.mark.fault(36)
def test_a_failing_disk_leaves_the_old_or_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, call: int, code: int
) -> None:
    path = tmp_path / "results.xlsx"
    path.write_bytes(b"old")
    error = OSError(code, os.strerror(code))
    monkeypatch.setattr(files.os, operation, failing_on(call, getattr(os, operation), error))
    with pytest.raises(EnvironmentStopError) as stop:
        write_atomic(path, b"newer")
    monkeypatch.undo()
    assert stop.value.exit_code == 4
    assert str(path) in str(stop.value)
    assert "5 bytes" in str(stop.value)
    assert path.read_bytes() in (b"old", b"newer")
    assert [p.name for p in tmp_path.iterdir()] == ["results.xlsx"]


def test_a_write_cut_short_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_write_through", half)
    with pytest.raises(EnvironmentStopError, match="No space left"):
        write_atomic(tmp_path / "slides.csv", b"0123456789")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "slides.csv", b"0123456789")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentStopError, match="No such file or directory"):
        write_atomic(tmp_path / "gone" / "a.csv", b"1")


def test_json_is_the_same_for_equal_data(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": ["ü"]})
    write_json(tmp_path / "b.json", {"a": ["ü"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_numbers_that_are_none(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"area": number})


def test_lines_are_added_at_the_end(tmp_path: Path) -> None:
    for line in ("first", "second"):
        append_line(tmp_path / "events.jsonl", line)
    assert (tmp_path / "events.jsonl").read_text() == "first\nsecond\n"


def test_a_line_that_cannot_be_flushed_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(files.os, "fsync", failing_on(1, os.fsync, error))
    with pytest.raises(EnvironmentStopError, match=r"events\.jsonl"):
        append_line(tmp_path / "events.jsonl", "first")


def test_a_folder_where_a_file_stands_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(EnvironmentStopError, match="cannot be made"):
        make_folder(tmp_path / "run" / "results")


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".result.json.ab12.part").write_bytes(b"{")
    (tmp_path / "results" / "result.json").write_bytes(b"{}")
    assert sweep_leftovers(tmp_path) == 1
    assert [p.name for p in (tmp_path / "results").iterdir()] == ["result.json"]


@given(st.text())
def test_a_slug_is_a_short_plain_name(text: str) -> None:
    name = slug(text)
    assert name == slug(text)
    assert 8 <= len(name) <= 49
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in name)


@pytest.mark.parametrize(
    ("one", "other"), [("A.svs", "a.svs"), ("x/a.svs", "x_a.svs"), ("é.svs", "e.svs"), ("", " ")]
)
def test_different_slides_get_different_slugs_even_without_case(one: str, other: str) -> None:
    assert slug(one).casefold() != slug(other).casefold()


@pytest.mark.parametrize("name", ["CON", "../../etc/passwd", "a" * 300, "<img onerror=x>", "a\nb"])
@pytest.mark.fault(30)
def test_a_slug_never_leads_anywhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{slug(name)}.png"
    path.write_bytes(b"")
    assert path.resolve().parent == tmp_path.resolve()
    assert slug(name).upper() != "CON"
