"""Which graders are held against each other, and on which compartments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.readings import Readings
from histoscore.scoring.baselines import majority, morphometry_only
from histoscore.scoring.comparison import Comparison, Grades, Item

MODEL_REFERENCE = "model vs reference"
MODEL_TRUTH = "model vs truth"


@dataclass(frozen=True, slots=True)
class Judges:
    """A run, its scorers, and the truth where there is one.

    People are compared with each other where the model has a grade too, and, unless that leaves
    less than half, where all of them have one: so all comparisons stand on the same compartments.
    """

    run: GradedRun
    readings: Readings
    truth: Grades

    def with_model(self) -> Iterator[Comparison]:
        """The model against reference, truth and each scorer; all that it lacks is missing."""
        model, readings = self.run.grades, self.readings
        reference = readings.reference()
        note = _reference_note(len(readings.scorers))
        yield self._compared(MODEL_REFERENCE, model, reference, reference, note)
        if self.truth:
            yield self._compared(MODEL_TRUTH, model, self.truth, self.truth)
        for scorer in readings.scorers:
            own = readings.first(scorer)
            items, note = self._common(own)
            yield self._compared(f"model vs {scorer}", model, own, items, note)

    def among_people(self) -> Iterator[Comparison]:
        """Scorer against scorer, against the others' median, against truth; read against read."""
        yield from self._pairs()
        if len(self.readings.scorers) > 2:
            yield from self._against_others()
        if self.truth:
            yield from self._against_truth()
        yield from self._rereadings()

    def baselines(self, others: Mapping[str, Grades]) -> Iterator[tuple[str, Comparison]]:
        """(name, against the reference): majority, morphometry only, then other runs' grades."""
        run, reference = self.run, self.readings.reference()
        graded = {item: grade for item, grade in reference.items() if item in run.grades}
        learnt = {
            "majority": majority(graded, run.places),
            "morphometry only": morphometry_only(graded, run.measures, run.places, run.ladder),
        }
        for name, grades in {**learnt, **others}.items():
            note = "each animal predicted from the others" if name in learnt else ""
            yield name, self._compared(f"{name} vs reference", grades, reference, reference, note)

    def _pairs(self) -> Iterator[Comparison]:
        for one, two in combinations(self.readings.scorers, 2):
            first, second = self.readings.first(one), self.readings.first(two)
            items, note = self._common({i: g for i, g in second.items() if i in first})
            yield self._among(f"{one} vs {two}", first, second, items, note)

    def _against_others(self) -> Iterator[Comparison]:
        for scorer in self.readings.scorers:
            own, others = self.readings.first(scorer), self.readings.reference(without=scorer)
            items, note = self._common({i: g for i, g in others.items() if i in own})
            yield self._among(f"{scorer} vs others", own, others, items, note)

    def _against_truth(self) -> Iterator[Comparison]:
        for scorer in self.readings.scorers:
            own = self.readings.first(scorer)
            items, note = self._common({i: g for i, g in self.truth.items() if i in own})
            yield self._among(f"{scorer} vs truth", own, self.truth, items, note)

    def _rereadings(self) -> Iterator[Comparison]:
        for scorer, reads in self.readings.by_read.items():
            for one, two in combinations(reads, 2):
                items = [item for item in reads[two] if item in reads[one]]
                name = f"{scorer} {_read(one)} vs {_read(two)}"
                yield self._among(name, reads[one], reads[two], items)

    def _common(self, items: Grades) -> tuple[list[Item], str]:
        """Those of the items that every scorer graded, and a note where they are fewer."""
        common = [item for item in items if item in self.readings.common()]
        if len(common) == len(items):
            return common, ""
        if 2 * len(common) < len(items):
            return list(items), "on its own compartments: few were graded by every scorer"
        left = len(items) - len(common)
        return common, f"{left} left out that not every scorer graded"

    def _among(
        self, name: str, first: Grades, second: Grades, items: Iterable[Item], note: str = ""
    ) -> Comparison:
        """People against people, where the model has a grade too."""
        model = self.run.grades
        seen = {item: grade for item, grade in first.items() if item in model}
        return self._compared(name, seen, second, items, note)

    def _compared(
        self, name: str, first: Grades, second: Grades, items: Iterable[Item], note: str = ""
    ) -> Comparison:
        slides = {slide: place for place, slide in enumerate(self.run.places)}
        ordered = sorted(
            items, key=lambda item: (slides[item.slide], item.section, item.compartment.code)
        )
        return Comparison(name, first, second, tuple(ordered), note)


def _reference_note(scorers: int) -> str:
    if scorers == 1:
        return "reference: one scorer"
    even = ", an even number: it leans to the lower grade" if scorers % 2 == 0 else ""
    return f"reference: lower median of {scorers} scorers{even}"


def _read(name: str) -> str:
    return f"read {name}" if name else "read without number"
