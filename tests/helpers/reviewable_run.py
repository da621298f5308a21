"""A finished run with slides, outlines and label maps that a page can show; nothing is scored.

Each section is a pale ellipse with four bands of cartilage and a mark of a colour of its own, at
known places. Every word that must not be seen while blinded is an odd animal's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile

from histoscore.config import load_config
from histoscore.export.features import to_features, write_features
from histoscore.export.zarr_labels import write_label_store
from histoscore.geometry import Mpp, Placement
from histoscore.records import CompartmentResult, LabelMap, SectionResult, SlideResult, Surface
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import ModelFacts, SlideEntry, begin_record
from histoscore.study import read_study
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Status, Tissue

MPP = 0.4711
SIZE = (2401, 1003)
SECTION = (1000, 700)
"""Width and height of a section in pixels."""
CORNERS = {
    "zebra/slide-okapi.svs": ((203, 151),),
    "zebra/slide-tapir.svs": ((101, 97), (1303, 201)),
}
"""Slide → upper left corners of its sections."""
ANIMALS = {"zebra/slide-okapi.svs": "quagga-1", "zebra/slide-tapir.svs": "numbat-2"}
GROUPS = {"quagga-1": "treated-kudu", "numbat-2": "control-gnu"}
SECRETS = ("zebra", "okapi", "tapir", "quagga", "numbat", "kudu", "gnu", "aardvark")
"""In names of folders, slides, animals, groups, and in what the scanner wrote into the files."""

MARK, MARK_COLOR = (480, 100, 40, 40), (200, 30, 120)
"""x, y, width, height in the section, and its RGB."""
BANDS = {
    Compartment.MFC: (150, 230, 300, 60),
    Compartment.MTP: (150, 310, 300, 60),
    Compartment.LFC: (550, 230, 300, 60),
    Compartment.LTP: (550, 310, 300, 60),
}
"""Hyaline cartilage in the section: x, y, width, height; calcified lies beyond it, 30 thick."""
CALCIFIED = 30
MODEL = {Compartment.MFC: 3.0, Compartment.MTP: 2.0, Compartment.LFC: 0.0, Compartment.LTP: None}
"""The model's grades in every section; one was withheld."""

_COLORS = {
    Tissue.SOFT: (205, 225, 222),
    Tissue.HYALINE: (226, 122, 74),
    Tissue.CALCIFIED: (150, 170, 120),
}
_DOWNSAMPLE = 2


def make_reviewable(folder: Path) -> Path:
    """Three sections on two slides; the run's folder."""
    lines = ["slide,animal,group"]
    for name, corners in CORNERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write_slide(folder / name, corners)
        lines.append(f"{name},{ANIMALS[name]},{GROUPS[ANIMALS[name]]}")
    sheet = folder / "study.csv"
    sheet.write_text("\n".join(lines) + "\n")
    return _write_run(folder / "run", sheet)


