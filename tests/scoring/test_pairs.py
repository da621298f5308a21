"""Index knees against contralateral ones: a row a group, one family, n is animals."""

from __future__ import annotations

from histoscore.config import StatisticsSettings
from histoscore.scoring.pairs import OTHER_KNEE, PairedFamily, answer_pairs
from histoscore.scoring.ranktests import holm
from histoscore.scoring.signedranks import paired_delta, paired_shift, signed_rank

DMM = {f"d{n}": (float(n), 0.5) for n in range(1, 7)}
SHAM = {f"s{n}": (0.5, other) for n, other in enumerate([0.0, 0.5, 0.5, 1.0, 0.5, 0.0])}


def test_each_group_has_its_row_and_p_are_adjusted_over_the_groups() -> None:
    family = PairedFamily("score", {"DMM": DMM, "sham": SHAM}, "score paired", ("a remark",))
    rows = answer_pairs(family, StatisticsSettings())
    differences = [[a - b for a, b in sample.values()] for sample in (DMM, SHAM)]
    tests = [signed_rank(values) for values in differences]
    assert [(row.reference, row.group) for row in rows] == [
        (OTHER_KNEE, "DMM"),
        (OTHER_KNEE, "sham"),
    ]
    assert [row.p for row in rows] == [test.p for test in tests]
    assert [row.p_adjusted for row in rows] == list(holm([test.p for test in tests]))
    assert {row.family for row in rows} == {"score paired"}
    shift, delta = paired_shift(differences[0]), paired_delta(differences[0])
    assert (rows[0].shift, rows[0].shift_low) == (shift.estimate, shift.low)
    assert (rows[0].cliffs_delta, rows[0].cliffs_delta_high) == (delta.estimate, delta.high)
    assert rows[0].note == "exact; paired within animals; a remark"
    assert rows[1].note == (
        "exact; paired within animals; no difference in 3 of 6 animals; a remark"
    )


def test_few_pairs_are_described_and_what_five_cannot_show_is_said() -> None:
    few = {name: DMM[name] for name in list(DMM)[:3]}
    five = {name: DMM[name] for name in list(DMM)[:5]}
    small, row = answer_pairs(PairedFamily("score", {"a": few, "b": five}), StatisticsSettings())
    assert (small.n_group, small.median_group, small.test, small.p) == (3, 2, "", None)
    assert small.note == "description only: fewer than 4 animals with both knees"
    assert "5 animals cannot go below p = 0.062" in row.note


def test_a_group_without_any_pair_is_described_as_empty() -> None:
    (row,) = answer_pairs(PairedFamily("score", {"a": {}}), StatisticsSettings())
    assert (row.n_group, row.median_group, row.median_reference) == (0, None, None)
