"""The record of a self-test: what was checked, what was expected and found, and room to sign.

JSON for machines and a page that needs no other file, both of one time stamp: a record is never
written over an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from histoscore.errors import EnvironmentStopError
from histoscore.export.report import page_environment
from histoscore.files import make_folder, sha256_of, write_atomic, write_json

FORMAT = 1
"""Of the JSON; raised when a field changes its meaning."""


class Outcome(StrEnum):
    """How a check ended. What could not be checked is neither passed nor failed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


class Part(StrEnum):
    """What a check is of; in this order they stand in the record."""

    FILES = "Installed files"
    LIBRARIES = "Libraries"
    READER = "Reading a slide"
    GRADES = "Grades and measures"
    STATISTICS = "Statistics"
    RUN = "The run folder"
    REFUSALS = "What must be refused"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was held against what is known. All text is for people.

    `tolerance` is empty where `expected` describes what must be found and is no value.
    """

    part: Part
    name: str
    expected: str
    found: str
    outcome: Outcome
    tolerance: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SelftestRecord:
    """A finished self-test.

    Attributes:
        made: UTC, ISO 8601.
        facts: installation, machine and model, label → text.
        checks: in the order of `Part`.
        banner: what must stand wherever this model's numbers appear.
    """

    made: str
    facts: Mapping[str, str]
    checks: Sequence[Check]
    banner: str = ""

    @property
    def passed(self) -> bool:
        """Nothing failed; what could not be checked is told by `verdict`."""
        return not self.count(Outcome.FAILED)

    @property
    def verdict(self) -> str:
        """The whole in a line."""
        outcome = Outcome.PASSED if self.passed else Outcome.FAILED
        count, left = self.count(outcome), self.count(Outcome.NOT_CHECKED)
        told = f"{outcome.upper()}: {count} of {len(self.checks)} checks {outcome}"
        return f"{told}, {left} could not be made" if left else told

    def count(self, outcome: Outcome, part: Part | None = None) -> int:
        """Checks that ended so, of one part or of all."""
        return sum(c.outcome is outcome and part in (None, c.part) for c in self.checks)

    def of(self, part: Part) -> list[Check]:
        return [check for check in self.checks if check.part is part]


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks part by part, each part's in the order they were made."""
    places = {part: place for place, part in enumerate(Part)}
    return tuple(sorted(checks, key=lambda check: places[check.part]))


def write_record(record: SelftestRecord, folder: Path) -> tuple[Path, Path]:
    """Writes the page and the JSON into a folder, which is made where it is missing.

    Returns:
        The page, the JSON.

    Raises:
        EnvironmentStopError: a file cannot be written, or a record of this second is there.
    """
    make_folder(folder)
    stamp = "".join(c for c in record.made.partition("+")[0] if c.isalnum())
    page, data = (folder / f"selftest-{stamp}Z.{ending}" for ending in ("html", "json"))
    for path in (page, data):
        if path.exists():
            raise EnvironmentStopError(f"{path}: is there already, and records are kept")
    write_json(data, as_data(record))
    write_atomic(page, record_html(record, data.name, sha256_of(data)))
    return page, data


def as_data(record: SelftestRecord) -> dict[str, object]:
    """The record as plain data."""
    return {
        "format": FORMAT,
        "made": record.made,
        "passed": record.passed,
        "verdict": record.verdict,
        "facts": dict(record.facts),
        "banner": record.banner,
        "checks": [asdict(check) for check in record.checks],
    }


def record_html(record: SelftestRecord, data_name: str = "", data_sha256: str = "") -> str:
    """The page as text; it names the JSON and its hash, so that a signature is of both."""
    template = page_environment().get_template("selftest.html.j2")
    page = template.render(
        record=record,
        parts=[part for part in Part if record.of(part)],
        failed=[c for c in record.checks if c.outcome is Outcome.FAILED],
        left_open=[c for c in record.checks if c.outcome is Outcome.NOT_CHECKED],
        counts=[(part, *_counts(record, [part])) for part in Part if record.of(part)],
        total=_counts(record, Part),
        data_name=data_name,
        data_sha256=data_sha256,
    )
    return page + "\n"


def _counts(record: SelftestRecord, parts: Iterable[Part]) -> tuple[int, int, int]:
    """Passed, failed, not checked."""
    checks = [check for part in parts for check in record.of(part)]
    passed, failed, left = (sum(c.outcome is outcome for c in checks) for outcome in Outcome)
    return passed, failed, left
