"""Which examples train, validate and calibrate: whole animals, mild and severe in every part.

What is measured on an animal that was trained on says nothing. So groups are never divided, and
`check_leaks` looks for what the sheet cannot know: a slide or a picture that stands on two sides.
A split by study is not offered: the study sheet has no such column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from histoscore.config import Settings
from histoscore.errors import ConfigError, UsageError
from histoscore.models.duplicates import same_picture
from histoscore.models.examples import ExampleFacts

Facts = Mapping[str, ExampleFacts]
"""Name of an example → what is known of it."""

LEAST_GROUPS = 2
"""Groups in every part that is not empty: one milder, one severer."""

_NO_GRADE = -1.0


class LeakError(UsageError):
    """The same animal, slide or picture stands in two parts; the text names both slides."""


class SplitSettings(Settings):
    """How examples are parted. A share of 0 leaves that part empty."""

    by: Literal["animal", "batch"] = Field(
        "animal", description="what is never divided; batch: all animals of a stain batch together"
    )
    validation: float = Field(0.15, ge=0, lt=1, description="share that chooses when to stop")
    calibration: float = Field(0.15, ge=0, lt=1, description="share that probabilities are set on")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.validation + self.calibration >= 1:
            raise ValueError("validation and calibration leave nothing to train on")
        return self


@dataclass(frozen=True, slots=True)
class Split:
    """Names of the examples of each part, in alphabetical order."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    calibration: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """One turn of a nested cross-validation: what is tested on, and the split of all the rest."""

    test: tuple[str, ...]
    inner: Split


@dataclass(frozen=True, slots=True)
class _Group:
    """Examples that stay together, and the highest grade anybody gave one of them."""

    names: tuple[str, ...]
    severity: float
    lot: str
    """Decides between groups of one severity; hangs on the seed."""


def split(facts: Facts, settings: SplitSettings) -> Split:
    """Parts the examples into training, validation and calibration.

    The same examples and seed give the same parts, in whatever order they come. Held-out groups
    are drawn from equal stretches of the groups' order by highest grade.

    Raises:
        ConfigError: too few groups for the shares, or an example without a batch.
    """
    return _parted(_groups(facts, settings), settings)


def folds(facts: Facts, k: int, settings: SplitSettings) -> tuple[Fold, ...]:
    """k turns in which every example is tested on exactly once, by whole groups.

    Raises:
        ConfigError: fewer than two folds or fewer groups than folds, or too few groups for the
            shares in what a fold leaves.
    """
    groups = _groups(facts, settings)
    if not 2 <= k <= len(groups):
        raise ConfigError(
            f"{k} folds of {len(groups)} {_plural(settings)}: choose two folds or more, and no "
            f"more than there are {_plural(settings)}"
        )
    dealt = _dealt(groups, k, settings.seed)
    return tuple(
        Fold(_names(tests), _parted([g for g in groups if g not in tests], settings))
        for tests in dealt
    )


def check_leaks(parts: Mapping[str, Iterable[ExampleFacts]]) -> None:
    """Nothing where the parts share no animal, no slide and no picture.

    Raises:
        LeakError: lists every pair of slides by which two parts are tied together.
    """
    leaks = dict.fromkeys(
        leak
        for (one, mine), (other, theirs) in combinations(_listed(parts), 2)
        for leak in _shared(one, mine, other, theirs)
    )
    if leaks:
        lines = "\n".join(f"  {leak}" for leak in leaks)
        raise LeakError(
            f"the same material is in two parts, so no measure would hold\n{lines}\n"
            "give both slides to one animal in the study sheet, or exclude one of them"
        )


def _listed(
    parts: Mapping[str, Iterable[ExampleFacts]],
) -> list[tuple[str, Sequence[ExampleFacts]]]:
    return [(name, tuple(facts)) for name, facts in parts.items()]


def _shared(
    one: str, mine: Sequence[ExampleFacts], other: str, theirs: Sequence[ExampleFacts]
) -> Iterator[str]:
    for a in mine:
        for b in theirs:
            what = _what_is_shared(a, b)
            if what:
                yield f"{what}: {a.slide} ({one}) and {b.slide} ({other})"


def _what_is_shared(a: ExampleFacts, b: ExampleFacts) -> str:
    if a.animal == b.animal:
        return f"the animal {a.animal}"
    if a.sha256 and a.sha256 == b.sha256:
        return f"the slide with SHA-256 {a.sha256[:12]}…"
    if same_picture(a.fingerprint, b.fingerprint):
        return f"one picture, section {a.section} of {a.animal} and {b.section} of {b.animal}"
    return ""


def _groups(facts: Facts, settings: SplitSettings) -> list[_Group]:
    """Groups from the mildest to the severest; those without any grade come first."""
    members: dict[str, list[str]] = {}
    for name, key in _keys(facts, settings).items():
        members.setdefault(key, []).append(name)
    groups = [
        _Group(
            tuple(sorted(names)),
            max(_highest(facts[name]) for name in names),
            hashlib.sha256(f"{settings.seed}/{key}".encode()).hexdigest(),
        )
        for key, names in members.items()
    ]
    return sorted(groups, key=lambda group: (group.severity, group.lot))


def _keys(facts: Facts, settings: SplitSettings) -> dict[str, str]:
    """The group of each example, by a name that does not hang on the examples' order."""
    if settings.by == "animal":
        return {name: one.animal for name, one in facts.items()}
    without = sorted({one.slide for one in facts.values() if one.batch is None})
    if without:
        raise ConfigError(
            f"split by batch: no batch is given for {', '.join(without)}; fill in the study "
            "sheet's batch column, or split by animal"
        )
    return _batches(facts)


