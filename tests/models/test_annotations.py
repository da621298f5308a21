"""Outlines land on exactly the pixels whose middles they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.outlines import rectangle, write_outlines

from histoscore.geometry import Box
from histoscore.models.annotations import draw, read_annotations
from histoscore.models.examples import EITHER_BONE
from histoscore.vocabulary import IGNORE, Tissue

CLASSES = {"Cartilage": "hyaline", "Bone": "bone", "Hole": "ignore"}


class TestDrawing:
    """Hand-made rectangles on a small box of a slide: level-0 (100, 50), 12 × 8 pixels."""

    box = Box(100, 50, 12, 8)

    def drawn(
        self, path: Path, outlines: list, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        tissue, zone = (np.full(shape, IGNORE, np.uint8) for _ in range(2))
        found = read_annotations(write_outlines(path, outlines), CLASSES)
        draw(found.outlines, self.box, tissue, zone)
        return tissue, zone

    def test_a_rectangle_of_whole_pixels(self, tmp_path: Path) -> None:
        outlines = [("Bone", "", [rectangle(103, 51, 108, 54)])]
        tissue, zone = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        expected = np.full((8, 12), IGNORE, np.uint8)
        expected[1:4, 3:8] = Tissue.BONE
        np.testing.assert_array_equal(tissue, expected)
        assert (zone == IGNORE).all()

    def test_a_pixel_belongs_to_the_outline_that_holds_its_middle(self, tmp_path: Path) -> None:
        outlines = [("Bone", "", [rectangle(103.4, 51.6, 108.6, 54.4)])]
        tissue, _ = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        rows, columns = np.nonzero(tissue == Tissue.BONE)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 3, 3, 8)

    def test_at_another_scale(self, tmp_path: Path) -> None:
        outlines = [("Bone", "", [rectangle(104, 52, 110, 56)])]
        tissue, _ = self.drawn(tmp_path / "a.geojson", outlines, (4, 18))
        rows, columns = np.nonzero(tissue == Tissue.BONE)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 2, 6, 14)

    def test_holes_stay_open(self, tmp_path: Path) -> None:
        outlines = [("Bone", "", [rectangle(101, 51, 111, 57), rectangle(104, 53, 106, 55)])]
        tissue, _ = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        assert (tissue[3:5, 4:6] == IGNORE).all()
        assert (tissue == Tissue.BONE).sum() == 60 - 4

    def test_outlines_that_reach_outside(self, tmp_path: Path) -> None:
        outlines = [("Bone", "", [rectangle(0, 0, 102, 52)]), ("Bone", "", [rectangle(0, 0, 9, 9)])]
        tissue, _ = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        assert (tissue[:2, :2] == Tissue.BONE).all()
        assert (tissue == Tissue.BONE).sum() == 4

    def test_small_over_large_and_ignore_over_all(self, tmp_path: Path) -> None:
        outlines = [
            ("Cartilage", "MFC cartilage", [rectangle(104, 52, 108, 56)]),
            ("Hole", "", [rectangle(106, 50, 112, 58)]),
            ("Bone", "", [rectangle(100, 50, 112, 58)]),
        ]
        tissue, zone = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        assert (tissue[:, 6:] == IGNORE).all()
        assert (zone[:, 6:] == IGNORE).all()
        assert (tissue[2:6, 4:6] == Tissue.HYALINE).all()
        assert (tissue[:2, :6] == Tissue.BONE).all()

    @pytest.mark.parametrize(
        ("classification", "name", "zone"),
        [
            ("Cartilage", "MFC cartilage", 1),
            ("cartilage: LTP", "", 2),
            ("Cartilage", "", EITHER_BONE),
            ("Cartilage: MTP", "MFC", EITHER_BONE),
        ],
    )
    def test_whose_bone_cartilage_is_on(
        self, tmp_path: Path, classification: str, name: str, zone: int
    ) -> None:
        outlines = [(classification, name, [rectangle(100, 50, 112, 58)])]
        tissue, zones = self.drawn(tmp_path / "a.geojson", outlines, (8, 12))
        assert (tissue == Tissue.HYALINE).all()
        assert (zones == zone).all()
