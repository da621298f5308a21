"""Stored examples: what is written is read back, and what is unfinished is not an example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histoscore.errors import StoredResultError
from histoscore.models.examples import (
    ExampleFacts,
    load_example,
    load_facts,
    store_example,
    stored_names,
)
from histoscore.vocabulary import Compartment

FACTS = ExampleFacts(
    colours="rgb",
    mpp=1.25,
    animal="m 01",
    slide="slides/ü 1.svs",
    section=2,
    medial="left",
    grades={Compartment.MTP: {"A": 0.5, "A (read 2)": 1.0}},
)
PIXELS = np.arange(7 * 11 * 5, dtype=np.uint8).reshape(7, 11, 5)


class TestRoundTrip:
    def test_pixels_and_facts_come_back(self, tmp_path: Path) -> None:
        store_example(tmp_path / "new", "a", PIXELS, FACTS)
        example = load_example(tmp_path / "new", "a")
        assert (example.name, example.facts) == ("a", FACTS)
        np.testing.assert_array_equal(example.pixels, PIXELS)

    def test_pixels_are_mapped_and_cannot_be_changed(self, tmp_path: Path) -> None:
        store_example(tmp_path, "a", PIXELS, FACTS)
        pixels = load_example(tmp_path, "a").pixels
        assert isinstance(pixels, np.memmap)
        assert not pixels.flags.writeable

    def test_a_missing_grade_stays_missing(self, tmp_path: Path) -> None:
        store_example(tmp_path, "a", PIXELS, FACTS)
        assert set(load_facts(tmp_path, "a").grades) == {Compartment.MTP}

    @pytest.mark.parametrize("pixels", [PIXELS[..., :4], PIXELS.astype(float), PIXELS[0]])
    def test_other_pixels_are_refused(self, tmp_path: Path, pixels: np.ndarray) -> None:
        with pytest.raises(ValueError, match="is not uint8"):
            store_example(tmp_path, "a", pixels, FACTS)
        assert list(tmp_path.iterdir()) == []


class TestNames:
    def test_only_whole_examples_are_listed(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            store_example(tmp_path, name, PIXELS, FACTS)
        np.save(tmp_path / "unfinished.npy", PIXELS)
        (tmp_path / "sources.json").write_text("{}")
        assert stored_names(tmp_path) == ("a", "b")


class TestDamage:
    @pytest.mark.parametrize("ending", ["npy", "json"])
    def test_a_file_that_is_cut_short(self, tmp_path: Path, ending: str) -> None:
        store_example(tmp_path, "a", PIXELS, FACTS)
        file = tmp_path / f"a.{ending}"
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(StoredResultError, match=rf"a\.{ending}: not a usable example"):
            load_example(tmp_path, "a")

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(StoredResultError, match="prepare again"):
            load_example(tmp_path, "nothing")
