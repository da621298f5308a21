"""Which file of a folder holds a person's outlines of which slide."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from histoscore.errors import UsageError


def find_outlines(folder: Path, slides: Iterable[str]) -> dict[str, Path]:
    """Slide → its GeoJSON file, called after the slide's file with or without its ending.

    Args:
        folder: of the files. slides: as a study sheet names them.

    Raises:
        UsageError: the folder is missing or fits no slide, a slide has two files, or two slides
            have the same; lists all of it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; give the one with the exported .geojson files")
    problems: list[str] = []
    found: dict[str, Path] = {}
    slides = tuple(slides)
    for slide in slides:
        files = [path for name in _names(slide) if (path := folder / name).is_file()]
        if len(files) > 1:
            problems.append(f"{slide} has {' and '.join(f.name for f in files)}; keep one")
        for file in files[:1]:
            other = next((s for s, taken in found.items() if taken == file), None)
            if other is not None:
                wanted = " and ".join(_names(s)[0] for s in (other, slide))
                problems.append(f"{file.name} belongs to {other} and {slide}; make it {wanted}")
            found[slide] = file
    if not found:
        example = f", for example {_names(slides[0])[-1]}" if slides else ""
        problems.append(f"no file is called after a slide{example}")
    if problems:
        raise UsageError(f"{folder}: " + "\n  ".join(problems))
    return found


def _names(slide: str) -> tuple[str, ...]:
    """QuPath exports by the whole name; people drop the ending, or both parts of `.ome.tif`."""
    name = PurePosixPath(slide.strip().replace("\\", "/"))
    stems = dict.fromkeys((name.name, name.stem, name.stem.removesuffix(".ome")))
    return tuple(f"{stem}.geojson" for stem in stems)
