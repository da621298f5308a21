"""The table of faults, slides: one study in which everything is wrong, and what becomes of each.

Every case: a slide made from a painted knee, its mutation, the status and the reason it must end
with. All are scored in one run, so that none may cost another.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.drawn_knee import knee
from helpers.fake_networks import painted
from helpers.fake_scorer import fake_model
from helpers.overview import GREEN_PEN, RED_PEN, add_stroke, empty, photographed
from helpers.painted_scorer import (
    POSE,
    SCORER,
    painted_knee,
    spoil_tiles,
    write_svs,
    write_tiff,
)
from helpers.slide_files import cut
from PIL import Image, ImageCms

from histoscore.config import load_config
from histoscore.pipeline.report import RunSummary
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.records import SlideResult
from histoscore.runs.verify import verify
from histoscore.vocabulary import Compartment

KNEE = painted_knee()
SMALL_TILE = 48
BONE_TILE = 18 * -(-KNEE.shape[1] // SMALL_TILE) + 12
"""In the tibia's shaft: tissue, far from cartilage, 0.2 % of the section."""

Make = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A row of the table: the file, how it is made, and what must become of it."""

    row: int
    name: str
    make: Make
    status: str
    reason: str = ""
    sheet: dict[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def path(self) -> str:
        return self.file or f"{self.name}.svs"


def saved(picture: np.ndarray, **options: object) -> Make:
    return lambda path: Image.fromarray(picture).save(path, "PNG", **options)


def content(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def svs(path: Path) -> Path:
    return write_svs(path, KNEE)


def huge(path: Path) -> None:
    write_tiff(path, KNEE)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for tag in (256, 257):
            tiff.pages[0].tags[tag].overwrite(2**30)


def bomb(path: Path) -> None:
    """400 million pixels in 50 kB."""
    Image.new("1", (20_000, 20_000)).save(path, "PNG")


def pens() -> np.ndarray:
    density = empty()
    add_stroke(density, [(100, 100), (600, 300), (900, 800)], GREEN_PEN)
    add_stroke(density, [(1000, 80), (1100, 500)], RED_PEN)
    return photographed(density)


def spoilt_label(path: Path) -> None:
    svs(path)
    with tifffile.TiffFile(path) as tiff:
        page = next(page for page in tiff.pages if "label" in page.description)
        offset, count = page.dataoffsets[0], page.databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = bytes(count)
    path.write_bytes(data)


def two_knees() -> np.ndarray:
    gap = np.full((KNEE.shape[0], 400, 3), 255, np.uint8)
    return np.hstack([KNEE, gap, KNEE])


GOOD, MPP = "scored_with_warnings", {"mpp": str(POSE.mpp)}
"""Painted knees are cut by the picture's border, which is flagged."""
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
BARE = painted(knee(POSE, without=tuple(Compartment)))

