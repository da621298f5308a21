"""A slide's truth as QuPath reads it: areas kept, outlines valid, nobody's name in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from histoscore.export import features as export
from histoscore.geojson import Feature, dumps, read_features
from histoscore.geometry import Points, polygon_area, polyline_length
from histoscore.phantom.curves import normals, ripple
from histoscore.phantom.knee.anatomy import CartilageBed
from histoscore.phantom.knee.lesions import Disease, Lesions
from histoscore.phantom.knee.outlines import (
    SURFACE_COLOR,
    Artefact,
    SectionOutlines,
    layer_rings,
    stretch,
    truth_features,
)
from histoscore.phantom.knee.truth import compartment_truth
from histoscore.phantom.raster import View
from histoscore.vocabulary import Compartment, Tissue

SLIDE = "slides/a-17.svs"
VIEW = View((1411, 2203), 0.8317, (40.0, -25.0), 13.0, True)
BARE = ((140, 190), (400, 401), (520, 600))
"""Stretches of the worn beds where nothing is left."""


def hilly(
    compartment: Compartment = Compartment.MTP,
    bare: Sequence[tuple[int, int]] = BARE,
    shift: tuple[float, float] = (0, 0),
    frayed: float = 0.0,
) -> CartilageBed:
    """A waving, tapering bed of 800 µm, worn to nothing over the stretches given."""
    s = np.arange(801.0)
    rng = np.random.default_rng(7)
    base = np.column_stack([s, 25 * np.sin(s / 70)]) + shift
    taper = np.clip(np.minimum(s, 800 - s) / 130, 0, 1) ** 0.6
    flanks = [np.clip(np.maximum(a - s, s - b + 1) / 25, 0, 1) for a, b in bare]
    left = np.min([np.ones(801), *flanks], axis=0)
    rough = 1 - frayed * np.abs(ripple(801, 2.6, rng)) / 38
    gone = left == 0
    lesions = Lesions(np.clip(left * rough, 0, None), left, np.full(801, 0.4), gone * 0.3, gone)
    calcified = taper * (17 + 3 * ripple(801, 9, rng))
    outward = -normals(base, 12)
    return CartilageBed(compartment, Disease(4, 0.9), base, outward, 38 * taper, calcified, lesions)


def section(*beds: CartilageBed, number: int = 1, view: View = VIEW) -> SectionOutlines:
    return SectionOutlines(number, beds, [compartment_truth(b) for b in beds], view.to_pixels)


def whole_slide() -> tuple[SectionOutlines, ...]:
    """Two sections of two compartments each, mounted differently."""
    other = View((1411, 2203), 0.8317, (40.0, -25.0), -171.0, False)
    pair = (hilly(), hilly(Compartment.LTP, (), (900, 40), frayed=3.0))
    return section(*pair), section(*pair, number=2, view=other)


def written(features: Sequence[Feature]) -> list[dict]:
    found: list[dict] = json.loads(dumps(features))["features"]
    return found


def outline(item: dict) -> BaseGeometry:
    return shape(item["geometry"])


def named(features: Sequence[Feature], name: str) -> dict:
    (item,) = [f for f in written(features) if f["properties"]["name"] == name]
    return item


def drawn_lines(features: Sequence[Feature]) -> Iterator[str]:
    return (f.name for f in features if f.geometry.geom_type == "LineString")


class TestAreas:
    @settings(max_examples=25)
    @given(
        mpp=st.floats(0.12, 1.9),
        angle=st.floats(-180, 180),
        mirrored=st.booleans(),
        frayed=st.floats(0, 4.5),
        bare=st.sampled_from([(), BARE, ((0, 60), (90, 700)), ((130, 801),)]),
    )
    def test_outlines_enclose_the_areas_of_the_truth(
        self,
        mpp: float,
        angle: float,
        mirrored: bool,
        frayed: float,
        bare: tuple[tuple[int, int], ...],
    ) -> None:
        bed = hilly(bare=bare, frayed=frayed)
        one = section(bed, view=View((1411, 2203), mpp, (1.0, 2.0), angle, mirrored))
        features = truth_features(SLIDE, [one])
        for layer in ("hyaline", "calcified"):
            item = named(features, f"MTP {layer} cartilage")
            truth = getattr(one.truth[0], f"{layer}_area_um2")
            assert outline(item).is_valid
            assert outline(item).area * mpp**2 == pytest.approx(truth, rel=0.001)

    def test_a_layer_worn_through_falls_into_valid_parts(self) -> None:
        hyaline = outline(named(truth_features(SLIDE, [section(hilly())]), "MTP hyaline cartilage"))
        assert hyaline.geom_type == "MultiPolygon"
        assert len(hyaline.geoms) == len(BARE) + 1
        assert all(part.is_valid and part.area > 0 for part in hyaline.geoms)

    def test_parts_may_meet_in_the_one_point_where_nothing_is_left(self) -> None:
        bed = hilly(bare=((400, 401),))
        edge = bed.base + bed.outward * bed.hyaline[:, None]
        left, right = layer_rings(bed.base, edge, bed.hyaline)
        assert any((left == bed.base[400]).all(axis=1))
        assert any((right == bed.base[400]).all(axis=1))
        assert polygon_area(left) + polygon_area(right) == pytest.approx(
            polygon_area(bed.hyaline_ring())
        )

    def test_an_outline_that_crosses_itself_where_normals_cross_is_mended(self) -> None:
        bed = hilly(bare=(), frayed=4.0)
        a = 0.35 * ripple(801, 3, np.random.default_rng(2))
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        bed = replace(bed, outward=np.einsum("ijn,nj->ni", turn, bed.outward))
        assert not shapely.Polygon(bed.hyaline_ring()).is_valid
        item = named(truth_features(SLIDE, [section(bed)]), "MTP hyaline cartilage")
        assert outline(item).is_valid

    def test_of_a_compartment_worn_bare_the_calcified_layer_and_the_edges_remain(self) -> None:
        names = [f.name for f in truth_features(SLIDE, [section(hilly(bare=((0, 801),)))])]
        assert names == [
            "MTP calcified cartilage",
            "MTP articular surface",
            "MTP tidemark",
            "MTP lesion 1",
        ]

    def test_coordinates_are_pixel_corners(self) -> None:
        # Square 1 µm steps at 1 µm/px: knee-frame (0, 0) is the centre of pixel (0, 0).
        n = 101
        base = np.column_stack([np.arange(float(n)), np.zeros(n)])
        even = Lesions(np.ones(n), np.ones(n), np.zeros(n), np.ones(n), np.zeros(n, bool))
        tall, up = np.full(n, 30.0), np.tile([0.0, -1.0], (n, 1))
        bed = CartilageBed(Compartment.MFC, Disease(0), base, up, tall, tall, even)
        truths = [compartment_truth(bed)]
        features = truth_features("s", [SectionOutlines(1, [bed], truths, lambda points: points)])
        assert outline(named(features, "MFC hyaline cartilage")).bounds == (0.5, -29.5, 100.5, 0.5)
        assert outline(named(features, "MFC tidemark")).bounds == (0.5, 0.5, 100.5, 0.5)

    def test_points_that_change_nothing_are_left_out(self) -> None:
        for frayed, most in ((0.0, 250), (3.0, 1000)):
            bed = hilly(frayed=frayed)
            item = named(truth_features(SLIDE, [section(bed)]), "MTP hyaline cartilage")
            assert shapely.get_num_coordinates(outline(item)) < most < len(bed.hyaline_ring())


class TestLines:
    def test_the_tidemark_has_the_length_of_its_curve(self) -> None:
        one = section(hilly())
        line = outline(named(truth_features(SLIDE, [one]), "MTP tidemark"))
        assert line.length * VIEW.mpp == pytest.approx(one.truth[0].tidemark_length_um, rel=0.002)

    def test_the_articular_surface_closes_fibrillation(self) -> None:
        lines = [
            outline(named(truth_features(SLIDE, [section(bed)]), "MTP articular surface"))
            for bed in (hilly(), hilly(frayed=4.0))
        ]
        assert lines[0].equals(lines[1])

    def test_every_bare_stretch_is_a_line_on_the_tidemark(self) -> None:
        features = truth_features(SLIDE, [section(hilly())])
        tidemark = outline(named(features, "MTP tidemark"))
        for index, (start, stop) in enumerate(BARE, 1):
            item = named(features, f"MTP lesion {index}")
            length = item["properties"]["measurements"]["length_um"]
            assert length == pytest.approx(stop - start, rel=0.1)  # the tidemark waves
            assert outline(item).length * VIEW.mpp == pytest.approx(length, rel=0.002)
            assert outline(item).hausdorff_distance(tidemark) > 100
            assert outline(item).within(tidemark.buffer(0.25))

    def test_bare_stretches_make_up_the_extent_of_the_tidemark(self) -> None:
        bed = hilly()
        lengths = [polyline_length(stretch(bed.base, *ends)) for ends in BARE]
        share = sum(lengths) / polyline_length(bed.base)
        assert share == pytest.approx(bed.lesions.extent, abs=0.01)

    def test_a_stretch_ends_where_the_line_does(self) -> None:
        line = np.column_stack([np.arange(10.0), np.zeros(10)])
        assert stretch(line, 0, 3)[:, 0].tolist() == [0, 0, 1, 2, 2.5]
        assert stretch(line, 9, 10)[:, 0].tolist() == [8.5, 9, 9]

    def test_a_whole_compartment_has_no_lesion(self) -> None:
        features = truth_features(SLIDE, [section(hilly(bare=()))])
        assert list(drawn_lines(features)) == ["MTP articular surface", "MTP tidemark"]


class TestObjects:
    def test_what_was_written_is_read_back(self, tmp_path: Path) -> None:
        features = truth_features(SLIDE, whole_slide())
        path = tmp_path / "truth.geojson"
        path.write_text(dumps(features), encoding="utf-8")
        read, rejected = read_features(path)
        assert len(rejected) == len(list(drawn_lines(features)))
        assert all("LineString" in reason for reason in rejected)
        areas = [f for f in features if "Polygon" in f.geometry.geom_type]
        for found, meant in zip(read, areas, strict=True):
            assert found.id == meant.id
            assert found.geometry.area == pytest.approx(meant.geometry.area, rel=1e-6)
            for part in ("name", "classification", "color", "measurements", "metadata"):
                assert getattr(found, part) == getattr(meant, part)

    def test_every_outline_is_valid_as_it_stands_in_the_file(self) -> None:
        for item in written(truth_features(SLIDE, whole_slide())):
            assert outline(item).is_valid
            assert not outline(item).is_empty

    def test_measurements_are_the_truth_under_the_names_of_its_columns(self) -> None:
        one = section(hilly())
        features = truth_features(SLIDE, [one])
        told = {k: v for f in features for k, v in f.measurements.items() if k != "length_um"}
        assert set(told) == set(one.truth[0].__dataclass_fields__) - {"compartment"}
        assert all(told[name] == getattr(one.truth[0], name) for name in told)

    def test_metadata_say_where_an_object_lies_and_not_whose_it_is(self) -> None:
        told = [f.metadata for f in truth_features(SLIDE, whole_slide())]
        assert {tuple(one) for one in told} == {("slide", "section", "compartment", "grade")}
        assert tuple(told[0].values()) == (SLIDE, "1", "MTP", "4")
        assert tuple(told[-1].values()) == (SLIDE, "2", "LTP", "4")

    def test_ids_differ_and_stay(self) -> None:
        first, again, elsewhere = (
            [f.id for f in truth_features(slide, whole_slide())] for slide in ("a", "a", "b")
        )
        assert first == again
        assert len(set(first) | set(elsewhere)) == 2 * len(first)

    def test_an_object_keeps_its_id_when_its_shape_changes(self) -> None:
        ids = [
            named(truth_features(SLIDE, [section(bed)]), "MTP hyaline cartilage")["id"]
            for bed in (hilly(), hilly(bare=()))
        ]
        assert ids[0] == ids[1]

    def test_classes_and_colours_are_those_of_an_export(self) -> None:
        features = {f.name: f for f in truth_features(SLIDE, [section(hilly())])}
        hyaline = features["MTP hyaline cartilage"]
        assert hyaline.classification == "hyaline cartilage: MTP"
        assert hyaline.color == Tissue.HYALINE.color
        assert features["MTP articular surface"].classification == "articular surface"
        assert export.SURFACE_COLOR == SURFACE_COLOR
        assert features["MTP lesion 2"].classification == "lesion"

    def test_truth_of_other_compartments_is_refused(self) -> None:
        mine, theirs = hilly(), hilly(Compartment.LFC)
        with pytest.raises(ValueError, match=r"section 3.*MTP.*LFC"):
            SectionOutlines(3, [mine], [compartment_truth(theirs)], VIEW.to_pixels)


class TestOtherTissues:
    RING: Points = np.array([(0.0, 0.0), (400.0, 10.0), (390.0, 90.0), (5.0, 70.0)])

    def test_a_ring_is_an_object_of_its_tissue(self) -> None:
        both = [self.RING, self.RING + 300]
        one = replace(section(), other={Tissue.GROWTH_PLATE: both})
        features = truth_features(SLIDE, [one])
        assert [f.name for f in features] == ["growth plate 1", "growth plate 2"]
        assert features[0].classification == "growth plate"
        assert features[0].color == Tissue.GROWTH_PLATE.color
        assert features[0].metadata == {"slide": SLIDE, "section": "1"}
        area = features[0].measurements["area_um2"]
        assert area == polygon_area(self.RING)
        assert features[0].geometry.area * VIEW.mpp**2 == pytest.approx(area, rel=0.001)


class TestArtefacts:
    FOLD: Artefact = ("fold", shapely.box(10, 20, 40, 30), {"thickness_factor": 2.0})

    def test_an_artefact_is_an_area_of_its_kind_in_pixel_corners(self) -> None:
        (fold,) = truth_features(SLIDE, (), [self.FOLD])
        assert fold.classification == "artefact: fold"
        assert fold.geometry.bounds == (10.5, 20.5, 40.5, 30.5)
        assert fold.measurements == {"thickness_factor": 2.0}
        assert fold.metadata == {"slide": SLIDE}

    def test_artefacts_are_numbered_by_kind(self) -> None:
        pen: Artefact = ("pen mark", shapely.box(0, 0, 9, 5), {})
        features = truth_features(SLIDE, (), [self.FOLD, pen, self.FOLD])
        assert [f.name for f in features] == ["fold 1", "pen mark 1", "fold 2"]
        assert len({f.id for f in features}) == 3

    def test_an_outline_that_crosses_itself_is_mended(self) -> None:
        bow_tie = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
        (fold,) = truth_features(SLIDE, (), [("fold", bow_tie, {})])
        assert fold.geometry.is_valid
        assert fold.geometry.area == pytest.approx(50)

    def test_a_scratch_may_be_a_line(self) -> None:
        scratch = shapely.LineString([(0, 0), (30, 12)])
        (line,) = truth_features(SLIDE, (), [("scratch", scratch, {})])
        assert line.geometry.bounds == (0.5, 0.5, 30.5, 12.5)

    def test_an_empty_outline_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"dust 1.*empty"):
            truth_features(SLIDE, (), [("dust", shapely.Polygon(), {})])
