"""What is painted is what is true: labels, zones and dyes of a knee, whatever window they are
painted in."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from histoscore.geometry import Points
from histoscore.phantom.knee.anatomy import CartilageBed, Knee
from histoscore.phantom.knee.truth import compartment_truth
from histoscore.phantom.painting import section
from histoscore.phantom.painting.section import TEXTURE_UM, Scene, paint
from histoscore.phantom.raster import View
from histoscore.records import LabelArray, Mask
from histoscore.vocabulary import IGNORE, Compartment, Tissue

BONY = (Tissue.BONE, Tissue.MARROW)
CARTILAGE = (Tissue.HYALINE, Tissue.CALCIFIED)
MPP = 0.8317
POSES = {0.3513: (171.0, False), 0.4871: (-13.0, True), MPP: (23.0, False), 1.3719: (-97.0, True)}
"""µm per pixel → angle and mirroring; at the first two, textures are enlarged."""


def pose(mpp: float) -> View:
    return View((1, 1), mpp, (0.0, 0.0), *POSES[mpp])


OF_A_JOINT = set(Tissue) - {Tissue.OTHER_CARTILAGE}
"""Osteophytes and small bones have the other cartilage, and this knee has none of either."""


def around(points: Points, like: View, rim_px: int = 15) -> View:
    """The smallest picture of knee-frame points, scaled and turned as another view."""
    pixels = like.to_pixels(points)
    low, high = pixels.min(0) - rim_px, pixels.max(0) + rim_px
    center = like.to_knee((low + high)[None] / 2)[0]
    columns, rows = np.ceil(high - low).astype(int).tolist()
    return replace(like, shape=(rows, columns), center=(float(center[0]), float(center[1])))


class Joint:
    """A knee's joint at several scales, one side at a time, painted when it is asked for."""

    def __init__(self, knee: Knee) -> None:
        self.knee = knee
        self._painted: dict[tuple[float, bool], Scene] = {}

    def side(self, mpp: float, medial: bool) -> Scene:
        """Both compartments of a side."""
        if (mpp, medial) not in self._painted:
            beds = [bed for bed in self.knee.beds if bed.compartment.is_medial == medial]
            rings = [ring for bed in beds for ring in (bed.hyaline_ring(), bed.calcified_ring())]
            self._painted[mpp, medial] = paint(self.knee, around(np.vstack(rings), pose(mpp)))
        return self._painted[mpp, medial]

    def around(self, bed: CartilageBed, mpp: float) -> Scene:
        return self.side(mpp, bed.compartment.is_medial)


@pytest.fixture(scope="module")
def joint(knee: Knee) -> Joint:
    return Joint(knee)


def area(scene: Scene, compartment: Compartment, tissue: Tissue) -> float:
    """µm² by counting pixels."""
    mine = (scene.zones == compartment.code) & (scene.tissue == tissue)
    return int(mine.sum()) * scene.view.mpp**2


def test_some_pictures_have_enlarged_textures_and_some_have_not() -> None:
    assert sorted({max(1, int(TEXTURE_UM / mpp)) for mpp in POSES}) == [1, 2, 3]


class TestAreas:
    """A compartment's true area is what one counts in the label map."""

    @pytest.mark.parametrize("compartment", Compartment)
    @pytest.mark.parametrize("mpp", POSES)
    def test_of_the_hyaline_layer(self, joint: Joint, mpp: float, compartment: Compartment) -> None:
        bed = bed_of(joint.knee, compartment)
        truth = compartment_truth(bed).hyaline_area_um2
        counted = area(joint.around(bed, mpp), compartment, Tissue.HYALINE)
        if truth >= 3000:
            assert counted == pytest.approx(truth, rel=0.01)
        else:
            assert counted == pytest.approx(truth, abs=60)

    @pytest.mark.parametrize("compartment", Compartment)
    @pytest.mark.parametrize("mpp", POSES)
    def test_of_the_calcified_layer(
        self, joint: Joint, mpp: float, compartment: Compartment
    ) -> None:
        bed = bed_of(joint.knee, compartment)
        truth = compartment_truth(bed).calcified_area_um2
        counted = area(joint.around(bed, mpp), compartment, Tissue.CALCIFIED)
        assert counted == pytest.approx(truth, rel=0.01)

    def test_at_least_three_of_four_compartments_are_compared_by_their_share(
        self, knee: Knee
    ) -> None:
        areas = [compartment_truth(bed).hyaline_area_um2 for bed in knee.beds]
        assert sum(area >= 3000 for area in areas) >= 3


