"""Which graders are held against each other, and on which compartments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from histoscore.pipeline.graded import GradedRun
from histoscore.pipeline.readings import Readings
from histoscore.scoring.baselines import majority, morphometry_only
from histoscore.scoring.comparison import Comparison, Grades, Item

MODEL_REFERENCE = "model vs reference"
MODEL_TRUTH = "model vs truth"


@dataclass(frozen=True, slots=True)
class People:
    """Scorers held against each other, and against the truth where there is one.

    On the compartments that all of them graded, unless that leaves less than half: so that their
    comparisons stand on the same compartments.

    Attributes:
        slides: in the order in which items are listed.
        seen: what a model graded, which people are then compared on; None without a model.
    """

    readings: Readings
    slides: Sequence[str]
    truth: Grades = field(default_factory=dict)
    seen: Grades | None = None

    def comparisons(self) -> Iterator[Comparison]:
        """Scorer against scorer, against the others' median, against truth; read against read."""
        yield from self._pairs()
        if len(self.readings.scorers) > 2:
            yield from self._against_others()
        if self.truth:
            yield from self._against_truth()
        yield from self._rereadings()

    def common(self, items: Grades) -> tuple[list[Item], str]:
        """Those of the items that every scorer graded, and a note where they are fewer."""
        shared = self.readings.common()
        common = [item for item in items if item in shared]
        if len(common) == len(items):
            return common, ""
        if 2 * len(common) < len(items):
            return list(items), "on its own compartments: few were graded by every scorer"
        left = len(items) - len(common)
        return common, f"{left} left out that not every scorer graded"

    def compared(
        self, name: str, first: Grades, second: Grades, items: Iterable[Item], note: str = ""
    ) -> Comparison:
        """A comparison with its items in the order of the slides."""
        places = {slide: place for place, slide in enumerate(self.slides)}
        ordered = sorted(
            items, key=lambda item: (places[item.slide], item.section, item.compartment.code)
        )
        return Comparison(name, first, second, tuple(ordered), note)

    def _pairs(self) -> Iterator[Comparison]:
        for one, two in combinations(self.readings.scorers, 2):
            first, second = self.readings.first(one), self.readings.first(two)
            items, note = self.common({i: g for i, g in second.items() if i in first})
            yield self._among(f"{one} vs {two}", first, second, items, note)

    def _against_others(self) -> Iterator[Comparison]:
        for scorer in self.readings.scorers:
            own, others = self.readings.first(scorer), self.readings.reference(without=scorer)
            items, note = self.common({i: g for i, g in others.items() if i in own})
            yield self._among(f"{scorer} vs others", own, others, items, note)

    def _against_truth(self) -> Iterator[Comparison]:
        for scorer in self.readings.scorers:
            own = self.readings.first(scorer)
            items, note = self.common({i: g for i, g in self.truth.items() if i in own})
            yield self._among(f"{scorer} vs truth", own, self.truth, items, note)

    def _rereadings(self) -> Iterator[Comparison]:
        for scorer, reads in self.readings.by_read.items():
            for one, two in combinations(reads, 2):
                items = [item for item in reads[two] if item in reads[one]]
                name = f"{scorer} {_read(one)} vs {_read(two)}"
                yield self._among(name, reads[one], reads[two], items)

    def _among(
        self, name: str, first: Grades, second: Grades, items: Iterable[Item], note: str = ""
    ) -> Comparison:
        """People against people, where a model that is judged has a grade too."""
        seen = self.seen
        kept = first if seen is None else {i: grade for i, grade in first.items() if i in seen}
        return self.compared(name, kept, second, items, note)


@dataclass(frozen=True, slots=True)
class Judges:
    """A run held against its scorers, and the truth where there is one."""

    run: GradedRun
    readings: Readings
    truth: Grades

    @property
    def people(self) -> People:
        """The scorers among themselves, where the model has a grade too."""
        return People(self.readings, tuple(self.run.places), self.truth, self.run.grades)

    def with_model(self) -> Iterator[Comparison]:
        """The model against reference, truth and each scorer; all that it lacks is missing."""
        model, readings, people = self.run.grades, self.readings, self.people
        reference = readings.reference()
        note = _reference_note(len(readings.scorers))
        yield people.compared(MODEL_REFERENCE, model, reference, reference, note)
        if self.truth:
            yield people.compared(MODEL_TRUTH, model, self.truth, self.truth)
        for scorer in readings.scorers:
            own = readings.first(scorer)
            items, note = people.common(own)
            yield people.compared(f"model vs {scorer}", model, own, items, note)

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
            named = f"{name} vs reference"
            yield name, self.people.compared(named, grades, reference, reference, note)


def _reference_note(scorers: int) -> str:
    if scorers == 1:
        return "reference: one scorer"
    even = ", an even number: it leans to the lower grade" if scorers % 2 == 0 else ""
    return f"reference: lower median of {scorers} scorers{even}"


def _read(name: str) -> str:
    return f"read {name}" if name else "read without number"
