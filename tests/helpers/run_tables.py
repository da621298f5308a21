"""The tables of a run as bytes, to be held against another run's."""

from __future__ import annotations

import csv
import io
from pathlib import Path


def tables_of(run: Path) -> dict[str, bytes]:
    """All tables by name; emptied are the seconds that a slide took, in which no two runs agree."""
    found = {path.name: path.read_bytes() for path in sorted(run.glob("*.csv"))}
    rows = list(csv.DictReader(io.StringIO(found["slides.csv"].decode())))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"seconds": ""} for row in rows)
    return found | {"slides.csv": text.getvalue().encode()}
