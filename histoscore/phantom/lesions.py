"""Disease after the ladder, exactly: what each OARSI grade does to one compartment's cartilage.

The wording of the rungs is after Glasson et al. 2010 (science.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.phantom.curves import Profile, ripple, soft_step
from histoscore.records import Mask
from histoscore.vocabulary import OARSI_MOUSE

EROSION_EXTENT = {3: (0.04, 0.22), 4: (0.28, 0.47), 5: (0.53, 0.72), 6: (0.78, 0.95)}
"""Fraction of the surface that is gone, drawn clear of the rungs' boundaries."""

GONE_UM = 1.0
"""Hyaline cartilage thinner than this is gone."""


@dataclass(frozen=True, slots=True)
class Disease:
    """A grade of the OARSI mouse ladder, and thinning apart from it (1 = none)."""

    grade: float
    thinning: float = 1.0


@dataclass(frozen=True, slots=True)
class Lesions:
    """Disease along a tidemark of n points.

    Attributes:
        remaining: fraction (0–1) of the intact thickness that is left (n,).
        remaining_smooth: the same with clefts and fibrillation closed (n,).
        stain_depth: fraction of the depth from the surface over which Safranin is lost (n,).
        stain_left: fraction of Safranin left there (n,).
        gone: where erosion or a cleft reaches the calcified layer (n,).
    """

    remaining: Profile
    remaining_smooth: Profile
    stain_depth: Profile
    stain_left: Profile
    gone: Mask

    @property
    def extent(self) -> float:
        """Fraction of the surface where hyaline cartilage is gone."""
        return float(self.gone.mean())


def draw_lesions(
    disease: Disease, intact: Profile, step: float, rng: np.random.Generator
) -> Lesions:
    """Lesions of one compartment.

    Args:
        disease: the grade to draw.
        intact: hyaline thickness before disease, µm (n,).
        step: µm between points.
        rng: the section's random numbers.
    """
    n, grade = len(intact), disease.grade
    worn = _worn(n, step, grade, rng)
    rough = _roughness(n, step, grade, intact, rng)
    cloven = _cloven(n, step, grade, rng)
    if _implied(_gone(np.minimum(worn, cloven), intact)) > grade:
        # Once in thousands thin rims and clefts carry the extent over to the next rung.
        worn, cloven = _without_thin_rims(worn), np.full(n, np.inf)
    remaining = np.minimum(np.clip(worn * (1 + rough), 0, None), cloven)
    remaining[worn == 0] = 0
    depth, left = _stain_loss(n, step, grade, rng)
    return Lesions(remaining, worn, depth, left, _gone(np.minimum(worn, cloven), intact))


def _implied(gone: Mask) -> float:
    """The rung that an extent implies; 0 below those that are defined by extent."""
    return OARSI_MOUSE.implied_by_extent(float(gone.mean())) or 0.0


def _without_thin_rims(worn: Profile) -> Profile:
    """What is left is left with at least a tenth of its thickness."""
    return np.where(worn > 0, np.maximum(worn, 0.1), 0)


def _gone(left: Profile, intact: Profile) -> Mask:
    """Where erosion and clefts leave less than `GONE_UM`.

    A compartment's margins are thin by anatomy: there the share that is left decides, as if the
    cartilage were 12 µm thick, and fibrillation, which is no loss, does not count.
    """
    return np.asarray(left * np.maximum(intact, 12) < GONE_UM)


def _worn(n: int, step: float, grade: float, rng: np.random.Generator) -> Profile:
    """Fraction left of the thickness, apart from clefts and fibrillation."""
    if grade >= 3:
        return _erosion(n, step, EROSION_EXTENT[int(grade)], rng)
    return _lamina_loss(n, step, rng) if grade == 2 else np.ones(n)


