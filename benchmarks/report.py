"""How long a large study's tables, workbook, figures and report take.

    python -m benchmarks.report [--animals 200] [--sections 10] [--pictures RUN/overlays]

Commits a study of made-up records, three groups in two batches with every section's picture on
disk, and times each export apart, then `histoscore report`: reading the records, holding every
picture against its hash, comparing the groups, all exports, SHA256SUMS. Planned contrasts of large
groups are tested by drawing, which takes longer than Dunn's test here. `--pictures` takes the
pictures of a run instead of made-up ones; label maps, which a run also has, are left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from histoscore.config import ScoreConfig
from histoscore.export.contact_sheet import write_contact_sheet
from histoscore.export.overlays import write_overlay
from histoscore.export.pictures import small_path, write_small
from histoscore.export.prism import write_prism
from histoscore.export.profiles import profiles_csv
from histoscore.export.report import write_report
from histoscore.export.study import section_overlays
from histoscore.export.study_figures import StudyFigure, study_figures, write_figures
from histoscore.export.tables import write_tables
from histoscore.export.workbook import write_workbook
from histoscore.files import make_folder, write_atomic
from histoscore.pipeline.report import compartment_scores, report_run
from histoscore.records import (
    CompartmentResult,
    SectionResult,
    SlideOrigin,
    SlideResult,
    StudyTables,
)
from histoscore.runs.audit import now
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import ModelFacts, SlideEntry, begin_record
from histoscore.scoring.animals import score_animals
from histoscore.scoring.stats import compare
from histoscore.study import Study, StudyRow
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side, Status

GROUPS = ("sham", "DMM + vehicle", "DMM + exosome")
PICTURES = 24
"""Different pictures on disk; more sections share them, which saves disk and no decoding."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--animals", type=int, default=200)
    parser.add_argument("--sections", type=int, default=10)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--keep", type=Path, help="folder to write into, and to look at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_folder(options.keep or Path(temporary))
        rng = np.random.default_rng(20_100)
        rows = [_row(index) for index in range(options.animals)]
        slides = [_slide(row, n, options.sections, rng) for n, row in enumerate(rows)]
        run = RunFolder(folder)
        slides = _put_pictures(run, slides, options.pictures)
        _time_exports(folder, _tables(rows, tuple(slides)))
        _commit(run, rows, slides)
        with _timed("histoscore report"):
            report_run(folder)
        print(f"load of the machine {os.getloadavg()[0]:.1f}")


def _time_exports(folder: Path, tables: StudyTables) -> None:
    pictures = section_overlays(tables, folder)
    drawn: list[StudyFigure] = []
    parts: dict[str, Callable[[], object]] = {
        "CSV tables": lambda: write_tables(tables, folder),
        "profiles": lambda: write_atomic(folder / "profiles.csv", profiles_csv(tables)),
        "workbook": lambda: write_workbook(tables, folder / "results.xlsx"),
        "figures, drawn": lambda: drawn.extend(study_figures(tables)),
        "figures, written": lambda: write_figures(drawn, folder / "figures", ""),
        "report": lambda: write_report(tables, folder / "report.html", pictures, drawn),
        "contact sheet": lambda: write_contact_sheet(
            tables, folder / "contact_sheet.pdf", pictures
        ),
        "Prism": lambda: write_prism(tables, folder / "prism"),
    }
    for name, part in parts.items():
        with _timed(name):
            part()


def _commit(run: RunFolder, rows: Sequence[StudyRow], slides: Sequence[SlideResult]) -> None:
    """The run as scoring leaves it."""
    model = ModelFacts(name="none", sha256="0" * 64, validated_on_real_tissue=False)
    record = begin_record("study.csv", "0" * 64, ScoreConfig(), model, now())
    entries = []
    for number, slide in enumerate(slides):
        key = f"{number:032x}"
        run.commit(key, slide)
        entries.append(SlideEntry(slide=slide.slide, key=key, sha256=slide.sha256))
    run.write(run.record_path, record.model_copy(update={"slides": tuple(entries)}))
    run.write(run.study_path, Study(path=Path("study.csv"), sha256="0" * 64, rows=tuple(rows)))


@contextmanager
def _timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:32s} {wall:6.1f} s, {cpu:6.1f} s of CPU", flush=True)


def _tables(rows: Sequence[StudyRow], slides: tuple[SlideResult, ...]) -> StudyTables:
    scores = tuple(
        score
        for row, slide in zip(rows, slides, strict=True)
        for score in compartment_scores(row, row.group, slide)
    )
    animals = score_animals(scores, rows)
    origins = {
        row.slide: SlideOrigin(row.group, row.batch, row.sex, row.timepoint, row.knee)
        for row in rows
    }
    return StudyTables(
        slides,
        scores,
        animals,
        compare(animals, ScoreConfig().statistics, GROUPS),
        {"study": "a large study", "histoscore": "benchmark", "model": "none"},
        group_order=GROUPS,
        sides={row.slide: Side.LEFT for row in rows},
        origins=origins,
    )


def _row(index: int) -> StudyRow:
    slide = f"slides/M{index:03d}.svs"
    return StudyRow(
        row=index + 2,
        slide=slide,
        path=Path(slide),
        animal=f"M{index:03d}",
        group=GROUPS[index % 3],
        side=Side.LEFT,
        batch="batch 1" if index % 5 < 3 else "batch 2",
        sex="f" if index % 2 else "m",
    )


