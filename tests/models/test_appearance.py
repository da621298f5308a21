"""The range of stains a model knows, taken from what it was shown."""

from __future__ import annotations

import numpy as np
import pytest

from histoscore.image.stain import stain_readouts, white_point
from histoscore.models.appearance import READOUTS, appearance_limits
from histoscore.models.examples import Example, ExampleFacts
from histoscore.vocabulary import Tissue


def stained(safranin: int, green: int, seed: int, mpp: float = 1.0) -> Example:
    """Cartilage of Safranin in bone of Fast Green, glass around."""
    pixels = np.zeros((520, 760, 5), np.uint8)
    rng = np.random.default_rng(seed)
    pixels[60:460, 80:680, 1] = green + rng.integers(-8, 9, (400, 600))
    pixels[60:460, 80:680, 3] = Tissue.BONE
    pixels[200:260, 80:680, 0] = safranin + rng.integers(-8, 9, (60, 600))
    pixels[200:260, 80:680, 1] = 0
    pixels[200:260, 80:680, 3] = Tissue.HYALINE
    facts = ExampleFacts(colours="dyes", mpp=mpp, animal="m1", slide=f"s{seed}")
    return Example(f"e{seed}", facts, pixels)


def scanned(colour: tuple[int, int, int]) -> Example:
    """A slide's own picture: tissue of one colour on clear glass."""
    pixels = np.zeros((520, 760, 5), np.uint8)
    pixels[..., :3] = 244
    pixels[60:460, 80:680, :3] = colour
    pixels[60:460, 80:680, 3] = Tissue.BONE
    return Example("e1", ExampleFacts(colours="rgb", mpp=1.0, animal="m1", slide="s1"), pixels)


@pytest.fixture(scope="module")
def limits() -> dict[str, tuple[float, float]]:
    return dict(appearance_limits([stained(90, 60, n) for n in range(6)]))


def readouts(colour: tuple[int, int, int]) -> dict[str, float]:
    """Of tissue in one colour on clear glass."""
    picture = np.full((60, 80, 3), 244, np.uint8)
    picture[10:50, 10:70] = colour
    tissue = (picture != 244).any(-1)
    return stain_readouts(picture[tissue], white_point(picture, tissue))


def test_each_read_out_has_a_range_within_the_scale(limits: dict[str, tuple[float, float]]) -> None:
    assert set(limits) == set(READOUTS)
    for low, high in limits.values():
        assert 0 <= low < high <= 1


def test_the_same_examples_give_the_same_limits(limits: dict[str, tuple[float, float]]) -> None:
    assert appearance_limits([stained(90, 60, n) for n in range(6)]) == limits


def test_fast_green_and_safranin_lie_within(limits: dict[str, tuple[float, float]]) -> None:
    for colour in ((92, 172, 150), (226, 112, 52)):
        seen = readouts(colour)
        assert all(low <= seen[name] <= high for name, (low, high) in limits.items())


def test_eosin_and_haematoxylin_lie_outside(limits: dict[str, tuple[float, float]]) -> None:
    for colour in ((225, 130, 170), (110, 70, 150)):
        seen = readouts(colour)
        assert any(not low <= seen[name] <= high for name, (low, high) in limits.items())


def test_examples_of_any_scale_are_looked_at() -> None:
    """Coarser than the overview, too."""
    for mpp in (0.5, 3.0, 9.0):
        (found,) = appearance_limits([stained(90, 60, 1, mpp)]).values()
        assert 0 <= found[0] < found[1] <= 1


def test_a_laboratorys_own_colours_lie_within_its_limits() -> None:
    """A model trained on pink slides knows pink."""
    green = appearance_limits([scanned((92, 172, 150))])["pink_purple_share"]
    pink = appearance_limits([scanned((225, 130, 170))])["pink_purple_share"]
    seen = readouts((225, 130, 170))["pink_purple_share"]
    assert pink[0] <= seen <= pink[1]
    assert green[1] < seen
