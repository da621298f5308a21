"""Strips and tiles of a TIFF: any thread, each decoded once, memory bounded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.slide_files import HEIGHT, WIDTH, picture, write_tiff
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.errors import DamagedSlideError
from histoscore.slides.segments import PositionedFile, Segments

TILE_BYTES = 128 * 256 * 3


def opened(path: Path, cache_bytes: int = 10**8) -> Segments:
    with tifffile.TiffFile(path) as file:
        return Segments(path, dict(enumerate(file.pages)), cache_bytes)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiff(tmp_path_factory.mktemp("segments") / "a.tif")


@pytest.fixture
def segments(path: Path) -> Iterator[Segments]:
    held = opened(path)
    yield held
    held.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Every segment that is decoded from now on, as (level, index)."""
    seen: list[tuple[int, int]] = []
    samples = Segments.samples

    def watched(self: Segments, level: int, index: int) -> Any:
        seen.append((level, index))
        return samples(self, level, index)

    monkeypatch.setattr(Segments, "samples", watched)
    return seen


@given(
    x=st.integers(0, WIDTH - 1), y=st.integers(0, HEIGHT - 1),
    width=st.integers(1, 700), height=st.integers(1, 700),
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_a_rectangle_is_put_together_from_the_tiles_under_it(
    path: Path, x: int, y: int, width: int, height: int
) -> None:
    width, height = min(width, WIDTH - x), min(height, HEIGHT - y)
    held = opened(path)
    try:
        assert np.array_equal(
            held.read(0, x, y, width, height), picture()[y : y + height, x : x + width]
        )
    finally:
        held.close()


def test_what_lies_close_together_is_decoded_once(
    segments: Segments, decoded: list[tuple[int, int]]
) -> None:
    for x in range(0, 900, 60):
        segments.read(0, x, 0, 100, 100)
    assert len(decoded) == len(set(decoded)) == -(-940 // 256)


def test_no_more_is_kept_than_is_allowed(path: Path, decoded: list[tuple[int, int]]) -> None:
    held = opened(path, cache_bytes=3 * TILE_BYTES)
    for x in (0, 256, 512, 768, 0):  # the first has gone when it is asked for again
        held.read(0, x, 0, 1, 1)
    held.read(0, 768, 0, 1, 1)  # the last has not
    assert [index for _, index in decoded] == [0, 1, 2, 3, 0]
    assert held._cache._held <= 3 * TILE_BYTES
    held.close()


def test_a_segment_larger_than_the_cache_is_kept_until_the_next(
    path: Path, decoded: list[tuple[int, int]]
) -> None:
    held = opened(path, cache_bytes=1)
    for _ in range(3):
        held.read(0, 5, 5, 20, 20)
    assert len(decoded) == 1
    held.close()


def test_threads_read_the_same_pixels_and_wait_for_each_other(
    segments: Segments, decoded: list[tuple[int, int]]
) -> None:
    together = Barrier(8)

    def read(_: int) -> np.ndarray:
        together.wait()
        return segments.read(0, 0, 0, WIDTH, HEIGHT)

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(read, range(8)):
            assert np.array_equal(found, picture())
    assert len(decoded) == len(set(decoded))


def test_who_waits_for_a_damaged_tile_is_told_too_and_the_next_try_reads_anew(
    segments: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, tell = Event(), Event()
    samples = Segments.samples

    def broken(*_: object) -> None:
        begun.set()
        tell.wait(20)
        raise DamagedSlideError("damaged: a tile")

    monkeypatch.setattr(Segments, "samples", broken)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(segments.read, 0, 0, 0, 9, 9)
        assert begun.wait(20)
        second = pool.submit(segments.read, 0, 0, 0, 9, 9)
        tell.set()
        for asked in (first, second):
            with pytest.raises(DamagedSlideError, match="a tile"):
                asked.result()
    monkeypatch.setattr(Segments, "samples", samples)
    assert np.array_equal(segments.read(0, 0, 0, 9, 9), picture()[:9, :9])


def test_a_tile_that_is_not_stored_is_white(tmp_path: Path) -> None:
    pixels = np.full((256, 512, 3), 40, np.uint8)
    path = tmp_path / "sparse.tif"
    tiles = [pixels[:, :256], None]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            iter(tiles), shape=pixels.shape, dtype="uint8", tile=(256, 256), photometric="rgb"
        )
    held = opened(path)
    found = held.read(0, 0, 0, 512, 256)
    assert (found[:, :256] == 40).all()
    assert (found[:, 256:] == 255).all()
    held.close()


@pytest.mark.parametrize("by_position", [True, False])
def test_a_file_is_read_by_position_with_and_without_pread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_position: bool
) -> None:
    if not by_position:
        monkeypatch.delattr("os.pread", raising=False)
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(256)))
    file = PositionedFile(path)
    with ThreadPoolExecutor(4) as pool:
        for start, data in enumerate(pool.map(lambda at: file.read(at, 3), range(250))):
            assert data == bytes(range(start, start + 3))
    assert file.read(254, 9) == bytes([254, 255])
    file.close()
