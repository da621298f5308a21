"""Ladders of a laboratory's own: by name, from a file, as a range; odd ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from histoscore.config import AnyLadder, LadderSettings, find_ladder
from histoscore.errors import ConfigError
from histoscore.vocabulary import OARSI_MOUSE

ANY = TypeAdapter(AnyLadder)


def test_a_known_ladder_by_name() -> None:
    assert find_ladder("oarsi_mouse_2010") is OARSI_MOUSE
    assert ANY.validate_python("oarsi_mouse_2010").ladder == OARSI_MOUSE


def test_a_written_out_ladder_is_the_same_ladder() -> None:
    settings = LadderSettings.of(OARSI_MOUSE)
    assert settings.ladder == OARSI_MOUSE
    assert ANY.validate_json(settings.model_dump_json()).ladder == OARSI_MOUSE


def test_a_range_has_every_whole_grade() -> None:
    ladder = find_ladder("2-5")
    assert ladder.rungs == (2, 3, 4, 5)
    assert ladder.name == "2-5"


def test_a_ladder_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nrungs: [0, 0.5, 3]\nextent_rungs: [[0.1, 3]]\n"
    )
    ladder = find_ladder("mine.yaml", tmp_path)
    assert ladder.rungs == (0, 0.5, 3)
    assert ladder.implied_by_extent(0.09) is None
    assert ladder.implied_by_extent(0.1) == 3


@pytest.mark.parametrize("name", ["mankin", "5-5", "7-2", "0-99999"])
def test_an_unknown_name_says_which_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown ladder .*known: oarsi_mouse_2010"):
        find_ladder(name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        find_ladder("none.yaml", tmp_path)


@pytest.mark.parametrize(
    ("rungs", "extents", "message"),
    [
        ((0.0, 2.0, 1.0), (), "ascend"),
        ((0.0, 1.0, 1.0), (), "ascend"),
        ((0.0, float("inf")), (), "finite"),
        ((0.0, 1.0), ((0.5, 1.0), (0.2, 1.0)), "bounds"),
        ((0.0, 1.0), ((1.0, 1.0),), "bounds"),
        ((0.0, 1.0), ((0.5, 3.0),), "not on the ladder"),
    ],
)
def test_what_is_no_ladder_is_refused(
    rungs: tuple[float, ...], extents: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        LadderSettings(name="odd", rungs=rungs, extent_rungs=extents)
