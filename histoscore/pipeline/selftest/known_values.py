"""What the self-test knows: slide, examples, golden values, and how near a value must come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from histoscore.errors import UsageError
from histoscore.export.selftest import Check, Outcome, Part
from histoscore.records import Record

KNOWN = Path(__file__).parent / "known"
SLIDE, EXAMPLES = KNOWN / "knee.svs", KNOWN / "examples.csv"
GOLDEN = KNOWN / "golden.json"
PIXELS, REDUCED = KNOWN / "pixels.png", KNOWN / "reduced.png"

Value = int | float | str | tuple[float, ...] | None
"""Of one quantity; a tuple holds what is read together, each held to the same tolerance."""


class Golden(Record):
    """`golden.json`: what this version says, with the bundled model. Never typed in by hand.

    Attributes:
        model: SHA-256 over the bundle's weights and card.
        files: file of `known/` → SHA-256.
        reader: what is read of the slide's header, and the picture's mean colour.
        compartments: compartment → quantity → value.
        statistics: example and quantity → value.
    """

    model: str
    files: Mapping[str, str]
    reader: Mapping[str, Value]
    compartments: Mapping[str, Mapping[str, Value]]
    statistics: Mapping[str, Value]


def read_golden(path: Path = GOLDEN) -> Golden:
    """The golden values of this installation. Raises UsageError where there are none."""
    try:
        return Golden.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{path}: the self-test's golden values cannot be read "
            f"({str(error).splitlines()[0]}); install histoscore anew"
        ) from None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a found value may lie from a golden one: absolutely, or as a share of it."""

    size: float = 0.0
    relative: bool = False
    title: str = ""

    @property
    def words(self) -> str:
        """As the record says it."""
        if self.title:
            return self.title
        return f"± {100 * self.size:g} %" if self.relative else f"± {self.size:g}"

    def holds(self, expected: Value, found: Value) -> bool:
        """Numbers lie near enough; text, and what is missing, must be the same."""
        if isinstance(expected, tuple) and isinstance(found, tuple):
            return len(expected) == len(found) and all(map(self.holds, expected, found))
        if isinstance(expected, float | int) and isinstance(found, float | int):
            scale = abs(expected) if self.relative else 1.0
            return abs(found - expected) <= self.size * scale
        return expected == found


EXACT = Tolerance(title="equal")


def compared(
    part: Part,
    name: str,
    expected: Value,
    found: Value,
    tolerance: Tolerance = EXACT,
    note: str = "",
) -> Check:
    """A value held against a golden one."""
    held = tolerance.holds(expected, found)
    outcome = Outcome.PASSED if held else Outcome.FAILED
    return Check(part, name, told(expected), told(found), outcome, tolerance.words, note)


def decided(
    part: Part, name: str, expected: str, found: str, passed: bool, note: str = ""
) -> Check:
    """A check whose outcome is not a matter of nearness."""
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Check(part, name, expected, found, outcome, note=note)


def listed(problems: Sequence[str], none: str, most: int = 5) -> str:
    """The first problems, and how many more there are; `none` where there are none."""
    more = [f"and {len(problems) - most} more"] if len(problems) > most else []
    return "; ".join([*problems[:most], *more]) or none


def told(value: Value) -> str:
    """A value as the record shows it: nine digits, so that a difference that fails is seen."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return " · ".join(map(told, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)
