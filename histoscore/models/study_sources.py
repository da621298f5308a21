"""What a folder of examples was made from, so that it is never mixed from two versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoscore.errors import RunMismatchError
from histoscore.files import json_text, write_json

Sources = Mapping[str, str]
"""Of one slide: `slide`, `annotations`, `grades`, `sheet row`, `settings` → a hash of each."""

_FILE = "sources.json"


def claim_sources(folder: Path, sources: Mapping[str, Sources]) -> None:
    """Records what each slide's examples are made from; slides may be added later.

    Raises:
        RunMismatchError: the folder was begun with something else; names slides and parts.
    """
    file = folder / _FILE
    known: dict[str, Sources] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    changes = [line for slide, old in known.items() for line in _changes(slide, old, sources)]
    if changes:
        lines = "\n".join(f"  {line}" for line in changes)
        raise RunMismatchError(
            f"{folder}: holds examples that were made from other material; choose another folder\n"
            f"{lines}"
        )
    write_json(file, {slide: dict(parts) for slide, parts in sources.items()})


def digest(data: Any) -> str:
    """Hex SHA-256 of plain data."""
    return hashlib.sha256(json_text(data).encode()).hexdigest()


def _changes(slide: str, old: Sources, sources: Mapping[str, Sources]) -> list[str]:
    new = sources.get(slide)
    if new is None:
        return [f"{slide}: is no longer in the study sheet, or is excluded"]
    changed = [part for part, value in old.items() if new.get(part) != value]
    return [f"{slide}: changed since ({', '.join(changed)})"] if changed else []
