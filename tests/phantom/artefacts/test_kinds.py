"""Rates are settings, and the shifted mix lies outside the usual one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from histoscore.phantom.artefacts import SHIFTED, STANDARD, ArtefactKind, ArtefactRates


def test_every_kind_has_a_rate() -> None:
    assert set(ArtefactRates.model_fields) == {kind.value for kind in ArtefactKind}
    assert all(field.description for field in ArtefactRates.model_fields.values())


def test_the_defaults_are_the_usual_amount() -> None:
    assert ArtefactRates() == STANDARD


def test_every_shifted_rate_lies_far_above_the_standard_one() -> None:
    for kind in ArtefactKind:
        usual, shifted = getattr(STANDARD, kind), getattr(SHIFTED, kind)
        assert shifted > min(1.75 * usual, 0.9)


@pytest.mark.parametrize("wrong", [{"dusty": 1.0}, {"pen": 1.2}, {"dust": -1}])
def test_unknown_and_impossible_rates_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ArtefactRates(**wrong)
