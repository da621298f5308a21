"""Knees that the tests of their geometry share, each drawn once: do not change their arrays."""

from __future__ import annotations

from functools import lru_cache

import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from histoscore.geometry import Points
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.anatomy import BoneEnd, CartilageBed, Knee
from histoscore.phantom.knee.bone_ends import draw_femur, draw_tibia
from histoscore.phantom.knee.build import animal_traits, build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.traits import Traits, traits_at
from histoscore.vocabulary import Compartment

DEPTH_UM = 400.0
"""Where animals are cut if nothing else is said."""

HEALTHY = Disease(0)
ILL = Disease(4, osteophyte=1.5, meniscus=1.0)


def cut(animal: int, depth_um: float = DEPTH_UM, section: int = 0) -> Slice:
    """A section of an animal at a depth; each section has a chance of its own as well."""
    return Slice(Chance((77, animal)), Chance((78, animal, section)), depth_um)


@lru_cache(maxsize=64)
def knee(
    animal: int, disease: Disease = HEALTHY, depth_um: float = DEPTH_UM, section: int = 0
) -> Knee:
    """That section with one disease in all compartments."""
    return build_knee(cut(animal, depth_um, section), dict.fromkeys(Compartment, disease))


@lru_cache(maxsize=64)
def bones(animal: int, depth_um: float = DEPTH_UM) -> tuple[Traits, BoneEnd, BoneEnd]:
    """The section's traits, femur and tibia, without the rest: quicker than a knee."""
    at = cut(animal, depth_um)
    traits = traits_at(animal_traits(at), at)
    tibia = draw_tibia(traits, at)
    return traits, draw_femur(traits, tibia, at), tibia


def beds(one: Knee) -> dict[Compartment, CartilageBed]:
    """The cartilage of a knee by compartment."""
    return {bed.compartment: bed for bed in one.beds}


def region(*rings: Points) -> BaseGeometry:
    """What closed rings cover, with hairs at which they cross themselves cut off."""
    valid = shapely.make_valid(
        [Polygon(ring) for ring in rings], method="structure", keep_collapsed=False
    )
    return shapely.union_all(valid)


def bony(one: Knee) -> BaseGeometry:
    """Femur and tibia of a knee."""
    return region(one.femur.outline(), one.tibia.outline())


def overlap(a: BaseGeometry, b: BaseGeometry) -> float:
    """Shared area as a share of the area of both."""
    return float(a.intersection(b).area / a.union(b).area)
