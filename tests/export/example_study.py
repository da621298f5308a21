"""A small study and a small joint, made up: what the exports are tested on.

Twelve animals in three groups, one of them lost (its slide failed), one knee withheld; ids and
names that spreadsheets, browsers and XML parsers would like to misunderstand.
"""

from __future__ import annotations

import numpy as np

from histoscore.geometry import Box, Mpp, Placement
from histoscore.records import (
    AnimalScore,
    CompartmentResult,
    CompartmentScore,
    GroupComparison,
    LabelMap,
    RgbImage,
    SectionResult,
    SlideOrigin,
    SlideResult,
    StudyTables,
    Surface,
)
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Knee, Region, Side, Status, Tissue

BANNER = "Demonstration model, not validated on real tissue: do not use these numbers."
GROUPS = ("sham", "DMM + vehicle", "DMM + exosome")
ANIMALS = ("001", "1E5", "=2+3", "NA", "-5", "MARCH1", "@six", "m08", "m09", "m10", "m11", "m12")
EVIL = "<img src=x onerror=alert(1)>.svs"
GRADES = (0, 0.5, 0, 0.5, 4, 3, 5, 4, 2, 3, 2, 1)


def example_study() -> StudyTables:
    """Twelve slides: ten scored, one withheld, one failed."""
    slides = tuple(_slide(index) for index in range(12))
    return StudyTables(
        slides=slides,
        scores=tuple(score for slide in slides for score in _scores(slide)),
        animals=tuple(score for index in range(11) for score in _animal_scores(index)),
        groups=(
            _comparison("DMM + vehicle", 0.0286, 0.0571),
            _comparison("DMM + exosome", 0.1, None),
        ),
        reading={
            "study": "made-up study",
            "banner": BANNER,
            "created": "2024-05-06T07:08:09+00:00",
            "histoscore": "0.1.0",
            "model": "demo",
            "study sheet sha256": "ab" * 32,
        },
        group_order=GROUPS,
        sides={slide.slide: Side.LEFT for slide in slides},
        origins={
            slide.slide: SlideOrigin(group_of(n), f"day {n % 2 + 1}", "fm"[n % 3 // 2])
            for n, slide in enumerate(slides)
        },
    )


def group_of(index: int) -> str:
    return GROUPS[index // 4]


def slide_name(index: int) -> str:
    return EVIL if index == 1 else f"slides/{index:02d}.svs"


def _slide(index: int) -> SlideResult:
    common = {"slide": slide_name(index), "animal": ANIMALS[index]}
    if index == 11:
        return SlideResult(**common, status=Status.FAILED, reason="empty file")
    section = _withheld_section() if index == 10 else _section(GRADES[index])
    return SlideResult(
        **common,
        status=section.status,
        reader="openslide",
        width_px=5210,
        height_px=3970,
        mpp=0.7234567890123,
        mpp_source="scanner",
        sha256=f"{index:064x}",
        tiles=31,
        engine="torch",
        seconds=3.14159,
        sections=(section,),
    )


def _section(grade: float) -> SectionResult:
    return SectionResult(
        section=1,
        x=410,
        y=520,
        width=3300,
        height=2100,
        area_um2=1_234_567.89,
        status=Status.SCORED,
        medial_side="left",
        medial_source="sheet",
        medial_confidence=0.875,
        readouts={"focus": 12.34567, "share_orange": 0.25},
        overlay="overlays/one.png",
        compartments=tuple(_compartment(c, grade if c.is_medial else 0) for c in Compartment),
    )


def _withheld_section() -> SectionResult:
    return SectionResult(
        section=1,
        x=0,
        y=0,
        width=900,
        height=700,
        area_um2=300_000.0,
        status=Status.REVIEW,
        reason="no joint found",
    )


def _compartment(compartment: Compartment, grade: float) -> CompartmentResult:
    probabilities = [0.02] * 8
    probabilities[OARSI_MOUSE.index(grade)] = 0.86
    return CompartmentResult(
        compartment=compartment,
        status=Status.SCORED,
        grade=grade,
        expected_grade=float(np.dot(probabilities, OARSI_MOUSE.rungs)),
        probabilities=tuple(probabilities),
        hyaline_area_um2=18_000.06 - 1_000 * grade,
        calcified_area_um2=9_000.0,
        surface_length_um=812.349,
        mean_thickness_um=22.158,
        safranin_fraction=0.75,
        lesion_extent=0.3 if grade == 4 else 0.0,
        implied_grade=4 if grade == 4 else None,
        hc_cc_ratio=2.0,
        tidemark_length_um=805.25,
        osteochondral_length_um=811.5,
        median_thickness_um=21.4,
        min_thickness_um=0.0 if grade == 4 else 12.5,
        total_thickness_um=33.333,
        lesion_count=1 if grade == 4 else 0,
        widest_lesion_um=243.0 if grade == 4 else 0.0,
        deepest_lesion=1.0 if grade == 4 else 0.125,
        roughness_um=0.85,
        safranin_density=0.4321,
        growth_plate_safranin_density=0.61,
        absent_fraction=0.0,
        obscured_fraction=0.0123,
        focus=0.74,
        chondrocyte_count=31,
        chondrocyte_density_per_mm2=1722.2,
        hyaline_profile_um=(10.04, 22.5, 21.0),
        calcified_profile_um=(8.0, 12.25, 11.0),
    )


def _scores(slide: SlideResult) -> list[CompartmentScore]:
    return [
        CompartmentScore(
            slide=slide.slide,
            animal=slide.animal,
            group=group_of(ANIMALS.index(slide.animal)),
            side=Side.LEFT,
            knee=Knee.INDEX,
            timepoint=None,
            section=section.section,
            compartment=result.compartment,
            grade=result.grade,
            hyaline_area_um2=result.hyaline_area_um2,
            calcified_area_um2=result.calcified_area_um2,
            mean_thickness_um=result.mean_thickness_um,
            lesion_extent=result.lesion_extent,
        )
        for section in slide.sections
        for result in section.compartments
    ]


def _animal_scores(index: int) -> list[AnimalScore]:
    return [_animal_score(index, region) for region in Region]


def _animal_score(index: int, region: Region) -> AnimalScore:
    graded = index != 10
    grade = GRADES[index] if region not in (Region.LATERAL, Region.LFC, Region.LTP) else 0.0
    members = len(region.members)
    return AnimalScore(
        animal=ANIMALS[index],
        group=group_of(index),
        side=Side.LEFT,
        knee=Knee.INDEX,
        timepoint=None,
        region=region,
        n_sections=1,
        n_missing=0 if graded else members,
        grade_max=grade if graded else None,
        grade_mean=grade / members if graded else None,
        grade_sum=grade if graded else None,
        hyaline_area_um2=members * (18_000.06 - 1_000 * grade) if graded else None,
        calcified_area_um2=members * 9_000.0 if graded else None,
        mean_thickness_um=22.158 if graded else None,
        lesion_extent=0.0 if graded else None,
    )


def _comparison(group: str, p: float, adjusted: float | None) -> GroupComparison:
    return GroupComparison(
        outcome="grade_max",
        region=Region.MEDIAL,
        timepoint=None,
        primary=True,
        reference="sham",
        group=group,
        n_reference=4,
        n_group=4,
        median_reference=0.25,
        median_group=4.0,
        test="Mann–Whitney, exact",
        statistic=0.0,
        p=p,
        p_adjusted=adjusted,
        family="grade_max medial",
        cliffs_delta=1.0,
        cliffs_delta_low=0.4,
        cliffs_delta_high=1.0,
        shift=3.75,
        shift_low=2.5,
        shift_high=5.0,
    )


SECTION_BOX = Box(410, 520, 3300, 2100)
SLIDE_MPP = 0.72


def example_joint(downsample: float = 2.5) -> tuple[RgbImage, LabelMap, tuple[Surface, ...]]:
    """A drawn joint: picture filling SECTION_BOX, its label map (elsewhere, finer), surfaces.

    Each compartment is a band of hyaline over a band of calcified cartilage; the femur's two lie
    over the tibia's two. The medial tibia is worn through over its middle third.
    """
    placement = Placement(
        SECTION_BOX.x + 60, SECTION_BOX.y + 40, downsample, Mpp(downsample * SLIDE_MPP)
    )
    rows, columns = 800, 1250
    tissue = np.full((rows, columns), Tissue.SOFT, dtype=np.uint8)
    compartments = np.zeros((rows, columns), dtype=np.uint8)
    tissue[120:680, 90:1160] = Tissue.BONE
    tissue[394:406, 90:1160] = Tissue.BACKGROUND
    surfaces = []
    for compartment in Compartment:
        left = 130 if compartment.is_medial else 660
        surfaces.append(_lay(tissue, compartments, compartment, left, placement))
    return _painted(tissue, placement), LabelMap(tissue, compartments, placement), tuple(surfaces)


def _lay(
    tissue: np.ndarray,
    compartments: np.ndarray,
    compartment: Compartment,
    left: int,
    placement: Placement,
) -> Surface:
    columns = np.arange(left, left + 440)
    bulge = np.rint(14 * np.sin(np.linspace(0, np.pi, len(columns)))).astype(int)
    away = -1 if compartment.is_femoral else 1
    joint = (393 - 14 if compartment.is_femoral else 406 + 14) - away * bulge
    worn = np.zeros(len(columns), dtype=bool)
    if compartment is Compartment.MTP:
        worn[150:290] = True
    for column, start, gone in zip(columns, joint, worn, strict=True):
        _column(tissue[:, column], compartments[:, column], start, away, gone, compartment.code)
    lines = [
        np.stack([columns, joint + away * depth], axis=1).astype(float) for depth in (0, 22, 34)
    ]
    outer, tidemark, bone = (placement.to_slide(line) for line in lines)
    return Surface(compartment, outer, tidemark, bone, worn)


def _column(
    tissue: np.ndarray, compartments: np.ndarray, start: int, away: int, gone: bool, code: int
) -> None:
    hyaline = start + away * np.arange(22)
    calcified = start + away * np.arange(22, 34)
    tissue[hyaline] = Tissue.BACKGROUND if gone else Tissue.HYALINE
    tissue[calcified] = Tissue.CALCIFIED
    compartments[calcified] = code
    if not gone:
        compartments[hyaline] = code


_STAIN = {
    Tissue.BACKGROUND: (243, 238, 232),
    Tissue.HYALINE: (222, 120, 92),
    Tissue.CALCIFIED: (205, 150, 140),
    Tissue.BONE: (120, 180, 175),
    Tissue.SOFT: (226, 232, 226),
}


def _painted(tissue: np.ndarray, placement: Placement) -> RgbImage:
    """The label map in stain colours, 1320 × 840 pixels over SECTION_BOX."""
    colors = np.full((8, 3), 255, dtype=np.uint8)
    for label, color in _STAIN.items():
        colors[label] = color
    y, x = np.mgrid[0:840, 0:1320] * 2.5 + 0.75
    points = np.stack([x.ravel() + SECTION_BOX.x, y.ravel() + SECTION_BOX.y], axis=1)
    rows, columns = placement.index(points)
    inside = (rows >= 0) & (rows < tissue.shape[0]) & (columns >= 0) & (columns < tissue.shape[1])
    picture = np.full((840 * 1320, 3), _STAIN[Tissue.SOFT], dtype=np.uint8)
    picture[inside] = colors[tissue[rows[inside], columns[inside]]]
    return picture.reshape(840, 1320, 3)
