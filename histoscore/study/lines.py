"""What both kinds of sheet are read into before their header is understood."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RawSheet:
    """Numbered lines of cells as text, what was noticed on the way, and what is wrong."""

    lines: list[tuple[int, list[str]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
