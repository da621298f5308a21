"""How even the light is, told from the glass between the sections; glass between tissues."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoscore.image.glass import LEAST_BARE_UM2, bare_glass, light_spread


def slide(seed: int = 3) -> np.ndarray:
    """Grainy tissue on glass that is not quite white, (300, 400, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((300, 400, 3), 236, np.float32)
    grain = cv2.GaussianBlur(rng.normal(size=(90, 120)).astype(np.float32), (0, 0), 3)
    picture[100:190, 140:260] = (150, 90, 110) + 60 * (grain / grain.std())[..., None]
    return np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)


def shaded(rgb: np.ndarray, depth: float) -> np.ndarray:
    fall = 1 - depth * np.linspace(0, 1, rgb.shape[1])[None, :, None]
    return np.rint(rgb * fall).astype(np.uint8)


def test_even_light_has_no_spread() -> None:
    assert light_spread(slide()) == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("depth", [0.05, 0.1, 0.2, 0.3])
def test_light_that_falls_off_has_its_depth(depth: float) -> None:
    assert light_spread(shaded(slide(), depth)) == pytest.approx(depth, abs=0.02)


def test_it_falls_off_toward_the_corners_as_well() -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, 300), np.linspace(-1, 1, 400), indexing="ij")
    vignette = 1 - 0.1 * (x * x + y * y)[..., None]
    assert light_spread(np.rint(slide() * vignette).astype(np.uint8)) == pytest.approx(
        0.18, abs=0.03
    )


def test_pale_tissue_is_no_darker_glass() -> None:
    rgb = slide()
    grain = np.random.default_rng(5).normal(0, 6, (120, 200, 1))
    rgb[150:270, 20:220] = np.clip(205 + cv2.GaussianBlur(grain, (0, 0), 2)[..., None] * 4, 0, 255)
    assert light_spread(rgb) < 0.03


def test_where_there_is_no_glass_nothing_is_told() -> None:
    assert light_spread(np.full((90, 120, 3), (120, 70, 90), np.uint8)) == 0


class TestBareGlass:
    """At 1.6 µm/px; the tissue lies on columns 60–339 of rows 100–189."""

    MPP = 1.6
    GAP = 24

    def test_around_tissue_and_not_on_it(self) -> None:
        bare = bare_glass(self.section(), self.MPP)
        assert not bare[100:190, 60:340].any()
        outside = np.ones(bare.shape, np.bool_)
        outside[94:196, 54:346] = False
        assert bare[outside].all()

    def test_a_joint_space_that_tissue_closes_in(self) -> None:
        bare = bare_glass(self.section(hole_um2=1.2 * LEAST_BARE_UM2), self.MPP)
        inside = bare[100:190, 60:340]
        assert 0.8 < inside.sum() * self.MPP**2 / (1.2 * LEAST_BARE_UM2) < 1

    def test_the_inside_of_a_fat_cell_is_none(self) -> None:
        bare = bare_glass(self.section(hole_um2=0.8 * LEAST_BARE_UM2), self.MPP)
        assert not bare[100:190, 60:340].any()

    def test_fat_cells_with_holes_in_their_walls_are_none(self) -> None:
        rgb = self.section(hole_um2=1.2 * LEAST_BARE_UM2)
        rgb[120 : 120 + self.GAP, 200:202] = (150, 90, 110)
        rgb[130:134, 200:202] = 236
        assert not bare_glass(rgb, self.MPP)[100:190, 60:340].any()

    def test_tinted_glass_in_falling_light(self) -> None:
        tint = np.array([0.95, 0.9, 0.94])
        bare = bare_glass(shaded(np.rint(self.section() * tint).astype(np.uint8), 0.05), self.MPP)
        assert not bare[100:190, 60:340].any()
        assert bare[:90].mean() > 0.98

    def test_a_picture_of_tissue_alone_shows_none(self) -> None:
        assert not bare_glass(np.full((90, 120, 3), (120, 70, 90), np.uint8), self.MPP).any()

    def section(self, hole_um2: float = 0) -> np.ndarray:
        """Tissue on noisy glass, with a hole around column 200, `GAP` rows high."""
        picture = np.full((300, 400, 3), 236, np.float32)
        picture[100:190, 60:340] = (150, 90, 110)
        half = round(hole_um2 / self.MPP**2 / self.GAP / 2)
        picture[120 : 120 + self.GAP, 201 - half : 201 + half] = 236
        noise = np.random.default_rng(3).normal(0, 1.5, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)