CASES = (
    Case(1, "zero bytes", content(b""), "failed", "empty file"),
    Case(2, "half", lambda p: cut(svs(p), 0.5), "failed", r"truncated \(short read\)"),
    Case(2, "99 percent", lambda p: cut(svs(p), 0.99), "failed", r"truncated \(short read\)"),
    Case(
        4, "one tile", lambda p: spoil_tiles(write_tiff(p, KNEE, tile=SMALL_TILE), 0, [BONE_TILE]),
        GOOD, "1 tile with tissue could not be read", file="one tile.tif",
    ),
    Case(
        4, "one tile in cartilage",
        lambda p: spoil_tiles(write_tiff(p, KNEE, tile=SMALL_TILE), 0, [BONE_TILE - 3 * 26 - 6]),
        GOOD, "1 tile with tissue could not be read", file="cartilage.tif",
    ),
    Case(
        4, "many tiles", lambda p: spoil_tiles(svs(p), 0, [13, 14]), "needs_review",
        r"\d+\.\d% of the tissue could not be read",
    ),
    Case(5, "text", content(b"slide 1\n"), "failed", "not a slide; content looks like plain text"),
    Case(
        5, "jpeg", lambda p: Image.fromarray(KNEE).save(p, "JPEG"), "failed",
        "not a slide; content looks like JPEG",
    ),
    Case(5, "folder", lambda p: p.mkdir(), "failed", "not a slide; .*folder"),
    Case(
        6, "olympus", content(b"II*\0" + bytes(99)), "failed", "unsupported: Olympus VSI; export",
        file="olympus.vsi",
    ),
    Case(
        7, "mirax", lambda p: Image.fromarray(KNEE).save(p, "JPEG"), "failed",
        r"companion files missing: mirax/Slidedat\.ini; copy", file="mirax.mrxs",
    ),
    Case(
        8, "no mpp", lambda p: write_svs(p, KNEE, None), "failed",
        "no believable pixel size .*; give one in the study sheet's mpp column",
    ),
    Case(8, "mpp from the sheet", lambda p: write_svs(p, KNEE, None), GOOD, sheet=MPP),
    Case(
        9, "72 dpi", saved(KNEE, dpi=(72, 72)), "failed", r"the file says 352\.[78]\)",
        file="72 dpi.png",
    ),
    *(
        Case(9, f"mpp {mpp}", lambda p, mpp=mpp: write_svs(p, KNEE, mpp), "failed", "no believable")
        for mpp in (10000, 0, -0.5, float("nan"))
    ),
    Case(11, "huge", huge, "failed", "too large|damaged|truncated", file="huge.tif"),
    Case(
        12, "bomb", bomb, "failed", "too large: a picture .*; save it as a tiled TIFF", MPP,
        file="bomb.png",
    ),
    Case(
        13, "blank", saved(np.full((900, 1300, 3), 246, np.uint8)), "no_tissue", "no tissue",
        {"mpp": "2"}, file="blank.png",
    ),
    Case(13, "pens", saved(pens()), "no_tissue", "no tissue", {"mpp": "2"}, file="pens.png"),
    Case(14, "no cartilage", saved(BARE), "needs_review", "no joint", MPP, file="bare.png"),
    Case(
        15, "cmyk", lambda p: Image.fromarray(KNEE).convert("CMYK").save(p, "TIFF"), "failed",
        "colour mode CMYK; save it as 8-bit RGB", MPP, file="cmyk.tif",
    ),
    Case(
        15, "rgba", saved(np.dstack([KNEE, np.full(KNEE.shape[:2], 255, np.uint8)])), GOOD, "", MPP,
        file="rgba.png",
    ),
    Case(17, "label spoilt", spoilt_label, GOOD),
    Case(18, "no profile", saved(KNEE), GOOD, "", MPP, file="plain.png"),
    Case(18, "odd profile", saved(KNEE, icc_profile=PROFILE), GOOD, "", MPP, file="lab.png"),
    Case(18, "bad profile", saved(KNEE, icc_profile=b"\1" * 99), GOOD, "", MPP, file="bad.png"),
    Case(20, "two sections", saved(two_knees()), GOOD, "", MPP, file="two.png"),
    Case(22, "one name", svs, GOOD, file="left/knee.svs"),
    Case(22, "the same name", svs, GOOD, file="right/knee.svs"),
    Case(30, "spaces and quotes", svs, GOOD, file="kn ee 'a' \"b\" üñï.svs"),
    Case(30, "a newline", svs, GOOD, file="two\nlines.svs"),
    Case(30, "a device of Windows", svs, GOOD, file="CON.svs"),
    Case(30, "a long name", svs, GOOD, file="x" * 230 + ".svs"),
)  # fmt: skip


def listed(case: Case) -> object:
    name = f"row{case.row:02d}-{case.name.replace(' ', '-')}"
    return pytest.param(case, id=name, marks=pytest.mark.fault(case.row))