def _batches(facts: Facts) -> dict[str, str]:
    """Batches, joined where an animal has slides in several: neither may be divided."""
    batch_of = {name: str(one.batch) for name, one in facts.items()}
    joined = {batch: batch for batch in batch_of.values()}
    of_animal: dict[str, set[str]] = {}
    for name, one in facts.items():
        of_animal.setdefault(one.animal, set()).add(batch_of[name])
    for batches in of_animal.values():
        tied = {joined[batch] for batch in batches}
        joined = {b: min(tied) if label in tied else label for b, label in joined.items()}
    return {name: joined[batch] for name, batch in batch_of.items()}


def _highest(facts: ExampleFacts) -> float:
    grades = (grade for by_scorer in facts.grades.values() for grade in by_scorer.values())
    return max(grades, default=_NO_GRADE)


def _parted(groups: Sequence[_Group], settings: SplitSettings) -> Split:
    """The split of groups in order of severity."""
    shares = (settings.validation, settings.calibration)
    held = [max(LEAST_GROUPS, round(share * len(groups))) if share else 0 for share in shares]
    _check_enough(len(groups), held, settings)
    rng = np.random.default_rng(settings.seed)
    rest = list(groups)
    parts = []
    for count in held:
        drawn = _spread(rest, count, rng)
        rest = [group for group in rest if group not in drawn]
        parts.append(_names(drawn))
    return Split(_names(rest), *parts)


def _check_enough(groups: int, held: Sequence[int], settings: SplitSettings) -> None:
    if groups - sum(held) >= (LEAST_GROUPS if any(held) else 1):
        return
    parts = 1 + sum(1 for count in held if count)
    raise ConfigError(
        f"{groups} {_plural(settings)} are too few to train, validate and calibrate apart: "
        f"shares of {settings.validation:g} and {settings.calibration:g} need at least "
        f"{LEAST_GROUPS * parts}, and {LEAST_GROUPS} left to train on; add {_plural(settings)}, "
        "or make the shares validation or calibration smaller (0 leaves that part out)"
    )


def _spread(groups: Sequence[_Group], count: int, rng: np.random.Generator) -> list[_Group]:
    """One group out of each of `count` equal stretches of the order."""
    stretches = np.array_split(np.arange(len(groups)), count) if count else []
    return [groups[int(rng.choice(stretch))] for stretch in stretches]


def _dealt(groups: Sequence[_Group], k: int, seed: int) -> list[list[_Group]]:
    """The groups in k hands; of every k neighbours in the order each hand gets one."""
    rng = np.random.default_rng(seed)
    hands: list[list[_Group]] = [[] for _ in range(k)]
    for first in range(0, len(groups), k):
        for group, hand in zip(groups[first : first + k], rng.permutation(k), strict=False):
            hands[hand].append(group)
    return hands


def _names(groups: Iterable[_Group]) -> tuple[str, ...]:
    return tuple(sorted(name for group in groups for name in group.names))


def _plural(settings: SplitSettings) -> str:
    return "animals" if settings.by == "animal" else "batches"
