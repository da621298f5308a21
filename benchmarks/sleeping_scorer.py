"""A scorer that takes no core: it sleeps as long as a slide says, and makes a small result.

It stands for a network on a GPU: what remains is what a cluster and the run folder cost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from histoscore.config import ScoreConfig
from histoscore.pipeline.messages import ReportTiles
from histoscore.records import CompartmentResult, SectionResult, SlideJob, SlideResult
from histoscore.runs.provenance import ModelFacts
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Status

SCORER = "benchmarks.sleeping_scorer:SleepingScorer"
SECTIONS = 2


def no_model(name: str) -> ModelFacts:
    """Facts of a model that there is not."""
    return ModelFacts(name=name, sha256="0" * 64, validated_on_real_tissue=False)


class SleepingScorer:
    """A slide's file holds seconds; grades come from its hash."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None: ...

    def facts(self) -> Mapping[str, str | int]:
        return {"device": "none", "engine": "sleep", "engine_threads": 1}

    def prepare(self, job: SlideJob) -> None: ...

    def score(self, job: SlideJob, report_tiles: ReportTiles) -> SlideResult:
        time.sleep(float(job.row.path.read_text(encoding="ascii").split()[0]))
        chance = int(job.sha256[:8], 16)
        return SlideResult(
            slide=job.row.slide,
            animal=job.row.animal,
            status=Status.SCORED,
            width_px=60_000,
            height_px=40_000,
            mpp=0.5,
            mpp_source="scanner",
            tiles=900,
            engine="sleep",
            sections=tuple(_section(number, chance) for number in range(1, SECTIONS + 1)),
        )


def _section(number: int, chance: int) -> SectionResult:
    compartments = tuple(
        _compartment(compartment, chance // (number + place))
        for place, compartment in enumerate(Compartment)
    )
    return SectionResult(
        section=number,
        x=100,
        y=200 * number,
        width=9_000,
        height=8_000,
        area_um2=1.5e7,
        status=Status.SCORED,
        compartments=compartments,
    )


def _compartment(compartment: Compartment, chance: int) -> CompartmentResult:
    place = chance % len(OARSI_MOUSE)
    return CompartmentResult(
        compartment=compartment,
        status=Status.SCORED,
        grade=OARSI_MOUSE.rungs[place],
        expected_grade=OARSI_MOUSE.rungs[place],
        probabilities=tuple(float(rung == place) for rung in range(len(OARSI_MOUSE))),
        hyaline_area_um2=20_000 + chance % 9_973,
        calcified_area_um2=8_000.0,
        surface_length_um=600.0,
        mean_thickness_um=30.0,
        lesion_extent=0.0,
    )
