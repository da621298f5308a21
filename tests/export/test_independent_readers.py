"""What was written is read by programs that did not write it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from example_study import example_joint, example_study
from pzfx import pzfx_tables, read_pzfx

from histoscore.export.features import to_features, write_features
from histoscore.export.prism import write_prism
from histoscore.export.zarr_labels import write_label_store
from histoscore.geojson import read_features
from histoscore.records import StudyTables
from histoscore.vocabulary import Compartment, Tissue

ODD = 'a < b & "c"'


@pytest.fixture(scope="module")
def oddly_named() -> StudyTables:
    study = example_study()
    animals = (replace(s, group=ODD) if s.group == "sham" else s for s in study.animals)
    return replace(study, animals=tuple(animals), group_order=(ODD, *study.group_order[1:]))


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory, oddly_named: StudyTables) -> dict[str, str]:
    paths = write_prism(oddly_named, tmp_path_factory.mktemp("prism"))
    return {path.stem: str(path) for path in paths}


def test_pzfx_finds_every_table_of_every_outcome(prism: dict[str, str]) -> None:
    assert len(prism) == 8
    for outcome, path in prism.items():
        assert pzfx_tables(path)[:2] == [f"{outcome} medial", f"{outcome} lateral"]
        assert len(pzfx_tables(path)) == 7


def test_pzfx_reads_groups_as_columns_whatever_they_are_called(prism: dict[str, str]) -> None:
    frame = read_pzfx(prism["grade_max"], "grade_max medial")
    assert list(frame.columns) == [ODD, "DMM + vehicle", "DMM + exosome"]
    assert frame[ODD].tolist() == [0, 0.5, 0, 0.5]


def test_pzfx_reads_a_missing_value_as_missing(prism: dict[str, str]) -> None:
    values = read_pzfx(prism["grade_max"], "grade_max medial")["DMM + exosome"].tolist()
    assert values[:2] == [2, 3]
    assert all(math.isnan(value) for value in values[2:])


def test_pzfx_reads_full_precision(prism: dict[str, str], oddly_named: StudyTables) -> None:
    frame = read_pzfx(prism["hyaline_area_um2"], "hyaline_area_um2 joint")
    wanted = [
        score.hyaline_area_um2
        for score in oddly_named.animals
        if score.region == "joint" and score.group == ODD
    ]
    assert frame[ODD].tolist() == pytest.approx(wanted, rel=1e-9)


def test_shapely_reads_every_object_as_a_valid_geometry(tmp_path: Path) -> None:
    section = example_study().slides[4].sections[0]
    _, labels, surfaces = example_joint()
    features = to_features("ab" * 32, section, labels, surfaces)
    write_features(tmp_path / "slide.geojson", features)
    told = json.loads((tmp_path / "slide.geojson").read_text(encoding="utf-8"))
    shapes = [shapely.geometry.shape(item["geometry"]) for item in told["features"]]
    assert len(shapes) == 1 + 3 * 4 + 1
    assert all(shape.is_valid and not shape.is_empty for shape in shapes)
    assert {shape.geom_type for shape in shapes} <= {"Polygon", "MultiPolygon", "LineString"}
    names = [item["properties"]["name"] for item in told["features"]]
    mask = (labels.tissue == Tissue.HYALINE) & (labels.compartments == Compartment.MTP.code)
    area = shapes[names.index("MTP hyaline cartilage")].area
    assert area == pytest.approx(mask.sum() * labels.placement.downsample**2)
    again, _ = read_features(tmp_path / "slide.geojson")
    for feature in again:
        assert feature.geometry.equals(shapes[names.index(feature.name)])


def test_ome_zarr_reads_labels_scale_and_colours(tmp_path: Path) -> None:
    """Only where `ome-zarr` is installed: it brings s3fs, botocore and aiohttp along and holds
    pydantic back, so it is an extra of its own (`pip install histoscore[ome-zarr]`)."""
    io = pytest.importorskip("ome_zarr.io")
    reader = pytest.importorskip("ome_zarr.reader")
    _, labels, _ = example_joint()
    store = write_label_store(tmp_path / "slide_section1.ome.zarr", labels)
    for name, pixels in (("tissue", labels.tissue), ("compartments", labels.compartments)):
        location = io.parse_url(str(store / "labels" / name))
        (node,) = [n for n in reader.Reader(location)() if n.data]
        assert np.array_equal(np.asarray(node.data[0]), pixels)
        assert [axis["name"] for axis in node.metadata["axes"]] == ["y", "x"]
        first = node.metadata["coordinateTransformations"][0]
        assert first[0]["scale"] == pytest.approx([labels.placement.mpp] * 2)
        assert node.data[1].shape == tuple(-(-side // 2) for side in pixels.shape)
