"""A canvas is painted part by part: what a part lays stays in its mask, and what it draws is what
any other part would draw there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.painting.canvas import Canvas, Part
from histoscore.phantom.painting.cells import MARROW_CELL
from histoscore.phantom.raster import Relief, View
from histoscore.records import Mask
from histoscore.vocabulary import Tissue

VIEW = View((301, 407), 0.8317, (-400.0, 30.0), -13.0, True)
PLACE = (slice(31, 205), slice(60, 333))


@pytest.fixture
def canvas(knee: Knee) -> Canvas:
    return Canvas(knee, VIEW)


def mask(place: tuple[slice, slice] = PLACE) -> Mask:
    filled = np.zeros(VIEW.shape, bool)
    filled[place] = True
    return filled


def part_of(canvas: Canvas, of: Mask) -> Part:
    part = canvas.part(of)
    assert part is not None
    return part


class TestPart:
    def test_it_is_the_smallest_rectangle_around_a_mask(self, canvas: Canvas) -> None:
        ragged = mask()
        ragged[31:60, 60:200] = False
        part = part_of(canvas, ragged)
        assert part.place == PLACE
        assert part.shape == (174, 273)
        assert (part.mask == ragged[PLACE]).all()
        assert (part.x == canvas.x[PLACE]).all()
        assert part.view == VIEW.window(*PLACE)

    def test_there_is_none_around_nothing(self, canvas: Canvas) -> None:
        assert canvas.part(np.zeros(VIEW.shape, bool)) is None
        part = part_of(canvas, mask())
        assert part.narrowed(np.zeros(part.shape, bool)) is None

    def test_a_narrower_one_lies_where_it_was_in_the_wider(self, canvas: Canvas) -> None:
        part = part_of(canvas, mask())
        inner = np.zeros(part.shape, bool)
        inner[11:90, 40:201] = True
        narrow = part.narrowed(inner)
        assert narrow is not None
        assert narrow.within(part) == (slice(11, 90), slice(40, 201))
        assert (narrow.x == part.x[narrow.within(part)]).all()

    def test_near_means_nearer_than_so_many_micrometres(self, canvas: Canvas) -> None:
        step = 5
        away = np.arange(-(-VIEW.shape[1] // step) + 1)[None] * step * VIEW.mpp
        off = Relief(np.repeat(away, -(-VIEW.shape[0] // step) + 1, 0), step)
        part = canvas.near(off, 120.3, mask())
        assert part is not None
        expected = mask() & (np.arange(VIEW.shape[1]) * VIEW.mpp < 120.3)
        found = np.zeros(VIEW.shape, bool)
        found[part.place] = part.mask
        assert expected.any()
        assert (found == expected).all()

    def test_nothing_is_near_where_all_is_far(self, canvas: Canvas) -> None:
        far = Relief(np.full((3, 3), 90.0), 300)
        assert canvas.near(far, 50.0, mask()) is None
        assert canvas.near(far, 100.0, np.zeros(VIEW.shape, bool)) is None


class TestLaying:
    def test_it_changes_what_is_given_in_the_mask_and_nothing_else(self, canvas: Canvas) -> None:
        ragged = mask()
        ragged[100:140, 90:220] = False
        part = part_of(canvas, ragged)
        part.lay(Tissue.MENISCUS, safranin=0.4, green=part.x)
        assert (canvas.tissue[ragged] == Tissue.MENISCUS).all()
        assert not canvas.tissue[~ragged].any()
        assert (canvas.safranin == np.where(ragged, np.float32(0.4), 0)).all()
        assert (canvas.green == np.where(ragged, canvas.x, 0)).all()
        assert not canvas.haem.any()
        assert (canvas.clear == 1).all()

    def test_where_narrows_it(self, canvas: Canvas) -> None:
        part = part_of(canvas, mask())
        where = part.mask & (part.x < part.x.mean())
        part.lay(green=0.3, where=where)
        assert (canvas.green[PLACE] > 0).sum() == where.sum()

    def test_a_new_tissue_begins_without_dye_or_cells(self, canvas: Canvas) -> None:
        whole = part_of(canvas, np.ones(VIEW.shape, bool))
        whole.lay(Tissue.SOFT, 0.5, 0.5, 0.5, 0.5)
        cells = whole.scatter("all", whole.mask, 9.0)
        canvas.cells.draw(cells, MARROW_CELL)
        part_of(canvas, mask()).begin(Tissue.BONE)
        assert (canvas.tissue == np.where(mask(), Tissue.BONE, Tissue.SOFT)).all()
        for dye in (canvas.safranin, canvas.green, canvas.haem):
            assert (dye == np.where(mask(), 0, np.float32(0.5))).all()
        assert (canvas.clear == np.where(mask(), 1, np.float32(0.5))).all()
        assert not canvas.cells.nuclei[mask()].any()
        assert canvas.cells.nuclei[~mask()].any()


class TestTextures:
    def test_parts_of_one_canvas_share_them(self, canvas: Canvas) -> None:
        whole, part = part_of(canvas, np.ones(VIEW.shape, bool)), part_of(canvas, mask())
        assert (part.noise("a", 13) == whole.noise("a", 13)[PLACE]).all()
        assert (part.lasting("a", 40) == whole.lasting("a", 40)[PLACE]).all()
        assert (part.fibres("a", 5, 33) == whole.fibres("a", 5, 33)[PLACE]).all()
        assert (part.walls("a", 41) == whole.walls("a", 41)[PLACE]).all()

    def test_windows_of_a_section_share_them(self, knee: Knee, canvas: Canvas) -> None:
        window = part_of(Canvas(knee, VIEW.window(*PLACE)), np.ones((174, 273), bool))
        assert (window.noise("a", 13) == part_of(canvas, mask()).noise("a", 13)).all()

    def test_another_name_or_another_section_has_others(self, knee: Knee, canvas: Canvas) -> None:
        part = part_of(canvas, mask())
        other = part_of(Canvas(cut(knee, knee.at.depth_um, "other"), VIEW), mask())
        for field in (part.noise("b", 5), other.noise("a", 5)):
            assert abs(np.corrcoef(part.noise("a", 5).ravel(), field.ravel())[0, 1]) < 0.15

    def test_neighbouring_sections_share_what_lasts(self, knee: Knee, canvas: Canvas) -> None:
        def resemblance(depth: float) -> float:
            part = part_of(Canvas(cut(knee, depth, "other"), VIEW), mask())
            fields = (part_of(canvas, mask()).lasting("a", 8), part.lasting("a", 8))
            return float(np.corrcoef(*(field.ravel() for field in fields))[0, 1])

        here = knee.at.depth_um
        assert resemblance(here) == pytest.approx(1)
        assert resemblance(here + 20) > 0.95
        assert abs(resemblance(here + 175)) < 0.2
        assert part_of(canvas, mask()).lasting("a", 8).std() == pytest.approx(1, abs=0.15)

    def test_cells_are_places_of_the_canvas_inside_the_mask(self, canvas: Canvas) -> None:
        part = part_of(canvas, mask())
        where = part.mask & (part.y > part.y.mean())
        places = part.scatter("a", where, 9.0)
        columns, rows = np.rint(places.points).astype(int).T
        inside = np.zeros(VIEW.shape, bool)
        inside[PLACE] = where
        assert len(places) > 100
        assert inside[rows, columns].all()


class TestNumbers:
    def test_they_belong_to_the_animal_and_change_little_from_section_to_section(
        self, knee: Knee
    ) -> None:
        one, neighbour, stranger = (
            np.array([Canvas(other, VIEW).number(f"n {k}", 2.0, 5.0) for k in range(200)])
            for other in (
                knee,
                cut(knee, knee.at.depth_um + 60, "other"),
                replace(knee, at=replace(knee.at, animal=Chance((77,)))),
            )
        )
        assert one.min() >= 2.0
        assert one.max() <= 5.0
        assert np.abs(one - neighbour).mean() < 0.1
        assert np.corrcoef(one, neighbour)[0, 1] > 0.98
        assert abs(np.corrcoef(one, stranger)[0, 1]) < 0.25
        assert (one != neighbour).any()


def cut(knee: Knee, depth_um: float, own: str) -> Knee:
    """The same curves as if they were cut elsewhere: textures and numbers hang on that alone."""
    return replace(knee, at=Slice(knee.at.animal, knee.at.own.part(own), depth_um))
