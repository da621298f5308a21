"""Every column of every table: its name, unit, meaning, and how its values are written.

Tables, workbook and the Dictionary sheet read the same definitions, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from histoscore.vocabulary import (
    Compartment,
    Knee,
    Ladder,
    Region,
    Side,
    Status,
    format_rung,
)

Cell = str | int | float | bool | None
"""What a table holds; None is missing and is written as nothing."""


@dataclass(frozen=True, slots=True)
class Style:
    """How values are written: as text in CSV, and with which number format in the workbook.

    `number_format` is None for text; a number that is not finite is refused (ValueError).
    """

    write: Callable[[float], str]
    number_format: str | None = None

    def text(self, value: Cell) -> str:
        if value is None:
            return ""
        if isinstance(value, float):  # first: most cells are, and there are millions
            if not math.isfinite(value):
                raise ValueError(f"{value} cannot stand in a table; a missing value is None")
            return self.write(value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return value if isinstance(value, str) else self.write(value)

    def texts(self, cells: Sequence[Cell]) -> list[str]:
        """A column's cells at once: a table may have a million."""
        numbers = [cell for cell in cells if type(cell) is float and math.isfinite(cell)]
        if len(numbers) == len(cells):
            return list(map(self.write, numbers))
        return list(map(self.text, cells))


def fixed(decimals: int) -> Style:
    """A fixed number of decimals; never `-0.0`."""
    number_format = f"0.{'0' * decimals}" if decimals else "0"
    pattern = f"%.{decimals}f"
    nothing = pattern % -0.0

    def write(value: float) -> str:
        text = pattern % value
        return text[1:] if text == nothing else text

    return Style(write, number_format)


