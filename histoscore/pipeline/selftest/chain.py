"""Is a known section graded and measured as it was, in a real run that also must refuse.

One study is scored as any other is, worker process and all: the known slide, blank glass, and the
known slide cut short. Its folder is then damaged to see whether `verify` finds it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from histoscore.config import ScoreConfig
from histoscore.export.selftest import Check, Part
from histoscore.files import write_atomic
from histoscore.pipeline.report import RunSummary
from histoscore.pipeline.selftest.known_values import (
    EXACT,
    SLIDE,
    Golden,
    Tolerance,
    Value,
    compared,
    decided,
    listed,
)
from histoscore.pipeline.study import score_study
from histoscore.records import CompartmentResult, SlideResult
from histoscore.runs.folder import EVENTS_NAME
from histoscore.runs.verify import verify
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Status, format_rung

KNEE, GLASS, CUT = "knee.svs", "glass.png", "cut.svs"
_SHEET = f"""slide,animal,group,side,medial,mpp
{KNEE},001,known,R,left,
{GLASS},002,known,R,,2
{CUT},003,known,R,left,
"""
_KEPT_SHARE = 0.6
"""Of the slide's bytes in its copy that is cut short."""

PROBABILITY = Tolerance(0.01)
"""Engines, threads and batches gave equal grades and probabilities on CPUs; a GPU moved expected
grades by at most 0.009 (docs/performance.md)."""
MEASURE = Tolerance(0.001, relative=True)
"""Areas moved by at most 0.024 % between devices (docs/performance.md); a pixel more or less of a
surface is less than this."""
SMALL = Tolerance(0.001)
"""Shares of 0 to 1, where the golden value may be 0."""

_MEASURES = {
    "hyaline_area_um2": ("hyaline area (µm²)", MEASURE),
    "calcified_area_um2": ("calcified area (µm²)", MEASURE),
    "surface_length_um": ("surface length (µm)", MEASURE),
    "mean_thickness_um": ("mean thickness (µm)", MEASURE),
    "lesion_extent": ("lesion extent (share)", SMALL),
}
GRADE = "grade"
PROBABILITIES = f"probabilities of {', '.join(map(format_rung, OARSI_MOUSE.rungs))}"
_TOLERANCES = {GRADE: EXACT, PROBABILITIES: PROBABILITY} | dict(_MEASURES.values())


@dataclass(frozen=True, slots=True)
class ScoredKnown:
    """The finished run and its three slides."""

    run: Path
    knee: SlideResult
    glass: SlideResult
    cut: SlideResult
    facts: Mapping[str, str]
    """Device, engine and threads as they were used."""


def score_known(folder: Path, config: ScoreConfig) -> ScoredKnown:
    """Score the study of the self-test below a folder. Raises HistoscoreError as `score` does."""
    sheet = folder / "study.csv"
    write_atomic(sheet, _SHEET)
    shutil.copy(SLIDE, folder / KNEE)
    write_atomic(folder / GLASS, _blank_glass())
    data = SLIDE.read_bytes()
    write_atomic(folder / CUT, data[: int(_KEPT_SHARE * len(data))])
    summary = score_study(sheet, folder / "run", config)
    knee, glass, cut = summary.tables.slides
    return ScoredKnown(summary.run.path, knee, glass, cut, _facts(summary))


def found_compartments(scored: ScoredKnown) -> dict[str, dict[str, Value]]:
    """Compartment → quantity → value of the known section."""
    return {
        part.compartment.value: _quantities(part)
        for section in scored.knee.sections
        for part in section.compartments
    }


def grade_checks(golden: Golden, scored: ScoredKnown) -> Iterator[Check]:
    """Grades, probabilities and measures of the known section against the golden ones."""
    knee, wanted = scored.knee, Status.SCORED
    found = f"{knee.status.value}: {knee.reason}".rstrip(": ")
    yield decided(Part.GRADES, "known slide", wanted.value, found, knee.status is wanted)
    yield compared(Part.GRADES, "sections on it", 1, len(knee.sections))
    compartments = found_compartments(scored)
    for compartment in Compartment:
        mine, known = (of.get(compartment.value, {}) for of in (compartments, golden.compartments))
        for name, tolerance in _TOLERANCES.items():
            title = f"{compartment.value}: {name}"
            yield compared(Part.GRADES, title, known.get(name), mine.get(name), tolerance)


def refusal_checks(scored: ScoredKnown) -> Iterator[Check]:
    """What is no section, or no whole file, got a reason and no grade."""
    for title, slide, status in (
        ("blank glass", scored.glass, Status.NO_TISSUE),
        ("a slide cut short", scored.cut, Status.FAILED),
    ):
        graded = [c for s in slide.sections for c in s.compartments if c.grade is not None]
        found = f"{slide.status.value}: {slide.reason}; {len(graded) or 'no'} grades"
        passed = slide.status is status and bool(slide.reason) and not graded
        yield decided(Part.REFUSALS, title, f"{status.value}, a reason, no grade", found, passed)


def run_checks(scored: ScoredKnown) -> Iterator[Check]:
    """`verify` finds nothing wrong with the run, and each of two changed bytes."""
    problems = verify(scored.run)
    clean = "nothing is wrong"
    yield decided(
        Part.RUN, "verify, of the run as it is", clean, listed(problems, clean), not problems
    )
    for name in ("compartments.csv", EVENTS_NAME):
        found = _after_change(scored.run, scored.run / name)
        passed = any(name in problem for problem in found)
        title = f"verify, one byte of {name} changed"
        yield decided(Part.RUN, title, f"{name} is named", listed(found, clean, 1), passed)


def _after_change(run: Path, path: Path) -> list[str]:
    """What `verify` says while one byte in the middle of a file is another; it is put back."""
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    try:
        return verify(run)
    finally:
        path.write_bytes(data)


def _quantities(part: CompartmentResult) -> dict[str, Value]:
    found: dict[str, Value] = {
        GRADE: part.grade,
        PROBABILITIES: tuple(round(p, 4) for p in part.probabilities or ()),
    }
    return found | {title: getattr(part, name) for name, (title, _) in _MEASURES.items()}


def _facts(summary: RunSummary) -> dict[str, str]:
    record = summary.record
    return {
        "device": record.device or "",
        "engine": record.engine or "",
        "engine threads": str(record.engine_threads or ""),
    }


def _blank_glass() -> bytes:
    """PNG of clear glass with a camera's noise, 1.8 × 1.4 mm at 2 µm per pixel."""
    noise = np.random.default_rng(1).integers(-2, 3, (700, 900, 3))
    done, data = cv2.imencode(".png", (243 + noise).astype(np.uint8))
    assert done
    return data.tobytes()
