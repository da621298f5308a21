"""The demonstration study and model, as a user meets them: the whole program, no fakes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from histoscore.config import TileSettings
from histoscore.geometry import Box
from histoscore.image.joint import locate_joint
from histoscore.image.labels import wanted_around
from histoscore.image.placed import mask_through
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.slides.open import open_slide
from histoscore.vocabulary import OARSI_MOUSE, Tissue

DEMO = Path(__file__).parents[1] / "slides_demo"
ONE_SECTION, TWO_SECTIONS = "slides/M005.svs", "slides/M008.svs"
TABLES = ("sections.csv", "compartments.csv", "animals.csv", "groups.csv")

Row = Mapping[str, str]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_sheet(path: Path, lines: Iterable[Mapping[str, str]]) -> Path:
    lines = list(lines)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)
    return path


def command(sheet: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "histoscore", "score", str(sheet), "--out", str(out)]


def score(sheet: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(sheet, out), capture_output=True, text=True, timeout=560)


def listed(name: str) -> dict[str, str]:
    """A row of the demonstration sheet with the slide's full path."""
    row = next(row for row in rows(DEMO / "study.csv") if row["slide"] == name)
    return {**row, "slide": str(DEMO / name)}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Two good slides among an empty, a renamed and a truncated one: sheet, run, output."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "empty.svs").write_bytes(b"")
    (folder / "letter.svs").write_text("Dear colleague, the slides are on their way.\n" * 40)
    whole = (DEMO / ONE_SECTION).read_bytes()
    (folder / "cut.svs").write_bytes(whole[: len(whole) // 2])
    bad = [
        {"slide": name, "animal": f"X{number}", "group": "sham", "side": "L", "medial": "left"}
        for number, name in enumerate(("empty.svs", "letter.svs", "cut.svs"))
    ]
    good = [listed(ONE_SECTION), listed(TWO_SECTIONS)]
    sheet = write_sheet(folder / "study.csv", [good[0], *bad, good[1]])
    done = score(sheet, folder / "run")
    assert done.returncode == 2, done.stderr
    return sheet, folder / "run", done.stdout + done.stderr


def test_bad_slides_fail_with_their_reason_and_cost_no_other(
    mixed: tuple[Path, Path, str],
) -> None:
    _, run, output = mixed
    slides = {Path(row["slide"]).name: row for row in rows(run / "slides.csv")}
    assert slides["empty.svs"]["reason"] == "empty file"
    assert "plain text" in slides["letter.svs"]["reason"]
    assert "truncated" in slides["cut.svs"]["reason"]
    for name in ("empty.svs", "letter.svs", "cut.svs"):
        assert slides[name]["status"] == "failed"
        assert slides[name]["reason"] in output
    for name in (ONE_SECTION, TWO_SECTIONS):
        assert slides[Path(name).name]["status"].startswith("scored")


def test_every_compartment_is_found_and_close_to_the_truth(
    mixed: tuple[Path, Path, str],
) -> None:
    """A loose net for the two slides; benchmarks/demo.py has the figures of all twelve."""
    _, run, _ = mixed
    found = {
        (Path(row["slide"]).name, row["section"], row["compartment"]): row
        for row in rows(run / "compartments.csv")
    }
    truth = [row for row in rows(DEMO / "truth.csv") if row["slide"] in (ONE_SECTION, TWO_SECTIONS)]
    assert len(truth) == 12
    errors = []
    for row in truth:
        result = found[Path(row["slide"]).name, row["section"], row["compartment"]]
        assert float(result["grade"]) in OARSI_MOUSE.rungs
        area = float(row["hyaline_area_um2"])
        assert float(result["hyaline_area_um2"]) == pytest.approx(area, rel=0.25, abs=1500)
        errors.append(abs(float(result["grade"]) - float(row["grade"])))
    assert sum(errors) / len(errors) <= 0.9


def test_grades_differ_between_compartments(mixed: tuple[Path, Path, str]) -> None:
    _, run, _ = mixed
    grades = {row["grade"] for row in rows(run / "compartments.csv") if row["grade"]}
    assert len(grades) >= 3


def test_the_banner_stands_on_screen_in_workbook_and_report(
    mixed: tuple[Path, Path, str],
) -> None:
    import openpyxl

    _, run, output = mixed
    assert "DEMONSTRATION MODEL" in " ".join(output.split())
    assert "not validated on real tissue" in (run / "report.html").read_text(encoding="utf-8")
    sheet = openpyxl.load_workbook(run / "results.xlsx").worksheets[0]
    cells = [str(cell.value) for row in sheet.iter_rows(max_row=5) for cell in row if cell.value]
    assert any("DEMONSTRATION MODEL" in cell for cell in cells)


def test_a_pathologist_grades_the_run_by_keyboard(
    mixed: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """The model's grades accepted one by one, the first changed; the tables then carry both."""
    browsers = pytest.importorskip("helpers.review_browser")
    run = tmp_path / "run"
    shutil.copytree(mixed[1], run)
    processes = pytest.importorskip("helpers.review_process")
    with browsers.browser() as window, processes.served(run) as (process, link):
        person = browsers.Person.entering(window, link)
        person.begin("Dr. Ágnes", "assist")
        codes = [person.code]
        model = person.page.locator("[data-rung][data-model=true]").get_attribute("data-rung")
        other = "4" if model != "4" else "3"
        person.press(other)
        person.page.locator("dialog[open]").wait_for()
        person.press("1", "Enter")
        person.expect_grade("MFC", other)
        while len(codes) < 3 or person.page.evaluate("() => document.body.dataset.left") != "0":
            person.settled()
            person.press("Enter")
            person.page.wait_for_timeout(100)
            if person.code not in codes:
                codes.append(person.code)
        person.settled()
        assert person.troubles == []
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 2  # tables are made, and three slides had failed
    table = [row for row in rows(run / "compartments.csv") if row["section"]]
    assert {row["final_source"] for row in table} == {"person"}
    changed = [row for row in table if row["final_grade"] != row["grade"]]
    assert [row["final_grade"] for row in changed] == [other]
    decided = rows(run / "scorers.csv")
    assert {row["scorer"] for row in decided} == {"Dr. Ágnes"}
    assert len(decided) == len(table) == 12


def test_a_run_killed_in_the_middle_resumes_to_the_same_tables(
    mixed: tuple[Path, Path, str], tmp_path: Path
) -> None:
    sheet, undisturbed, _ = mixed
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(sheet, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not any(scored_results(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in scored_results(run)}
    assert kept
    assert not (run / "compartments.csv").exists()
    assert score(sheet, run).returncode == 2
    for path, written in kept.items():
        assert path.stat().st_mtime_ns == written, "a finished slide was scored again"
    for table in TABLES:
        assert (run / table).read_bytes() == (undisturbed / table).read_bytes()


def scored_results(run: Path) -> list[Path]:
    """Committed results of slides that could be read."""
    return [
        path
        for path in run.glob("results/*/result.json")
        if json.loads(path.read_text(encoding="utf-8"))["result"]["status"] != "failed"
    ]


@pytest.fixture(scope="module")
def networks() -> Predictor:
    return Predictor.of(find_bundle("demo"), "cpu", TileSettings(), "auto")


class TestWhereTilesBegin:
    """A grid shifted by half a tile: borders of tiles must not show in the maps."""

    def test_hardly_shows_in_the_coarse_map(self, networks: Predictor) -> None:
        half = networks.passes.spec("coarse").tile_px // 2
        with open_slide(DEMO / ONE_SECTION) as slide:
            usual = networks.coarse(slide, Box(0, 0, 2200, 1200))
            step = round(half * usual.placement.downsample)
            shifted = networks.coarse(slide, Box(-step, -step, 2200 + step + 4, 1200 + step + 4))
        rows, columns = usual.tissue.shape[1:]
        moved = shifted.tissue[:, half : half + rows, half : half + columns]
        assert (usual.tissue.argmax(0) == moved.argmax(0)).mean() > 0.975

    def test_hardly_shows_in_the_fine_map(self, networks: Predictor) -> None:
        with open_slide(DEMO / ONE_SECTION) as slide:
            whole = slide.info.whole
            coarse = networks.coarse(slide, whole)
            joint = locate_joint(coarse, None)
            assert joint is not None
            wanted = wanted_around(joint, 80)
            usual = networks.fine(slide, coarse, wanted)
            # The grid begins where the wanted part does: a pixel up and left of it moves the grid.
            half = networks.passes.spec("fine").tile_px // 2
            back = round(half * usual.placement.mpp / coarse.placement.mpp)
            rows, columns = np.nonzero(wanted)
            more = wanted.copy()
            more[rows.min() - back, columns.min() - back] = True
            shifted = networks.fine(slide, coarse, more)
        dx, dy = (
            round((there - here) / usual.placement.downsample)
            for there, here in zip(
                (usual.placement.x, usual.placement.y),
                (shifted.placement.x, shifted.placement.y),
                strict=True,
            )
        )
        assert abs(dx - half) < 8
        assert abs(dy - half) < 8
        here = mask_through(wanted, coarse.placement, usual.placement, usual.tissue.shape)
        moved = shifted.tissue[dy:, dx:][: len(usual.tissue), : usual.tissue.shape[1]]
        assert (usual.tissue == moved)[here].mean() > 0.985
        for tissue in (Tissue.HYALINE, Tissue.CALCIFIED):
            area = [((labels == tissue) & here).sum() for labels in (usual.tissue, moved)]
            assert area[0] == pytest.approx(area[1], rel=0.01)


def test_real_slides_without_a_joint_get_no_grade(real_data: Path, tmp_path: Path) -> None:
    field = real_data / "cartilage_tiles" / "engineered_cartilage_1360x1024.tif"
    sheet = write_sheet(
        tmp_path / "study.csv",
        [
            {"slide": str(real_data / "wsi" / "CMU-1-Small-Region.svs"), "animal": "A"},
            {"slide": str(field), "animal": "B", "mpp": "1.0238"},
        ],
    )
    done = score(sheet, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    skin, cartilage = rows(tmp_path / "run" / "slides.csv")
    assert skin["status"] == cartilage["status"] == "needs_review"
    assert "stain outside the training range" in skin["reason"]
    assert "no joint found" in cartilage["reason"]
    assert not any(row["grade"] for row in rows(tmp_path / "run" / "compartments.csv"))


def test_a_picture_without_a_believable_pixel_size_fails(real_data: Path, tmp_path: Path) -> None:
    field = real_data / "cartilage_tiles" / "engineered_cartilage_1360x1024.tif"
    sheet = write_sheet(tmp_path / "study.csv", [{"slide": str(field), "animal": "B"}])
    assert score(sheet, tmp_path / "run").returncode == 2
    (slide,) = rows(tmp_path / "run" / "slides.csv")
    assert slide["status"] == "failed"
    assert "no believable pixel size (the file says 352.8)" in slide["reason"]
    assert "mpp column" in slide["reason"]


def test_the_demonstration_study_fits_its_budget() -> None:
    size = sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file())
    assert size <= 12_000_000
    study, truth = rows(DEMO / "study.csv"), rows(DEMO / "truth.csv")
    assert sorted({row["group"] for row in study}) == ["DMM + exosome", "DMM + vehicle", "sham"]
    assert len({row["animal"] for row in study}) == 12
    assert {row["slide"] for row in truth} == {row["slide"] for row in study}


def test_the_bundle_fits_its_budget_and_says_what_it_is() -> None:
    bundle = find_bundle("demo")
    size = sum(path.stat().st_size for path in bundle.folder.iterdir())
    assert size <= 15_000_000
    assert not bundle.validated_on_real_tissue
    assert bundle.banner is not None
    assert "not validated on real tissue" in bundle.banner
    assert "not validated on real tissue" in " ".join(bundle.card.replace("*", "").split())
