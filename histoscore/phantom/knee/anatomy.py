"""One section through one knee as curves in micrometres: bones, cartilage, soft parts.

The frame: origin in the middle of the tibial plateaus, x to the lateral side, y down (the femur
is up). Medial lies at negative x; mirroring and rotation happen when the knee is put on a slide.
Sizes after science.md section 2: hyaline cartilage 30–50 µm, a plateau 0.8–1.2 mm, both
epiphyses within 4–6 mm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from histoscore.geometry import Points
from histoscore.phantom.chance import Slice
from histoscore.phantom.curves import Profile
from histoscore.phantom.knee.lesions import Disease, Lesions
from histoscore.phantom.knee.traits import Traits
from histoscore.vocabulary import Compartment

STEP_UM = 1.0
"""Distance between neighbouring points of a curve."""


@dataclass(frozen=True, slots=True)
class BoneEnd:
    """The joint end of femur or tibia.

    Attributes:
        tidemark: (n, 2) from the medial to the lateral side, `STEP_UM` apart; where there is no
            cartilage it is the bone's surface.
        outward: (n, 2) unit normals that point out of the bone.
        is_femur: the femur's shaft points to −y, the tibia's to +y.
        plate_x, plate_near, plate_far: the growth plate's two edges as y over x; `near` faces
            the joint.
        shaft: (m, 2) the rest of the outline, from the tidemark's end round to its beginning.
    """

    tidemark: Points
    outward: Points
    is_femur: bool
    plate_x: Profile
    plate_near: Profile
    plate_far: Profile
    shaft: Points

    @property
    def away(self) -> int:
        """Direction along y that leads away from the joint: −1 in the femur, 1 in the tibia."""
        return -1 if self.is_femur else 1

    def outline(self) -> Points:
        """Closed ring of the whole bone."""
        return np.vstack([self.tidemark, self.shaft])


@dataclass(frozen=True, slots=True)
class CartilageBed:
    """The cartilage of one compartment, point by point along its tidemark.

    Attributes:
        compartment: whose cartilage this is.
        disease: the grade drawn.
        base: (n, 2) tidemark points, `STEP_UM` apart.
        outward: (n, 2) unit normals that point into the joint.
        intact: (n,) hyaline thickness before disease, µm.
        calcified: (n,) calcified thickness, µm.
        lesions: what the disease did, and how much Safranin it took.
    """

    compartment: Compartment
    disease: Disease
    base: Points
    outward: Points
    intact: Profile
    calcified: Profile
    lesions: Lesions

    @property
    def hyaline(self) -> Profile:
        """(n,) hyaline thickness that is left, µm."""
        return self.intact * self.lesions.remaining

    @property
    def smooth(self) -> Profile:
        """(n,) the same with clefts and fibrillation closed, µm."""
        return self.intact * self.lesions.remaining_smooth

    def at_height(self, height: Profile) -> Points:
        """(n, 2) points `height` µm above the tidemark (below it where negative)."""
        return self.base + self.outward * height[:, None]

    def hyaline_ring(self) -> Points:
        """Closed ring of the hyaline layer."""
        return np.vstack([self.base, self.at_height(self.hyaline)[::-1]])

    def calcified_ring(self) -> Points:
        """Closed ring of the calcified layer."""
        return np.vstack([self.base, self.at_height(-self.calcified)[::-1]])

    def articular_surface(self) -> Points:
        """The joint side with clefts closed (n, 2)."""
        return self.at_height(self.smooth)


@dataclass(frozen=True, slots=True)
class Meniscus:
    """A wedge of fibrocartilage between the bones.

    Attributes:
        ring: closed outline. tip: its inner end. damage: 0 (healthy) … 1.
        ossicle: outline of the bone that it holds, if any (mice ossify their menisci's horns).
    """

    ring: Points
    tip: Points
    damage: float
    ossicle: Points | None


@dataclass(frozen=True, slots=True)
class Band:
    """A ligament, a piece of capsule or a muscle belly.

    Attributes:
        ring: closed outline. angle: of its fibres, degrees from the knee's x.
        kind: `ligament`, `capsule` or `muscle`.
    """

    ring: Points
    angle: float
    kind: str


@dataclass(frozen=True, slots=True)
class Osteophyte:
    """An outgrowth at a compartment's margin: bone, and the cartilage that caps it."""

    bone: Points
    cap: Points


@dataclass(frozen=True, slots=True)
class Ossicle:
    """A bone of its own: fibula, patella or fabella. `cap` is its cartilage, where it has one."""

    name: str
    ring: Points
    cap: Points | None


@dataclass(frozen=True, slots=True)
class SoftParts:
    """What lies around bones and cartilage; all closed rings of knee-frame points.

    Attributes:
        outline: the edge of the tissue as it was trimmed; glass beyond.
        cavities: the joint's cavity, medial and lateral, reaching under the bones.
        notch: between the condyles.
        menisci, bands, osteophytes, ossicles: as their names say.
    """

    outline: Points
    cavities: tuple[Points, ...]
    notch: Points
    menisci: tuple[Meniscus, ...]
    bands: tuple[Band, ...]
    osteophytes: tuple[Osteophyte, ...]
    ossicles: tuple[Ossicle, ...]


@dataclass(frozen=True, slots=True)
class Knee:
    """One section through one knee."""

    traits: Traits
    femur: BoneEnd
    tibia: BoneEnd
    beds: tuple[CartilageBed, ...]
    soft: SoftParts
    at: Slice

    @property
    def disease(self) -> Mapping[Compartment, Disease]:
        return {bed.compartment: bed.disease for bed in self.beds}
