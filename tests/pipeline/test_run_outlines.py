"""People's outlines on a run's label maps: placed on a grid that is neither square nor whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.evaluated_run import make_run, slide_of
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from histoscore.errors import UsageError
from histoscore.export.zarr_labels import write_label_store
from histoscore.geojson import Feature, dumps
from histoscore.geometry import Mpp, Placement
from histoscore.pipeline.annotations import compare_outlines, rasterised
from histoscore.pipeline.graded import GradedRun, read_run
from histoscore.records import LabelMap
from histoscore.scoring.areas import dice
from histoscore.vocabulary import Tissue

PLACEMENT = Placement(x=37.5, y=60.25, downsample=1.7, mpp=Mpp(0.9))
SHAPE = (90, 140)


def on_slide(left: int, top: int, right: int, bottom: int) -> BaseGeometry:
    """The outline, in level-0 pixel corners, of array pixels left … right − 1 and so on."""
    x, y, scale = PLACEMENT.x, PLACEMENT.y, PLACEMENT.downsample
    return box(x + left * scale, y + top * scale, x + right * scale, y + bottom * scale)


def labelled(folder: Path) -> GradedRun:
    """Two slides; the first has a label map with both layers in one compartment."""
    run = read_run(make_run(folder, animals=2))
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[20:30, 40:100] = Tissue.HYALINE
    tissue[30:40, 40:100] = Tissue.CALCIFIED
    compartments = np.where(tissue > 0, 1, 0).astype(np.uint8)
    tissue[70:80, 10:30] = Tissue.HYALINE  # a growth plate that was mistaken: in no compartment
    labels = LabelMap(tissue, compartments, PLACEMENT)
    write_label_store(run.folder.label_path(slide_of(0), 1), labels)
    return run


def drawn(folder: Path, name: str, *outlines: tuple[str, BaseGeometry]) -> Path:
    folder.mkdir(exist_ok=True)
    features = [
        Feature(geometry=g, name=f"{n} {c}", classification=c) for n, (c, g) in enumerate(outlines)
    ]
    (folder / f"{name}.geojson").write_text(dumps(features))
    return folder


def test_a_pixel_counts_where_its_centre_lies_in_the_outline() -> None:
    mask = rasterised(on_slide(3, 5, 20, 11), PLACEMENT, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[5:11, 3:20] = True
    assert np.array_equal(mask, expected)


def test_an_outline_with_a_hole_that_leaves_the_array() -> None:
    shell, hole = on_slide(-9, -4, 30, 15), on_slide(5, 5, 10, 9)
    outline = Polygon(shell.exterior.coords, [hole.exterior.coords])
    expected = np.zeros(SHAPE, bool)
    expected[:15, :30] = True
    expected[5:9, 5:10] = False
    assert np.array_equal(rasterised(outline, PLACEMENT, SHAPE), expected)
    assert not rasterised(on_slide(200, 5, 210, 9), PLACEMENT, SHAPE).any()


def test_dice_of_each_layer_and_of_both(tmp_path: Path) -> None:
    run = labelled(tmp_path)
    folder = drawn(
        tmp_path / "drawn", "m0",
        ("Hyaline cartilage: MFC", on_slide(40, 20, 70, 30)),
        ("hyaline cartilage: MTP", on_slide(70, 20, 90, 30)),
        ("calcified cartilage", on_slide(40, 30, 100, 45)),
        ("lesion", on_slide(0, 0, 100, 80)),
    )  # fmt: skip
    found = compare_outlines(run, folder)
    values = {o.tissue: dice(o.model, o.person, o.both) for o in found.overlaps}
    assert values == {
        "hyaline cartilage": pytest.approx(2 * 500 / (600 + 500)),
        "calcified cartilage": pytest.approx(2 * 600 / (600 + 900)),
        "cartilage": pytest.approx(2 * 1100 / (1200 + 1400)),
    }
    assert found.n_missing == 0
    assert any("1 slides have no outlines" in notice for notice in found.notices)


def test_what_a_person_drew_beyond_the_label_map_counts_as_missed(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "drawn", "m0", ("hyaline", on_slide(40, -40, 100, 30)))
    (overlap,) = compare_outlines(labelled(tmp_path), folder).overlaps
    assert (overlap.model, overlap.both) == (600, 600)
    assert overlap.person == pytest.approx(60 * 70, rel=0.01)


def test_an_outlined_slide_without_a_label_map_is_missing(tmp_path: Path) -> None:
    run = labelled(tmp_path)
    drawn(tmp_path / "drawn", "m0", ("hyaline cartilage", on_slide(40, 20, 100, 30)))
    folder = drawn(tmp_path / "drawn", "m1", ("hyaline cartilage", on_slide(40, 20, 100, 30)))
    found = compare_outlines(run, folder)
    assert (found.n_missing, {o.slide for o in found.overlaps}) == (1, {slide_of(0)})


def test_a_folder_without_outlines_of_the_run_is_refused(tmp_path: Path) -> None:
    run = labelled(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        compare_outlines(run, tmp_path / "gone")
    folder = drawn(tmp_path / "drawn", "other", ("hyaline", on_slide(1, 1, 9, 9)))
    with pytest.raises(UsageError, match=r"for example m0\.geojson"):
        compare_outlines(run, folder)