def _slide(row: StudyRow, index: int, sections: int, rng: np.random.Generator) -> SlideResult:
    if index % 40 == 39:
        return SlideResult(
            slide=row.slide, animal=row.animal, status=Status.FAILED, reason="empty file"
        )
    ill = (0.4, 4.5, 2.5)[index % 3] + rng.normal(0, 0.8)
    parts = tuple(_section(index * sections + n, n + 1, ill, rng) for n in range(sections))
    worst = Status.WARNED if any(s.status is Status.WARNED for s in parts) else Status.SCORED
    return SlideResult(
        slide=row.slide,
        animal=row.animal,
        status=worst,
        reader="openslide",
        width_px=52_000,
        height_px=39_000,
        mpp=0.4990,
        mpp_source="scanner",
        sha256=f"{index:064x}",
        tiles=310,
        engine="openvino",
        seconds=12.25,
        sections=parts,
    )


def _section(place: int, number: int, ill: float, rng: np.random.Generator) -> SectionResult:
    withheld = place % 50 == 7
    flags = ("out_of_focus",) if place % 17 == 3 else ()
    return SectionResult(
        section=number,
        x=410,
        y=520 + 4_000 * number,
        width=9_300,
        height=7_100,
        area_um2=float(rng.normal(9e6, 1e6)),
        status=Status.REVIEW if withheld else Status.WARNED if flags else Status.SCORED,
        reason="no joint found" if withheld else "",
        medial_side="left",
        medial_source="sheet",
        medial_confidence=0.9,
        flags=flags,
        readouts={
            name: float(rng.uniform(0.1, 0.6))
            for name in ("orange_share", "blue_green_share", "median_density", "focus")
        },
        compartments=()
        if withheld
        else tuple(_compartment(c, ill if c.is_medial else ill / 4, rng) for c in Compartment),
    )


def _compartment(
    compartment: Compartment, ill: float, rng: np.random.Generator
) -> CompartmentResult:
    expected = float(np.clip(ill + rng.normal(0, 0.6), 0, 6))
    grade = min(OARSI_MOUSE.rungs, key=lambda rung: abs(rung - expected))
    probabilities = np.full(8, 0.02)
    probabilities[OARSI_MOUSE.index(grade)] = 0.86
    hyaline = max(0.0, float(rng.normal(18_000 - 1_500 * expected, 1_500)))
    profile = tuple(np.round(rng.normal(30, 4, 80), 2).tolist())
    return CompartmentResult(
        compartment=compartment,
        status=Status.SCORED,
        grade=grade,
        expected_grade=expected,
        probabilities=tuple(probabilities.tolist()),
        grade_low=grade,
        grade_high=grade,
        hyaline_area_um2=hyaline,
        calcified_area_um2=float(rng.normal(9_000, 900)),
        surface_length_um=812.349,
        mean_thickness_um=hyaline / 812.349,
        safranin_fraction=0.75,
        lesion_extent=max(0.0, expected / 6 - 0.4),
        hc_cc_ratio=2.0,
        tidemark_length_um=805.25,
        median_thickness_um=21.4,
        min_thickness_um=12.5,
        total_thickness_um=33.333,
        lesion_count=0,
        roughness_um=0.85,
        safranin_density=0.4321,
        focus=0.74,
        hyaline_profile_um=profile,
        calcified_profile_um=profile,
    )


def _put_pictures(
    run: RunFolder, slides: Sequence[SlideResult], given: Path | None
) -> list[SlideResult]:
    """A picture a section with its small one, as scoring leaves them; few files, many names."""
    sources = sorted(given.glob("*_section*.png"))[:PICTURES] if given else []
    drawn: list[Path] = []
    placed = []
    for slide in slides:
        sections = []
        for section in slide.sections:
            path = run.overlay_path(slide.slide, section.section)
            place = sum(len(s.sections) for s in placed) + len(sections)
            if place < PICTURES:
                source = sources[place % len(sources)] if sources else None
                _draw(path, place, source)
                drawn.append(path)
            else:
                _link(drawn[place % PICTURES], path)
            name = path.relative_to(run.path).as_posix()
            sections.append(section.model_copy(update={"overlay": name}))
        placed.append(slide.model_copy(update={"sections": tuple(sections)}))
    return placed


def _draw(path: Path, seed: int, source: Path | None) -> None:
    if source:
        path.write_bytes(source.read_bytes())
        write_small(path)
    else:
        pixels = _picture(seed)
        write_overlay(path, pixels)
        write_small(path, pixels)


def _link(source: Path, path: Path) -> None:
    for one, other in ((source, path), (small_path(source), small_path(path))):
        other.unlink(missing_ok=True)
        os.link(one, other)


def _picture(seed: int) -> np.ndarray:
    """Smooth colours with grain, 1800 × 1300 pixels: as hard to decode as a real section."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(120, 240, (14, 19, 3), dtype=np.uint8)
    smooth = np.kron(coarse, np.ones((100, 100, 1), np.uint8))[:1300, :1800].astype(np.int16)
    grain = rng.integers(-12, 13, smooth.shape, dtype=np.int16)
    return (smooth + grain).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
