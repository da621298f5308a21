"""Dyes become colour by Beer–Lambert, the same wherever they lie, and batches differ as they
should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from histoscore.phantom import staining
from histoscore.phantom.staining import (
    BAND_ROWS,
    DYE_STEP,
    DYES,
    Appearance,
    Batch,
    render,
    sample_batch,
)
from histoscore.records import LabelArray

PLAIN = Batch(
    dyes=DYES,
    strength=np.array([1.1, 0.8, 1.3], np.float32),
    background=np.array([244, 240, 236], np.float32),
    blur=0.5,
    grain=0.0,
    gamma=1.0,
)
CAMERA = replace(PLAIN, blur=0.7, grain=1.1, gamma=0.93, sharpened=0.5)
"""With all that a camera adds."""

MPP = 0.8317
DENSEST = 120
"""Amount of a dye in steps of `DYE_STEP`: the strongest cartilage has about 85."""

few = settings(max_examples=12, phases=(Phase.generate,))
"""An example is a whole picture, and none is simpler than another."""

strengths = st.tuples(*[st.floats(0.5, 1.7)] * 3)
batches = strengths.map(lambda factors: replace(PLAIN, strength=np.array(factors, np.float32)))


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(*amounts: int, shape: tuple[int, int] = (13, 19)) -> LabelArray:
    """Dyes that are the same everywhere."""
    return np.full((*shape, 3), amounts, np.uint8)


def patchy(rows: int, columns: int) -> LabelArray:
    """Dyes that change from pixel to pixel and from row to row."""
    return np.random.default_rng(5).integers(0, 120, (rows, columns, 3), np.uint8)


def patches() -> LabelArray:
    """(140, 210, 3) dyes: even patches of 7 × 7 pixels, each of other amounts."""
    amounts = np.random.default_rng(5).integers(0, DENSEST + 1, (20, 30, 3), np.uint8)
    return amounts.repeat(7, 0).repeat(7, 1)


def strayed(batch: Batch, thickness: float) -> float:
    """The most grey levels that the middle of a patch is away from Beer and Lambert's law."""
    dyes = patches()
    picture = render(dyes, MPP, replace(batch, blur=0.0), rng(), thickness)[3::7, 3::7]
    amounts = dyes[3::7, 3::7] * DYE_STEP * batch.strength.astype(float) * thickness
    expected = batch.background * 10 ** -(amounts @ batch.dyes.astype(float))
    return float(np.abs(picture - expected).max())


class TestLight:
    @given(batch=batches, thickness=st.floats(0.9, 1.1))
    @few
    def test_it_falls_by_beer_and_lambert(self, batch: Batch, thickness: float) -> None:
        assert strayed(batch, thickness) <= 1.6

    @given(batch=batches, thickness=st.floats(0.9, 1.1))
    @few
    def test_it_never_strays_by_a_fortieth(self, batch: Batch, thickness: float) -> None:
        assert strayed(batch, thickness) <= 6

    def test_more_dye_is_never_brighter(self) -> None:
        ramp = np.zeros((1, 251, 3), np.uint8)
        for dye in range(3):
            ramp[:] = 0
            ramp[..., dye] = np.arange(251)
            picture = render(np.repeat(ramp, 9, 0), MPP, PLAIN, rng()).astype(int)
            assert (np.diff(picture, axis=1) <= 0).all()

    def test_the_densest_tissue_is_dark_and_does_not_wrap_around(self) -> None:
        strong = replace(PLAIN, strength=np.full(3, 3.0, np.float32))
        assert render(flat(250, 250, 250), MPP, strong, rng(), 1.1).max() <= 2

    def test_empty_glass_is_the_background(self) -> None:
        picture = render(flat(0, 0, 0, shape=(40, 71)), MPP, PLAIN, rng())
        assert picture.shape == (40, 71, 3)
        assert picture.dtype == np.uint8
        assert (picture == PLAIN.background).all()

    def test_tone_bends_the_middle_and_keeps_black_and_white(self) -> None:
        dyes = flat(40, 30, 20)
        plain = render(dyes, MPP, PLAIN, rng()).astype(float)
        toned = render(dyes, MPP, replace(PLAIN, gamma=1.4), rng())
        np.testing.assert_allclose(toned, 255 * (plain / 255) ** 1.4, atol=2)
        white = replace(PLAIN, background=np.full(3, 255, np.float32), gamma=1.4)
        assert (render(flat(0, 0, 0), MPP, white, rng()) == 255).all()