def _write_slide(path: Path, corners: tuple[tuple[int, int], ...]) -> None:
    picture = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    for x, y in corners:
        view = picture[y : y + SECTION[1], x : x + SECTION[0]]
        tissue, _ = _labels()
        for label, color in _COLORS.items():
            view[tissue == label] = color
        left, top, width, height = MARK
        view[top : top + height, left : left + width] = MARK_COLOR
    words = f"Aperio aardvark\r\n{SIZE[0]}x{SIZE[1]} JPEG|AppMag = 20|MPP = {MPP}|User = aardvark"
    jpeg = {"compression": "jpeg", "compressionargs": {"level": 95}, "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        for step in (1, 4):
            level = cv2.resize(picture, None, fx=1 / step, fy=1 / step, interpolation=3)
            tiff.write(level, tile=(240, 240), description=words, photometric="rgb", **jpeg)


def _labels() -> tuple[np.ndarray, np.ndarray]:
    """Tissue and compartment of a section, at full resolution."""
    shape = (SECTION[1], SECTION[0])
    tissue, compartments = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    middle = (SECTION[0] // 2, SECTION[1] // 2)
    cv2.ellipse(tissue, middle, middle, 0, 0, 360, int(Tissue.SOFT), -1)
    for compartment, (x, y, width, height) in BANDS.items():
        beyond = y - CALCIFIED if compartment.is_femoral else y + height
        for label, top, rows in (
            (Tissue.HYALINE, y, height),
            (Tissue.CALCIFIED, beyond, CALCIFIED),
        ):
            place = np.s_[top : top + rows, x : x + width]
            tissue[place], compartments[place] = label, compartment.code
    return tissue, compartments


def _write_run(path: Path, sheet: Path) -> Path:
    study, run = read_study(sheet), RunFolder(path)
    path.mkdir()
    facts = ModelFacts(
        name="made up", sha256="5" * 64, validated_on_real_tissue=False, banner="Demonstration."
    )
    record = begin_record(
        sheet.name, study.sha256, load_config(), facts, "2024-05-06T07:08:09+00:00"
    )
    entries = []
    for number, row in enumerate(study.rows):
        sha256 = hashlib.sha256(row.path.read_bytes()).hexdigest()
        entries.append(SlideEntry(slide=row.slide, key=f"{number:032x}", sha256=sha256))
        run.commit(entries[-1].key, _result(run, row.slide, row.animal, sha256))
    run.write(run.study_path, study)
    run.write(run.record_path, record.model_copy(update={"slides": tuple(entries)}))
    return path


def _result(run: RunFolder, slide: str, animal: str, sha256: str) -> SlideResult:
    sections, features = [], []
    for number, (x, y) in enumerate(CORNERS[slide], start=1):
        section = _section(number, x, y)
        tissue, compartments = (a[::_DOWNSAMPLE, ::_DOWNSAMPLE] for a in _labels())
        labels = LabelMap(
            tissue, compartments, Placement(x, y, _DOWNSAMPLE, Mpp(MPP * _DOWNSAMPLE))
        )
        write_label_store(run.label_path(slide, number), labels)
        features += to_features(sha256, section, labels, list(_surfaces(x, y)))
        sections.append(section)
    write_features(run.geojson_path(slide), features)
    return SlideResult(
        slide=slide, animal=animal, status=Status.SCORED, reader="openslide", width_px=SIZE[0],
        height_px=SIZE[1], mpp=MPP, mpp_source="scanner", sha256=sha256, sections=tuple(sections),
    )  # fmt: skip


def _section(number: int, x: int, y: int) -> SectionResult:
    return SectionResult(
        section=number, x=x, y=y, width=SECTION[0], height=SECTION[1], area_um2=1e5,
        status=Status.SCORED, medial_side="left", medial_source="sheet",
        compartments=tuple(_part(compartment, grade) for compartment, grade in MODEL.items()),
    )  # fmt: skip


def _part(compartment: Compartment, grade: float | None) -> CompartmentResult:
    if grade is None:
        return CompartmentResult(
            compartment=compartment, status=Status.REVIEW, reason="cartilage not found"
        )
    place = OARSI_MOUSE.index(grade)
    probabilities = [0.02] * len(OARSI_MOUSE)
    probabilities[place] = 0.86
    return CompartmentResult(
        compartment=compartment, status=Status.SCORED, grade=grade, expected_grade=grade,
        probabilities=tuple(probabilities), grade_low=grade, grade_high=grade,
        hyaline_area_um2=4000.0, calcified_area_um2=2000.0, surface_length_um=141.33,
        mean_thickness_um=28.3, safranin_fraction=0.8, lesion_extent=0.2 if grade == 3 else 0.0,
        implied_grade=3.0 if grade == 3 else None,
    )  # fmt: skip


def _surfaces(left: int, top: int) -> Iterator[Surface]:
    """The joint side of each band; MFC is bare over its first fifth."""
    for compartment, (x, y, width, height) in BANDS.items():
        across = np.linspace(left + x, left + x + width, 101)
        joint, beyond = (y + height, y) if compartment.is_femoral else (y, y + height)
        eroded = np.zeros(101, bool)
        eroded[:21] = compartment is Compartment.MFC
        yield Surface(
            compartment,
            outer=np.column_stack([across, np.full(101, top + joint - 0.5)]),
            tidemark=np.column_stack([across, np.full(101, top + beyond - 0.5)]),
            bone=np.column_stack([across, np.full(101, top + beyond - 0.5)]),
            eroded=eroded,
        )
