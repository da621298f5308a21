"""Is a TIFF all there? Its directories and every strip and tile, held against the file's size.

Only tables of numbers are read, no pixels. Reading libraries go on silently when the chain of
directories breaks off, so it is followed here (TIFF 6.0, section 2; BigTIFF as in libtiff).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from histoscore.errors import DamagedSlideError

TRUNCATED = "truncated (short read)"

_MOST_TAGS = 4096
_MOST_DIRECTORIES = 100_000
_SUB_DIRECTORIES = 330
_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))
"""Tags of strips, and of tiles: where each begins and how many bytes it has."""

_WANTED = {_SUB_DIRECTORIES, *(tag for pair in _OFFSETS_AND_COUNTS for tag in pair)}

_INTEGERS = {3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}

Directory = Mapping[int, NDArray[np.uint64]]
"""The offset and byte-count tags of one picture."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How classic TIFF and BigTIFF lay out a directory."""

    order: str
    first_at: int
    tags: str
    entry: str
    offset: str

    def unpack(self, code: str, data: bytes) -> tuple[int, ...]:
        try:
            return struct.unpack(self.order + code, data)
        except struct.error:
            raise DamagedSlideError(TRUNCATED) from None

    def size(self, code: str) -> int:
        return struct.calcsize(self.order + code)


def check_whole(path: Path) -> None:
    """Raise DamagedSlideError if a directory, strip or tile lies beyond the end of the file.

    NDPI is left to OpenSlide: it bends classic TIFF to 64 bits in a way of its own.
    """
    if path.suffix.lower() == ".ndpi":
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        for directory in _Walk(file, size).directories():
            if _end_of_segments(directory) > size:
                raise DamagedSlideError(TRUNCATED)


class _Walk:
    """One pass over the directories of an open TIFF."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.dialect = _dialect(file.read(4))
        self.seen: set[int] = set()

    def directories(self) -> Iterator[Directory]:
        position = self._offset_at(self.dialect.first_at)
        while position:
            self._claim(position)
            tags, following = self._directory(position)
            # Sub-directories are all listed; what comes after each is of no account.
            for child in filter(None, tags.pop(_SUB_DIRECTORIES, ())):
                yield self._directory(int(child))[0]
            yield tags
            position = following

    def _claim(self, position: int) -> None:
        if position >= self.size:
            raise DamagedSlideError(TRUNCATED)
        if position in self.seen or len(self.seen) >= _MOST_DIRECTORIES:
            raise DamagedSlideError("damaged: the file's list of pictures runs in a circle")
        self.seen.add(position)

    def _directory(self, position: int) -> tuple[dict[int, NDArray[np.uint64]], int]:
        dialect = self.dialect
        (count,) = dialect.unpack(dialect.tags, self._bytes(position, dialect.size(dialect.tags)))
        if count > _MOST_TAGS:
            raise DamagedSlideError(f"damaged: a picture in the file claims {count} tags")
        start, step = position + dialect.size(dialect.tags), dialect.size(dialect.entry)
        table = self._bytes(start, count * step)
        entries = (table[first : first + step] for first in range(0, len(table), step))
        wanted = dict(filter(None, (self._entry(entry) for entry in entries)))
        return wanted, self._offset_at(start + count * step)

    def _entry(self, entry: bytes) -> tuple[int, NDArray[np.uint64]] | None:
        inline = self.dialect.size(self.dialect.offset)
        head, value = entry[:-inline], entry[-inline:]
        tag, kind, count = self.dialect.unpack(self.dialect.entry[:3], head)
        code = _INTEGERS.get(kind)
        if code is None or tag not in _WANTED:
            return None
        length = count * int(code[1])
        if length > inline:
            (position,) = self.dialect.unpack(self.dialect.offset, value)
            value = self._bytes(position, length)
        numbers = np.frombuffer(value[:length], self.dialect.order + code)
        return tag, numbers.astype(np.uint64)

    def _offset_at(self, position: int) -> int:
        code = self.dialect.offset
        return self.dialect.unpack(code, self._bytes(position, self.dialect.size(code)))[0]

    def _bytes(self, position: int, length: int) -> bytes:
        if position + length > self.size:
            raise DamagedSlideError(TRUNCATED)
        self.file.seek(position)
        return self.file.read(length)


def _dialect(magic: bytes) -> _Dialect:
    order = "<" if magic[:2] == b"II" else ">"
    if b"+" in magic:
        return _Dialect(order, first_at=8, tags="Q", entry="HHQ8s", offset="Q")
    return _Dialect(order, first_at=4, tags="H", entry="HHI4s", offset="I")


def _end_of_segments(directory: Directory) -> int:
    ends = [
        _end(directory[offsets], directory[counts])
        for offsets, counts in _OFFSETS_AND_COUNTS
        if offsets in directory and counts in directory
    ]
    return max(ends, default=0)


def _end(offsets: NDArray[np.uint64], counts: NDArray[np.uint64]) -> int:
    known = min(len(offsets), len(counts))
    return int(np.max(offsets[:known] + counts[:known], initial=0))
