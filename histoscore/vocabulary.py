"""The field's words as types: compartments, tissues, sides, statuses, the grade ladder."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Compartment(StrEnum):
    """One of the four articular surfaces of the knee that are graded apart."""

    MFC = "MFC"
    MTP = "MTP"
    LFC = "LFC"
    LTP = "LTP"

    @property
    def is_medial(self) -> bool:
        return self.value.startswith("M")

    @property
    def is_femoral(self) -> bool:
        return self.value.endswith("FC")

    @property
    def code(self) -> int:
        """Value in a compartment map: 1–4 in the order MFC, MTP, LFC, LTP (0 is none)."""
        return tuple(Compartment).index(self) + 1

    @property
    def mirrored(self) -> Compartment:
        """The same bone on the other side of the joint (MFC ↔ LFC)."""
        return Compartment(("L" if self.is_medial else "M") + self.value[1:])


class Region(StrEnum):
    """A compartment or a union of compartments over which an animal is scored."""

    MFC = "MFC"
    MTP = "MTP"
    LFC = "LFC"
    LTP = "LTP"
    MEDIAL = "medial"
    LATERAL = "lateral"
    JOINT = "joint"

    @property
    def members(self) -> tuple[Compartment, ...]:
        match self:
            case Region.MEDIAL:
                return (Compartment.MFC, Compartment.MTP)
            case Region.LATERAL:
                return (Compartment.LFC, Compartment.LTP)
            case Region.JOINT:
                return tuple(Compartment)
            case _:
                return (Compartment(self.value),)


class Tissue(IntEnum):
    """Classes of the tissue label map; the values are what label maps store."""

    BACKGROUND = 0
    HYALINE = 1
    CALCIFIED = 2
    BONE = 3
    MARROW = 4
    GROWTH_PLATE = 5
    MENISCUS = 6
    SOFT = 7
    OTHER_CARTILAGE = 8
    """Of osteophytes and of small bones (fibula, fabella, patella): articular, growth plate or
    meniscus it is not."""

    @property
    def title(self) -> str:
        return {
            Tissue.HYALINE: "hyaline cartilage",
            Tissue.CALCIFIED: "calcified cartilage",
            Tissue.SOFT: "soft tissue",
        }.get(self, self.name.lower().replace("_", " "))

    @property
    def color(self) -> tuple[int, int, int]:
        """RGB used in overlays, QuPath objects and OME-Zarr labels (after Okabe & Ito 2008)."""
        return _TISSUE_COLORS[self]


class Zone(IntEnum):
    """Which bone's side of the joint a pixel is on: cartilage and the epiphysis under it.

    Medial and lateral look alike through a microscope's field; femur and tibia do not.
    """

    NONE = 0
    FEMUR = 1
    TIBIA = 2

    @classmethod
    def of(cls, compartment: Compartment) -> Zone:
        return cls.FEMUR if compartment.is_femoral else cls.TIBIA


IGNORE = 255
"""Label of pixels that neither train nor count (a label map's `no answer`)."""

_TISSUE_COLORS = {
    Tissue.BACKGROUND: (255, 255, 255),
    Tissue.HYALINE: (213, 94, 0),
    Tissue.CALCIFIED: (240, 228, 66),
    Tissue.BONE: (86, 180, 233),
    Tissue.MARROW: (204, 121, 167),
    Tissue.GROWTH_PLATE: (230, 159, 0),
    Tissue.MENISCUS: (0, 158, 115),
    Tissue.SOFT: (150, 150, 150),
    Tissue.OTHER_CARTILAGE: (0, 114, 178),
}


class Side(StrEnum):
    """Left or right knee of the animal."""

    LEFT = "L"
    RIGHT = "R"


class Knee(StrEnum):
    """The knee under study, or the untouched one of the same animal."""

    INDEX = "index"
    CONTRALATERAL = "contralateral"


SECTION_FLAGS = (
    "touches_edge",
    "many_sections",
    "medial_side_from_model",
    "medial_side_contradicts_model",
    "out_of_focus",
    "uneven_light",
    "unreadable_tiles",
    "pixel_size_assumed",
)
"""What a person may have to look at in a section."""

COMPARTMENT_FLAGS = (
    "extent_disagrees",
    "area_unusual",
    "thickness_unusual",
    "interrupted",
    "obscured",
    "blurred",
    "measure_missing",
    "wide_set",
)
"""The same in one compartment."""


class Status(StrEnum):
    """What became of a slide, a section or a compartment."""

    SCORED = "scored"
    WARNED = "scored_with_warnings"
    REVIEW = "needs_review"
    NO_TISSUE = "no_tissue"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def is_graded(self) -> bool:
        return self in (Status.SCORED, Status.WARNED)


@dataclass(frozen=True, slots=True)
class Ladder:
    """An ordered list of grades with unequal steps.

    Attributes:
        name: what configs and tables call it.
        rungs: the grades, ascending.
        extent_rungs: (lower bound of lesion extent, rung) pairs, ascending, for the rungs that
            are defined by the fraction of the surface that is eroded; a boundary belongs to the
            higher rung.
    """

    name: str
    rungs: tuple[float, ...]
    extent_rungs: tuple[tuple[float, float], ...] = ()

    def __len__(self) -> int:
        return len(self.rungs)

    def index(self, grade: float) -> int:
        """Position of a rung. Raises ValueError for a grade that is not on the ladder."""
        try:
            return self.rungs.index(grade)
        except ValueError:
            rungs = ", ".join(format_rung(r) for r in self.rungs)
            raise ValueError(f"{grade:g} is not a grade of {self.name} ({rungs})") from None

    def implied_by_extent(self, extent: float) -> float | None:
        """The rung that a measured lesion extent (0–1) implies; None below the first such rung."""
        if not self.extent_rungs or extent <= 0:
            return None
        bounds = [bound for bound, _ in self.extent_rungs]
        position = bisect_right(bounds, extent) - 1
        return self.extent_rungs[position][1] if position >= 0 else None


def format_rung(rung: float) -> str:
    """A rung as people write it: `0`, `0.5`, `3`."""
    return f"{rung:g}"


OARSI_MOUSE = Ladder(
    name="oarsi_mouse_2010",
    rungs=(0, 0.5, 1, 2, 3, 4, 5, 6),
    extent_rungs=((0.0, 3), (0.25, 4), (0.50, 5), (0.75, 6)),
)
"""The eight grades after Glasson et al. 2010 (Osteoarthritis Cartilage 18 Suppl 3:S17–23)."""

LADDERS = {OARSI_MOUSE.name: OARSI_MOUSE}

RUNG_WORDS = {
    OARSI_MOUSE.name: {
        0: "normal",
        0.5: "loss of Safranin O, structure intact",
        1: "small fibrillations, no cartilage lost",
        2: "clefts to just below the superficial layer, some surface lamina lost",
        3: "under 25 % of the surface cleft or eroded to calcified cartilage",
        4: "25 to 50 % of the surface cleft or eroded to calcified cartilage",
        5: "50 to 75 % of the surface cleft or eroded to calcified cartilage",
        6: "over 75 % of the surface cleft or eroded to calcified cartilage",
    }
}
"""What is seen at each rung, by ladder; in our words, after the same paper."""
