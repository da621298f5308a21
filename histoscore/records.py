"""What the stages hand on.

In memory: frozen dataclasses. On disk (the committed result of a slide): frozen pydantic models
that refuse unknown keys, because a record read back years later must mean what it meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from histoscore.geometry import Box, Mpp, Placement, Points, Um2
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Knee, Ladder, Region, Side, Status

MedialSide = Literal["left", "right"]
"""Where the medial half lies in the picture when the femur is turned up."""

RgbImage = NDArray[np.uint8]
"""(rows, columns, 3), sRGB."""
Mask = NDArray[np.bool_]
LabelArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Micrometres per pixel and who said so: `sheet`, `scanner` or `tiff tags`."""

    mpp: Mpp
    source: str


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid; `downsample` against level 0 need not be a whole number."""

    width: int
    height: int
    downsample: float


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What a slide's header says. `reader` is the reader's name, `format` the vendor's."""

    path: str
    reader: str
    format: str
    width: int
    height: int
    mpp: Mpp
    mpp_source: str
    levels: tuple[Level, ...]
    associated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> Box:
        """All of the slide."""
        return Box(0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Section:
    """One slice of tissue on a slide, numbered from 1 in reading order."""

    number: int
    box: Box
    area: Um2
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TileGrid:
    """Tiles of a section: level-0 corners `xy` (n, 2), side in level-0 px, side in pixels read."""

    xy: NDArray[np.int64]
    side_px0: int
    side_px: int
    mpp: Mpp

    def __len__(self) -> int:
        return len(self.xy)

    def boxes(self) -> tuple[Box, ...]:
        return tuple(Box(int(x), int(y), self.side_px0, self.side_px0) for x, y in self.xy)


@dataclass(frozen=True, slots=True)
class SegmentationMap:
    """A segmentation network's probabilities over part of a slide.

    `tissue` (9, rows, columns) over `Tissue`, `zones` (3, rows, columns) over `Zone`; both in
    255ths, since whole sections are held, lying on the slide at `placement`.
    """

    tissue: NDArray[np.uint8]
    zones: NDArray[np.uint8]
    placement: Placement


@dataclass(frozen=True, slots=True)
class TissueMap:
    """The most probable `Tissue` of every pixel (rows, columns), lying at `placement`."""

    tissue: LabelArray
    placement: Placement


@dataclass(frozen=True, slots=True)
class Joint:
    """How a joint lies in a section, found on the coarse map.

    Attributes:
        articular: (rows, columns) cartilage that faces the joint, growth plates left out.
        compartments: (rows, columns) for every pixel the `Compartment.code` that lies nearest.
        placement: where both lie on the slide.
        up: unit vector (x, y) in the picture from tibia to femur.
        medial_side: where the medial half lies when the femur is turned up.
        medial_confidence: 0 (the picture does not tell) … 1.
        found: compartments with cartilage.
        flags: what a person should know.
    """

    articular: Mask
    compartments: LabelArray
    placement: Placement
    up: tuple[float, float]
    medial_side: MedialSide
    medial_source: Literal["sheet", "model"]
    medial_confidence: float
    found: tuple[Compartment, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Strip:
    """A compartment's cartilage laid straight.

    `pixels` (depth, length, 3 + 2) bytes: R, G, B and hyaline, calcified (0 or 255); row 0 lies
    in the joint, the tidemark runs along row `tidemark_row`; columns are `mpp` µm apart.
    """

    compartment: Compartment
    pixels: NDArray[np.uint8]
    tidemark_row: int
    mpp: Mpp


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Tissue and compartment of every pixel of one section.

    `tissue` (rows, columns) holds `Tissue` values, `compartments` holds `Compartment.code` or 0;
    both lie on the slide at `placement`.
    """

    tissue: LabelArray
    compartments: LabelArray
    placement: Placement


@dataclass(frozen=True, slots=True)
class Surface:
    """The joint side of one compartment's cartilage, as curves in level-0 (x, y).

    `outer` runs along the articular surface, `tidemark` along the hyaline–calcified border (both
    with clefts closed and gaps bridged), `bone` along the calcified cartilage's lower edge.
    The three share their number of points; point i of each lies on one normal of the tidemark.
    """

    compartment: Compartment
    outer: Points
    tidemark: Points
    bone: Points
    eroded: NDArray[np.bool_]


PROFILE_STEP_UM = 10.0
"""Length along the tidemark that one value of a thickness profile stands for."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Thickness (n,) in µm of the two layers on the tidemark's normals, from the joint's margin
    inward, a value for every `PROFILE_STEP_UM`."""

    hyaline_um: NDArray[np.float64]
    calcified_um: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Morphometry:
    """Cartilage of one compartment in one section; lengths in µm, areas in µm².

    Attributes:
        mean_thickness_um: hyaline area ÷ surface length.
        lesion_extent: share (0–1) of the tidemark that is bare.
        tidemark_length_um: of the border of the two layers.
        osteochondral_length_um: of the calcified layer's lower edge.
        median_thickness_um: of the hyaline layer along the tidemark's normals; 0 where it is bare.
        min_thickness_um: the thinnest stretch of 10 µm away from the tapering ends.
        total_thickness_um: mean of both layers together along the normals.
        lesion_count: bare stretches. widest_lesion_um: length of the longest.
        deepest_lesion: largest share (0–1) of the layer's height that is lost, ends left out.
        roughness_um: how far the surface stands off its own smooth course (root mean square).
        absent_fraction: share (0–1) of the tidemark where neither layer is: torn, or lost.
        safranin_fraction: share (0–1) of the hyaline layer that holds Safranin O.
        safranin_density: its mean amount there, as optical density along its vector;
            `growth_plate_safranin_density` is that of the section's growth plates.
        focus: sharpness of the picture in the cartilage. obscured_fraction: share of it that is
            nearly black.
        chondrocyte_count: nuclei in the hyaline layer, where it was asked for.
    """

    compartment: Compartment
    hyaline_area_um2: float
    calcified_area_um2: float
    surface_length_um: float
    mean_thickness_um: float
    lesion_extent: float
    surface: Surface
    profile: Profile
    tidemark_length_um: float
    osteochondral_length_um: float
    median_thickness_um: float
    min_thickness_um: float
    total_thickness_um: float
    lesion_count: int
    widest_lesion_um: float
    deepest_lesion: float
    roughness_um: float
    absent_fraction: float
    safranin_fraction: float | None = None
    safranin_density: float | None = None
    growth_plate_safranin_density: float | None = None
    focus: float | None = None
    obscured_fraction: float | None = None
    chondrocyte_count: int | None = None

    @property
    def chondrocyte_density_per_mm2(self) -> float | None:
        """Nuclei per hyaline area; None where they were not counted, or there is no such area."""
        if self.chondrocyte_count is None or self.hyaline_area_um2 <= 0:
            return None
        return self.chondrocyte_count / self.hyaline_area_um2 * 1e6

    @property
    def hc_cc_ratio(self) -> float | None:
        """Hyaline ÷ calcified area; None where no calcified cartilage was found."""
        if self.calcified_area_um2 <= 0:
            return None
        return self.hyaline_area_um2 / self.calcified_area_um2


@dataclass(frozen=True, slots=True)
class GradePrediction:
    """Probabilities over the ladder's rungs for one compartment of one section."""

    compartment: Compartment
    probabilities: tuple[float, ...]


class Record(BaseModel):
    """Base of what crosses the disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SlideRow(Record):
    """What scoring may know of a row of the study sheet: never the group, nor the batch.

    `path` is where the file lies now, the other fields decide what comes out. `medial` None: the
    model says. `sections` is `all`, `first` or the numbers to score.
    """

    slide: str
    animal: str
    path: Path
    side: Side | None = None
    medial: MedialSide | None = None
    mpp: float | None = None
    orientation: str | None = None
    sections: Literal["all", "first"] | tuple[int, ...] = "all"


class SlideJob(Record):
    """One slide to be scored: the row, its content key, and the SHA-256 of the file's bytes."""

    row: SlideRow
    key: str
    sha256: str


class CompartmentResult(Record):
    """One compartment of one section, as the tables show it. None is missing, never 0."""

    compartment: Compartment
    status: Status
    reason: str = ""
    flags: tuple[str, ...] = ()
    grade: float | None = None
    expected_grade: float | None = None
    probabilities: tuple[float, ...] | None = None
    grade_low: float | None = None
    grade_high: float | None = None
    hyaline_area_um2: float | None = None
    calcified_area_um2: float | None = None
    surface_length_um: float | None = None
    mean_thickness_um: float | None = None
    safranin_fraction: float | None = None
    lesion_extent: float | None = None
    implied_grade: float | None = None
    hc_cc_ratio: float | None = None
    tidemark_length_um: float | None = None
    osteochondral_length_um: float | None = None
    median_thickness_um: float | None = None
    min_thickness_um: float | None = None
    total_thickness_um: float | None = None
    lesion_count: int | None = None
    widest_lesion_um: float | None = None
    deepest_lesion: float | None = None
    roughness_um: float | None = None
    safranin_density: float | None = None
    growth_plate_safranin_density: float | None = None
    absent_fraction: float | None = None
    obscured_fraction: float | None = None
    focus: float | None = None
    chondrocyte_count: int | None = None
    chondrocyte_density_per_mm2: float | None = None
    hyaline_area_px: float | None = None
    calcified_area_px: float | None = None
    surface_length_px: float | None = None
    mean_thickness_px: float | None = None
    median_thickness_px: float | None = None
    hyaline_profile_um: tuple[float, ...] = ()
    calcified_profile_um: tuple[float, ...] = ()


class SectionResult(Record):
    """One section: its box in level-0 px, how the joint lies, and its four compartments."""

    section: int
    x: int
    y: int
    width: int
    height: int
    area_um2: float | None
    status: Status
    reason: str = ""
    medial_side: MedialSide | None = None
    medial_source: Literal["sheet", "model"] | None = None
    medial_confidence: float | None = None
    flags: tuple[str, ...] = ()
    readouts: Mapping[str, float] = {}
    overlay: str | None = None
    compartments: tuple[CompartmentResult, ...] = ()


class SlideResult(Record):
    """What became of one row of the study sheet. Committed once, under its content key."""

    slide: str
    animal: str
    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()
    reader: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    mpp: float | None = None
    mpp_source: str | None = None
    sha256: str | None = None
    tiles: int | None = None
    engine: str | None = None
    seconds: float | None = None
    sections: tuple[SectionResult, ...] = ()


@dataclass(frozen=True, slots=True)
class CompartmentScore:
    """A compartment's result beside whose it is: what animals are scored from.

    `grade` is the grade that counts (a person's where one decided, else the model's), None where
    it is missing.
    """

    slide: str
    animal: str
    group: str | None
    side: Side | None
    knee: Knee
    timepoint: str | None
    section: int
    compartment: Compartment
    grade: float | None
    hyaline_area_um2: float | None
    calcified_area_um2: float | None
    mean_thickness_um: float | None
    lesion_extent: float | None


@dataclass(frozen=True, slots=True)
class AnimalScore:
    """One knee of one animal over one region; a row of animals.csv.

    `graded_sections` says how many sections have a grade in the region, one number a knee (two
    where knees were averaged); empty where nobody counted.
    """

    animal: str
    group: str | None
    side: Side | None
    knee: Knee
    timepoint: str | None
    region: Region
    n_sections: int
    n_missing: int
    grade_max: float | None
    grade_mean: float | None
    grade_sum: float | None
    hyaline_area_um2: float | None
    calcified_area_um2: float | None
    mean_thickness_um: float | None
    lesion_extent: float | None
    flags: tuple[str, ...] = ()
    graded_sections: tuple[int, ...] = ()
    grade_median: float | None = None

    @property
    def n_graded(self) -> int | None:
        """Sections with a grade in the region."""
        return sum(self.graded_sections) if self.graded_sections else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One comparison of animals, or one description where n is too small."""

    outcome: str
    reference: str | None
    group: str
    n_reference: int | None
    n_group: int
    median_reference: float | None
    median_group: float | None
    test: str = ""
    statistic: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    family: str = ""
    cliffs_delta: float | None = None
    cliffs_delta_low: float | None = None
    cliffs_delta_high: float | None = None
    shift: float | None = None
    shift_low: float | None = None
    shift_high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison(Answer):
    """An answer with its place in a study; a row of groups.csv."""

    region: Region
    timepoint: str | None
    primary: bool


@dataclass(frozen=True, slots=True)
class SlideOrigin:
    """Whose a slide is, as the study sheet and an opened key say; no stage that looks at slides
    ever sees it."""

    group: str | None = None
    batch: str | None = None
    sex: str | None = None
    timepoint: str | None = None
    knee: Knee = Knee.INDEX


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event of a run's audit trail in words; `number` is None where it tells of damage."""

    number: int | None
    time: str
    who: str
    what: str
    details: str


@dataclass(frozen=True, slots=True)
class StudyTables:
    """Everything that the exports are made from: results in the order of the sheet.

    `reading` holds facts for people, label → text, shown in this order; the labels with a meaning
    of their own stand in `histoscore.export.wording.Facts`. `sides` says which knee a slide is,
    where the sheet does; it serves slides that yielded no scores. Without `group_order` groups
    stand in order of first appearance; `reference` is the one that others are held against.
    `origins` says by slide whose it is; `events` is the audit trail, without the sealing of the
    tables themselves; `confidence` that of all intervals.
    """

    slides: tuple[SlideResult, ...]
    scores: tuple[CompartmentScore, ...]
    animals: tuple[AnimalScore, ...]
    groups: tuple[GroupComparison, ...]
    reading: Mapping[str, str] = field(default_factory=dict)
    ladder: Ladder = OARSI_MOUSE
    primary_outcome: str = "grade_max"
    primary_region: Region = Region.MEDIAL
    group_order: tuple[str, ...] = ()
    reference: str | None = None
    sides: Mapping[str, Side] = field(default_factory=dict)
    origins: Mapping[str, SlideOrigin] = field(default_factory=dict)
    events: tuple[AuditEvent, ...] = ()
    confidence: float = 0.95
