"""The plan of a synthetic study: groups, animals, sections and how they are scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from histoscore.config import Settings
from histoscore.phantom.artefacts import SHIFTED, STANDARD, ArtefactRates
from histoscore.phantom.chance import Slice
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.scorers import STANDARD_SCORERS, Scorers
from histoscore.phantom.staining import Appearance
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side

SCANNER_MPP = {"standard": (0.45, 0.75), "shifted": (0.80, 0.98)}
"""µm/px of the scanner that a study is scanned with, where the settings name none."""


class GroupPlan(Settings):
    """A group: mean position on the ladder (rung index, 0–7) of its medial and lateral side."""

    name: str
    medial: float = Field(ge=0, le=7)
    lateral: float = Field(ge=0, le=7)


class PhantomSettings(Settings):
    """A synthetic study, apart from its size and seed."""

    groups: tuple[GroupPlan, ...] = Field(
        (
            GroupPlan(name="sham", medial=0.7, lateral=0.5),
            GroupPlan(name="DMM + vehicle", medial=4.9, lateral=1.2),
            GroupPlan(name="DMM + exosome", medial=2.9, lateral=0.9),
        ),
        min_length=1,
    )
    scatter: float = Field(0.7, ge=0, description="of animals around their group (rungs)")
    scorers: Scorers = STANDARD_SCORERS
    sections: tuple[int, int] = Field((1, 3), description="least and most sections a slide")
    more_sections: float = Field(
        0.5, ge=0, le=1, description="chance of each section beyond the least"
    )
    section_step_um: float = Field(80, gt=0, description="depth between neighbouring sections")
    empty_slides: float = Field(0, ge=0, le=1, description="chance of a slide without tissue")
    format: Literal["svs", "tiff", "ome-tiff", "jpeg"] = "svs"
    mpp: float | None = Field(
        None, ge=0.2, le=2, description="µm/px of level 0; none: the appearance's scanner"
    )
    quality: int = Field(75, ge=30, le=98, description="of the JPEG tiles")
    width_um: float = Field(4000, ge=2600, le=6000, description="of the trimmed tissue")
    height_um: float = Field(5000, ge=1300, le=6000)
    gap_um: float = Field(700, ge=500, description="glass between sections")
    turn_deg: float = Field(6, ge=0, le=45, description="deviation of a section's rotation")
    upside_down: float = Field(0.05, ge=0, le=1, description="chance that a slide lies so")
    batches: int = Field(2, ge=1)
    appearance: Appearance = "standard"
    artefacts: bool = True
    artefact_rates: ArtefactRates | None = Field(
        None, description="none: the usual amount, or the shifted mix"
    )

    @property
    def rates(self) -> ArtefactRates | None:
        """How often artefacts come; None where none are drawn."""
        if not self.artefacts:
            return None
        usual = {"standard": STANDARD, "shifted": SHIFTED}[self.appearance]
        return self.artefact_rates or usual


SMALL = PhantomSettings(mpp=1.8713, width_um=2600, height_um=1400, sections=(1, 1))
"""The joint alone, coarsely: drawn in a fraction of a second, for tests."""


@dataclass(frozen=True, slots=True)
class AnimalPlan:
    """One animal of the study.

    Attributes:
        number: from 0, in the order of the study sheet.
        name: as in the study sheet.
        group, side: the group it is dealt to, the knee that is cut.
        batch: number from 0 of the batch its slide is stained in.
        medial, lateral: its own place on the ladder (rung index; may lie outside 0–7).
    """

    number: int
    name: str
    group: GroupPlan
    side: Side
    batch: int
    medial: float
    lateral: float


def plan_animals(
    count: int, settings: PhantomSettings, rng: np.random.Generator
) -> tuple[AnimalPlan, ...]:
    """Animals dealt to the groups in turn, so that batches and groups cross."""
    animals = []
    for number in range(count):
        group = settings.groups[number % len(settings.groups)]
        animals.append(
            AnimalPlan(
                number=number,
                name=f"M{number + 1:03d}",
                group=group,
                side=Side.LEFT if rng.random() < 0.5 else Side.RIGHT,
                batch=(number // len(settings.groups)) % settings.batches,
                medial=group.medial + rng.normal(0, settings.scatter),
                lateral=group.lateral + rng.normal(0, 0.6 * settings.scatter),
            )
        )
    return tuple(animals)


def scanner_mpp(settings: PhantomSettings, rng: np.random.Generator) -> float:
    """µm/px that the study is scanned at: the settings', else one scanner's for all slides."""
    low, high = SCANNER_MPP[settings.appearance]
    drawn = round(float(rng.uniform(low, high)), 4)
    return settings.mpp or drawn


def section_disease(animal: AnimalPlan, at: Slice) -> dict[Compartment, Disease]:
    """One section's disease: around the animal's, alike in neighbouring sections.

    The tibia is ahead of the femur; thinning, osteophytes, sclerosis and the meniscus follow the
    severity with a scatter of their own.
    """
    disease = {}
    for compartment in Compartment:
        name = compartment.value
        place = animal.medial if compartment.is_medial else animal.lateral
        place += -0.35 if compartment.is_femoral else 0.35
        place += 0.3 * at.slow(f"{name} grade") + 0.12 * at.own.of(name).normal()
        index = int(np.clip(round(place), 0, len(OARSI_MOUSE) - 1))
        growth = at.slow(f"{name} osteophyte", 900)
        disease[compartment] = Disease(
            grade=OARSI_MOUSE.rungs[index],
            thinning=_kept(1.0 - 0.025 * max(place, 0) + 0.03 * at.slow(f"{name} thin"), 0.7, 1.1),
            osteophyte=_kept(0.55 * (place - 3.2) + 0.6 * growth, 0, 3),
            sclerosis=_kept(0.16 * (place - 1.5) + 0.15 * at.slow(f"{name} bone", 900), 0, 1),
            meniscus=_kept(0.2 * (place - 1.5) + 0.15 * at.slow(f"{name} meniscus", 900), 0, 1),
        )
    return disease


def _kept(value: float, low: float, high: float) -> float:
    return float(np.clip(value, low, high))
