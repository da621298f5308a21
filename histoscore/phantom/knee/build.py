"""From an animal, a depth and a disease to one section's curves."""

from __future__ import annotations

from collections.abc import Mapping

from histoscore.phantom.chance import Slice
from histoscore.phantom.knee.anatomy import Knee
from histoscore.phantom.knee.beds import draw_bed
from histoscore.phantom.knee.bone_ends import draw_femur, draw_tibia
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.knee.soft_parts import draw_soft_parts
from histoscore.phantom.knee.traits import Traits, sample_traits, traits_at
from histoscore.vocabulary import Compartment

WHOLE_UM = (4000.0, 5000.0)
"""Width and height of a knee as it is usually trimmed."""


def animal_traits(at: Slice) -> Traits:
    """The traits of a knee, by its animal's chance."""
    return sample_traits(at.animal.of("traits"))


def build_knee(
    at: Slice,
    disease: Mapping[Compartment, Disease],
    size: tuple[float, float] = WHOLE_UM,
) -> Knee:
    """A section of a knee with the given disease in each of the four compartments.

    Args:
        at: the animal's and the section's chance, and the depth of the cut. Two sections of one
            animal at neighbouring depths look alike.
        disease: what ails each compartment.
        size: width and height of the trimmed tissue, µm.
    """
    traits = traits_at(animal_traits(at), at)
    tibia = draw_tibia(traits, at)
    femur = draw_femur(traits, tibia, at)
    beds = tuple(
        draw_bed(compartment, femur if compartment.is_femoral else tibia, traits, ills, at)
        for compartment, ills in disease.items()
    )
    soft = draw_soft_parts(size, femur, tibia, beds, traits, at)
    return Knee(traits, femur, tibia, beds, soft, at)
