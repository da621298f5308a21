"""One line of the study sheet: whose slide it is, and how its cells are read."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from histoscore.geometry import BELIEVABLE_MPP
from histoscore.records import MedialSide, Record
from histoscore.study.names import tidy
from histoscore.study.sheet import SheetRow
from histoscore.vocabulary import Knee, Side

SectionChoice = Literal["all", "first"] | tuple[int, ...]
"""Which sections of a slide are scored: all, the first, or these numbers (from 1)."""

REQUIRED = ("slide", "animal")
OPTIONAL = (
    "group",
    "side",
    "knee",
    "medial",
    "mpp",
    "batch",
    "sex",
    "timepoint",
    "orientation",
    "sections",
    "exclude",
    "exclude_reason",
)
COLUMNS = REQUIRED + OPTIONAL

_T = TypeVar("_T")
_URL = re.compile(r"[a-z][a-z0-9+.\-]+:/", re.IGNORECASE)
_TRUE = {"1", "true", "yes", "x"}
_FALSE = {"", "0", "false", "no"}
_SIDES = {"": None, "l": Side.LEFT, "left": Side.LEFT, "r": Side.RIGHT, "right": Side.RIGHT}
_MEDIAL: dict[str, MedialSide | None] = {"": None, "left": "left", "right": "right"}
_KNEES = {"": Knee.INDEX} | {knee.value: knee for knee in Knee}


class StudyRow(Record):
    """One slide of the study, as its sheet says.

    Attributes:
        row: its number in the sheet; the header is 1.
        slide: the cell verbatim, which is what every table shows.
        path: the file, resolved against the sheet's folder.
        animal: the experimental unit, folded to NFC and stripped.
        group: None in a blinded run.
        medial: where the medial half lies in the picture with the femur up; None: the model says.
        mpp: µm per pixel that the sheet gives; it wins over the file's.
        extra: columns that mean nothing to histoscore, carried through.
    """

    row: int
    slide: str
    path: Path
    animal: str
    group: str | None = None
    side: Side | None = None
    knee: Knee = Knee.INDEX
    medial: MedialSide | None = None
    mpp: float | None = None
    batch: str | None = None
    sex: str | None = None
    timepoint: str | None = None
    orientation: str = "coronal"
    sections: SectionChoice = "all"
    exclude: bool = False
    exclude_reason: str = ""
    extra: Mapping[str, str] = {}


def parse_row(line: SheetRow, folder: Path) -> tuple[StudyRow | None, list[str]]:
    """A study row, or None and a sentence for each of its cells that cannot be read."""
    fields: dict[str, Any] = {}
    problems = []
    for name, read in _READERS.items():
        if name in REQUIRED and name not in line.cells:
            continue  # the header's problem, told once
        try:
            fields[name] = read(line.cells.get(name, ""))
        except ValueError as error:
            problems.append(f"row {line.number}, {name}: {error}")
    if problems or any(name not in fields for name in REQUIRED):
        return None, problems
    extra = {name: cell for name, cell in line.cells.items() if name not in COLUMNS}
    path = find_file(folder, fields["slide"])
    return StudyRow(row=line.number, path=path, extra=extra, **fields), []


def find_file(folder: Path, text: str) -> Path:
    """The file that a cell names, against the sheet's folder; the plain reading if none is there.

    A name is tried as written, stripped, in both Unicode forms (macOS decomposes accents) and
    with the backslashes of Windows turned round.
    """
    spellings = [text, text.strip(), tidy(text), unicodedata.normalize("NFD", tidy(text))]
    spellings += [spelling.replace("\\", "/") for spelling in spellings]
    paths = [folder / spelling for spelling in dict.fromkeys(spellings)]
    return next((path for path in paths if exists(path)), folder / tidy(text))


def exists(path: Path) -> bool:
    """Whether something lies at a path; a path that the system cannot even ask for does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_number(text: str) -> float:
    """A finite number with a decimal point or a decimal comma. Raises ValueError."""
    try:
        value = float(text.strip().replace(",", ".", 1))
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value


def read_side(text: str) -> Side | None:
    """L or R, spelt out or not; blank is None. Raises ValueError."""
    return _one_of(_SIDES, text, "L or R")


def _slide(text: str) -> str:
    if not tidy(text):
        raise ValueError("is blank; name the slide's file")
    if _URL.match(tidy(text)):
        raise ValueError(f"{text!r} is a URL; copy the slide to a disk and name the file")
    if "\0" in text:
        raise ValueError(f"{text!r} is not a file name")
    return text


def _animal(text: str) -> str:
    if not tidy(text):
        raise ValueError("is blank; every slide needs its animal")
    return tidy(text)


def _text_or_none(text: str) -> str | None:
    return tidy(text) or None


def _mpp(text: str) -> float | None:
    if not tidy(text):
        return None
    value = read_number(text)
    low, high = BELIEVABLE_MPP
    if not low <= value <= high:
        raise ValueError(f"implausible pixel size {value:g}; µm per pixel lie in {low:g}–{high:g}")
    return value


def _orientation(text: str) -> str:
    if tidy(text).casefold() not in ("", "coronal", "frontal"):
        raise ValueError(f"{text!r} is not supported; sections must be coronal (frontal)")
    return "coronal"


def _sections(text: str) -> SectionChoice:
    match tidy(text).casefold():
        case "" | "all":
            return "all"
        case "first":
            return "first"
    parts = [part for part in re.split(r"[;,\s]+", tidy(text)) if part]
    numbers = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    if len(numbers) < len(parts) or 0 in numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"{text!r} must be all, first, or numbers from 1 such as 1;3")
    return tuple(sorted(numbers))


def _exclude(text: str) -> bool:
    word = tidy(text).casefold()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} must be 1, true, yes or x; blank means the slide is scored")
    return word in _TRUE


def _one_of(known: Mapping[str, _T], text: str, wanted: str) -> _T:
    word = tidy(text).casefold()
    if word not in known:
        raise ValueError(f"{text!r} must be {wanted}, or blank")
    return known[word]


_READERS: dict[str, Callable[[str], Any]] = {
    "slide": _slide,
    "animal": _animal,
    "group": _text_or_none,
    "side": read_side,
    "knee": lambda text: _one_of(_KNEES, text, "index or contralateral"),
    "medial": lambda text: _one_of(_MEDIAL, text, "left or right (in the picture, femur up)"),
    "mpp": _mpp,
    "batch": _text_or_none,
    "sex": _text_or_none,
    "timepoint": _text_or_none,
    "orientation": _orientation,
    "sections": _sections,
    "exclude": _exclude,
    "exclude_reason": tidy,
}
