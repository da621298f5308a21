"""Simulated scorers: what was put into them can be found again in their grades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from histoscore.config import Settings, overridden, parse_settings
from histoscore.errors import ConfigError
from histoscore.phantom.mounting import STUDY_STREAM
from histoscore.phantom.scorers import (
    AMBIGUITY,
    SCORER_STREAM,
    STANDARD_SCORERS,
    GradedTruth,
    Reading,
    ScorerPlan,
    Scorers,
    read_slides,
)
from histoscore.scoring.agreement import quadratic_weighted_kappa
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Ladder

SYNOVITIS = Ladder(name="synovitis", rungs=(0, 1, 2, 3))
MIDDLE = (2.0, 3.0)
"""Grades so far from both ends that no scorer of these tests runs off the ladder."""


def study(slides: int, grades: Sequence[float], sections: int = 1) -> list[GradedTruth]:
    """Slides whose compartments go round through `grades`, a different one first each time."""
    places = [
        (slide, section, compartment)
        for slide in range(slides)
        for section in range(1, sections + 1)
        for compartment in Compartment
    ]
    turning = (grades[(i + i // len(grades)) % len(grades)] for i in range(len(places)))
    return [
        GradedTruth(f"slides/M{slide:04d}.svs", section, compartment, f"M{slide:04d}", grade)
        for (slide, section, compartment), grade in zip(places, turning, strict=True)
    ]


def errors(
    truths: Sequence[GradedTruth], readings: Sequence[Reading], ladder: Ladder = OARSI_MOUSE
) -> NDArray[np.float64]:
    """Signed errors, in rungs, of one read without blanks."""
    grades = [reading.grade for reading in readings]
    return np.array(
        [
            ladder.index(grade) - ladder.index(truth.grade)
            for truth, grade in zip(truths, grades, strict=True)
            if grade is not None
        ],
        dtype=np.float64,
    )


def read_once(
    truths: Sequence[GradedTruth], scorer: ScorerPlan, seed: int = 7, ambiguity: float = 0.0
) -> tuple[list[Reading], NDArray[np.float64]]:
    readings = list(read_slides(truths, [scorer], seed, ambiguity=ambiguity))
    return readings, errors(truths, readings)


def of(readings: Sequence[Reading], scorer: str, read: int = 1) -> list[Reading]:
    return [r for r in readings if (r.scorer, r.read) == (scorer, read)]


# What was put in is found again


@pytest.mark.parametrize("bias", [-0.8, -0.15, 0.0, 0.6])
def test_the_mean_error_is_the_bias(bias: float) -> None:
    _, found = read_once(study(1500, MIDDLE), ScorerPlan(name="s", bias=bias, noise=0.6))
    assert found.mean() == pytest.approx(bias, abs=0.04)


@pytest.mark.parametrize("noise", [0.5, 0.7, 0.9])
def test_errors_scatter_by_noise_and_rounding(noise: float) -> None:
    _, found = read_once(study(1500, MIDDLE), ScorerPlan(name="s", bias=0.3, noise=noise))
    assert found.var() == pytest.approx(noise**2 + 1 / 12, rel=0.07)


def test_ambiguity_and_drift_add_to_the_scatter() -> None:
    scorer = ScorerPlan(name="s", noise=0.6, drift=1.2)
    _, found = read_once(study(1500, MIDDLE), scorer, ambiguity=0.4)
    assert found.var() == pytest.approx(0.6**2 + 0.4**2 + 1.2**2 / 12 + 1 / 12, rel=0.07)


@pytest.mark.parametrize("drift", [-1.0, 0.0, 0.8])
def test_drift_is_the_slope_of_the_errors_over_the_reading_order(drift: float) -> None:
    truths = study(1500, MIDDLE)
    readings, found = read_once(truths, ScorerPlan(name="s", bias=0.2, drift=drift))
    turns = np.array([reading.turn for reading in readings])
    elapsed = (turns - 1) / (turns.max() - 1)
    slope, start = np.polyfit(elapsed, found, 1)
    assert slope == pytest.approx(drift, abs=0.1)
    assert start == pytest.approx(0.2 - drift / 2, abs=0.08)


def test_drift_shows_between_the_halves_of_each_read_and_not_between_the_reads() -> None:
    truths = study(1500, MIDDLE)
    scorer = ScorerPlan(name="s", drift=1.0, reads=2)
    readings = list(read_slides(truths, [scorer], 7, ambiguity=0))
    for number in (1, 2):
        read = of(readings, "s", number)
        found, late = errors(truths, read), np.array([r.turn > 750 for r in read])
        assert found[late].mean() - found[~late].mean() == pytest.approx(0.5, abs=0.06)
        assert found.mean() == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("caution", [0.0, 0.3, 1.0])
def test_caution_pulls_the_grades_to_the_middle(caution: float) -> None:
    truths = study(1500, (1, 2, 3, 4))
    _, found = read_once(truths, ScorerPlan(name="s", noise=0.6, caution=caution))
    rungs = np.array([OARSI_MOUSE.index(truth.grade) for truth in truths])
    slope, _ = np.polyfit(rungs, rungs + found, 1)
    assert slope == pytest.approx(1 - caution, abs=0.04)
    assert found.mean() == pytest.approx(0, abs=0.04)


def test_a_cautious_scorer_avoids_the_ends() -> None:
    truths = study(100, (0, 6))
    _, found = read_once(truths, ScorerPlan(name="s", noise=0, caution=0.3))
    ends = np.array([truth.grade for truth in truths])
    assert set(found[ends == 0]) == {1}
    assert set(found[ends == 6]) == {-1}


def test_scorers_without_error_agree_with_the_truth() -> None:
    truths = study(30, OARSI_MOUSE.rungs)
    exact = ScorerPlan(name="exact", noise=0)
    readings, _ = read_once(truths, exact)
    assert [r.grade for r in readings] == [t.grade for t in truths]


def test_an_ambiguous_compartment_misleads_everybody_alike() -> None:
    truths = study(500, MIDDLE)
    exact = [ScorerPlan(name=name, noise=0, reads=2) for name in ("a", "b")]
    readings = list(read_slides(truths, exact, 7, ambiguity=0.8))
    first = errors(truths, of(readings, "a"))
    assert first.var() == pytest.approx(0.8**2 + 1 / 12, rel=0.1)
    for name, read in (("a", 2), ("b", 1), ("b", 2)):
        assert (errors(truths, of(readings, name, read)) == first).all()


def test_errors_of_different_scorers_and_reads_go_their_own_ways() -> None:
    truths = study(1000, MIDDLE)
    two = [ScorerPlan(name=name, noise=0.7, reads=2) for name in ("a", "b")]
    readings = list(read_slides(truths, two, 7, ambiguity=0))
    columns = [errors(truths, of(readings, name, read)) for name in "ab" for read in (1, 2)]
    correlations = np.asarray(np.corrcoef(columns))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 0.06


# Blanks


def test_blanks_come_at_the_rate_asked_for() -> None:
    truths = study(1000, MIDDLE)
    readings = list(read_slides(truths, [ScorerPlan(name="s", missing=0.2)], 7))
    assert np.mean([r.grade is None for r in readings]) == pytest.approx(0.2, abs=0.025)
    assert 0 not in {r.grade for r in readings}


def test_blanks_leave_the_other_grades_as_they_were() -> None:
    truths = study(100, OARSI_MOUSE.rungs)
    whole = list(read_slides(truths, [ScorerPlan(name="s")], 7))
    holes = list(read_slides(truths, [ScorerPlan(name="s", missing=0.3)], 7))
    kept = [(a.grade, b.grade) for a, b in zip(whole, holes, strict=True) if b.grade is not None]
    assert len(kept) < len(whole)
    assert all(before == after for before, after in kept)


@pytest.mark.parametrize("missing", [0, 1])
def test_all_or_nothing_is_blank(missing: float) -> None:
    readings = read_slides(study(20, MIDDLE), [ScorerPlan(name="s", missing=missing)], 7)
    assert {r.grade is None for r in readings} == {missing == 1}


# Order and seeds


@given(
    slides=st.integers(1, 6),
    sections=st.integers(1, 3),
    reads=st.lists(st.integers(1, 3), max_size=3),
    seed=st.integers(0, 2**32),
)
def test_rows_follow_the_study_then_the_scorers_then_their_reads(
    slides: int, sections: int, reads: list[int], seed: int
) -> None:
    truths = study(slides, OARSI_MOUSE.rungs, sections)
    scorers = [ScorerPlan(name=f"s{i}", reads=count) for i, count in enumerate(reads)]
    rows = [
        (r.slide, r.section, r.compartment, r.animal, r.scorer, r.read)
        for r in read_slides(truths, scorers, seed)
    ]
    assert rows == [
        (t.slide, t.section, t.compartment, t.animal, scorer.name, read)
        for t in truths
        for scorer in scorers
        for read in range(1, scorer.reads + 1)
    ]


@given(
    bias=st.floats(-20, 20),
    noise=st.floats(0, 20),
    drift=st.floats(-20, 20),
    caution=st.floats(0, 1),
    ladder=st.sampled_from([OARSI_MOUSE, SYNOVITIS]),
)
def test_grades_are_rungs_whatever_the_scorer(
    bias: float, noise: float, drift: float, caution: float, ladder: Ladder
) -> None:
    scorer = ScorerPlan(name="s", bias=bias, noise=noise, drift=drift, caution=caution)
    readings = read_slides(study(5, ladder.rungs), [scorer], 7, ladder=ladder)
    assert {r.grade for r in readings} <= set(ladder.rungs)


def test_a_scorer_far_off_stays_at_the_end_of_the_ladder() -> None:
    truths = study(5, SYNOVITIS.rungs)
    far = [ScorerPlan(name="low", bias=-50), ScorerPlan(name="high", bias=50)]
    readings = list(read_slides(truths, far, 7, ladder=SYNOVITIS))
    assert {r.grade for r in of(readings, "low")} == {0}
    assert {r.grade for r in of(readings, "high")} == {3}


def test_a_read_takes_each_slide_once_and_whole_in_an_order_of_its_own() -> None:
    two = [ScorerPlan(name=name, reads=2) for name in ("a", "b")]
    readings = list(read_slides(study(12, MIDDLE, sections=2), two, 7))
    orders = set()
    for name, read in (("a", 1), ("a", 2), ("b", 1), ("b", 2)):
        turns = {(r.slide, r.turn) for r in of(readings, name, read)}
        assert sorted(turn for _, turn in turns) == list(range(1, 13))
        orders.add(tuple(turn for _, turn in sorted(turns)))
    assert len(orders) == 4


def test_a_single_slide_has_no_drift() -> None:
    truths = study(1, MIDDLE)
    _, found = read_once(truths, ScorerPlan(name="s", noise=0, drift=4))
    assert (found == 0).all()


@pytest.mark.parametrize(("noise", "ambiguity"), [(0.7, 0), (0, 0.7)])
def test_the_same_seed_gives_the_same_grades_and_another_others(
    noise: float, ambiguity: float
) -> None:
    truths, scorer = study(50, OARSI_MOUSE.rungs), ScorerPlan(name="s", noise=noise)
    grades = [
        [r.grade for r in read_slides(truths, [scorer], seed, ambiguity=ambiguity)]
        for seed in (7, 7, 8)
    ]
    assert grades[0] == grades[1] != grades[2]


def test_another_scorer_and_another_read_leave_the_rest_as_it_was() -> None:
    truths = study(20, OARSI_MOUSE.rungs)
    few = [ScorerPlan(name="a"), ScorerPlan(name="b")]
    more = [ScorerPlan(name="new"), ScorerPlan(name="b", reads=3), ScorerPlan(name="a")]
    before, after = (list(read_slides(truths, scorers, 7)) for scorers in (few, more))
    for name in ("a", "b"):
        assert of(before, name) == of(after, name)
    assert of(after, "new") != []


def test_scorers_draw_from_a_stream_of_their_own() -> None:
    assert SCORER_STREAM != STUDY_STREAM


def test_no_truths_no_grades() -> None:
    assert list(read_slides([], STANDARD_SCORERS, 7)) == []


def test_a_truth_off_the_ladder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\.5 is not a grade of synovitis"):
        list(read_slides(study(1, (2.5,)), STANDARD_SCORERS, 7, ladder=SYNOVITIS))


# The standard scorers


def standard_reads() -> tuple[list[GradedTruth], dict[str, list[float]]]:
    """Every read of a large study by scorers A (twice) and B, who leave nothing blank."""
    truths = study(400, OARSI_MOUSE.rungs)
    readings = list(read_slides(truths, STANDARD_SCORERS, 7))
    reads = {"A": ("scorer_A", 1), "A again": ("scorer_A", 2), "B": ("scorer_B", 1)}
    return truths, {
        key: [r.grade for r in of(readings, *read) if r.grade is not None]
        for key, read in reads.items()
    }


def test_a_scorer_agrees_better_with_itself_than_with_another() -> None:
    _, reads = standard_reads()
    within = quadratic_weighted_kappa(reads["A"], reads["A again"], OARSI_MOUSE)
    between = quadratic_weighted_kappa(reads["A"], reads["B"], OARSI_MOUSE)
    assert within is not None
    assert between is not None
    assert 0.6 < between < within - 0.02 < 0.98


def test_the_first_standard_scorer_is_mild_and_the_second_severe() -> None:
    truths, reads = standard_reads()
    true = np.mean([OARSI_MOUSE.index(truth.grade) for truth in truths])
    means = {key: np.mean([OARSI_MOUSE.index(g) for g in grades]) for key, grades in reads.items()}
    assert means["A"] < true < means["B"]


def test_together_the_standard_scorers_have_everything_that_can_be_found() -> None:
    names = Counter(scorer.name for scorer in STANDARD_SCORERS)
    assert names["scorer_A"] == names["scorer_B"] == 1
    assert set(names.values()) == {1}
    for trait in ("bias", "noise", "drift", "caution", "missing"):
        assert any(getattr(scorer, trait) for scorer in STANDARD_SCORERS)
    assert any(scorer.reads > 1 for scorer in STANDARD_SCORERS)
    assert AMBIGUITY > 0


# Settings


class Study(Settings):
    scorers: Scorers = STANDARD_SCORERS


def asked(override: str) -> Study:
    return parse_settings(Study, overridden({}, [override]), "phantom --set")


def test_scorers_can_be_asked_for() -> None:
    wanted = asked("scorers=[{name: ' Ada ', drift: -0.5, reads: 2}]")
    assert wanted.scorers == (ScorerPlan(name="Ada", drift=-0.5, reads=2),)


@pytest.mark.parametrize(
    ("scorers", "told"),
    [
        ("{name: a}, {name: 'a '}", "two scorers are called a; give each a name of its own"),
        ("{name: ' '}", "scorers.0.name"),
        ("{name: a, noise: -1}", "scorers.0.noise"),
        ("{name: a, noise: .inf}", "scorers.0.noise"),
        ("{name: a, bias: .nan}", "scorers.0.bias"),
        ("{name: a, drift: .inf}", "scorers.0.drift"),
        ("{name: a, caution: 1.1}", "scorers.0.caution"),
        ("{name: a, missing: 1.1}", "scorers.0.missing"),
        ("{name: a, reads: 0}", "scorers.0.reads"),
    ],
)
def test_impossible_scorers_are_refused_by_name(scorers: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        asked(f"scorers=[{scorers}]")
    assert told in str(refused.value)
