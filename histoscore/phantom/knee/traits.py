"""What makes one animal's knee its own: some lengths, and how they vary between mice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from histoscore.phantom.chance import Slice


def _between(low: float, high: float, what: str) -> Mapping[str, object]:
    return {"low": low, "high": high, "what": what}


@dataclass(frozen=True, slots=True)
class Traits:
    """Lengths of one knee, µm. A field's metadata gives the range in healthy adult mice."""

    plateau_medial: float = field(metadata=_between(860, 1120, "width of the medial plateau"))
    plateau_lateral: float = field(metadata=_between(800, 1040, "width of the lateral plateau"))
    eminence: float = field(metadata=_between(330, 480, "width between the plateaus"))
    spine_medial: float = field(metadata=_between(170, 290, "height of the medial tibial spine"))
    spine_lateral: float = field(metadata=_between(90, 190, "height of the lateral tibial spine"))
    concavity_medial: float = field(metadata=_between(25, 75, "depth of the medial plateau"))
    convexity_lateral: float = field(metadata=_between(15, 60, "rise of the lateral plateau"))
    slope_lateral: float = field(metadata=_between(10, 70, "fall of the lateral plateau"))
    condyle_medial: float = field(metadata=_between(860, 1080, "width of the medial condyle"))
    condyle_lateral: float = field(metadata=_between(740, 940, "width of the lateral condyle"))
    condyle_rise: float = field(metadata=_between(210, 340, "how steeply condyles round off"))
    notch: float = field(metadata=_between(300, 460, "width between the condyles"))
    notch_height: float = field(metadata=_between(420, 640, "height of the notch"))
    gap: float = field(metadata=_between(8, 55, "between the two cartilage surfaces"))
    hyaline_tibia: float = field(metadata=_between(34, 54, "thickest hyaline cartilage, tibia"))
    hyaline_femur: float = field(metadata=_between(30, 46, "thickest hyaline cartilage, femur"))
    calcified: float = field(metadata=_between(18, 55, "thickness of the calcified cartilage"))
    epiphysis_tibia: float = field(metadata=_between(430, 640, "joint to growth plate, tibia"))
    epiphysis_femur: float = field(metadata=_between(640, 860, "joint to growth plate, femur"))
    growth_plate: float = field(metadata=_between(70, 165, "thickness of the growth plates"))
    growth_plate_wave: float = field(metadata=_between(25, 90, "amplitude of their waves"))
    meniscus_width: float = field(metadata=_between(300, 470, "of a meniscus, tip to capsule"))
    meniscus_height: float = field(metadata=_between(190, 330, "of a meniscus at the capsule"))
    shaft_femur: float = field(metadata=_between(1150, 1500, "width of the femur's shaft"))
    shaft_tibia: float = field(metadata=_between(1050, 1400, "width of the tibia's shaft"))
    cortex: float = field(metadata=_between(90, 190, "thickness of the shafts' cortical bone"))
    capsule: float = field(metadata=_between(35, 95, "thickness of the joint capsule"))


def sample_traits(rng: np.random.Generator) -> Traits:
    """An animal's knee, each trait drawn uniformly from its range."""
    return Traits(
        **{f.name: rng.uniform(f.metadata["low"], f.metadata["high"]) for f in fields(Traits)}
    )


def traits_at(traits: Traits, at: Slice, spread: float = 0.03) -> Traits:
    """The knee as a section at some depth cuts it: every length a little longer or shorter.

    `spread` is the relative deviation over the knee; neighbouring sections differ by less.
    """
    changes = {
        f.name: getattr(traits, f.name) * float(np.exp(spread * at.slow(f"trait {f.name}")))
        for f in fields(Traits)
    }
    return replace(traits, **changes)
