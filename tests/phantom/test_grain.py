"""Textures have the grain, the width and the direction asked for, in every window alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscore.phantom.grain import fibres, noise, walls
from histoscore.phantom.raster import Field, View

CENTER = (130.0, -70.0)
VIEW = View((901, 1203), 0.8317, CENTER, angle=-13.0, mirrored=True)
SALTS = (3, 77_777_777_777, 5_012_345_678_901_234_567)

TEXTURES: dict[str, Callable[[View], Field]] = {
    "fine noise": lambda view: noise(view, 2.3, SALTS[1]),
    "noise": lambda view: noise(view, 13, SALTS[1]),
    "wide noise": lambda view: noise(view, 260, SALTS[2], (1.0, 2.0)),
    "fibres": lambda view: fibres(view, 4.5, SALTS[1], 33.0),
    "long fibres": lambda view: fibres(view, 26.0, SALTS[2], 90.0, 1.5),
    "walls": lambda view: walls(view, 41.0, SALTS[2]),
}
"""Each at its usual size."""

textures = pytest.mark.parametrize("texture", TEXTURES.values(), ids=list(TEXTURES))


def alike(field: Field, by: int, axis: int) -> float:
    """Correlation of a field with itself, moved by some pixels along an axis."""
    count = field.shape[axis] - by
    ahead, behind = (np.take(field, np.arange(count) + start, axis) for start in (by, 0))
    return float(np.corrcoef(ahead.ravel(), behind.ravel())[0, 1])


class TestNoise:
    @pytest.mark.parametrize("scale_um", [4.0, 13.0, 34.0])
    @pytest.mark.parametrize("salt", SALTS)
    def test_it_has_mean_0_and_deviation_1(self, scale_um: float, salt: int) -> None:
        field = noise(VIEW, scale_um, salt)
        assert field.shape == VIEW.shape
        assert field.dtype == np.float32
        assert field.mean() == pytest.approx(0, abs=0.1)
        assert field.std() == pytest.approx(1, abs=0.08)

    @pytest.mark.parametrize("scale_um", [6.0, 13.0, 25.0])
    @pytest.mark.parametrize("mpp", [0.4871, 0.8317, 1.3719])
    def test_its_grain_is_that_many_micrometres_wide(self, scale_um: float, mpp: float) -> None:
        """Places that far apart are still a third alike, those twice as far no more."""
        field = noise(replace(VIEW, mpp=mpp), scale_um, 5)
        for axis in (0, 1):
            assert alike(field, round(scale_um / mpp), axis) == pytest.approx(0.37, abs=0.12)
            assert abs(alike(field, round(2 * scale_um / mpp), axis)) < 0.15

    def test_stretch_lengthens_the_grain_down_the_rows_and_along_them(self) -> None:
        tall, broad = noise(VIEW, 9, 5, (6, 1)), noise(VIEW, 9, 5, (1, 6))
        lag = round(9 / VIEW.mpp)
        for field, long_axis in ((tall, 0), (broad, 1)):
            assert alike(field, lag, long_axis) > 0.9
            assert alike(field, lag, 1 - long_axis) == pytest.approx(0.37, abs=0.1)

    @pytest.mark.parametrize("mpp", [1.8713, 3.7])
    def test_what_is_finer_than_a_pixel_fades(self, mpp: float) -> None:
        assert noise(replace(VIEW, mpp=mpp), 1.1, 5).std() == pytest.approx(1.1 / mpp, rel=0.08)

    def test_it_is_the_same_at_every_scale(self) -> None:
        """A frame in half as many pixels shows the same bumps, which only get a little rounder."""
        fine = noise(View((800, 1200), 0.5, CENTER), 60.0, SALTS[1])
        coarse = noise(View((400, 600), 1.0, CENTER), 60.0, SALTS[1])
        assert np.corrcoef(fine[::2, ::2].ravel(), coarse.ravel())[0, 1] > 0.95


class TestFibres:
    @pytest.mark.parametrize("angle", [0.0, 33.0, 90.0, -62.0])
    @pytest.mark.parametrize("turned", [-13.0, 71.0, 190.0])
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_they_run_along_their_angle_in_the_knee(
        self, angle: float, turned: float, mirrored: bool
    ) -> None:
        view = View((401, 603), 0.8317, CENTER, turned, mirrored)
        found = direction(fibres(view, 6.0, SALTS[1], angle, 2.0))
        apart = (found - view.turned(angle) + 90) % 180 - 90
        assert apart == pytest.approx(0, abs=5)

    @pytest.mark.parametrize("salt", SALTS)
    def test_they_have_mean_0_and_a_deviation_of_about_1(self, salt: int) -> None:
        field = fibres(VIEW, 4.5, salt, 33.0)
        assert field.mean() == pytest.approx(0, abs=0.1)
        assert field.std() == pytest.approx(1, abs=0.15)

    def test_width_is_micrometres(self) -> None:
        """Twice as wide, half as many; as many in pixels of another size; one in a few widths."""
        view = View((901, 1203), 0.8317, CENTER)
        narrow, wide = (crossings(fibres(view, width, 5, 0.0), view) for width in (5.0, 10.0))
        assert narrow / wide == pytest.approx(2, rel=0.15)
        finer = replace(view, mpp=0.4871)
        assert crossings(fibres(finer, 5.0, 5, 0.0), finer) == pytest.approx(narrow, rel=0.15)
        assert 2 * 5.0 < 1 / narrow < 5 * 5.0

    def test_length_stretches_them_along_their_angle_only(self) -> None:
        view = View((901, 1203), 0.8317, CENTER)
        short, long = (fibres(view, 5.0, 5, 0.0, length) for length in (1.0, 3.0))
        assert alike(long, 40, axis=1) > alike(short, 40, axis=1) + 0.1
        assert crossings(long, view) == pytest.approx(crossings(short, view), rel=0.15)


def direction(field: Field) -> float:
    """Degrees, from x towards y, along which a field changes least."""
    down, along = np.gradient(field.astype(float))
    tensor = np.array([[np.mean(along**2), np.mean(along * down)], [0, np.mean(down**2)]])
    x, y = np.linalg.eigh(tensor, UPLO="U")[1][:, 0]
    return float(np.degrees(np.arctan2(y, x)))


def crossings(field: Field, view: View) -> float:
    """How often a µm down the picture the field rises through 0."""
    above = field > 0
    rises = (~above[:-1] & above[1:]).sum()
    return float(rises / (field.size * view.mpp))


class TestWalls:
    @pytest.mark.parametrize("cell_um", [24.0, 41.0])
    def test_they_are_0_and_the_middle_of_a_cell_is_a_sixth_of_it_away(
        self, cell_um: float
    ) -> None:
        away = walls(VIEW, cell_um, 3)
        assert away.min() == pytest.approx(0, abs=0.02 * cell_um)
        assert away.max() == pytest.approx(cell_um / 6)
        near = away < 0.1 * cell_um
        assert 0.25 < near.mean() < 0.6

    @pytest.mark.parametrize("mpp", [0.4871, 0.8317])
    @pytest.mark.parametrize("stretch", [1.0, 2.2])
    def test_cells_have_about_the_width_asked_for(self, mpp: float, stretch: float) -> None:
        view = replace(VIEW, mpp=mpp)
        inner = (walls(view, 31.0, 7, stretch) > 2.5).astype(np.uint8)
        cells = cv2.connectedComponents(inner, connectivity=4)[0] - 1
        expected = inner.size * mpp**2 / (31.0**2 * stretch)
        assert cells == pytest.approx(expected, rel=0.2)

    def test_distance_grows_by_a_micrometre_a_micrometre(self) -> None:
        away = walls(View((901, 1203), 0.4871, CENTER), 41.0, 3)
        slope = np.hypot(*np.gradient(away.astype(float))) / 0.4871
        rising = (away > 1.5) & (away < 5)
        assert np.median(slope[rising]) == pytest.approx(1, abs=0.15)


class TestWindows:
    """A window shows what the whole shows there."""

    @settings(max_examples=25)
    @given(
        top=st.integers(0, 880),
        left=st.integers(0, 1180),
        rows=st.integers(1, 200),
        columns=st.integers(1, 200),
        scale_um=st.floats(0.8, 90),
        salt=st.integers(0, 2**63 - 1),
    )
    def test_noise_is_equal_to_the_last_bit(
        self, top: int, left: int, rows: int, columns: int, scale_um: float, salt: int
    ) -> None:
        here = slice(top, min(901, top + rows)), slice(left, min(1203, left + columns))
        part = noise(VIEW.window(*here), scale_um, salt, (1.0, 1.7))
        assert (part == noise(VIEW, scale_um, salt, (1.0, 1.7))[here]).all()

    @textures
    def test_every_texture_goes_on_across_a_border(self, texture: Callable[[View], Field]) -> None:
        whole = texture(VIEW)
        for here in (
            (slice(0, 411), slice(0, 517)),
            (slice(0, 411), slice(517, 1203)),
            (slice(411, 901), slice(517, 1203)),
        ):
            part = texture(VIEW.window(*here))
            assert (part == whole[here]).all()


@pytest.fixture(name="plain_processor")
def _plain_processor() -> Iterator[None]:
    cv2.setUseOptimized(False)
    yield
    cv2.setUseOptimized(True)


@textures
def test_a_texture_is_made_of_bytes(texture: Callable[[View], Field]) -> None:
    assert len(np.unique(texture(VIEW))) <= 256


@pytest.fixture(scope="module")
def usual() -> dict[str, Field]:
    """Every texture as this processor makes it with all its instructions."""
    return {name: texture(VIEW) for name, texture in TEXTURES.items()}


@pytest.mark.usefixtures("plain_processor")
@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_does_not_depend_on_a_processors_rounding(
    name: str, usual: dict[str, Field]
) -> None:
    assert (TEXTURES[name](VIEW) == usual[name]).all()


@pytest.mark.parametrize("texture", [noise, lambda v, um, s: fibres(v, um, s, 33.0), walls])
def test_other_salts_give_fields_that_have_nothing_in_common(
    texture: Callable[[View, float, int], Field],
) -> None:
    one, *others = (texture(VIEW, 5.0, salt) for salt in SALTS)
    for other in others:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.09
    assert (one == texture(VIEW, 5.0, SALTS[0])).all()