class TestDyes:
    def test_they_are_unit_vectors(self) -> None:
        assert np.linalg.norm(DYES, axis=1) == pytest.approx(1.0, abs=0.01)

    def test_safranin_is_orange_red_fast_green_is_blue_green_haematoxylin_is_blue_violet(
        self,
    ) -> None:
        safranin, green, haem = (
            render(flat(*(60 * (k == dye) for k in range(3))), MPP, PLAIN, rng())[5, 7].tolist()
            for dye in range(3)
        )
        assert safranin[0] > safranin[1] > safranin[2]
        assert green[0] < min(green[1], green[2])
        assert haem[1] < haem[0] < haem[2]


class TestNoise:
    @pytest.mark.parametrize("grain", [0.8, 2.0, 4.0])
    def test_it_is_as_strong_as_asked(self, grain: float) -> None:
        added = noise_of(grain)
        # Whole grey levels scatter by a twelfth more.
        assert added.std() == pytest.approx(np.hypot(grain, 12**-0.5), rel=0.05)
        assert added.mean() == pytest.approx(0, abs=0.05)

    def test_it_is_grey(self) -> None:
        assert (np.ptp(noise_of(2.0), axis=2) == 0).all()

    def test_it_differs_from_pixel_to_pixel(self) -> None:
        added = noise_of(2.0)[..., 0]
        for axis in (0, 1):
            one, next_one = np.moveaxis(added, axis, 0)[:-1], np.moveaxis(added, axis, 0)[1:]
            assert abs(np.corrcoef(one.ravel(), next_one.ravel())[0, 1]) < 0.03

    def test_none_is_added_where_there_is_none(self) -> None:
        assert (noise_of(0.0) == 0).all()


def noise_of(grain: float) -> np.ndarray:
    dyes = flat(20, 20, 20, shape=(203, 301))
    calm, noisy = (
        render(dyes, MPP, replace(PLAIN, grain=g), rng()).astype(int) for g in (0.0, grain)
    )
    return np.asarray(noisy - calm)


class TestOptics:
    @pytest.mark.parametrize("blur", [1.9, 3.1])
    @pytest.mark.parametrize("mpp", [0.4871, 0.8317])
    def test_they_blur_in_micrometres_not_pixels(self, blur: float, mpp: float) -> None:
        """An edge between glass and pale green passes into the other over `blur`."""
        dyes = np.zeros((31, 151, 3), np.uint8)
        dyes[:, 75:, 1] = 60
        line = render(dyes, mpp, replace(PLAIN, blur=blur), rng())[15, :, 0].astype(float)
        steps = -np.diff(line)
        place = np.arange(150) + 0.5
        middle = np.average(place, weights=steps)
        width = np.sqrt(np.average((place - middle) ** 2, weights=steps)) * mpp
        assert width == pytest.approx(blur, rel=0.12)
        assert middle == pytest.approx(74.5, abs=0.2)

    def test_sharpening_darkens_the_dark_side_of_an_edge_and_leaves_the_flat_alone(self) -> None:
        dyes = np.zeros((31, 151, 3), np.uint8)
        dyes[:, 75:, 1] = 60
        plain, sharp = (
            render(dyes, MPP, replace(PLAIN, sharpened=s), rng())[15, :, 0].astype(int)
            for s in (0.0, 0.5)
        )
        assert sharp.min() < plain.min() - 4
        assert (sharp[:60] == plain[:60]).all()
        assert (sharp[90:] == plain[90:]).all()


