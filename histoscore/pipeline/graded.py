"""What a finished run says of every compartment, ready to be held against people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histoscore.pipeline.facts import OpenedKey, reading
from histoscore.pipeline.recorded import committed_results, opened_key
from histoscore.records import CompartmentResult, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import RunRecord
from histoscore.scoring.baselines import Measures
from histoscore.scoring.comparison import Item, Place
from histoscore.study import Study
from histoscore.study.names import slide_spelling
from histoscore.vocabulary import Ladder, Status


@dataclass(frozen=True, slots=True)
class GradedRun:
    """A finished run: results by compartment, and whose each slide is.

    Attributes:
        parts: everything that was looked at, graded or not.
        left_out: slides that were excluded and (slide, section) that were not to be scored.
        facts: about the run, for people.
    """

    folder: RunFolder
    record: RunRecord
    results: tuple[SlideResult, ...]
    ladder: Ladder
    parts: Mapping[Item, CompartmentResult]
    places: Mapping[str, Place]
    left_out: frozenset[tuple[str, int | None]] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def grades(self) -> dict[Item, float]:
        """The model's own grades, never a reviewer's."""
        return {item: p.grade for item, p in self.parts.items() if p.grade is not None}

    @property
    def confidence(self) -> dict[Item, float]:
        """Probability of the grade that was given."""
        return {
            item: max(part.probabilities)
            for item, part in self.parts.items()
            if part.grade is not None and part.probabilities is not None
        }

    @property
    def sets(self) -> dict[Item, tuple[float, float]]:
        """Lowest and highest grade of the calibrated sets, where the bundle has them."""
        return {
            item: (part.grade_low, part.grade_high)
            for item, part in self.parts.items()
            if part.grade_low is not None and part.grade_high is not None
        }

    @property
    def measures(self) -> dict[Item, Measures]:
        """What was measured, for compartments with all but perhaps the Safranin fraction."""
        return {item: found for item, part in self.parts.items() if (found := _measures(part))}

    def areas(self, measure: str) -> dict[Item, float]:
        """An area in µm², where it was measured."""
        found = {item: getattr(part, measure) for item, part in self.parts.items()}
        return {item: area for item, area in found.items() if area is not None}

    def is_left_out(self, item: Item) -> bool:
        return not {(item.slide, None), (item.slide, item.section)}.isdisjoint(self.left_out)

    def slide_named(self, text: str) -> str | None:
        """The slide that a sheet means, whatever its slashes; None where the run has none."""
        return {slide_spelling(slide): slide for slide in self.places}.get(slide_spelling(text))


def read_run(path: Path) -> GradedRun:
    """A finished run, read only.

    Raises:
        UsageError: no run there, or one that is not finished.
        RunMismatchError: a run of another version, which cannot be read.
    """
    folder = RunFolder(path)
    record = folder.record()
    study, key = folder.read(folder.study_path, Study), opened_key(folder)
    return graded_run(folder, record, study, committed_results(folder, record), key)


def graded_run(
    folder: RunFolder,
    record: RunRecord,
    study: Study,
    results: tuple[SlideResult, ...],
    key: OpenedKey | None,
) -> GradedRun:
    """A run whose records were read."""
    groups = dict(key.groups) if key else {}
    return GradedRun(
        folder=folder,
        record=record,
        results=results,
        ladder=record.model.ladder.ladder,
        parts=dict(_parts(results)),
        places={
            row.slide: Place(row.animal, groups.get(row.animal, row.group), row.batch)
            for row in study.rows
        },
        left_out=frozenset(_left_out(results)),
        facts=reading(record, study, results, key),
    )


def _parts(results: tuple[SlideResult, ...]) -> Iterator[tuple[Item, CompartmentResult]]:
    for slide in results:
        for section in slide.sections:
            for part in section.compartments:
                yield Item(slide.slide, section.section, part.compartment), part


def _left_out(results: tuple[SlideResult, ...]) -> Iterator[tuple[str, int | None]]:
    scored = {slide.slide for slide in results if slide.status is not Status.SKIPPED}
    for slide in results:
        if slide.slide not in scored:
            yield slide.slide, None
        for section in slide.sections:
            if section.status is Status.SKIPPED:
                yield slide.slide, section.section


def _measures(part: CompartmentResult) -> Measures | None:
    area, thickness = part.hyaline_area_um2, part.mean_thickness_um
    if area is None or thickness is None or part.lesion_extent is None:
        return None
    return Measures(area, thickness, part.lesion_extent, part.safranin_fraction)