def bed_of(knee: Knee, compartment: Compartment) -> CartilageBed:
    return next(bed for bed in knee.beds if bed.compartment is compartment)


@pytest.fixture(scope="module")
def whole(knee: Knee) -> Scene:
    """The joint from growth plate to growth plate, coarsely, turned and mirrored."""
    rings = [ring for bed in knee.beds for ring in (bed.hyaline_ring(), bed.calcified_ring())]
    plates = [np.column_stack([0 * b.plate_far, b.plate_far]) for b in (knee.femur, knee.tibia)]
    like = View((1, 1), 1.8713, (0.0, 0.0), -13.0, True)
    return paint(knee, around(np.vstack([*rings, *plates]), like, rim_px=50))


class TestLabels:
    def test_every_tissue_occurs_and_where_no_class_is_right_there_is_none(
        self, whole: Scene
    ) -> None:
        assert set(np.unique(whole.tissue)) == {*OF_A_JOINT, IGNORE}

    def test_a_whole_joints_cartilage_has_the_true_area_even_coarsely(
        self, knee: Knee, whole: Scene
    ) -> None:
        for bed in knee.beds:
            truth = compartment_truth(bed)
            for tissue, true_area in (
                (Tissue.HYALINE, truth.hyaline_area_um2),
                (Tissue.CALCIFIED, truth.calcified_area_um2),
            ):
                counted = area(whole, bed.compartment, tissue)
                assert counted == pytest.approx(true_area, rel=0.015, abs=60)

    @pytest.mark.parametrize("mpp", POSES)
    def test_cartilage_lies_along_its_tidemark_and_nowhere_else(
        self, joint: Joint, mpp: float
    ) -> None:
        for bed in joint.knee.beds:
            scene = joint.around(bed, mpp)
            middle = slice(100, -100)
            for height, tissue in (
                (0.5 * bed.hyaline, Tissue.HYALINE),
                (-0.5 * bed.calcified, Tissue.CALCIFIED),
            ):
                points = bed.at_height(height)[middle][np.abs(height[middle]) > 2 * mpp]
                found = at_points(scene.tissue, scene.view, points)
                assert (found == tissue).mean() > 0.97 if len(points) else True

    @pytest.mark.parametrize(("mpp", "finer"), [(0.3513, 3), (0.4871, 2)])
    def test_its_edge_is_drawn_in_the_pictures_own_pixels(
        self, joint: Joint, mpp: float, finer: int
    ) -> None:
        """Though textures are enlarged: on it lie pixels of theirs that hold it in part."""
        hyaline = joint.side(mpp, medial=True).tissue == Tissue.HYALINE
        rows, columns = (n // finer for n in hyaline.shape)
        pixels = hyaline[: rows * finer, : columns * finer]
        held = pixels.reshape(rows, finer, columns, finer).mean((1, 3))
        assert ((held > 0) & (held < 1)).sum() > 0.03 * (held == 1).sum()

    def test_there_is_no_tissue_beyond_its_edge(self, knee: Knee) -> None:
        scene = paint(knee, View((301, 405), 1.3719, (-1900.0, 300.0), -13.0, True))
        outside = ~scene.view.fill(knee.soft.outline)
        assert 0.2 < outside.mean() < 0.8
        assert not eroded(outside, 2)[scene.tissue > 0].any()
        assert not eroded(outside, 2)[scene.zones > 0].any()

    def test_far_from_the_knee_there_is_only_glass(self, knee: Knee) -> None:
        scene = paint(knee, View((67, 103), MPP, (9000.0, 100.0), -13.0, True))
        assert not scene.tissue.any()
        assert not scene.zones.any()
        assert not scene.dyes.any()

    @pytest.mark.parametrize("mpp", [0.3513, MPP, 1.8713])
    @pytest.mark.parametrize("tissue", [Tissue.MARROW, Tissue.GROWTH_PLATE])
    def test_the_smallest_picture_shows_what_lies_there(
        self, knee: Knee, whole: Scene, mpp: float, tissue: Tissue
    ) -> None:
        place = deep_in_shaft(knee) if tissue == Tissue.MARROW else inmost(whole, tissue)
        scene = paint(knee, View((17, 23), mpp, place, -13.0, True))
        assert (scene.tissue == tissue).mean() > 0.5
        assert scene.dyes.any()


def deep_in_shaft(knee: Knee) -> tuple[float, float]:
    """Where there is hardly anything but marrow."""
    y = float(knee.tibia.plate_far.max()) + 1050
    x = knee.tibia.shaft[np.abs(knee.tibia.shaft[:, 1] - y) < 20, 0]
    return float(x.min() + x.max()) / 2, y


def inmost(scene: Scene, tissue: Tissue) -> tuple[float, float]:
    """The knee-frame place that is the farthest from any other tissue."""
    inside = np.pad(scene.tissue == tissue, 1).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    x, y = scene.view.to_knee(np.array([[column, row]], float))[0]
    return float(x), float(y)


def at_points(labels: LabelArray, view: View, points: Points) -> np.ndarray:
    columns, rows = np.rint(view.to_pixels(points)).astype(int).T
    return labels[rows, columns]


def eroded(mask: Mask, by: int) -> Mask:
    return cv2.erode(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


class TestZones:
    @pytest.mark.parametrize(
        "mpp",
        POSES,
    )
    def test_they_hold_cartilage_and_the_bone_under_it(self, joint: Joint, mpp: float) -> None:
        for medial in (True, False):
            scene = joint.side(mpp, medial)
            assert set(np.unique(scene.tissue[scene.zones > 0])) <= {*CARTILAGE, *BONY}
            assert (scene.zones[np.isin(scene.tissue, CARTILAGE)] > 0).all()

    @pytest.mark.parametrize("compartment", Compartment)
    def test_the_bone_of_a_zone_lies_under_that_zones_cartilage(
        self, whole: Scene, compartment: Compartment
    ) -> None:
        mine, bony = whole.zones == compartment.code, np.isin(whole.tissue, BONY)
        pixels = (np.argwhere(mine & m)[:, ::-1].astype(float) for m in (bony, ~bony))
        (bone_x, bone_y), (x, y) = (whole.view.to_knee(p).mean(0) for p in pixels)
        assert abs(bone_x - x) < 300
        assert (bone_y < y) == compartment.is_femoral
        assert 60 < abs(bone_y - y) < 260

    @pytest.mark.parametrize("compartment", Compartment)
    def test_medial_ones_lie_on_their_side_of_the_knee(
        self, whole: Scene, compartment: Compartment
    ) -> None:
        places = np.argwhere(whole.zones == compartment.code)[:, ::-1].astype(float)
        assert ((whole.view.to_knee(places)[:, 0] < 0) == compartment.is_medial).mean() > 0.99

    def test_mirroring_moves_medial_to_the_right(self, whole: Scene) -> None:
        assert whole.view.mirrored
        for compartment in Compartment:
            columns = np.nonzero(whole.zones == compartment.code)[1]
            assert (columns.mean() > whole.zones.shape[1] / 2) == compartment.is_medial


class TestDyes:
    def test_there_is_none_on_glass(self, whole: Scene) -> None:
        glass = eroded(whole.tissue == Tissue.BACKGROUND, 3)
        assert glass.sum() > 5000
        assert whole.dyes[glass].mean() < 0.02
        assert np.quantile(whole.dyes[glass], 0.99) == 0

    def test_tissue_holds_some_but_no_more_than_there_can_be(self, whole: Scene) -> None:
        assert whole.dyes.dtype == np.uint8
        assert (whole.dyes == 255).any(axis=2).mean() < 2e-4
        for tissue in OF_A_JOINT - {Tissue.BACKGROUND}:
            assert whole.dyes[whole.tissue == tissue].sum(1).mean() > 3, tissue

    def test_each_tissue_takes_up_its_dye(self, whole: Scene) -> None:
        """Cartilage is rather red, bone and soft tissue are green, marrow has the most nuclei."""
        mean = {tissue: whole.dyes[whole.tissue == tissue].mean(0) for tissue in OF_A_JOINT}
        for red in (Tissue.HYALINE, Tissue.CALCIFIED, Tissue.GROWTH_PLATE):
            assert mean[red][0] > mean[red][1]
        for green in (Tissue.BONE, Tissue.SOFT):
            assert mean[green][1] > 2 * mean[green][0]
        assert mean[Tissue.MARROW][2] == max(m[2] for m in mean.values())

    def test_the_growth_plate_is_no_weaker_than_the_cartilage(self, whole: Scene) -> None:
        """science.md section 2: a threshold on Safranin finds the growth plate first."""
        plate, hyaline = (
            np.median(whole.dyes[whole.tissue == tissue, 0])
            for tissue in (Tissue.GROWTH_PLATE, Tissue.HYALINE)
        )
        assert plate > 0.9 * hyaline

    @pytest.mark.parametrize("mpp", [0.4871, MPP])
    def test_safranin_is_less_where_disease_took_it(self, joint: Joint, mpp: float) -> None:
        """By as much as the lesions say, on either side of the fronts down to which they reach."""
        lost, told = [], []
        for bed in joint.knee.beds:
            scene = joint.around(bed, mpp)
            above, below, left = [], [], []
            for share in np.arange(0.15, 1.0, 0.05):
                at = np.flatnonzero((bed.hyaline > share * bed.intact + 3) & (bed.intact > 20))
                red = at_points(scene.dyes[..., 0], scene.view, bed.at_height(share * bed.intact))
                front = bed.lesions.stain_depth[at] - (1 - share)
                above.append(red[at][front > 0.2])
                left.append(bed.lesions.stain_left[at][front > 0.2])
                below.append(red[at][front < -0.2])
            if min(len(np.concatenate(part)) for part in (above, below)) > 20:
                lost.append(np.concatenate(above) / np.concatenate(below).mean())
                told.append(np.concatenate(left))
        assert len(np.concatenate(lost)) > 500
        assert np.concatenate(lost).mean() < 0.85
        assert np.concatenate(lost).mean() == pytest.approx(np.concatenate(told).mean(), abs=0.15)

    def test_a_section_is_painted_the_same_every_time(self, knee: Knee) -> None:
        view = View((151, 207), 0.4871, (-700.0, 100.0), -13.0, True)
        one, other = paint(knee, view), paint(knee, view)
        assert (one.dyes == other.dyes).all()
        assert (one.tissue == other.tissue).all()


class TestWindows:
    """A section is painted window by window, and nobody can tell where they meet."""

    @pytest.mark.parametrize(
        ("place", "view"),
        [
            ("metaphysis", View((521, 743), 1.8713, angle=23.0, mirrored=True)),
            ("joint", View((613, 845), MPP, angle=-13.0)),
            ("metaphysis", View((811, 1207), 0.4871, angle=171.0, mirrored=True)),
        ],
        ids=["metaphysis", "joint", "enlarged textures"],
    )
    def test_they_join_without_a_seam(
        self, knee: Knee, place: str, view: View, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        below_plate = float(knee.tibia.plate_far.mean()) + 150
        center = {"joint": (-700.0, -60.0), "metaphysis": (-300.0, below_plate)}[place]
        one = paint(knee, replace(view, center=center))
        monkeypatch.setattr(section, "BLOCK_PX", 173)
        many = paint(knee, replace(view, center=center))
        assert (one.tissue != many.tissue).mean() < 1e-4
        assert (one.zones != many.zones).mean() < 1e-5
        change = np.abs(one.dyes.astype(int) - many.dyes).max(2)
        assert (change > 2).mean() < 3e-4

    def test_windows_smaller_than_the_rims_around_them_are_enough(
        self, knee: Knee, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        view = View((151, 207), 0.4871, (-700.0, 100.0), -13.0, True)
        one = paint(knee, view)
        monkeypatch.setattr(section, "BLOCK_PX", 23)
        many = paint(knee, view)
        assert (one.tissue != many.tissue).mean() < 1e-3
        assert (np.abs(one.dyes.astype(int) - many.dyes) > 2).mean() < 1e-3