class TestBands:
    """A picture is made in bands of rows; nobody can tell where they meet."""

    @pytest.mark.parametrize("batch", [PLAIN, CAMERA, replace(CAMERA, blur=4.0)])
    def test_they_join_without_a_seam(self, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
        dyes = patchy(2 * BAND_ROWS + 77, 61)
        banded = render(dyes, MPP, batch, rng())
        monkeypatch.setattr(staining, "BAND_ROWS", len(dyes))
        assert (banded == render(dyes, MPP, batch, rng())).all()

    def test_a_picture_wider_than_a_pane_of_noise_has_noise_everywhere(self) -> None:
        noisy = render(flat(20, 20, 20, shape=(20, 2100)), MPP, CAMERA, rng())
        spread = noisy[..., 0].std(axis=0)
        assert (np.convolve(spread, np.ones(9) / 9, "valid") > 0.6).all()


class TestSameBytes:
    def test_the_same_random_numbers_give_the_same_picture(self) -> None:
        dyes = patchy(90, 131)
        one, other = (render(dyes, MPP, CAMERA, rng(8)) for _ in range(2))
        assert (one == other).all()
        assert (one != render(dyes, MPP, CAMERA, rng(9))).any()

    def test_a_picture_does_not_depend_on_a_processors_rounding(
        self, plain_processor: None
    ) -> None:
        dyes = patchy(90, 131)
        plain = render(dyes, MPP, CAMERA, rng())
        cv2.setUseOptimized(True)
        assert (render(dyes, MPP, CAMERA, rng()) == plain).all()

    def test_dyes_are_left_as_they_were(self) -> None:
        dyes = patchy(90, 131)
        before = dyes.copy()
        render(dyes, MPP, CAMERA, rng())
        assert (dyes == before).all()


@pytest.fixture(name="plain_processor")
def _plain_processor() -> Iterator[None]:
    cv2.setUseOptimized(False)
    yield
    cv2.setUseOptimized(True)


class TestBatches:
    @pytest.mark.parametrize("appearance", ["standard", "shifted"])
    def test_dyes_are_unit_vectors(self, appearance: Appearance) -> None:
        for seed in range(20):
            batch = sample_batch(rng(seed), appearance)
            assert np.linalg.norm(batch.dyes, axis=1) == pytest.approx(1.0, abs=1e-5)
            assert (batch.dyes > 0).all()

    def test_the_same_seed_gives_the_same_batch_and_others_differ(self) -> None:
        one, same, other = (sample_batch(rng(seed)) for seed in (1, 1, 2))
        assert (one.dyes == same.dyes).all()
        assert (one.strength == same.strength).all()
        assert one.blur == same.blur
        assert (one.dyes != other.dyes).any()

    def test_standard_ones_are_stained_as_usual_on_clear_glass(self) -> None:
        batches = [sample_batch(rng(seed)) for seed in range(100)]
        strengths = np.array([batch.strength for batch in batches])
        assert np.exp(np.log(strengths).mean(0)) == pytest.approx(np.ones(3), abs=0.08)
        assert min(batch.background.min() for batch in batches) > 222
        angles = [np.degrees(np.arccos((b.dyes * DYES).sum(1).clip(-1, 1))) for b in batches]
        assert np.median(angles) < 5

    def test_shifted_ones_lie_outside_of_those(self) -> None:
        standard, shifted = (
            [sample_batch(rng(seed), appearance) for seed in range(100)]
            for appearance in ("standard", "shifted")
        )
        usual = max(float(np.abs(np.log(batch.strength)).mean()) for batch in standard)
        assert np.median([np.abs(np.log(batch.strength)).mean() for batch in shifted]) > usual
        assert max(b.blur for b in standard) < min(b.blur for b in shifted)
        colour = [[float(np.ptp(b.background)) for b in batches] for batches in (standard, shifted)]
        assert np.median(colour[1]) > np.quantile(colour[0], 0.95)
