"""A compartment's cartilage laid straight: drawn slabs whose layers and colours are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from helpers.drawn_knee import HYALINE_UM, SLIDE_MPP, Pose, arc, slab

from histoscore.geometry import Mpp, Placement
from histoscore.image.morphometry import measure
from histoscore.image.strips import ABOVE_PX, BELOW_PX, layered_picture, straighten, strip_box
from histoscore.records import LabelMap, Strip, Surface
from histoscore.slides.memory import PictureInMemory
from histoscore.vocabulary import Compartment, Tissue

LENGTH = 500.0
THIN_UM = 18.0
"""A calcified layer that a strip shows whole."""
ORANGE, GREEN, BLUE = (226, 120, 50), (90, 170, 150), (60, 70, 200)
poses = pytest.mark.parametrize(
    "pose",
    [
        Pose(900, 640, mpp=0.83),
        Pose(900, 940, mpp=1.3, angle=63),
        Pose(900, 800, mpp=1.3, angle=200, mirrored=True),
    ],
    ids=str,
)


def slide_of(pose: Pose) -> PictureInMemory:
    """The slab's colours at level 0: orange above the tidemark, green below, blue to the left of
    the drawing's middle."""
    rows, columns = (round(n * pose.mpp / SLIDE_MPP + 330) for n in pose.shape)
    y, x = np.mgrid[:rows, :columns]
    there = pose.to_drawing(np.stack([x, y], -1).reshape(-1, 2).astype(float))
    colours = np.where(there[:, 1:] < 0, ORANGE, GREEN)
    colours[there[:, 0] < -LENGTH / 4] = BLUE
    return PictureInMemory(colours.reshape(rows, columns, 3).astype(np.uint8), Mpp(SLIDE_MPP))


def strip_of(
    pose: Pose, labels: LabelMap, up: tuple[float, float], compartment: Compartment, mpp: float
) -> tuple[Strip, Surface]:
    measures = measure(labels, compartment, up)
    assert measures is not None
    downsample = mpp / SLIDE_MPP
    box = strip_box(measures.surface, downsample)
    place = Placement(box.x, box.y, downsample, Mpp(mpp))
    colour = slide_of(pose).read_at(box, Mpp(mpp))
    picture = layered_picture(colour, place, labels, compartment)
    return straighten(picture, place, measures.surface, Mpp(mpp)), measures.surface


@cache
def slab_strip(pose: Pose, mpp: float = 1.0) -> Strip:
    labels, up = slab(pose, Compartment.MTP, LENGTH, calcified=THIN_UM)
    return strip_of(pose, labels, up, Compartment.MTP, mpp)[0]


@poses
@pytest.mark.parametrize("mpp", [0.9, 1.2])
def test_a_strip_is_as_deep_as_networks_like_and_as_long_as_the_tidemark(
    pose: Pose, mpp: float
) -> None:
    strip = slab_strip(pose, mpp)
    assert strip.pixels.shape[0] == ABOVE_PX + BELOW_PX
    assert strip.pixels.shape[0] % 32 == 0
    assert strip.pixels.shape[1] == pytest.approx(LENGTH / mpp, rel=0.02)
    assert strip.pixels.shape[2] == 5
    assert (strip.tidemark_row, strip.mpp, strip.compartment) == (ABOVE_PX, mpp, Compartment.MTP)


@poses
@pytest.mark.parametrize("mpp", [0.9, 1.2])
def test_the_tidemark_runs_along_its_row(pose: Pose, mpp: float) -> None:
    pixels = slab_strip(pose, mpp).pixels[:, 10:-10]
    hyaline, calcified = pixels[..., 3] > 127, pixels[..., 4] > 127
    low = ABOVE_PX - 1 - np.argmax(hyaline[ABOVE_PX - 1 :: -1], axis=0)
    assert np.abs(low - ABOVE_PX).mean() < 1.5
    assert np.abs(np.argmax(calcified, axis=0) - ABOVE_PX).mean() < 1.5


@poses
@pytest.mark.parametrize("mpp", [0.9, 1.2])
def test_layers_keep_their_thickness_and_their_side(pose: Pose, mpp: float) -> None:
    pixels = slab_strip(pose, mpp).pixels[:, 10:-10]
    hyaline, calcified = pixels[..., 3] > 127, pixels[..., 4] > 127
    assert hyaline.sum(0).mean() * mpp == pytest.approx(HYALINE_UM, abs=1.0)
    assert calcified.sum(0).mean() * mpp == pytest.approx(THIN_UM, abs=1.0)
    assert not hyaline[ABOVE_PX + 3 :].any()
    assert not calcified[: ABOVE_PX - 3].any()


