"""What the statistics promise, on fewer simulated studies than `benchmarks/statistics.py` draws.

Seeds are fixed, so a run is the same every time; the bounds lie four simulation errors away, so
that another version of NumPy, whose random numbers may differ, does not fail it by chance.
"""

from __future__ import annotations

import math

import pytest

simulated = pytest.importorskip("benchmarks.statistics", reason="benchmarks are not in this tree")

RUNS = 250


def slack(share: float, runs: int) -> float:
    return 4 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("kind", ["mixed", "areas"])
def test_without_an_effect_few_studies_find_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "NOTHING", {kind: simulated.NOTHING[kind]})
    monkeypatch.setattr(simulated, "TREND_SIZES", ())
    shares = list(simulated.false_positives(RUNS, sizes=(5, 8)))
    assert {one.question for one in shares} > {"Mann–Whitney", "Kruskal–Wallis"}
    assert [one for one in shares if one.share > 0.05 + slack(0.05, RUNS)] == []


def test_intervals_of_the_shift_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "NOTHING", {"mixed": simulated.NOTHING["mixed"]})
    shares = list(simulated.shift_coverage(RUNS, sizes=(8,)))
    assert len(shares) == 6
    assert [one for one in shares if one.share < 0.94 - slack(0.94, RUNS)] == []


def test_intervals_of_delta_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "DELTA_PAIRS", (("mixed", "mixed"), ("healthy", "mixed")))
    monkeypatch.setattr(simulated, "HELD_OUT", ())
    shares = list(simulated.delta_coverage(RUNS, sizes=(8,)))
    assert [one for one in shares if abs(one.share - 0.95) > 0.02 + slack(0.95, RUNS)] == []


def test_the_error_of_a_share_is_that_of_its_studies() -> None:
    share = simulated.Share("", "", 5, 0.05, 4_000)
    assert share.error == pytest.approx(1.96 * math.sqrt(0.05 * 0.95 / 4_000))
