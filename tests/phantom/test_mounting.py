"""Sections on a slide: where they lie, how they are numbered, and what is left of them.

Most slides here are drawn with a plain painter: what matters is where sections lie, not how they
look. `drawn` is a slide as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from shapely.geometry import box

from histoscore.config import SectionSettings
from histoscore.geometry import Box, Mpp, Placement
from histoscore.image.sections import find_sections
from histoscore.image.tissue import tissue_mask
from histoscore.phantom import mounting
from histoscore.phantom.artefacts import Artefact, ArtefactKind, ArtefactRates
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.experiment import SMALL, AnimalPlan, PhantomSettings
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.truth import compartment_truth
from histoscore.phantom.mounting import GRADABLE_SHARE, DrawnSection, DrawnSlide, draw_slide
from histoscore.phantom.painting.section import Scene
from histoscore.phantom.raster import View
from histoscore.phantom.staining import Batch, sample_batch
from histoscore.records import LabelArray, RgbImage, Section
from histoscore.vocabulary import IGNORE, Compartment, Side, Tissue

MPP = 14.87
"""Coarser than a scanner's: an overview that sections can be found in."""

SEEDS = range(2)
CLEAN = SMALL.model_copy(update={"artefacts": False})
NOTHING = ArtefactRates(**dict.fromkeys(ArtefactRates.model_fields, 0.0))


@pytest.fixture(scope="module")
def small_knee() -> Knee:
    """As large as `SMALL` trims it."""
    chance = Chance((5,))
    at = Slice(chance.part("animal"), chance.part("section"))
    disease = dict.fromkeys(Compartment, Disease(1, 0.9))
    return build_knee(at, disease, (SMALL.width_um, SMALL.height_um))


