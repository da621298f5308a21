"""Examples that networks learn from: one section each, stored as pixels and facts.

`NAME.npy` is uint8 (rows, columns, 5):

    0–2  dyes (amounts of Safranin O, Fast Green, haematoxylin) or R, G, B; the facts say which
    3    tissue: a `Tissue` value, or `IGNORE`
    4    zone: a `Zone` value, `EITHER_BONE`, or `IGNORE`

`NAME.json` holds the facts; it is written last, so that pixels without it are unfinished.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from histoscore.errors import StoredResultError
from histoscore.files import make_folder, write_atomic, write_json
from histoscore.records import LabelArray, MedialSide, Record
from histoscore.vocabulary import Compartment

Colours = Literal["dyes", "rgb"]
"""`dyes`: amounts in steps of `DYE_STEP`, to be coloured anew each time; `rgb`: a slide's own."""

CHANNELS = 5
EITHER_BONE = 3
"""Zone of articular cartilage of which nobody said whose it is."""


class ExampleFacts(Record):
    """What is known of a stored section.

    Attributes:
        colours: what the first three channels are.
        mpp: µm per pixel.
        animal, slide, section, batch: whose section it is, as in the study sheet.
        sha256: of the slide's bytes; empty for painted scenes.
        fingerprint: of the picture's content (`duplicates.fingerprint`); empty for painted scenes.
        medial: where the medial half lies with the femur up; None: not known.
        annotated: whether a person (or the painter) labelled tissue in this section.
        grades: compartment → scorer → grade; a missing grade has no entry. Later reads of one
            scorer are called `name (read 2)`.
    """

    colours: Colours
    mpp: float
    animal: str
    slide: str
    section: int = 1
    batch: str | None = None
    sha256: str = ""
    fingerprint: str = ""
    medial: MedialSide | None = None
    annotated: bool = True
    grades: Mapping[Compartment, Mapping[str, float]] = {}

    @property
    def are_dyes(self) -> bool:
        """Whether it is painted, and gets its colour anew each time."""
        return self.colours == "dyes"


@dataclass(frozen=True, slots=True)
class Example:
    """A stored section; its `pixels` are mapped read-only, and read from the disk when used."""

    name: str
    facts: ExampleFacts
    pixels: LabelArray


def store_example(folder: Path, name: str, pixels: LabelArray, facts: ExampleFacts) -> None:
    """Writes the pixels, then the facts that mark them as whole; the folder is made if missing.

    Raises:
        ValueError: the pixels are not uint8 (rows, columns, 5).
        EnvironmentStopError: the disk refuses.
    """
    _check(pixels)
    store_array(make_folder(folder) / f"{name}.npy", pixels)
    write_json(folder / f"{name}.json", facts.model_dump(mode="json"))


def store_array(path: Path, array: LabelArray) -> None:
    """Writes a `.npy`, whole or not at all. Raises EnvironmentStopError."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def load_example(folder: Path, name: str) -> Example:
    """A stored section.

    Raises:
        StoredResultError: it is missing, unfinished, or not what `store_example` writes.
    """
    facts = load_facts(folder, name)
    file = folder / f"{name}.npy"
    try:
        pixels = np.load(file, mmap_mode="r", allow_pickle=False)
        _check(pixels)
    except (OSError, ValueError, EOFError) as error:
        raise _unusable(file, error) from None
    return Example(name, facts, pixels)


def load_facts(folder: Path, name: str) -> ExampleFacts:
    """The facts of a stored section alone. Raises StoredResultError."""
    file = folder / f"{name}.json"
    try:
        return ExampleFacts.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise _unusable(file, error) from None


def stored_names(folder: Path) -> tuple[str, ...]:
    """Names of the sections in a folder that are whole, in alphabetical order."""
    whole = (file.stem for file in folder.glob("*.json") if file.with_suffix(".npy").exists())
    return tuple(sorted(whole))


def _check(pixels: LabelArray) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != CHANNELS:
        raise ValueError(f"{pixels.dtype} {pixels.shape} is not uint8 (rows, columns, {CHANNELS})")


def _unusable(file: Path, error: Exception) -> StoredResultError:
    reason = str(error).splitlines()[0]
    return StoredResultError(f"{file}: not a usable example ({reason}); remove it, prepare again")
