"""How names in sheets are compared: folded, and with a hint where one is nearly another."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_SIMILAR = 0.8
_SYNONYMS = {
    "slide": ("file", "filename", "file_name", "path", "image", "scan"),
    "animal": ("animal_id", "animalid", "mouse", "mouse_id", "subject", "id"),
    "group": ("treatment", "arm"),
    "grade": ("score",),
    "scorer": ("reader", "observer", "grader", "rater"),
}


_LIKE_A_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]|'(?=[^0-9A-Za-z])")
"""A `'` of the text's own is quoted where it would be taken for the quoting."""


def harmless(text: str) -> str:
    """Text with a leading `'` where a spreadsheet would read a formula."""
    return f"'{text}" if _LIKE_A_FORMULA.match(text) else text


def unquoted(text: str) -> str:
    """The text that `harmless` made this of."""
    rest = text.removeprefix("'")
    return rest if harmless(rest) == text else text


def tidy(text: str) -> str:
    """Text in Unicode NFC without white space (NBSP too) or invisible marks around it."""
    return unicodedata.normalize("NFC", text).strip().strip(_INVISIBLE).strip()


def likeness(text: str) -> str:
    """What two names share that look the same on paper: width, spaces and marks folded away."""
    folded = unicodedata.normalize("NFKC", text)
    kept = "".join(character for character in folded if character not in _INVISIBLE)
    return " ".join(kept.split())


def slide_spelling(slide: str) -> str:
    """What two spellings of one slide share, whatever their slashes."""
    return tidy(slide).replace("\\", "/").removeprefix("./")


def suggestion(name: str, candidates: Sequence[str]) -> str:
    """`; did you mean X?` for the candidate nearest to a name, or an empty text."""
    lowered = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(name.casefold(), list(lowered), n=1, cutoff=_SIMILAR)
    near += [synonym for synonym in _SYNONYMS.get(name, ()) if synonym in lowered]
    return f"; did you mean {lowered[near[0]]}?" if near else ""


def collisions(places: Iterable[tuple[int, str]]) -> list[str]:
    """A sentence for each set of spellings that fold to one name, with the rows they stand in."""
    spellings: dict[str, dict[str, list[int]]] = {}
    for row, text in places:
        if key := likeness(text):
            spellings.setdefault(key, {}).setdefault(text, []).append(row)
    return [
        f"{_rows(versions)}: {_quoted(versions)} look the same but are written differently; "
        "write one name one way"
        for versions in spellings.values()
        if len(versions) > 1
    ]


def _rows(versions: dict[str, list[int]]) -> str:
    first = sorted(rows[0] for rows in versions.values())
    return "rows " + " and ".join(str(row) for row in first)


def _quoted(versions: dict[str, list[int]]) -> str:
    return " and ".join(ascii(text) for text in versions)
