"""A part of a study that is scored by itself: which slides are in it, and what it ends with.

A shard looks after its own slides and knows the whole sheet. It makes no tables: a comparison of
groups over some of the slides answers a question that nobody asked. `merge` makes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from histoscore.errors import UsageError
from histoscore.pipeline.recorded import recorded_part
from histoscore.pipeline.report import RunSummary, counts_of
from histoscore.records import StudyTables
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.verify import SEALED

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `of`-th row of a sheet, from the `number`-th (from 1) on."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(self, rows: Sequence[_T]) -> tuple[_T, ...]:
        """What is in it: neighbours in a sheet, which are often alike in size, are spread."""
        return tuple(rows[self.number - 1 :: self.of])


def parse_shard(text: str) -> Shard:
    """`2/3` as a shard. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return Shard(int(found[1]), int(found[2]))
    raise UsageError(f"--shard {text}: write it as I/N with I from 1 to N, e.g. 2/3")


def finish_shard(run: RunFolder) -> RunSummary:
    """What a shard ends with: its counts, an event that seals that there are no tables, hashes.

    The caller holds the run's lock.
    """
    record = run.record()
    committed = recorded_part(run, record)
    results = tuple(one.result for one in committed)
    counted = record.model_copy(update={"finished": now(), "counts": counts_of(results)})
    run.write(run.record_path, counted)
    run.trail.append(SEALED, files={}, counts=dict(counted.counts), shard=record.shard)
    run.write_sums({name: sha256 for one in committed for name, sha256 in one.files.items()})
    return RunSummary(run, counted, StudyTables(results, (), (), ()), ())
