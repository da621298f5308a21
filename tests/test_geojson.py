"""GeoJSON in QuPath's dialect: what is written, what is read, what is refused."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from histoscore.errors import UsageError
from histoscore.geojson import Feature, dumps, read_features

RING = [[10, 20], [40, 20], [40, 30], [10, 30], [10, 20]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]


def feature(**changes: object) -> Feature:
    fields: dict = {
        "geometry": shapely.box(10, 20, 40, 30),
        "name": "MFC hyaline cartilage",
        "classification": "hyaline cartilage: MFC",
        "color": (213, 94, 0),
        "measurements": {"area_um2": 155.5},
        "metadata": {"section": "1"},
        "key": "slide/1/MFC",
    }
    return Feature(**(fields | changes))


def properties_of(item: Feature) -> dict:
    return json.loads(dumps([item]))["features"][0]["properties"]


def geometry_of(item: Feature) -> dict:
    return json.loads(dumps([item]))["features"][0]["geometry"]


def read(tmp_path: Path, content: object) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    path = tmp_path / "in.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_features(path)


def as_object(geometry: object, **properties: object) -> dict:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(ring: object) -> dict:
    return {"type": "Polygon", "coordinates": [ring]}


class TestWriting:
    def test_a_class_has_a_name_and_whole_number_colours(self) -> None:
        written = properties_of(feature())["classification"]
        assert written == {"name": "hyaline cartilage: MFC", "color": [213, 94, 0]}

    def test_a_class_without_colour_is_a_plain_string(self) -> None:
        assert properties_of(feature(color=None))["classification"] == "hyaline cartilage: MFC"

    def test_no_class_no_entry(self) -> None:
        assert "classification" not in properties_of(feature(classification=""))

    def test_rings_are_closed(self) -> None:
        ring = geometry_of(feature())["coordinates"][0]
        assert ring[0] == ring[-1]
        assert len(ring) == 5

    def test_holes_are_further_rings(self) -> None:
        holed = shapely.box(0, 0, 9, 6) - shapely.box(2, 2, 4, 3)
        assert len(geometry_of(feature(geometry=holed))["coordinates"]) == 2

    def test_one_part_multipolygon_is_unwrapped(self) -> None:
        one = shapely.MultiPolygon([shapely.box(0, 0, 3, 2)])
        two = shapely.MultiPolygon([shapely.box(0, 0, 3, 2), shapely.box(5, 5, 6, 8)])
        assert geometry_of(feature(geometry=one))["type"] == "Polygon"
        assert geometry_of(feature(geometry=two))["type"] == "MultiPolygon"

    def test_ids_are_uuids_that_depend_on_the_key_alone(self) -> None:
        assert uuid.UUID(feature().id).version == 5
        assert feature().id == feature(name="another", measurements={}).id
        assert feature().id != feature(key="slide/2/MFC").id

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_a_measurement_that_is_not_finite_is_refused(self, number: float) -> None:
        with pytest.raises(ValueError, match=r"area_um2 is .*not a finite number"):
            feature(measurements={"area_um2": number})

    def test_geometry_collections_and_empty_outlines_are_refused(self) -> None:
        with pytest.raises(ValueError, match="GeometryCollection"):
            feature(geometry=shapely.GeometryCollection([shapely.box(0, 0, 1, 2)]))
        with pytest.raises(ValueError, match="empty"):
            feature(geometry=shapely.Polygon())


class TestReading:
    def test_what_was_written_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "slide.geojson"
        path.write_text(dumps([feature()]), encoding="utf-8")
        (back,), rejected = read_features(path)
        assert rejected == ()
        assert back.geometry.equals(feature().geometry)
        assert back.id == feature().id
        assert (back.classification, back.color) == ("hyaline cartilage: MFC", (213, 94, 0))
        assert back.measurements == {"area_um2": 155.5}
        assert back.metadata == {"section": "1"}

    def test_a_bare_array_and_a_missing_class_are_legal(self, tmp_path: Path) -> None:
        (back,), rejected = read(tmp_path, [as_object(polygon(RING))])
        assert (back.classification, back.color, rejected) == ("", None, ())

    @pytest.mark.fault(51)
    def test_an_open_ring_is_closed(self, tmp_path: Path) -> None:
        (back,), _ = read(tmp_path, [as_object(polygon(RING[:-1]))])
        assert back.geometry.area == 300

    @pytest.mark.fault(51)
    def test_a_bow_tie_is_made_valid(self, tmp_path: Path) -> None:
        (back,), rejected = read(tmp_path, [as_object(polygon(BOW_TIE))])
        assert back.geometry.is_valid
        assert back.geometry.area == pytest.approx(50)
        assert rejected == ()

    def test_measurements_that_are_not_numbers_are_dropped(self, tmp_path: Path) -> None:
        text = dumps([feature()]).replace("155.5", "NaN")
        (back,), _ = read(tmp_path, text)
        assert back.measurements == {}

    @pytest.mark.parametrize(
        ("geometry", "why"),
        [
            (None, "no geometry"),
            ({"type": "Point", "coordinates": [1, 2]}, "Point is not an outline"),
            (polygon([[1, 2], [3, 4]]), "three points"),
            (polygon([[1, "a"], [3, 4], [5, 6]]), "not numbers"),
            (polygon([[1, 1], [2, 2], [3, 3], [1, 1]]), "encloses nothing"),
            ({"type": "Polygon", "coordinates": []}, "empty"),
            ({"type": "Polygon"}, "no coordinates"),
            ({"type": "MultiPolygon", "coordinates": [7]}, "empty"),
        ],
    )
    @pytest.mark.fault(51)
    def test_other_objects_are_left_out_with_a_reason(
        self, tmp_path: Path, geometry: object, why: str
    ) -> None:
        features, (reason,) = read(tmp_path, [as_object(polygon(RING)), as_object(geometry)])
        assert len(features) == 1
        assert reason.startswith("object 2: ")
        assert why in reason

    @pytest.mark.fault(51)
    def test_coordinates_that_are_not_finite_are_left_out(self, tmp_path: Path) -> None:
        text = json.dumps([as_object(polygon(RING))]).replace("40", "NaN")
        features, (reason,) = read(tmp_path, text)
        assert features == ()
        assert "not finite" in reason

    @pytest.mark.parametrize("text", ["", "{", '"words"', '{"type": "Polygon"}', "[" * 100_000])
    def test_other_files_are_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(UsageError, match=r"in\.geojson.*export it again from QuPath"):
            read(tmp_path, text)

    @pytest.mark.fault(51)
    def test_a_file_over_the_limit_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "in.geojson"
        path.write_text(dumps([feature()]), encoding="utf-8")
        with pytest.raises(UsageError, match="the limit is 100"):
            read_features(path, max_bytes=100)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "geometry", "coordinates", "properties", "name", "color"]),
                inner | st.sampled_from(["Polygon", "MultiPolygon", "Feature"]),
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_the_objects_are_they_are_read_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, item: object
) -> None:
    features, rejected = read(tmp_path_factory.mktemp("any"), [item, as_object(item)])
    assert len(features) + len(rejected) == 2
