"""QuPath objects of a section: the pixels' area, the tables' numbers, ids that stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from example_study import example_joint, example_study

from histoscore.export.features import to_features, write_features
from histoscore.geojson import Feature, dumps, read_features
from histoscore.records import SectionResult
from histoscore.vocabulary import Compartment, Status, Tissue

SECTION = example_study().slides[4].sections[0]


def features(section: SectionResult = SECTION) -> dict[str, Feature]:
    _, labels, surfaces = example_joint()
    return {f.name: f for f in to_features("ab" * 32, section, labels, surfaces)}


def test_a_section_box_three_objects_a_compartment_and_the_lesions() -> None:
    names = list(features())
    assert names[0] == "section 1"
    assert len(names) == 1 + 3 * 4 + 1
    assert {"MTP hyaline cartilage", "LFC calcified cartilage", "LTP articular surface"} <= set(
        names
    )


def test_the_section_box_lies_where_the_section_lies() -> None:
    assert features()["section 1"].geometry.bounds == (410, 520, 3710, 2620)


@pytest.mark.parametrize("compartment", Compartment)
@pytest.mark.parametrize("tissue", [Tissue.HYALINE, Tissue.CALCIFIED])
def test_an_outline_has_the_area_of_its_pixels(compartment: Compartment, tissue: Tissue) -> None:
    _, labels, _ = example_joint()
    mask = (labels.compartments == compartment.code) & (labels.tissue == tissue)
    outline = features()[f"{compartment.value} {tissue.title}"].geometry
    assert outline.area == pytest.approx(mask.sum() * labels.placement.downsample**2)
    rows, columns = np.nonzero(mask)
    left = labels.placement.x + columns.min() * labels.placement.downsample
    top = labels.placement.y + rows.min() * labels.placement.downsample
    assert outline.bounds[:2] == pytest.approx((left, top))


def test_measurements_are_those_of_the_tables() -> None:
    found = features()
    assert found["MTP hyaline cartilage"].measurements["grade"] == 4
    assert found["MTP hyaline cartilage"].measurements["hyaline_area_um2"] == pytest.approx(
        14_000.06
    )
    assert found["MTP calcified cartilage"].measurements == {"calcified_area_um2": 9_000.0}
    assert found["MTP articular surface"].measurements["lesion_extent"] == 0.3


def test_what_is_missing_is_left_out() -> None:
    result = SECTION.compartments[0].model_copy(
        update={
            "grade": None,
            "expected_grade": None,
            "status": Status.REVIEW,
            "reason": "blurred",
        }
    )
    section = SECTION.model_copy(update={"compartments": (result,)})
    found = features(section)
    assert "grade" not in found["MFC hyaline cartilage"].measurements
    assert found["MFC hyaline cartilage"].metadata["reason"] == "blurred"
    assert found["LTP hyaline cartilage"].measurements == {}


def test_an_export_made_again_is_the_same() -> None:
    assert dumps(features().values()) == dumps(features().values())
    ids = [f["id"] for f in json.loads(dumps(features().values()))["features"]]
    assert len(set(ids)) == len(ids)


def test_the_same_object_of_another_section_has_another_id() -> None:
    other = SECTION.model_copy(update={"section": 2})
    assert features(other)["MTP hyaline cartilage"].id != features()["MTP hyaline cartilage"].id


def test_a_file_holds_them_all(tmp_path: Path) -> None:
    write_features(tmp_path / "slide.geojson", features().values())
    outlines, lines = read_features(tmp_path / "slide.geojson")
    assert len(outlines) == 9
    assert lines == tuple(f"object {n}: LineString is not an outline" for n in range(10, 15))


def test_a_lesion_is_the_bare_stretch_of_the_tidemark() -> None:
    _, _, surfaces = example_joint()
    (worn,) = [surface for surface in surfaces if surface.eroded.any()]
    lesions = {name: f for name, f in features().items() if f.classification == "lesion"}
    assert list(lesions) == [f"{worn.compartment.value} lesion 1"]
    drawn = np.asarray(next(iter(lesions.values())).geometry.coords)
    assert drawn == pytest.approx(worn.tidemark[worn.eroded] + 0.5)
