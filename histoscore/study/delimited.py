"""CSV as it is written around the world: byte-order marks, `;`, tabs, old encodings, old Macs."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.study.lines import RawSheet
from histoscore.study.names import tidy

_DELIMITERS = {",": "comma", ";": ";", "\t": "tab"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte-order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_EXCEL_SEPARATOR_LINE = re.compile(r"sep=([,;\t])(?:\r\n|\r|\n)", re.IGNORECASE)


def read_delimited(path: Path, known: Sequence[str]) -> RawSheet:
    """The lines of a text sheet; anything but plain comma-separated UTF-8 is noted.

    Raises:
        ManifestError: the bytes are no text, or a line is not CSV (a quote left open).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    text, notes = _decode(path, data)
    delimiter, text = _delimiter(text, known)
    if delimiter != ",":
        notes.append(f"read as {_DELIMITERS[delimiter]} separated")
    raw = RawSheet(notes=notes)
    try:
        for number, cells in enumerate(_records(text, delimiter), start=1):
            raw.lines.append((number, cells))
    except csv.Error as error:
        place = f"row {len(raw.lines) + 1}"
        raise ManifestError(f"{path}: {place}: not a readable CSV line ({error})") from None
    return raw


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _decode(path: Path, data: bytes) -> tuple[str, list[str]]:
    """The text of a sheet and, where it is not plain UTF-8, a note on how it was read."""
    for bom, encoding, title in _BOMS:
        if data.startswith(bom):
            return _decoded(path, data[len(bom) :], encoding), [f"read as {title}"]
    if b"\0" in data[:4000]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return _decoded(path, data, encoding), ["read as UTF-16"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        encoding = _old_encoding(data)
    return _decoded(path, data, encoding), [f"not UTF-8; read as {encoding}: check the accents"]


def _old_encoding(data: bytes) -> str:
    """Old Macs end lines with CR alone and wrote Mac Roman; everybody else wrote cp1252."""
    return "mac_roman" if b"\r" in data and b"\n" not in data else "cp1252"


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ManifestError(f"{path}: is not readable text; save it as CSV UTF-8 or as .xlsx")
    return text


def _delimiter(text: str, known: Sequence[str]) -> tuple[str, str]:
    """The delimiter whose header holds most known columns, and the text without Excel's `sep=`."""
    if stated := _EXCEL_SEPARATOR_LINE.match(text):
        return stated[1], text[stated.end() :]
    return max(_DELIMITERS, key=lambda delimiter: _header_fit(text, delimiter, known)), text


def _header_fit(text: str, delimiter: str, known: Sequence[str]) -> tuple[int, int]:
    try:
        header = next(_records(text, delimiter), [])
    except csv.Error:
        return -1, 0
    names = [tidy(cell).casefold() for cell in header]
    return sum(name in known for name in names), len(names)
