"""Curves: a CSV that survives a kill, and a picture."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histoscore.errors import UsageError
from histoscore.models.learning_curves import FILE, PICTURE, Curves

ROWS = st.dictionaries(
    st.integers(1, 500),
    st.dictionaries(st.sampled_from(["loss", "rate", "held_out_dice"]), st.floats(), min_size=1),
    max_size=6,
)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / FILE).read_text().splitlines()))


def test_a_column_is_made_when_it_first_has_a_value(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "new")
    curves.add(20, loss=0.5, rate=1e-3)
    curves.add(25, held_out_loss=0.75)
    curves.add(40, loss=0.25)
    assert rows(tmp_path / "new") == [
        {"step": "20", "loss": "0.5", "rate": "0.001", "held_out_loss": ""},
        {"step": "25", "loss": "", "rate": "", "held_out_loss": "0.75"},
        {"step": "40", "loss": "0.25", "rate": "", "held_out_loss": ""},
    ]


def test_values_of_one_step_stand_in_one_row(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    curves.add(20, loss=0.5)
    curves.add(20, held_out_loss=0.75)
    assert rows(tmp_path) == [{"step": "20", "loss": "0.5", "held_out_loss": "0.75"}]


def test_what_lies_beyond_the_checkpoint_is_forgotten(tmp_path: Path) -> None:
    for step in (20, 40, 60):
        Curves(tmp_path).add(step, loss=1 / step)
    again = Curves(tmp_path)
    again.cut_after(40)
    assert [row["step"] for row in rows(tmp_path)] == ["20", "40"]
    again.add(60, loss=0.5)
    assert [row["loss"] for row in rows(tmp_path)] == ["0.05", "0.025", "0.5"]


@given(written=ROWS)
@settings(max_examples=20)
def test_opened_again_nothing_is_lost_or_changed(
    written: dict[int, dict[str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("curves")
    curves = Curves(folder)
    curves.cut_after(0)
    for step, values in sorted(written.items()):
        curves.add(step, **values)
    before = (folder / FILE).read_text()
    Curves(folder).cut_after(500)
    assert (folder / FILE).read_text() == before


@pytest.mark.parametrize("others", [{}, {"dice_hyaline": 0.5}])
def test_the_picture_has_losses_above_and_all_else_below(
    tmp_path: Path, others: dict[str, float]
) -> None:
    curves = Curves(tmp_path)
    for step in (20, 40):
        curves.add(step, loss=1 / step, rate=1e-3, **others)
    curves.draw()
    with Image.open(tmp_path / PICTURE) as picture:
        assert picture.height == pytest.approx(picture.width * 2.6 / 7 * (1 + len(others)), abs=3)
        assert np.asarray(picture.convert("L")).min() < 100


def test_tensorboard_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        Curves(tmp_path, tensorboard=True)
