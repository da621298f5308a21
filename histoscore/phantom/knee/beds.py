"""The cartilage of each compartment on its bone."""

from __future__ import annotations

import numpy as np

from histoscore.phantom.chance import Slice
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.anatomy import STEP_UM, BoneEnd, CartilageBed
from histoscore.phantom.knee.lesions import Disease, draw_lesions
from histoscore.phantom.knee.traits import Traits
from histoscore.vocabulary import Compartment


def draw_bed(
    compartment: Compartment, bone: BoneEnd, t: Traits, disease: Disease, at: Slice
) -> CartilageBed:
    """Hyaline and calcified cartilage of one compartment with its disease."""
    name = compartment.value
    start, stop = _extent(compartment, bone, t)
    base, outward = bone.tidemark[start:stop], bone.outward[start:stop]
    n = len(base)
    u = np.linspace(0, 1, n)
    peak = t.hyaline_femur if compartment.is_femoral else t.hyaline_tibia
    arch = 1.0 - 0.28 * (2 * u - 1) ** 2
    margin = np.clip(np.minimum(u, 1 - u) * n * STEP_UM / 130, 0, 1) ** 0.6
    uneven = 1 + 0.05 * at.wander(f"{name} thickness", n, 90)
    intact = np.clip(peak * disease.thinning * arch * margin * uneven, 0, None)
    return CartilageBed(
        compartment=compartment,
        disease=disease,
        base=base,
        outward=outward,
        intact=intact,
        calcified=_calcified(name, t.calcified, margin, at),
        lesions=draw_lesions(disease, intact, STEP_UM, name, at),
    )


def _calcified(name: str, peak: float, margin: Profile, at: Slice) -> Profile:
    """Thickness of the calcified layer: its lower edge is irregular and pegs into the bone."""
    n = len(margin)
    pegs = np.clip(at.wander(f"{name} pegs", n, 12, 80) - 1.2, 0, 2)
    pegs = pegs * at.between(f"{name} peg depth", 3, 14)
    coarse = 0.22 * at.wander(f"{name} lower edge", n, 60)
    fine = 0.10 * at.wander(f"{name} lower grain", n, 9, 80)
    thickness = peak * margin * (1 + coarse + fine) + pegs * margin
    return np.asarray(np.clip(thickness, 1.5 * margin, None))


def _extent(compartment: Compartment, bone: BoneEnd, t: Traits) -> tuple[int, int]:
    """Index range of a compartment on its bone's tidemark."""
    if compartment.is_femoral:
        width = t.condyle_medial if compartment.is_medial else t.condyle_lateral
        inner, outer = t.notch / 2 + 0.06 * width, t.notch / 2 + 0.93 * width
    else:
        width = t.plateau_medial if compartment.is_medial else t.plateau_lateral
        inner, outer = t.eminence / 2 + 25, t.eminence / 2 + width - 25
    low, high = (-outer, -inner) if compartment.is_medial else (inner, outer)
    x = bone.tidemark[:, 0]
    # A condyle's side leans back under itself: keep the run of points around its lowest part.
    middle = int(np.argmin(np.abs(x - (low + high) / 2)))
    inside = (x >= low) & (x <= high)
    start, stop = middle, middle
    while start > 0 and inside[start - 1]:
        start -= 1
    while stop < len(x) and inside[stop]:
        stop += 1
    return start, stop
