"""A scorer for tests of the machinery around it: each slide's text says what happens to it.

A slide file holds `WORD ARGUMENT`: `grade 2`, `refuse too blurred`, `crash 11`, `crash-once 9`,
`hang 60`, `hang-once 60`, `slow 0.3`, `bug`, `memory`, `greedy 400`, `device x`, `disk`;
`crash-host 9` and `crash-host-once 9` end the process that supervises the scorer's,
`crash-job-once 9` its whole session.
"""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from histoscore.config import ScoreConfig
from histoscore.errors import (
    DamagedSlideError,
    DeviceError,
    EnvironmentStopError,
    ModelError,
    NotASlideError,
)
from histoscore.files import sha256_of, write_atomic
from histoscore.pipeline.messages import ReportTiles
from histoscore.records import CompartmentResult, SectionResult, SlideJob, SlideResult
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import ModelFacts
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Status

SCORER = "helpers.fake_scorer:FakeScorer"
BANNER = "DEMONSTRATION MODEL: not validated on real tissue."
TILES = 6


def fake_model(name: str) -> ModelFacts:
    return ModelFacts(name=name, sha256="7" * 64, validated_on_real_tissue=False, banner=BANNER)


def write_study(folder: Path, slides: Mapping[str, str], columns: str = "") -> Path:
    """Slides with these texts and the sheet that lists them: animals m1, m2, …, two groups."""
    lines = ["slide,animal,group" + (f",{columns}" if columns else "")]
    for place, (name, text) in enumerate(slides.items(), start=1):
        (folder / name).write_text(f"{text}\n{name}\n")
        group = "sham" if place % 2 else "DMM"
        lines.append(f"{name},m{place},{group}" + "," * (columns.count(",") + bool(columns)))
    sheet = folder / "study.csv"
    sheet.write_text("\n".join(lines) + "\n")
    return sheet


def times_scored(folder: Path) -> dict[str, int]:
    """How often each slide was begun."""
    log = folder / "begun.txt"
    names = log.read_text().splitlines() if log.exists() else []
    return {name: names.count(name) for name in names}


class FakeScorer:
    """Does what the slide's text says; grades come from the text and the file's hash."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        self._run = RunFolder(run_folder)

    def facts(self) -> Mapping[str, str | int]:
        return {"device": "cpu", "engine": "fake", "engine_threads": 1}

    def prepare(self, job: SlideJob) -> None:
        """`crash-ahead 9` takes the worker down before its turn, and then is a good slide."""
        path = job.row.path
        with (path.parent / "prepared.txt").open("a") as log:
            log.write(f"{path.name}\n")
        word, _, argument = path.read_text().split("\n")[0].partition(" ")
        if word == "crash-ahead":
            os.kill(os.getpid(), signal.Signals(int(argument)))

    def score(self, job: SlideJob, report_tiles: ReportTiles) -> SlideResult:
        path = job.row.path
        with (path.parent / "begun.txt").open("a") as log:
            log.write(f"{path.name}\n")
        if not path.stat().st_size:
            raise NotASlideError("empty file")
        word, argument = path.read_text().split("\n")[0].split(" ", 1)
        self._draw(job)
        _act(word, argument, path.with_suffix(".once"))
        for tile in range(1, TILES + 1):
            report_tiles(tile, TILES)
        return self._result(job, float(argument) if word == "grade" else 1.0)

    def _draw(self, job: SlideJob) -> None:
        color = tuple(bytes.fromhex(sha256_of(job.row.path)[:6]))
        picture = io.BytesIO()
        Image.new("RGB", (24, 16), color).save(picture, "PNG")
        write_atomic(self._run.overlay_path(job.row.slide, 1), picture.getvalue())

    def _result(self, job: SlideJob, grade: float) -> SlideResult:
        overlay = self._run.overlay_path(job.row.slide, 1).relative_to(self._run.path)
        section = SectionResult(
            section=1,
            x=12,
            y=34,
            width=560,
            height=320,
            area_um2=1.5e6,
            status=Status.SCORED,
            overlay=overlay.as_posix(),
            compartments=tuple(_compartment(c, grade, job.sha256) for c in Compartment),
        )
        return SlideResult(
            slide=job.row.slide,
            animal=job.row.animal,
            status=Status.SCORED,
            width_px=600,
            height_px=400,
            mpp=0.72,
            mpp_source="scanner",
            tiles=TILES,
            engine="fake",
            sections=(section,),
        )


class SeesOneGpu(FakeScorer):
    """A scorer that runs on the GPU that it is shown."""

    def facts(self) -> Mapping[str, str | int]:
        return {**super().facts(), "device": f"cuda ({os.environ['CUDA_VISIBLE_DEVICES']})"}


class UnusableModel(FakeScorer):
    """A scorer that cannot be built."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        raise ModelError("demo: weights.safetensors is cut short")


class BrokenScorer(FakeScorer):
    """A scorer whose making takes the process down."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        os._exit(3)


def _act(word: str, argument: str, once: Path) -> None:
    if word.endswith("-once"):
        if once.exists():
            return
        once.touch()
        word = word.removesuffix("-once")
    match word:
        case "refuse":
            raise DamagedSlideError(argument)
        case "memory":
            raise MemoryError
        case "greedy":
            held = bytearray(int(argument) << 20)
            time.sleep(60 if held else 0)
        case "device":
            raise DeviceError(f"device: {argument}")
        case "bug":
            raise KeyError(argument)
        case "disk":
            raise EnvironmentStopError(f"{argument}: cannot be written (No space left on device)")
        case "crash":
            os.kill(os.getpid(), signal.Signals(int(argument)))
        case "crash-job":
            os.killpg(os.getsid(0), signal.Signals(int(argument)))
        case "crash-host":
            os.kill(os.getppid(), signal.Signals(int(argument)))
            time.sleep(60)  # it ends with its parent
        case "hang" | "slow":
            time.sleep(float(argument))


def _compartment(compartment: Compartment, grade: float, sha256: str) -> CompartmentResult:
    place = OARSI_MOUSE.index(grade)
    certain = tuple(float(rung == place) for rung in range(len(OARSI_MOUSE)))
    return CompartmentResult(
        compartment=compartment,
        status=Status.SCORED,
        grade=grade,
        expected_grade=grade,
        probabilities=certain,
        hyaline_area_um2=10_000 + int(sha256[:4], 16) / 7 + compartment.code,
        calcified_area_um2=8_000.0,
        surface_length_um=600.0,
        mean_thickness_um=30.0,
        lesion_extent=0.0,
    )
