"""Families of comparisons: one value an animal, whatever the table it came from."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import histoscore
from histoscore.config import StatisticsSettings
from histoscore.errors import ConfigError
from histoscore.records import CompartmentScore, SectionResult
from histoscore.scoring import families, outcomes, pairs, parametric, power, stats
from histoscore.scoring.families import ALL_GROUPS, Family, answer, plan_of
from histoscore.scoring.ranktests import dunn, holm, kruskal_wallis, mann_whitney
from histoscore.scoring.trends import jonckheere_terpstra

PACKAGE = Path(histoscore.__file__).parent
SAMPLES = {
    "sham": {"a": 0.0, "b": 0.5, "c": 0.5, "d": 1.0},
    "low": {"e": 1.0, "f": 2.0, "g": 2.0, "h": 3.0},
    "high": {"i": 2.0, "j": 4.0, "k": 5.0, "l": 6.0},
}
VALUES = {group: list(sample.values()) for group, sample in SAMPLES.items()}
SETTINGS = StatisticsSettings()


def test_a_family_is_tested_at_once_and_then_in_pairs() -> None:
    omnibus, *pairs = answer(
        Family("score", SAMPLES, "F"), plan_of(list(SAMPLES), SETTINGS), SETTINGS
    )
    assert (omnibus.group, omnibus.p) == (ALL_GROUPS, kruskal_wallis(list(VALUES.values())).p)
    named = [("sham", "low"), ("sham", "high")]
    tests = dunn(VALUES, named)
    assert [(row.reference, row.group) for row in pairs] == named
    assert [row.p for row in pairs] == [test.p for test in tests]
    assert [row.p_adjusted for row in pairs] == list(holm([test.p for test in tests]))
    assert {row.family for row in (omnibus, *pairs)} == {"F"}


def test_two_groups_get_the_exact_test() -> None:
    two = {name: SAMPLES[name] for name in ("sham", "low")}
    (row,) = answer(Family("score", two), plan_of(list(two), SETTINGS), SETTINGS)
    assert (row.test, row.p) == ("Mann–Whitney", mann_whitney(VALUES["sham"], VALUES["low"]).p)


def test_an_animal_cannot_stand_in_two_groups() -> None:
    with pytest.raises(ValueError, match=r"in two groups at once: a$"):
        Family("score", SAMPLES | {"more": {"a": 1.0}})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_missing_value_is_left_out_and_not_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="left out"):
        Family("score", {"sham": {"a": value}})


def test_unknown_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'high'"):
        plan_of(list(SAMPLES), StatisticsSettings(reference="hihg"))


def importers(module: str) -> set[str]:
    """Modules of the package that import from `module`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                found.add(path.relative_to(PACKAGE).with_suffix("").as_posix())
    return found


NUMBERS = {"scoring/effects", "scoring/means", "scoring/signedranks", "scoring/trends"}
"""Rooms of plain numbers, as `ranktests` itself."""

TESTERS = {"scoring/families", "scoring/pairs", "scoring/parametric", "scoring/power"}
"""The only rooms where a p-value is made; each takes one value (or one pair) an animal."""


def test_sections_cannot_be_tested_anywhere_in_the_package() -> None:
    """Rank tests take plain numbers, so what calls them decides what n is.

    Only families and pairs call them, and both are keyed by animal: a second value of one animal,
    such as another section, cannot be in them. What leads to families takes animals,
    never sections.
    """
    assert importers("histoscore.scoring.ranktests") - NUMBERS == TESTERS
    assert importers("histoscore.scoring.trends") == {"scoring/families"}
    assert importers("histoscore.scoring.signedranks") == {"scoring/pairs"}
    assert importers("histoscore.scoring.means") == {"scoring/parametric"}
    for module in (families, outcomes, pairs, parametric, power, stats):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("_") or function.__module__ != module.__name__:
                continue
            asked = " ".join(
                str(p.annotation) for p in inspect.signature(function).parameters.values()
            )
            assert CompartmentScore.__name__ not in asked, name
            assert SectionResult.__name__ not in asked, name
    for function in (answer, parametric.answer_parametric, power.power_table):
        assert str(inspect.signature(function).parameters["family"].annotation) == "Family"
    assert Family.__annotations__["samples"] == "Mapping[str, Mapping[str, float]]"
    asked = inspect.signature(pairs.answer_pairs).parameters["family"].annotation
    assert str(asked) == "PairedFamily"
    assert pairs.PairedFamily.__annotations__["samples"] == "Mapping[str, Mapping[str, Knees]]"
    assert "Sequence[AnimalScore]" in str(inspect.signature(stats.compare).parameters["scores"])


def trend_of(samples: dict[str, dict[str, float]], **settings: object) -> families.Answer:
    chosen = StatisticsSettings(ordered_groups=("sham", "low", "high"), **settings)  # type: ignore[arg-type]
    rows = answer(Family("score", samples, "F"), plan_of(list(samples), chosen), chosen)
    (row,) = [row for row in rows if "trend" in row.note]
    return row


def test_ordered_groups_get_a_trend_in_a_row_of_its_own() -> None:
    row, known = trend_of(SAMPLES), jonckheere_terpstra(list(VALUES.values()))
    assert (row.group, row.reference, row.n_group) == (ALL_GROUPS, None, 12)
    assert (row.test, row.statistic, row.p) == (known.name, known.statistic, known.p)
    assert (row.p_adjusted, row.family) == (None, "F")
    assert row.note == "exact; trend over sham < low < high; values rise"


def test_a_trend_may_fall() -> None:
    turned = dict(zip(SAMPLES, reversed(SAMPLES.values()), strict=True))
    assert trend_of(turned).note.endswith("values fall")
    assert trend_of(turned).p == pytest.approx(trend_of(SAMPLES).p)


def test_a_group_too_small_leaves_the_trend_and_two_groups_are_none() -> None:
    small = SAMPLES | {"low": {"e": 1.0}, "more": {"m": 1.0, "n": 2.0, "o": 3.0, "p": 4.0}}
    row = trend_of(small)
    assert (row.test, row.p, row.n_group) == ("Jonckheere–Terpstra", None, 8)
    assert row.note == "no test for trend: fewer than 3 groups of 4 animals"
    chosen = StatisticsSettings(ordered_groups=("sham", "low", "more", "high"))
    rows = answer(Family("score", small), plan_of(list(small), chosen), chosen)
    assert "trend over sham < more < high; left out for fewer than 4 animals: low" in rows[1].note


@pytest.mark.parametrize(
    ("ordered", "message"),
    [
        (("sham", "low"), "3 groups or more"),
        (("sham", "low", "sham"), "each once"),
        (("sham", "low", "hi"), "no group 'hi'"),
    ],
)
def test_what_is_no_order_of_groups_is_refused(ordered: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_of(list(SAMPLES), StatisticsSettings(ordered_groups=ordered))