@poses
def test_colours_come_from_where_the_cartilage_lies(pose: Pose) -> None:
    pixels = slab_strip(pose).pixels
    right = pixels[:, pixels.shape[1] // 2 - 60 : pixels.shape[1] // 2 + 60, :3].astype(int)
    assert np.abs(right[: ABOVE_PX - 4] - ORANGE).max() < 12
    assert np.abs(right[ABOVE_PX + 4 :] - GREEN).max() < 12


@poses
def test_columns_run_along_the_surface(pose: Pose) -> None:
    """A quarter of the slab is blue: one end of the strip, and only that."""
    pixels = slab_strip(pose).pixels
    blue = np.abs(pixels[ABOVE_PX - 20 : ABOVE_PX + 20, :, :3].astype(int) - BLUE).max((0, 2)) < 25
    changes = np.flatnonzero(np.diff(blue.astype(int)))
    assert len(changes) == 1
    assert blue.mean() == pytest.approx(0.25, abs=0.02)


def test_masks_are_all_or_nothing() -> None:
    assert set(np.unique(slab_strip(Pose(900, 800, angle=21)).pixels[..., 3:])) == {0, 255}


@pytest.mark.parametrize("angle", [0, 117])
def test_a_condyle_is_laid_straight(angle: float) -> None:
    pose = Pose(1200, 1200, mpp=0.83, angle=angle)
    labels, up = arc(pose, Compartment.LFC, 420)
    strip, _ = strip_of(pose, labels, up, Compartment.LFC, 1.0)
    middle = strip.pixels[:, 120:-120]
    assert (middle[..., 3] > 127).sum(0).mean() == pytest.approx(HYALINE_UM, abs=1.5)
    assert (middle[ABOVE_PX - 30 : ABOVE_PX - 3, :, 3] > 127).all()
    assert (middle[ABOVE_PX + 3 : ABOVE_PX + 20, :, 4] > 127).all()


def test_the_opposite_bones_cartilage_is_not_in_a_strips_masks() -> None:
    """Across a narrow joint space it lies within the strip's reach."""
    pose = Pose(900, 640, mpp=1.3, angle=8)
    labels, up = slab(pose, Compartment.MTP, LENGTH)
    x, y = pose.grid()
    opposite = (np.abs(x) < LENGTH / 2) & (y < -48) & (y > -62)
    tissue, compartments = labels.tissue.copy(), labels.compartments.copy()
    tissue[opposite], compartments[opposite] = Tissue.HYALINE, Compartment.MFC.code
    both = LabelMap(tissue, compartments, labels.placement)
    strip, _ = strip_of(pose, both, up, Compartment.MTP, 1.0)
    assert (strip.pixels[: ABOVE_PX - 45, :, 3] == 0).all()
    assert (strip.pixels[..., 3] > 127).any(0)[5:-5].all()


def test_the_box_holds_the_whole_strip() -> None:
    pose = Pose(900, 640, mpp=1.3, angle=-25)
    labels, up = slab(pose, Compartment.LTP, LENGTH)
    measures = measure(labels, Compartment.LTP, up)
    assert measures is not None
    box = strip_box(measures.surface, 1.0 / SLIDE_MPP)
    reach = ABOVE_PX / SLIDE_MPP
    low, high = measures.surface.tidemark.min(0), measures.surface.tidemark.max(0)
    assert (box.x, box.y) <= tuple(low - reach)
    assert box.right >= high[0] + reach
    assert box.bottom >= high[1] + reach


def test_beyond_the_label_map_a_strip_has_no_labels() -> None:
    pose = Pose(700, 150, mpp=1.0)
    labels, up = slab(pose, Compartment.MTP, LENGTH, hyaline=30, calcified=20)
    strip, _ = strip_of(pose, labels, up, Compartment.MTP, 1.0)
    assert (strip.pixels[:3, :, 3:] == 0).all(), "the map ends 75 µm above the tidemark"
    assert strip.pixels[..., 3].max() == 255


def test_beyond_the_slide_a_strip_is_white() -> None:
    pose = Pose(700, 150, mpp=1.0)
    labels, up = slab(pose, Compartment.MTP, LENGTH, hyaline=30, calcified=20)
    strip, surface = strip_of(pose, labels, up, Compartment.MTP, 1.0)
    # The slide's upper edge lies this many strip pixels above the tidemark.
    edge = surface.tidemark[:, 1].mean() * SLIDE_MPP
    assert edge < ABOVE_PX - 10
    assert (strip.pixels[: int(ABOVE_PX - edge) - 3, :, :3] == 255).all()


def test_what_the_picture_does_not_show_is_white() -> None:
    pose = Pose(900, 640, mpp=1.3)
    labels, up = slab(pose, Compartment.MTP, LENGTH)
    measures = measure(labels, Compartment.MTP, up)
    assert measures is not None
    box = strip_box(measures.surface, 1.0 / SLIDE_MPP)
    place = Placement(box.x, box.y, 1.0 / SLIDE_MPP, Mpp(1.0))
    upper = np.full((40, 250, 5), 90, np.uint8)  # of the left half only
    pixels = straighten(upper, place, measures.surface, Mpp(1.0)).pixels
    assert (pixels[ABOVE_PX:, :, :3] == 255).all()
    assert (pixels[ABOVE_PX:, :, 3:] == 0).all()
    assert (pixels[5:20, 40:120] == 90).all() or (pixels[5:20, -120:-40] == 90).all()


def test_strips_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        slab_strip(Pose(900, 640)).pixels[0, 0] = 0


def test_a_strip_labels_what_the_label_map_says() -> None:
    pose = Pose(900, 640, mpp=0.83, angle=12)
    labels, up = slab(pose, Compartment.MTP, LENGTH, gaps=((-50, 80),))
    strip, surface = strip_of(pose, labels, up, Compartment.MTP, 1.0)
    bare = ~(strip.pixels[..., 3] > 127).any(0)
    assert bare.sum() == pytest.approx(130, abs=4)
    assert bare.mean() == pytest.approx(surface.eroded.mean(), abs=0.02)
    assert (labels.tissue == Tissue.HYALINE).any()
