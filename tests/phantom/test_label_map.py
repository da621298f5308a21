"""A label map is read back index for index, and a person sees the colours of its palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoscore.phantom.scanner import write_label_map
from histoscore.records import LabelArray

MPP = 0.61237
PALETTE = {0: (255, 255, 255), 3: (200, 30, 60), 7: (0, 114, 178), 255: (1, 2, 3)}


@pytest.fixture
def labels() -> LabelArray:
    """Blocks and single pixels of all labels; more than one tile each way, no tile full."""
    rng = np.random.default_rng(2)
    blocks = rng.choice(list(PALETTE), (57, 75)).repeat(13, 0).repeat(17, 1)
    alone = rng.random(blocks.shape) < 0.1
    return np.where(alone, rng.choice(list(PALETTE), blocks.shape), blocks).astype(np.uint8)


@pytest.fixture
def path(labels: LabelArray, tmp_path: Path) -> Path:
    write_label_map(tmp_path / "M002.labels.tif", labels, MPP, PALETTE)
    return tmp_path / "M002.labels.tif"


def test_the_indices_are_read_back_as_they_were(path: Path, labels: LabelArray) -> None:
    read = tifffile.imread(path)
    assert (read.dtype, read.shape) == (np.uint8, (741, 1275))
    assert np.array_equal(read, labels)


def test_a_picture_viewer_shows_the_colours(path: Path, labels: LabelArray) -> None:
    with Image.open(path) as image:
        seen = np.asarray(image.convert("RGB"))
    for label, color in PALETTE.items():
        assert (seen[labels == label] == color).all()


def test_the_pixel_size_stands_in_the_resolution_tags(path: Path) -> None:
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        for axis in "XY":
            per_cm, one = tags[f"{axis}Resolution"].value
            assert 1e4 * one / per_cm == pytest.approx(MPP, rel=1e-6)


def test_it_is_tiled_packed_and_the_same_every_time(
    path: Path, labels: LabelArray, tmp_path: Path
) -> None:
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled
        assert not {"DateTime", "Software"} & {tag.name for tag in file.pages[0].tags}
    assert path.stat().st_size < labels.nbytes / 2
    write_label_map(tmp_path / "again", labels, MPP, dict(reversed(PALETTE.items())))
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
