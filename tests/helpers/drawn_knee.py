"""A tiny knee drawn from curves, with known areas and lengths, mounted any way on the glass.

    y −1000 ┌───────────────────────┐
            │ femur    bone         │
       −850 │ ▒▒▒▒ mistaken growth  │    ▒ hyaline over calcified cartilage, deep in bone
            │     plate ▒▒▒▒        │
            └╮     ╭╯   ╰╮     ╭────┘
             ╰──C──╯     ╰──C──╯         C round condyles, cartilage below
    y ≈   0    ▔▔▔▔        ╭──╮          plateaus: the medial hollow, the lateral rounded
            ┌──╰──╯──────╮──────────┐
            │ tibia                 │

Micrometres, x to the right, y down, the femur up, the medial half left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Mpp, Placement, Points
from histoscore.records import LabelMap, SegmentationMap, TissueMap
from histoscore.vocabulary import Compartment, Tissue, Zone

SLIDE_MPP = 0.613
CORNER = (311.0, -42.5)
"""Where drawn maps lie on their slide, level-0 (x, y)."""

HYALINE_UM, CALCIFIED_UM = 40.0, 30.0
TAPER_UM = 60.0
RADIUS_UM, HALF_ANGLE = 500.0, np.deg2rad(50)
HALF_PLATEAU_UM = 400.0
_MIDDLE_UM = 560.0
_LAYERS = (Tissue.HYALINE, Tissue.CALCIFIED)
_ZONE_OF_CODE = np.array([Zone.NONE, *(Zone.of(c) for c in Compartment)], np.uint8)


@dataclass(frozen=True)
class Pose:
    """How a drawing lies in a picture: size in µm, scale, rotation in degrees, mirroring."""

    width_um: float = 1000.0
    height_um: float = 700.0
    mpp: float = 0.83
    angle: float = 0.0
    mirrored: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        return round(self.height_um / self.mpp), round(self.width_um / self.mpp)

    @property
    def placement(self) -> Placement:
        return Placement(*CORNER, self.mpp / SLIDE_MPP, Mpp(self.mpp))

    @property
    def turn(self) -> np.ndarray:
        """Drawing (x, y) → picture (x, y)."""
        a = np.deg2rad(self.angle)
        rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        return rotation @ np.diag([-1.0 if self.mirrored else 1.0, 1.0])

    @property
    def up(self) -> tuple[float, float]:
        x, y = self.turn @ (0.0, -1.0)
        return float(x), float(y)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Drawing x and y in µm of every pixel's middle; the drawing's origin lies in the middle
        of the picture."""
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]]
        picture = np.stack([columns - self.middle[0], rows - self.middle[1]]) * self.mpp
        x, y = np.tensordot(np.linalg.inv(self.turn), picture, 1)
        return x, y

    @property
    def middle(self) -> tuple[float, float]:
        """Picture (x, y) in pixels of the drawing's origin, off the pixels' raster."""
        return (self.shape[1] - 1) / 2 + 0.31, (self.shape[0] - 1) / 2 - 0.17

    def to_drawing(self, level0: Points) -> Points:
        """Level-0 (x, y) → drawing (x, y) in µm."""
        picture = (self.placement.from_slide(level0) - self.middle) * self.mpp
        return picture @ np.linalg.inv(self.turn).T


def slab(
    pose: Pose,
    compartment: Compartment = Compartment.MTP,
    length: float = 700.0,
    hyaline: float = HYALINE_UM,
    calcified: float = CALCIFIED_UM,
    gaps: tuple[tuple[float, float], ...] = (),
) -> tuple[LabelMap, tuple[float, float]]:
    """A straight layer along x, centred, its tidemark at y = 0; hyaline above, save in `gaps`.

    Returns:
        The label map and the picture's direction from tibia to femur: for a femoral compartment
        the joint lies below the femur, so that the layer's upper side looks down.
    """
    x, y = pose.grid()
    inside = np.abs(x) < length / 2
    bare = np.any([(x >= low) & (x < high) for low, high in gaps], axis=0) if gaps else False
    layers = (
        inside & (y > -hyaline) & (y <= 0) & ~np.asarray(bare),
        inside & (y > 0) & (y < calcified),
    )
    return _labels(layers, pose, compartment), _up(pose, compartment)


def arc(
    pose: Pose, compartment: Compartment = Compartment.LFC, radius: float = 420.0
) -> tuple[LabelMap, tuple[float, float]]:
    """A layer on a circle, 50° to either side of its top; tidemark at `radius`.

    Over the last `TAPER_UM` of the tidemark both layers thin out to nothing, as cartilage does.
    """
    x, y = pose.grid()
    y = y - 250
    distance, angle = np.hypot(x, y), np.arctan2(x, -y)
    left = radius * (HALF_ANGLE - np.abs(angle))
    taper = np.clip(left / TAPER_UM, 0, 1)
    layers = (
        (distance >= radius) & (distance < radius + HYALINE_UM * taper),
        (distance < radius) & (distance > radius - CALCIFIED_UM * taper),
    )
    return _labels(layers, pose, compartment), _up(pose, compartment)