@pytest.fixture
def unlit(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has anything a colour."""

    def shade(dyes: LabelArray, *camera: object) -> RgbImage:
        return 255 - dyes

    monkeypatch.setattr(mounting, "render", shade)


@pytest.fixture
def plain(small_knee: Knee, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every section is the same knee in one tone, its cartilage in another."""

    def build(at: Slice, disease: object, size: tuple[float, float]) -> Knee:
        assert size == (SMALL.width_um, SMALL.height_um)
        return replace(small_knee, at=at)

    monkeypatch.setattr(mounting, "build_knee", build)
    monkeypatch.setattr(mounting, "paint", painted)


def painted(knee: Knee, view: View) -> Scene:
    tissue = view.fill(knee.soft.outline).astype(np.uint8) * np.uint8(Tissue.SOFT)
    zones = np.zeros(view.shape, np.uint8)
    for bed in knee.beds:
        for ring, kind in (
            (bed.calcified_ring(), Tissue.CALCIFIED),
            (bed.hyaline_ring(), Tissue.HYALINE),
        ):
            mask = view.fill(ring)
            tissue[mask], zones[mask] = kind, bed.compartment.code
    tones = np.zeros((256, 3), np.uint8)
    tones[Tissue.SOFT], tones[[Tissue.HYALINE, Tissue.CALCIFIED]] = (4, 25, 6), (60, 4, 3)
    return Scene(tones[tissue], tissue, zones, view)


def batch() -> Batch:
    return sample_batch(np.random.default_rng(5))


def mounted(animal: AnimalPlan, seed: int = 3, mpp: float = MPP, **changes: object) -> DrawnSlide:
    """A small slide without artefacts, some settings changed."""
    return draw_slide(animal, batch(), mpp, CLEAN.model_copy(update=changes), seed)


def found_on(slide: DrawnSlide) -> tuple[Section, ...]:
    """The sections that a run finds on an overview."""
    factor = max(1, round(8 / slide.mpp))
    rows, columns = (n // factor for n in slide.tissue.shape)
    blocks = slide.picture[: rows * factor, : columns * factor]
    overview = blocks.reshape(rows, factor, columns, factor, 3).mean((1, 3)).astype(np.uint8)
    placement = Placement(0, 0, factor, Mpp(slide.mpp * factor))
    mask = tissue_mask(overview, placement.mpp)
    size = (slide.tissue.shape[1], slide.tissue.shape[0])
    return find_sections(mask, placement, size, SectionSettings())


def frame(section: DrawnSection) -> Box:
    rows, columns = section.view.shape
    return Box(*section.corner, columns, rows)


@pytest.mark.usefixtures("plain")
class TestNumbers:
    @pytest.mark.parametrize(
        ("count", "seed"), [(1, 0), (2, 1), (3, 0), (3, 3), (4, 1), (5, 0), (6, 1), (6, 2)]
    )
    def test_sections_are_numbered_as_a_run_finds_them(
        self, animal: AnimalPlan, count: int, seed: int
    ) -> None:
        slide = mounted(animal, seed, sections=(count, count), gap_um=500.0, turn_deg=9.0)
        found = found_on(slide)
        assert [section.number for section in slide.sections] == list(range(1, count + 1))
        assert [section.number for section in found] == list(range(1, count + 1))
        for mine, theirs in zip(slide.sections, found, strict=True):
            assert not theirs.flags
            x, y = mine.to_slide(np.array([mine.view.center]))[0]
            assert theirs.box.x < x < theirs.box.right
            assert theirs.box.y < y < theirs.box.bottom


@pytest.mark.usefixtures("unlit")
class TestLayout:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_frames_lie_on_the_slide_apart_from_each_other(
        self, animal: AnimalPlan, seed: int
    ) -> None:
        slide = mounted(animal, seed, sections=(5, 5), gap_um=600.0, turn_deg=20.0)
        rows, columns = slide.tissue.shape
        assert slide.picture.shape == (rows, columns, 3)
        frames = [frame(section) for section in slide.sections]
        for one in frames:
            assert one.clipped(columns, rows) == one
        outlines = [box(f.x, f.y, f.right, f.bottom) for f in frames]
        apart = min(a.distance(b) for a, b in combinations(outlines, 2))
        assert apart * slide.mpp > 0.5 * 600

    def test_a_frame_holds_all_of_its_tissue_and_little_more(self, animal: AnimalPlan) -> None:
        slide = mounted(animal, sections=(3, 3), turn_deg=20.0)
        for section in slide.sections:
            pixels = section.view.to_pixels(section.knee.soft.outline)
            rows, columns = section.view.shape
            assert pixels.min() > 0
            assert (pixels.max(0) < (columns, rows)).all()
            assert (np.ptp(pixels, axis=0) > 0.75 * np.array([columns, rows])).all()

    def test_slides_have_from_the_least_to_the_most_sections(self, animal: AnimalPlan) -> None:
        def counts(chance: float) -> set[int]:
            drawn = (
                mounted(animal, seed, sections=(1, 3), more_sections=chance) for seed in range(10)
            )
            return {len(slide.sections) for slide in drawn}

        assert counts(0.0) == {1}
        assert counts(1.0) == {3}
        assert counts(0.5) == {1, 2, 3}

    def test_none_is_empty_where_none_may_be(self, animal: AnimalPlan) -> None:
        assert all(mounted(animal, seed).sections for seed in range(10))

    def test_sections_are_cut_in_series(self, animal: AnimalPlan) -> None:
        slide = mounted(animal, sections=(3, 3), section_step_um=70.0)
        depths = [section.knee.at.depth_um for section in slide.sections]
        assert np.diff(depths) == pytest.approx([70, 70])
        assert len({section.knee.at.animal for section in slide.sections}) == 1
        assert len({section.knee.at.own for section in slide.sections}) == 3


@pytest.mark.usefixtures("unlit")
class TestPose:
    @pytest.mark.parametrize("upside_down", [0.0, 1.0])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_curves_lie_on_their_pixels(
        self, animal: AnimalPlan, seed: int, upside_down: float
    ) -> None:
        slide = mounted(
            animal, seed, 1.8713, sections=(2, 2), upside_down=upside_down, turn_deg=15.0
        )
        for section in slide.sections:
            assert hits(slide.tissue, section, 0.5, Tissue.HYALINE) > 0.99
            assert hits(slide.tissue, section, -0.5, Tissue.CALCIFIED) > 0.97

    def test_a_label_map_holds_the_true_areas(self, animal: AnimalPlan) -> None:
        slide = mounted(animal, mpp=1.8713, sections=(2, 2))
        hyaline = int((slide.tissue == Tissue.HYALINE).sum()) * slide.mpp**2
        truth = [t.hyaline_area_um2 for s in slide.sections for t in s.truth]
        assert len(truth) == 8
        assert hyaline == pytest.approx(sum(truth), rel=0.01)

    @pytest.mark.parametrize("upside_down", [0.0, 1.0])
    def test_slides_may_lie_upside_down(self, animal: AnimalPlan, upside_down: float) -> None:
        for seed in SEEDS:
            (section,) = mounted(animal, seed, upside_down=upside_down).sections
            femur, tibia = (
                section.to_slide(bone.tidemark)[:, 1].mean()
                for bone in (section.knee.femur, section.knee.tibia)
            )
            assert (femur > tibia) == bool(upside_down)

    @pytest.mark.parametrize("upside_down", [0.0, 1.0])
    def test_the_medial_half_lies_where_it_is_said_when_the_femur_is_turned_up(
        self, animal: AnimalPlan, upside_down: float
    ) -> None:
        told = set()
        for seed in range(6):
            slide = mounted(animal, seed, upside_down=upside_down)
            (section,) = slide.sections
            medial, lateral = (
                np.mean([x_of(section, c) for c in Compartment if c.is_medial == side])
                for side in (True, False)
            )
            as_seen = "left" if medial < lateral else "right"
            turned = {"left": "right", "right": "left"}[as_seen]
            assert slide.medial == (turned if upside_down else as_seen)
            told.add(slide.medial)
        assert told == {"left", "right"}

    def test_left_and_right_knees_mirror_each_other(self, animal: AnimalPlan) -> None:
        for seed in SEEDS:
            sides = {side: mounted(replace(animal, side=side), seed).medial for side in (*Side,)}
            assert len(set(sides.values())) == 2

    def test_sections_of_a_slide_lie_the_same_way_round_a_little_turned(
        self, animal: AnimalPlan
    ) -> None:
        turns = []
        for seed in range(8):
            slide = mounted(animal, seed, sections=(3, 3), turn_deg=6.0, upside_down=0.5)
            angles = np.array([section.view.angle for section in slide.sections])
            assert len({section.view.mirrored for section in slide.sections}) == 1
            assert len({bool(a > 90) for a in angles}) == 1
            turns += ((angles + 90) % 180 - 90).tolist()
        assert np.abs(turns).max() <= 25
        assert np.std(turns) == pytest.approx(6, rel=0.5)


def hits(labels: LabelArray, section: DrawnSection, share: float, tissue: Tissue) -> float:
    """Share of the points half-way up (or down) a layer that lie on pixels of a tissue."""
    found = []
    for bed in section.knee.beds:
        height = share * (bed.hyaline if share > 0 else bed.calcified)
        thick = np.abs(height) > 1.2 * section.view.mpp
        columns, rows = np.rint(section.to_slide(bed.at_height(height)[thick])).astype(int).T
        found += (labels[rows, columns] == tissue).tolist()
    return float(np.mean(found))


def x_of(section: DrawnSection, compartment: Compartment) -> float:
    (bed,) = (bed for bed in section.knee.beds if bed.compartment is compartment)
    return float(section.to_slide(bed.base)[:, 0].mean())


@pytest.mark.usefixtures("plain")
class TestGlass:
    def test_an_empty_slide_has_no_sections_and_only_glass(self, animal: AnimalPlan) -> None:
        slide = mounted(animal, empty_slides=1.0)
        assert slide.sections == ()
        assert not slide.tissue.any()
        assert slide.picture.shape == (*slide.tissue.shape, 3)
        glass = 255 * (batch().background.astype(float) / 255) ** batch().gamma
        assert slide.picture.mean((0, 1)) == pytest.approx(glass, abs=0.6)
        assert slide.picture.std((0, 1)).max() < 2
        assert found_on(slide) == ()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_it_joins_the_frames_without_a_visible_seam(
        self, animal: AnimalPlan, seed: int
    ) -> None:
        slide = mounted(animal, seed, 1.8713, sections=(2, 2))
        picture = slide.picture.astype(float)
        for section in slide.sections:
            around = frame(section)
            rows, columns = around.slices()
            for inside, outside in (
                (picture[rows, around.x : around.x + 5], picture[rows, around.x - 5 : around.x]),
                (
                    picture[around.y : around.y + 5, columns],
                    picture[around.y - 5 : around.y, columns],
                ),
            ):
                assert inside.mean((0, 1)) == pytest.approx(outside.mean((0, 1)), abs=0.15)
                assert inside.std() == pytest.approx(outside.std(), rel=0.1)

    def test_around_the_sections_there_is_no_tissue(self, animal: AnimalPlan) -> None:
        slide = mounted(animal, sections=(2, 2))
        outside = np.ones(slide.tissue.shape, bool)
        for section in slide.sections:
            outside[frame(section).slices()] = False
        assert outside.any()
        assert not slide.tissue[outside].any()


@pytest.mark.usefixtures("unlit")
class TestDamage:
    def test_whole_is_the_share_of_a_compartments_cartilage_that_is_left(
        self, animal: AnimalPlan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Half of what lies on the left is folded; the other side is as it was."""
        monkeypatch.setattr(mounting, "damage", folded_half)
        slide = mounted(animal, mpp=1.8713, upside_down=0.0, artefacts=True, artefact_rates=NOTHING)
        (section,) = slide.sections
        left = {c for c in Compartment if c.is_medial == (slide.medial == "left")}
        for compartment, share in section.whole.items():
            assert share == pytest.approx(0.5 if compartment in left else 1.0, abs=0.04)
        assert {t.compartment for t in section.truth} == set(Compartment)
        assert {t.compartment for t in section.gradable} == set(Compartment) - left

    def test_truth_is_of_the_section_before_it_was_damaged(
        self, animal: AnimalPlan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = mounted(animal, artefacts=True, artefact_rates=NOTHING).sections[0]
        monkeypatch.setattr(mounting, "damage", folded_half)
        after = mounted(animal, artefacts=True, artefact_rates=NOTHING).sections[0]
        assert after.truth == before.truth == tuple(map(compartment_truth, before.knee.beds))

    def test_artefacts_of_a_section_lie_where_it_lies(
        self, animal: AnimalPlan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mounting, "damage", folded_half)
        slide = mounted(animal, sections=(2, 2), artefacts=True, artefact_rates=NOTHING)
        for artefact, section in zip(slide.artefacts, slide.sections, strict=True):
            around = frame(section)
            assert artefact.outline is not None
            assert artefact.outline.bounds == (
                around.x + 3,
                around.y + 4,
                around.x + 30,
                around.y + 20,
            )

    def test_without_artefacts_everything_is_whole(self, animal: AnimalPlan) -> None:
        slide = mounted(animal)
        assert slide.artefacts == ()
        assert set(slide.sections[0].whole.values()) == {1.0}
        assert slide.sections[0].gradable == slide.sections[0].truth

    def test_artefacts_that_never_come_change_nothing(self, animal: AnimalPlan) -> None:
        never = mounted(animal, artefacts=True, artefact_rates=NOTHING)
        assert same(never, mounted(animal))

    def test_artefacts_leave_the_sections_where_they_are(self, animal: AnimalPlan) -> None:
        often = ArtefactRates(fold=1.0, tear=1.0, missing=1.0, dust=3.0)
        spoiled = mounted(animal, sections=(2, 2), artefacts=True, artefact_rates=often)
        clean = mounted(animal, sections=(2, 2))
        kinds = {artefact.kind for artefact in spoiled.artefacts}
        assert {ArtefactKind.FOLD, ArtefactKind.TEAR, ArtefactKind.MISSING} <= kinds
        assert [s.view for s in spoiled.sections] == [s.view for s in clean.sections]
        assert [s.corner for s in spoiled.sections] == [s.corner for s in clean.sections]
        assert [s.truth for s in spoiled.sections] == [s.truth for s in clean.sections]
        assert (spoiled.tissue != clean.tissue).any()


def folded_half(
    dyes: LabelArray, tissue: LabelArray, mpp: float, rates: object, rng: np.random.Generator
) -> tuple[Artefact, ...]:
    """Every second column of cartilage in the left half is of no class any more."""
    del dyes, mpp, rates, rng
    columns = np.arange(tissue.shape[1])
    doubtful = (columns < tissue.shape[1] / 2) & (columns % 2 == 0)
    tissue[np.isin(tissue, (Tissue.HYALINE, Tissue.CALCIFIED)) & doubtful] = IGNORE
    return (Artefact(ArtefactKind.FOLD, box(3, 4, 30, 20), {}),)


def test_a_compartment_is_gradable_as_long_as_enough_of_it_is_whole(small_knee: Knee) -> None:
    shares = {
        Compartment.MFC: 1.0,
        Compartment.MTP: GRADABLE_SHARE,
        Compartment.LFC: GRADABLE_SHARE - 0.01,
        Compartment.LTP: 0.0,
    }
    truth = tuple(compartment_truth(bed) for bed in small_knee.beds)
    section = DrawnSection(1, small_knee, View((300, 500), MPP), (0, 0), truth, shares)
    assert section.gradable == truth[:2]


def same(one: DrawnSlide, other: DrawnSlide) -> bool:
    return bool(
        one.picture.shape == other.picture.shape
        and (one.picture == other.picture).all()
        and (one.tissue == other.tissue).all()
    )


@pytest.mark.usefixtures("plain")
class TestChance:
    def test_the_same_seed_and_animal_give_the_same_slide(self, animal: AnimalPlan) -> None:
        assert same(mounted(animal, 3), mounted(animal, 3))
        assert not same(mounted(animal, 3), mounted(animal, 4))
        assert not same(mounted(animal, 3), mounted(replace(animal, number=17), 3))

    def test_a_section_more_leaves_the_others_as_they_were(self, animal: AnimalPlan) -> None:
        few, more = (mounted(animal, sections=(n, n)) for n in (1, 2))
        assert few.sections[0].knee.at == more.sections[0].knee.at
        assert few.sections[0].truth == more.sections[0].truth


class TestADrawnSlide:
    """With real sections on it, and artefacts."""

    def test_it_is_found_as_it_was_drawn(
        self, drawn: DrawnSlide, settings: PhantomSettings
    ) -> None:
        found = found_on(drawn)
        assert [s.number for s in found] == [s.number for s in drawn.sections] == [1, 2]
        for theirs, mine in zip(found, drawn.sections, strict=True):
            counted = int((drawn.tissue[theirs.box.slices()] == Tissue.HYALINE).sum())
            true: Mapping[Compartment, float] = {
                t.compartment: t.hyaline_area_um2 * mine.whole[t.compartment] for t in mine.truth
            }
            assert counted * drawn.mpp**2 == pytest.approx(sum(true.values()), rel=0.06)

    def test_its_curves_lie_on_its_labels(self, drawn: DrawnSlide) -> None:
        for section in drawn.sections:
            whole = min(section.whole.values())
            assert hits(drawn.tissue, section, 0.5, Tissue.HYALINE) > 0.97 * whole
            assert hits(drawn.tissue, section, -0.5, Tissue.CALCIFIED) > 0.95 * whole

    def test_its_medial_side_is_where_it_says(self, drawn: DrawnSlide) -> None:
        assert {section.view.angle < 90 for section in drawn.sections} == {True}
        for section in drawn.sections:
            medial, lateral = x_of(section, Compartment.MTP), x_of(section, Compartment.LTP)
            assert drawn.medial == ("left" if medial < lateral else "right")

    def test_it_knows_its_name_and_scale(self, drawn: DrawnSlide, animal: AnimalPlan) -> None:
        assert drawn.name == f"slides/{animal.name}.svs"
        assert drawn.animal == animal
        assert drawn.mpp == SMALL.mpp
        assert drawn.picture.dtype == drawn.tissue.dtype == np.uint8