def unlike_others(path: Path, place: int) -> None:
    """No two files of the study are the same bytes; readers pass over what follows their data."""
    if path.is_file() and path.stat().st_size > 100 and not path.name.startswith(("half", "99")):
        with path.open("ab") as file:
            file.write(b"%04d" % place)


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """All cases in one study; the last row lists a slide of the first animal twice."""
    folder = tmp_path_factory.mktemp("faults")
    with (folder / "study.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.DictWriter(file, ("slide", "animal", "mpp"), restval="")
        sheet.writeheader()
        for place, case in enumerate(CASES):
            path = folder / case.path
            path.parent.mkdir(exist_ok=True)
            case.make(path)
            unlike_others(path, place)
            sheet.writerow({"slide": case.path, "animal": f"m{place}"} | case.sheet)
        twice = next(place for place, case in enumerate(CASES) if case.row == 22)
        (folder / "copy.svs").write_bytes((folder / CASES[twice].path).read_bytes())
        sheet.writerow({"slide": "copy.svs", "animal": f"m{twice}"})
    (folder / "left over.svs").write_bytes(b"not in the sheet")
    config = load_config(overrides=["device=cpu", "statistics.permutations=1000"])
    return score_study(
        folder / "study.csv", folder / "run", config, ScoreOptions(scorer=SCORER, model=fake_model)
    )


def result(summary: RunSummary, case: Case) -> SlideResult:
    return summary.tables.slides[CASES.index(case)]


def named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("case", [listed(case) for case in CASES])
def test_a_slide_ends_as_the_table_says(summary: RunSummary, case: Case) -> None:
    found = result(summary, case)
    assert found.status.value == case.status, found.reason
    assert re.search(case.reason, found.reason)
    graded = [c for section in found.sections for c in section.compartments if c.grade is not None]
    assert bool(graded) == (case.status == GOOD)
    if not graded:
        assert found.reason


def test_no_slide_costs_another_and_the_run_is_whole(summary: RunSummary) -> None:
    assert summary.exit_code == 2
    assert len(summary.tables.slides) == len(CASES) + 1
    assert verify(summary.run.path) == []
    assert summary.run.trail.last("worker lost") is None


@pytest.mark.fault(4)
def test_a_compartment_beside_a_damaged_tile_is_not_measured(summary: RunSummary) -> None:
    """It would be a lesion, or a smaller area, that nobody can tell from a real one."""
    (section,) = result(summary, named("one tile in cartilage")).sections
    (whole,) = result(summary, named("no profile")).sections
    areas = {c.compartment: c.hyaline_area_um2 for c in whole.compartments}
    withheld = [c for c in section.compartments if "damaged tile" in c.reason]
    assert 1 <= len(withheld) <= 3
    assert all(c.grade is None and c.hyaline_area_um2 is None for c in withheld)
    for compartment in section.compartments:
        if compartment not in withheld:
            assert compartment.hyaline_area_um2 == pytest.approx(
                areas[compartment.compartment], rel=0.02
            )
    assert "unreadable_tiles" in section.flags


@pytest.mark.fault(8)
def test_a_pixel_size_from_the_sheet_is_said_to_be_the_sheets(summary: RunSummary) -> None:
    assert result(summary, named("mpp from the sheet")).mpp_source == "sheet"


@pytest.mark.fault(10)
def test_a_slide_of_another_scale_is_told_in_the_workbook(summary: RunSummary) -> None:
    notes = [text for label, text in summary.tables.reading.items() if label.startswith("note")]
    assert sum(text.startswith(("blank.png: 2 µm/px", "pens.png: 2 µm/px")) for text in notes) == 2


@pytest.mark.fault(18)
@pytest.mark.parametrize("name", ["odd profile", "bad profile"])
def test_a_colour_profile_changes_nothing(summary: RunSummary, name: str) -> None:
    plain, other = result(summary, named("no profile")), result(summary, named(name))
    assert [c.model_dump() for s in plain.sections for c in s.compartments] == [
        c.model_dump() for s in other.sections for c in s.compartments
    ]


@pytest.mark.fault(18)
def test_the_workbook_says_what_colours_are_taken_for(summary: RunSummary) -> None:
    assert "sRGB" in summary.tables.reading["colours"]


@pytest.mark.fault(20)
def test_every_section_is_scored(summary: RunSummary) -> None:
    assert [s.section for s in result(summary, named("two sections")).sections] == [1, 2]


@pytest.mark.fault(21)
def test_the_same_bytes_again_are_skipped(summary: RunSummary) -> None:
    last = summary.tables.slides[-1]
    assert (last.status.value, last.reason) == ("skipped", "duplicate of left/knee.svs")


@pytest.mark.fault(22)
@pytest.mark.fault(30)
def test_what_is_written_never_shares_a_name_nor_takes_it_from_a_slide(summary: RunSummary) -> None:
    overlays = [s.overlay for slide in summary.tables.slides for s in slide.sections if s.overlay]
    assert len(overlays) == len(set(overlays)) >= 8
    for overlay in overlays:
        name = Path(overlay).name
        assert overlay == f"overlays/{name}"
        assert name.isascii()
        assert len(name) < 80
        assert (summary.run.path / overlay).is_file()