TEXT = Style(str)
WHOLE = Style(lambda v: str(int(v)), "0")
RUNG = Style(lambda v: format_rung(v + 0.0), "General")
FULL = Style(lambda v: repr(float(v)), "General")
P_VALUE = Style(lambda v: f"{v:#.6g}", "[<0.0001]0.00E+00;0.0000")
AREA, LENGTH, FRACTION = fixed(1), fixed(2), fixed(4)
ANY_UNIT = Style(FRACTION.write, "General")
"""Of an outcome that may be a grade or an area."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `unit` and `allowed` may be empty."""

    name: str
    style: Style
    meaning: str
    unit: str = ""
    allowed: str = ""

    @property
    def is_text(self) -> bool:
        return self.style.number_format is None

    @property
    def title(self) -> str:
        """Name with its unit, for a header that people read."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def _allowed(
    words: type[Status] | type[Compartment] | type[Region] | type[Knee] | type[Side],
) -> str:
    return ", ".join(word.value for word in words)


_SLIDE = Column("slide", TEXT, "slide as the study sheet writes it")
_ANIMAL = Column("animal", TEXT, "the experimental unit")
_SIDE = Column("side", TEXT, "left or right knee", allowed=_allowed(Side))
_SECTION = Column("section", WHOLE, "slice of tissue on the slide, from 1 in reading order")
_STATUS = Column("status", TEXT, "what became of it", allowed=_allowed(Status))
_REASON = Column("reason", TEXT, "why something is missing or withheld")
_FLAGS = Column("flags", TEXT, "things to look at, joined by ;")
_TIMEPOINT = Column("timepoint", TEXT, "as the study sheet writes it; compared within")
_REGION = Column("region", TEXT, "compartment or union of compartments", allowed=_allowed(Region))
_N_MISSING = Column("n_missing", WHOLE, "section × compartment grades that are missing")
_EXTENT = Column(
    "lesion_extent",
    FRACTION,
    "share of the articular surface where hyaline cartilage is gone down to calcified cartilage",
    "fraction",
    "0–1",
)

SLIDES = (
    _SLIDE,
    _ANIMAL,
    _STATUS,
    _REASON,
    Column("reader", TEXT, "which reader opened the file"),
    Column("width_px", WHOLE, "width at full resolution", "px"),
    Column("height_px", WHOLE, "height at full resolution", "px"),
    Column("mpp", FULL, "pixel size", "µm/px", "0.1–2.0"),
    Column(
        "mpp_source", TEXT, "who gave the pixel size", allowed="sheet, scanner, tiff tags, assumed"
    ),
    Column("sha256", TEXT, "SHA-256 of the slide's bytes"),
    Column("sections", WHOLE, "sections found"),
    Column("tiles", WHOLE, "tiles that the network read"),
    Column("engine", TEXT, "what ran the network"),
    Column("seconds", fixed(2), "time spent on the slide", "s"),
    Column("warnings", TEXT, "remarks that did not stop the slide, joined by ;"),
)

SECTIONS = (
    _SLIDE,
    _ANIMAL,
    _SECTION,
    _STATUS,
    _REASON,
    Column("x_px", WHOLE, "left edge of the section's box at full resolution", "px"),
    Column("y_px", WHOLE, "upper edge of the section's box at full resolution", "px"),
    Column("width_px", WHOLE, "width of the box at full resolution", "px"),
    Column("height_px", WHOLE, "height of the box at full resolution", "px"),
    Column("area_um2", AREA, "tissue area of the section", "µm²"),
    Column("medial_side", TEXT, "where medial lies when the femur is up", allowed="left, right"),
    Column("medial_source", TEXT, "who said where medial lies", allowed="sheet, model"),
    Column(
        "medial_confidence",
        FRACTION,
        "how clearly the plateaus' shapes tell which is medial",
        "fraction",
        "0–1",
    ),
    _FLAGS,
    Column("overlay", TEXT, "picture of the section, below the run folder"),
)

UNGRADED = (
    _SLIDE,
    _ANIMAL,
    _SECTION,
    Column("compartment", TEXT, "articular surface", allowed=_allowed(Compartment)),
    _STATUS,
    _REASON,
)

ANIMALS = (
    _ANIMAL,
    Column("group", TEXT, "as the study sheet or the key writes it; empty while blinded"),
    _SIDE,
    Column("knee", TEXT, "the knee under study or the other one", allowed=_allowed(Knee)),
    _REGION,
    Column("n_sections", WHOLE, "sections that count"),
    _N_MISSING,
    Column("grade_max", RUNG, "highest grade over sections and compartments", "grade"),
    Column("grade_mean", FRACTION, "mean grade over sections × compartments", "grade"),
    Column(
        "grade_sum",
        RUNG,
        "sum over sections of the highest grade of the region; compare equal numbers of sections",
        "grade",
    ),
    Column("hyaline_area_um2", AREA, "mean over sections of the summed hyaline area", "µm²"),
    Column("calcified_area_um2", AREA, "mean over sections of the summed calcified area", "µm²"),
    Column("mean_thickness_um", LENGTH, "mean hyaline thickness", "µm"),
    Column("lesion_extent", FRACTION, "mean eroded share of the surface", "fraction", "0–1"),
    _FLAGS,
    _TIMEPOINT,
    Column("reason", TEXT, "slides of this animal that are not scored, and why"),
    Column("n_graded", WHOLE, "sections with a grade in the region", "sections"),
    Column("grade_median", FRACTION, "median grade over sections × compartments", "grade"),
)

GROUPS = (
    Column("outcome", TEXT, "column of the animals table that is compared"),
    _REGION,
    _TIMEPOINT,
    Column("primary", TEXT, "planned beforehand as the one primary outcome", allowed="yes, no"),
    Column("reference", TEXT, "group that the other is held against"),
    Column("group", TEXT, "group; all, without a reference, where all are tested at once"),
    Column("n_reference", WHOLE, "animals in the reference group", "animals"),
    Column("n_group", WHOLE, "animals in the group", "animals"),
    Column("median_reference", ANY_UNIT, "median of the reference group's animals"),
    Column("median_group", ANY_UNIT, "median of the group's animals"),
    Column("test", TEXT, "statistical test, on animals"),
    Column("statistic", ANY_UNIT, "test statistic"),
    Column("p", P_VALUE, "p-value, two-sided", allowed="0–1"),
    Column("p_adjusted", P_VALUE, "p after Holm's adjustment within its family", allowed="0–1"),
    Column("family", TEXT, "comparisons that are adjusted together"),
    Column("cliffs_delta", FRACTION, "effect size; 0 = no difference", allowed="−1–1"),
    Column("cliffs_delta_low", FRACTION, "lower bound of its confidence interval", allowed="−1–1"),
    Column("cliffs_delta_high", FRACTION, "upper bound of its confidence interval", allowed="−1–1"),
    Column("shift", ANY_UNIT, "Hodges–Lehmann shift, in the outcome's unit"),
    Column("shift_low", ANY_UNIT, "lower bound of its confidence interval"),
    Column("shift_high", ANY_UNIT, "upper bound of its confidence interval"),
    Column("note", TEXT, "what to know about this row"),
)

AUDIT = (
    Column("number", WHOLE, "place in the audit trail"),
    Column("time", TEXT, "when, in UTC"),
    Column("who", TEXT, "user and machine"),
    Column("what", TEXT, "what was done"),
    Column("details", TEXT, "what it was done to, with hashes of what was written"),
)


def compartment_columns(ladder: Ladder) -> tuple[Column, ...]:
    """Columns of the compartments table; one probability column a rung."""
    return (
        _SLIDE,
        _ANIMAL,
        _SIDE,
        _SECTION,
        Column("compartment", TEXT, "articular surface", allowed=_allowed(Compartment)),
        *_grade_columns(ladder),
        *_MEASURES,
        *_MORE_MEASURES,
    )


_MEASURES = (
    Column("hyaline_area_um2", AREA, "hyaline (uncalcified) cartilage area", "µm²"),
    Column("calcified_area_um2", AREA, "calcified cartilage area", "µm²"),
    Column("surface_length_um", LENGTH, "length of the articular surface", "µm"),
    Column("mean_thickness_um", LENGTH, "hyaline area ÷ surface length", "µm"),
    Column("safranin_fraction", FRACTION, "Safranin-positive share", "fraction", "0–1"),
    _EXTENT,
    Column("implied_grade", RUNG, "grade that lesion_extent implies, for 3 and above", "grade"),
    _STATUS,
    _REASON,
    _FLAGS,
)


_MORE_MEASURES = (
    Column("hc_cc_ratio", FRACTION, "hyaline ÷ calcified area"),
    Column("tidemark_length_um", LENGTH, "length of the hyaline–calcified border", "µm"),
    Column("osteochondral_length_um", LENGTH, "length of the calcified layer's lower edge", "µm"),
    Column("median_thickness_um", LENGTH, "median hyaline thickness along the tidemark", "µm"),
    Column("min_thickness_um", LENGTH, "thinnest 10 µm of hyaline, ends left out", "µm"),
    Column("total_thickness_um", LENGTH, "mean thickness of both layers together", "µm"),
    Column("lesion_count", WHOLE, "stretches of the tidemark that lie bare"),
    Column("widest_lesion_um", LENGTH, "length of the longest of them", "µm"),
    Column(
        "deepest_lesion", FRACTION, "largest lost share of the layer's height", "fraction", "0–1"
    ),
    Column("roughness_um", LENGTH, "surface off its own smooth course, root mean square", "µm"),
    Column("safranin_density", FRACTION, "mean Safranin O of the hyaline layer, raw", "OD"),
    Column(
        "growth_plate_safranin_density",
        FRACTION,
        "the same of the section's growth plates, as a reference",
        "OD",
    ),
    Column("absent_fraction", FRACTION, "tidemark without any cartilage", "fraction", "0–1"),
    Column("obscured_fraction", FRACTION, "nearly black share of the cartilage", "fraction", "0–1"),
    Column("focus", FRACTION, "sharpness in the cartilage at the network's scale"),
    Column("chondrocyte_count", WHOLE, "nuclei in the hyaline layer; empty unless asked for"),
    Column("chondrocyte_density_per_mm2", AREA, "the same per hyaline area", "1/mm²"),
    Column("hyaline_area_px", AREA, "hyaline area where no pixel size is known", "px²"),
    Column("calcified_area_px", AREA, "calcified area there", "px²"),
    Column("surface_length_px", LENGTH, "length of the joint side there", "px"),
    Column("mean_thickness_px", LENGTH, "hyaline area ÷ surface length there", "px"),
    Column("median_thickness_px", LENGTH, "median hyaline thickness there", "px"),
)

PROFILES = (
    _SLIDE,
    _ANIMAL,
    _SECTION,
    Column("compartment", TEXT, "articular surface", allowed=_allowed(Compartment)),
    Column(
        "position_um",
        LENGTH,
        "along the tidemark from the joint's margin inward, middle of a stretch",
        "µm",
    ),
    Column("hyaline_thickness_um", LENGTH, "mean hyaline thickness there", "µm"),
    Column("calcified_thickness_um", LENGTH, "mean calcified thickness there", "µm"),
)


SECTION_GRADES = (
    _SLIDE,
    _ANIMAL,
    Column("group", TEXT, "as the study sheet or the key writes it; empty while blinded"),
    _TIMEPOINT,
    Column("knee", TEXT, "the knee under study or the other one", allowed=_allowed(Knee)),
    _SIDE,
    _SECTION,
    Column("compartment", TEXT, "articular surface", allowed=_allowed(Compartment)),
    Column("grade", RUNG, "the grade that counts; empty where it is missing", "grade"),
)


REVIEW = (
    _SLIDE,
    _SECTION,
    Column("compartment", TEXT, "articular surface", allowed=_allowed(Compartment)),
    Column("scorer", TEXT, "who graded; consensus: a difference that was settled"),
    Column("grade", RUNG, "what was said last; empty where it cannot be graded", "grade"),
    _ANIMAL,
    _SIDE,
    Column("mode", TEXT, "how it was graded", allowed="independent, assist, consensus"),
    Column("gradable", TEXT, "no: a person found that it cannot be graded", allowed="yes, no"),
    Column("model_grade", RUNG, "what the model says", "grade"),
    Column("model_shown", TEXT, "whether the scorer could see that before", allowed="yes, no"),
    Column("flagged", TEXT, "marked, to be looked at again", allowed="yes, no"),
    Column("comment", TEXT, "in the scorer's words"),
    Column("reason", TEXT, "why a grade was changed, in the scorer's words"),
    Column("time", TEXT, "when it was decided, UTC"),
)


def _grade_columns(ladder: Ladder) -> tuple[Column, ...]:
    rungs = [format_rung(r) for r in ladder.rungs]

    def grade(name: str, meaning: str) -> Column:
        return Column(name, RUNG, meaning, "grade", ", ".join(rungs))

    return (
        grade("grade", f"most probable grade ({ladder.name})"),
        Column("expected_grade", FRACTION, "mean of the probabilities over the ladder", "grade"),
        *(Column(f"p_{r}", FRACTION, f"probability of grade {r}", "", "0–1") for r in rungs),
        grade("grade_low", "lower rung of the calibrated 90 % set"),
        grade("grade_high", "upper rung of the calibrated 90 % set"),
        grade("final_grade", "a person's grade where one decided, else the model's"),
        Column("final_source", TEXT, "who gave final_grade", allowed="model, person"),
    )


def readout_column(name: str) -> Column:
    """Column of one stain or quality read-out of a section."""
    return Column(f"readout_{name}", FRACTION, f"{name.replace('_', ' ')}, measured on the section")
