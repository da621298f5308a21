"""The plan of a synthetic study: groups, animals, sections, and the people who grade them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from histoscore.config import Settings
from histoscore.phantom.lesions import Disease
from histoscore.phantom.staining import Appearance
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side


class GroupPlan(Settings):
    """A group: mean position on the ladder (rung index, 0–7) of its medial and lateral side."""

    name: str
    medial: float = Field(ge=0, le=7)
    lateral: float = Field(ge=0, le=7)


class ScorerPlan(Settings):
    """A simulated scorer: mean error and its scatter, in rungs."""

    name: str
    bias: float = 0.0
    noise: float = Field(0.5, ge=0)


class PhantomSettings(Settings):
    """A synthetic study, apart from its size and seed."""

    groups: tuple[GroupPlan, ...] = (
        GroupPlan(name="sham", medial=0.7, lateral=0.5),
        GroupPlan(name="DMM + vehicle", medial=4.9, lateral=1.2),
        GroupPlan(name="DMM + exosome", medial=2.9, lateral=0.9),
    )
    scorers: tuple[ScorerPlan, ...] = (
        ScorerPlan(name="scorer_A", bias=-0.1, noise=0.45),
        ScorerPlan(name="scorer_B", bias=0.25, noise=0.6),
    )
    sections: tuple[int, int] = Field((1, 3), description="least and most sections a slide")
    more_sections: float = Field(
        0.5, ge=0, le=1, description="chance of each section beyond the least"
    )
    mpp: float = Field(0.7187, ge=0.2, le=2, description="µm/px of level 0")
    width_um: float = Field(3000, ge=2600, description="of a section's cut-out")
    height_um: float = Field(2500, ge=1300)
    gap_um: float = Field(700, ge=500, description="glass between sections")
    quality: int = Field(75, ge=30, le=98, description="of the JPEG tiles")
    batches: int = Field(2, ge=1)
    appearance: Appearance = "standard"
    artefacts: bool = True


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
                medial=group.medial + rng.normal(0, 0.7),
                lateral=group.lateral + rng.normal(0, 0.4),
            )
        )
    return tuple(animals)


def section_disease(animal: AnimalPlan, rng: np.random.Generator) -> dict[Compartment, Disease]:
    """One section's grades, scattered around the animal's; the tibia is ahead of the femur."""
    disease = {}
    for compartment in Compartment:
        place = animal.medial if compartment.is_medial else animal.lateral
        place += (-0.35 if compartment.is_femoral else 0.35) + rng.normal(0, 0.3)
        index = int(np.clip(round(place), 0, len(OARSI_MOUSE) - 1))
        thinning = float(np.clip(1.0 - 0.025 * max(place, 0) + rng.normal(0, 0.03), 0.7, 1.1))
        disease[compartment] = Disease(OARSI_MOUSE.rungs[index], thinning)
    return disease


def scored_by(scorer: ScorerPlan, grade: float, rng: np.random.Generator) -> float:
    """The grade that a simulated scorer gives: its error is in rungs, its grade a rung."""
    place = OARSI_MOUSE.index(grade) + scorer.bias + rng.normal(0, scorer.noise)
    return OARSI_MOUSE.rungs[int(np.clip(round(place), 0, len(OARSI_MOUSE) - 1))]
