"""The page's own files and its reference pictures, in memory: no request ever becomes a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import cv2
import numpy as np

from histoscore.errors import UsageError
from histoscore.vocabulary import Ladder, format_rung

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
_DRAWN = "references"
_LONGEST_SIDE = 900
_MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    type: str


def page_files() -> dict[str, Asset]:
    """Name below `static/` → file; reference pictures are not among them."""
    return {
        name: Asset(entry.read_bytes(), _TYPES[Path(name).suffix])
        for name, entry in _below(files("histoscore.review") / "static", "")
        if Path(name).suffix in _TYPES and not name.startswith(_DRAWN)
    }


@dataclass(frozen=True, slots=True)
class References:
    """A picture of each grade, as far as there are any, and where they come from."""

    pictures: Mapping[str, Asset]
    note: str

    def told(self, ladder: Ladder) -> list[dict[str, object]]:
        names = {rung: f"{format_rung(rung)}.jpg" for rung in ladder.rungs}
        return [
            {"grade": rung, "url": f"/references/{name}"}
            for rung, name in names.items()
            if name in self.pictures
        ]


def references(ladder: Ladder, folder: Path | None) -> References:
    """A laboratory's own pictures from a folder (`0.jpg`, `0.5.png`, …), else drawn ones.

    Own pictures are decoded and written anew: what else is in the file (names, places, a camera's
    notes) does not reach the page.

    Raises:
        UsageError: no such folder, no picture of any grade in it, or one that cannot be read.
    """
    if folder is None:
        return References(_drawn(ladder), "Drawn by a program, not tissue.")
    found = {
        f"{format_rung(rung)}.jpg": _own(path)
        for rung in ladder.rungs
        for path in sorted(folder.glob(f"{format_rung(rung)}.*"))[:1]
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".tiff")
    }
    if not found:
        raise UsageError(
            f"{folder}: holds no picture of a grade; name them by the grade, 0.jpg, 0.5.jpg and so "
            "on"
        )
    return References(found, "Your laboratory's own pictures.")


def _drawn(ladder: Ladder) -> dict[str, Asset]:
    folder = files("histoscore.review") / "static" / _DRAWN
    names = (f"{format_rung(rung)}.jpg" for rung in ladder.rungs)
    found = ((name, folder / ladder.name / name) for name in names)
    return {name: Asset(one.read_bytes(), _TYPES[".jpg"]) for name, one in found if one.is_file()}


def _own(path: Path) -> Asset:
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"{path}: is larger than {_MOST_BYTES // 10**6} MB; make it smaller")
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UsageError(f"{path}: cannot be read as a picture; save it as JPEG or PNG")
    scale = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Asset(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(),
                 _TYPES[".jpg"])  # fmt: skip


def _below(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        name = f"{prefix}{entry.name}"
        found += _below(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found