def _erosion(n: int, step: float, extent: tuple[float, float], rng: np.random.Generator) -> Profile:
    """Fraction left when `extent` of the surface is worn down to the calcified cartilage."""
    wanted = rng.uniform(*extent)
    centers = rng.uniform(0.15, 0.85, rng.integers(1, 4))
    u = np.linspace(0, 1, n)
    landscape = np.min([np.abs(u - c) * rng.uniform(0.7, 1.3) for c in centers], axis=0)
    landscape += 0.02 * ripple(n, 25 / step, rng) + 0.008 * ripple(n, 6 / step, rng)
    level = np.quantile(landscape, wanted)
    flank = rng.uniform(10, 60) / (n * step)
    left = np.clip((landscape - level) / flank, 0, 1) ** rng.uniform(0.5, 1.0)
    floor = rng.uniform(0.55, 0.95)
    worn = floor + (1 - floor) * np.clip((landscape - level) / (flank * 4), 0, 1)
    return np.asarray(left * worn)


def _lamina_loss(n: int, step: float, rng: np.random.Generator) -> Profile:
    """The superficial layer is lost over part of the surface."""
    patch = ripple(n, 60 / step, rng) + rng.uniform(-0.6, 0.6)
    lost = rng.uniform(0.12, 0.28)
    return 1 - lost / (1 + np.exp(-5 * patch))


def _roughness(
    n: int, step: float, grade: float, intact: Profile, rng: np.random.Generator
) -> Profile:
    """Fibrillation relative to the thickness; a healthy surface is smooth to under 1 µm."""
    calm = 0.4 * ripple(n, 18 / step, rng)
    if grade < 1:
        return calm / np.maximum(intact, 12)
    where = soft_step(ripple(n, 70 / step, rng) + rng.uniform(-0.2, 1.2), 4)
    frayed = ripple(n, 2.6 / step, rng) + 0.7 * ripple(n, 5.5 / step, rng)
    fringe = -np.abs(frayed) * rng.uniform(2.2, 4.6)
    return (calm + where * fringe) / np.maximum(intact, 12)


def _cloven(n: int, step: float, grade: float, rng: np.random.Generator) -> Profile:
    """All clefts as an upper bound on what is left; infinite where there is none."""
    bound = np.full(n, np.inf)
    for _ in range(_cleft_count(grade, rng)):
        bound = np.minimum(bound, _cleft(n, step, grade, rng))
    return bound


def _cleft_count(grade: float, rng: np.random.Generator) -> int:
    if grade < 2:
        return 0
    return int(rng.integers(3, 8) if grade == 2 else rng.integers(1, 5))


def _cleft(n: int, step: float, grade: float, rng: np.random.Generator) -> Profile:
    """One vertical cleft as an upper bound on what is left: 1 outside, its floor inside."""
    s = np.arange(n) * step
    center = rng.uniform(0.1, 0.9) * n * step
    width = rng.uniform(3.5, 8.0)
    floor = 1 - (rng.uniform(0.35, 0.65) if grade == 2 else rng.uniform(0.4, 1.02))
    wall = np.clip(np.abs(s - center) / width, 0, 1) ** 3
    return np.asarray(np.clip(floor, 0, 1) + (1.3 - np.clip(floor, 0, 1)) * wall)


def _stain_loss(
    n: int, step: float, grade: float, rng: np.random.Generator
) -> tuple[Profile, Profile]:
    """(depth fraction, fraction of Safranin left) along the surface."""
    if grade == 0:
        depth = np.clip(0.06 + 0.03 * ripple(n, 60 / step, rng), 0, 0.12)
        return depth, np.full(n, rng.uniform(0.6, 0.9))
    reach = {0.5: (0.45, 0.95), 1: (0.25, 0.9), 2: (0.35, 1.0)}.get(grade, (0.5, 1.1))
    patch = soft_step(ripple(n, 140 / step, rng) + rng.uniform(0.3, 2.2), 4)
    depth = rng.uniform(*reach) * patch * (1 + 0.12 * ripple(n, 25 / step, rng))
    left = rng.uniform(0.05, 0.4) if grade != 1 else rng.uniform(0.1, 0.7)
    return np.clip(depth, 0.04, 1.15), np.full(n, left)
