"""A first study sheet from a folder of slides, every guess marked as one."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from histoscore.errors import ManifestError
from histoscore.study.rows import COLUMNS

SLIDE_SUFFIXES = (
    ".svs",
    ".ndpi",
    ".mrxs",
    ".scn",
    ".bif",
    ".vms",
    ".vmu",
    ".svslide",
    ".tif",
    ".tiff",
    ".png",
    ".jpg",
    ".jpeg",
)
_SIDES = {"l": "L", "left": "L", "lk": "L", "r": "R", "right": "R", "rk": "R"}
_NOT_THE_ANIMAL = re.compile(
    r"(s|sec|sect|section|sl|slide|lvl|level|img|image|scan)\d*"
    r"|saf\w*|fg|so|knee|\d+x|20\d\d-?\d\d-?\d\d|ome",
    re.IGNORECASE,
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def new_study(folder: Path) -> str:
    """CSV text of a study sheet for the slides in a folder and the folders below it.

    Animal and side are guessed from file names, the group from the name of a folder where slides
    lie in several; `guess_note` says which cells are guesses. The sheet belongs into `folder`.

    Raises:
        ManifestError: not a folder, or no slide in it.
    """
    slides = _slides(folder)
    if not slides:
        raise ManifestError(f"{folder}: holds no slide ({', '.join(SLIDE_SUFFIXES)})")
    grouped = len({slide.parent for slide in slides}) > 1
    text = io.StringIO()
    sheet = csv.DictWriter(text, (*COLUMNS, "guess_note"), restval="", lineterminator="\n")
    sheet.writeheader()
    for slide in slides:
        sheet.writerow(_guessed_row(slide, grouped))
    return text.getvalue()


def _slides(folder: Path) -> Sequence[Path]:
    """Slides below a folder, relative to it, in a fixed order; hidden files are not slides."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: is not a folder")
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = [name for name in files if Path(name).suffix.lower() in SLIDE_SUFFIXES]
        found += [Path(root, name).relative_to(folder) for name in names if name[0] != "."]
    return sorted(found, key=lambda path: path.parts)


def _guessed_row(slide: Path, grouped: bool) -> dict[str, str]:
    tokens = [token for token in re.split(r"[_\s.]+|-(?=\D)", slide.stem) if token]
    sides = [_SIDES[token.lower()] for token in tokens if token.lower() in _SIDES]
    row = {"slide": _harmless(slide), "animal": _guessed_animal(slide.stem, tokens)}
    if len(set(sides)) == 1:
        row["side"] = sides[0]
    if grouped and slide.parent.name:
        row["group"] = slide.parent.name.lstrip("".join(_FORMULA_STARTS))
    guesses = [name for name in row if name != "slide"]
    return row | {"guess_note": f"guessed, please check: {', '.join(guesses)}"}


def _harmless(slide: Path) -> str:
    """The path in a form that no spreadsheet takes for a formula and every system resolves."""
    text = slide.as_posix()
    return f"./{text}" if text.startswith(_FORMULA_STARTS) else text


def _guessed_animal(stem: str, tokens: Sequence[str]) -> str:
    kept = [
        token
        for token in tokens
        if token.lower() not in _SIDES and not _NOT_THE_ANIMAL.fullmatch(token)
    ]
    return "_".join(kept).lstrip("".join(_FORMULA_STARTS)) or stem.lstrip("".join(_FORMULA_STARTS))
