"""Splits: animals stay whole, every part sees mild and severe, and leaks are named."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoscore.config import parse_settings
from histoscore.errors import ConfigError, UsageError
from histoscore.models.examples import ExampleFacts
from histoscore.models.splits import LeakError, Split, SplitSettings, check_leaks, folds, split
from histoscore.vocabulary import OARSI_MOUSE, Compartment


def facts(animal: str, grade: float | None = None, **others: object) -> ExampleFacts:
    grades = {} if grade is None else {Compartment.MTP: {"A": grade}}
    known = {"colours": "rgb", "mpp": 1.0, "animal": animal, "slide": f"{animal}.svs"}
    return ExampleFacts.model_validate(known | {"grades": grades} | others)


ONE = st.tuples(
    st.integers(0, 14), st.none() | st.sampled_from(OARSI_MOUSE.rungs), st.integers(0, 9)
)


@st.composite
def studies(draw: st.DrawFn, least: int = 6) -> dict[str, ExampleFacts]:
    """Examples of `least` animals or more, up to several of one animal."""
    drawn = [(n, None, n % 7) for n in range(least)] + draw(st.lists(ONE, max_size=30))
    return {
        f"e{number}": facts(f"m{animal}", grade, batch=f"b{batch}")
        for number, (animal, grade, batch) in enumerate(drawn)
    }


def parts_of(found: Split) -> tuple[tuple[str, ...], ...]:
    return found.train, found.validation, found.calibration


class TestSplit:
    @given(studies(), st.integers(0, 99))
    def test_every_example_is_in_exactly_one_part(
        self, study: dict[str, ExampleFacts], seed: int
    ) -> None:
        found = split(study, SplitSettings(seed=seed))
        assert sorted(name for part in parts_of(found) for name in part) == sorted(study)
        assert all(parts_of(found))

    @given(studies(), st.integers(0, 99))
    def test_an_animal_is_never_divided(self, study: dict[str, ExampleFacts], seed: int) -> None:
        parts = parts_of(split(study, SplitSettings(seed=seed)))
        animals = [{study[name].animal for name in part} for part in parts]
        assert sum(map(len, animals)) == len(set().union(*animals))

    @given(studies(least=9), st.integers(0, 99))
    def test_a_batch_and_its_animals_are_never_divided(
        self, study: dict[str, ExampleFacts], seed: int
    ) -> None:
        settings = SplitSettings(by="batch", validation=0.2, calibration=0, seed=seed)
        try:
            parts = parts_of(split(study, settings))
        except ConfigError:
            parts = (tuple(study),)  # animals in many batches tie all of them together
        for of in ("batch", "animal"):
            seen = [{getattr(study[name], of) for name in part} for part in parts]
            assert sum(map(len, seen)) == len(set().union(*seen))

    def test_batches_are_divided_where_no_animal_ties_them(self) -> None:
        study = {f"e{n}": facts(f"m{n}", batch=f"b{n // 2}") for n in range(12)}
        assert [len(p) for p in parts_of(split(study, SplitSettings(by="batch")))] == [4, 4, 4]

    @given(studies(), st.randoms(use_true_random=False))
    def test_the_order_of_the_examples_does_not_matter(
        self, study: dict[str, ExampleFacts], random: Random
    ) -> None:
        names = list(study)
        random.shuffle(names)
        shuffled = {name: study[name] for name in names}
        assert split(shuffled, SplitSettings()) == split(study, SplitSettings())

    def test_the_seed_decides(self) -> None:
        study = {f"e{n}": facts(f"m{n}") for n in range(30)}
        assert len({split(study, SplitSettings(seed=seed)) for seed in range(5)}) == 5

    @given(st.integers(0, 999))
    def test_every_part_sees_mild_and_severe(self, seed: int) -> None:
        grades = [0.5] * 10 + [5.0] * 10
        study = {f"e{n}": facts(f"m{n}", grade) for n, grade in enumerate(grades)}
        for part in parts_of(split(study, SplitSettings(seed=seed))):
            assert {int(name[1:]) < 10 for name in part} == {True, False}

    def test_shares_are_of_groups(self) -> None:
        study = {f"e{n}-{s}": facts(f"m{n}") for n in range(20) for s in range(3)}
        found = split(study, SplitSettings(validation=0.2, calibration=0.1))
        assert [len(part) for part in parts_of(found)] == [42, 12, 6]

    def test_too_few_animals(self) -> None:
        study = {f"e{n}": facts(f"m{n}") for n in range(3)}
        with pytest.raises(ConfigError, match=r"3 animals are too few.* at least 6.*0 leaves"):
            split(study, SplitSettings())

    def test_nothing_is_held_out_for_shares_of_0(self) -> None:
        study = {"b": facts("m1"), "a": facts("m2")}
        found = split(study, SplitSettings(validation=0, calibration=0))
        assert found == Split(("a", "b"), (), ())

    def test_an_example_without_a_batch(self) -> None:
        with pytest.raises(ConfigError, match=r"no batch is given for m1\.svs"):
            split({"a": facts("m1")}, SplitSettings(by="batch"))

    def test_shares_that_leave_nothing(self) -> None:
        with pytest.raises(ConfigError, match="leave nothing to train on"):
            parse_settings(SplitSettings, {"validation": 0.6, "calibration": 0.4}, "here")


class TestFolds:
    @given(studies(least=10), st.integers(2, 4))
    def test_every_example_is_tested_once(self, study: dict[str, ExampleFacts], k: int) -> None:
        settings = SplitSettings(calibration=0)
        tested = [name for fold in folds(study, k, settings) for name in fold.test]
        assert sorted(tested) == sorted(study)

    @given(studies(least=10), st.integers(2, 4))
    def test_no_animal_is_on_two_sides(self, study: dict[str, ExampleFacts], k: int) -> None:
        for fold in folds(study, k, SplitSettings(calibration=0)):
            sides = (fold.test, *parts_of(fold.inner))
            check_leaks({str(n): [study[name] for name in side] for n, side in enumerate(sides)})
            assert sorted(name for side in sides for name in side) == sorted(study)

    def test_severity_is_spread_over_the_folds(self) -> None:
        study = {f"e{n}": facts(f"m{n}", 6.0 if n < 4 else 0.0) for n in range(16)}
        for fold in folds(study, 4, SplitSettings(calibration=0)):
            assert len({"e0", "e1", "e2", "e3"} & set(fold.test)) == 1

    @pytest.mark.parametrize("k", [1, 7])
    def test_a_number_of_folds_that_cannot_be(self, k: int) -> None:
        study = {f"e{n}": facts(f"m{n}") for n in range(6)}
        with pytest.raises(ConfigError, match="folds of 6 animals: choose two folds or more"):
            folds(study, k, SplitSettings())


class TestLeaks:
    def test_nothing_shared(self) -> None:
        check_leaks({"train": [facts("m1"), facts("m1")], "test": [facts("m2")], "other": []})

    @pytest.mark.parametrize(
        ("shared", "told"),
        [
            ({"sha256": "ab" * 32}, "slide with SHA-256 abababababab"),
            ({"fingerprint": "0f" * 32}, "one picture, section 1 of m1 and 1 of m2"),
        ],
    )
    def test_a_leak_names_both_slides(self, shared: dict[str, str], told: str) -> None:
        parts = {"train": [facts("m0"), facts("m1", **shared)], "test": [facts("m2", **shared)]}
        with pytest.raises(LeakError, match=rf"{told}.*: m1\.svs \(train\) and m2\.svs \(test\)"):
            check_leaks(parts)

    def test_an_animal_on_both_sides(self) -> None:
        parts = {"train": [facts("m1")], "test": [facts("m1", slide="again.svs")]}
        with pytest.raises(UsageError, match=r"animal m1: m1\.svs \(train\) and again\.svs") as e:
            check_leaks(parts)
        assert e.value.exit_code == 1