def _labels(
    layers: tuple[np.ndarray, np.ndarray], pose: Pose, compartment: Compartment
) -> LabelMap:
    tissue = np.full(pose.shape, Tissue.BONE, np.uint8)
    compartments = np.zeros(pose.shape, np.uint8)
    for mask, label in zip(layers, _LAYERS, strict=True):
        tissue[mask] = label
        compartments[mask] = compartment.code
    return LabelMap(tissue, compartments, pose.placement)


def _up(pose: Pose, compartment: Compartment) -> tuple[float, float]:
    x, y = pose.up
    return (-x, -y) if compartment.is_femoral else (x, y)


@dataclass(frozen=True)
class DrawnKnee:
    """Label maps of a whole joint; `zones` holds `Compartment.code` or 0."""

    tissue: np.ndarray
    zones: np.ndarray
    pose: Pose

    @property
    def bones(self) -> np.ndarray:
        """`Zone` of every pixel: what a network can tell of `zones`."""
        return np.asarray(_ZONE_OF_CODE[self.zones])

    def probabilities(self, certainty: float = 0.8) -> SegmentationMap:
        """What a segmentation network would say of it."""
        return SegmentationMap(
            in_255ths(_spread(self.tissue, len(Tissue), certainty)),
            in_255ths(_spread(self.bones, len(Zone), certainty)),
            self.pose.placement,
        )

    def tissue_map(self) -> TissueMap:
        """What a fine network would make of it."""
        tissue = self.tissue.copy()
        tissue.setflags(write=False)
        return TissueMap(tissue, self.pose.placement)


def knee(pose: Pose, without: tuple[Compartment, ...] = (), hollow: float = 45.0) -> DrawnKnee:
    """The joint in the picture above, in a picture of at least 2200 × 2200 µm.

    Args:
        without: compartments that bear no cartilage.
        hollow: µm that the middle of the medial plateau lies lower, of the lateral one higher.
    """
    x, y = pose.grid()
    tissue = np.full(pose.shape, Tissue.BACKGROUND, np.uint8)
    zones = np.zeros(pose.shape, np.uint8)
    whole = (np.abs(x) < 1000) & (np.abs(y) < 1000)
    tissue[whole] = Tissue.SOFT
    for y_from, y_to in ((-1000, -450), (300, 1000)):
        tissue[whole & (y > y_from) & (y < y_to)] = Tissue.BONE
    for compartment in Compartment:
        height = _height_over_tidemark(compartment, x, y, hollow)
        mine = np.isfinite(height) & whole
        tissue[mine & (height < -CALCIFIED_UM) & _bony(compartment, y)] = Tissue.BONE
        if compartment not in without:
            tissue[mine & (np.abs(height + CALCIFIED_UM / 2) <= CALCIFIED_UM / 2)] = (
                Tissue.CALCIFIED
            )
            tissue[mine & (height > 0) & (height < HYALINE_UM)] = Tissue.HYALINE
        half = (x < 0) == compartment.is_medial
        near = (y < 0) == compartment.is_femoral
        zones[half & near & np.isin(tissue, (*_LAYERS, Tissue.BONE))] = compartment.code
    # Zones say that the growth plate belongs to the compartments; only where it lies tells.
    tissue[(np.abs(x) < 800) & (y > -880) & (y <= -840)] = Tissue.CALCIFIED
    tissue[(np.abs(x) < 800) & (y > -840) & (y <= -800)] = Tissue.HYALINE
    return DrawnKnee(tissue, zones, pose)


def hyaline_area(compartment: Compartment) -> float:
    """µm² of a drawn compartment's hyaline cartilage."""
    if compartment.is_femoral:
        return float(HALF_ANGLE * ((RADIUS_UM + HYALINE_UM) ** 2 - RADIUS_UM**2))
    return 2 * HALF_PLATEAU_UM * HYALINE_UM


def _height_over_tidemark(
    compartment: Compartment, x: np.ndarray, y: np.ndarray, hollow: float
) -> np.ndarray:
    """µm toward the joint (for the plateaus along y); NaN beside the compartment."""
    across = x + (_MIDDLE_UM if compartment.is_medial else -_MIDDLE_UM)
    if compartment.is_femoral:
        down = y + RADIUS_UM + 90
        height = np.hypot(across, down) - RADIUS_UM
        return np.where(np.abs(np.arctan2(across, down)) < HALF_ANGLE, height, np.nan)
    lower = hollow if compartment.is_medial else -hollow
    tidemark = 65 + lower * (1 - (across / HALF_PLATEAU_UM) ** 2)
    return np.where(np.abs(across) < HALF_PLATEAU_UM, tidemark - y, np.nan)


def _bony(compartment: Compartment, y: np.ndarray) -> np.ndarray:
    return (y > -600) if compartment.is_femoral else (y < 400)


def in_255ths(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities as segmentation maps hold them."""
    return np.round(255 * probabilities).astype(np.uint8)


def _spread(codes: np.ndarray, count: int, certainty: float) -> np.ndarray:
    """(count, rows, columns): `certainty` for the code, the rest shared by the others."""
    rest = (1 - certainty) / (count - 1)
    values = np.full((count, *codes.shape), rest, np.float32)
    np.put_along_axis(values, codes[None].astype(np.intp), np.float32(certainty), 0)
    return values
