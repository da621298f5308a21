"""Disease after the ladder, exactly: what each OARSI grade does to one compartment's cartilage.

The wording of the rungs is after Glasson et al. 2010 (science.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

EROSION_EXTENT = {3: (0.04, 0.22), 4: (0.28, 0.47), 5: (0.53, 0.72), 6: (0.78, 0.95)}
"""Fraction of the surface that is gone, drawn clear of the rungs' boundaries."""

GONE_UM = 1.0
"""Hyaline cartilage thinner than this is gone."""

Profile = NDArray[np.float64]


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
        gone: where the hyaline layer is gone down to the calcified one (n,), clefts included.
    """

    remaining: Profile
    remaining_smooth: Profile
    stain_depth: Profile
    stain_left: Profile
    gone: NDArray[np.bool_]

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
    n = len(intact)
    grade = disease.grade
    smooth = np.ones(n)
    if grade >= 3:
        smooth = _erosion(n, step, EROSION_EXTENT[int(grade)], rng)
    elif grade == 2:
        smooth = _lamina_loss(n, step, rng)
    remaining = smooth * (1 + _roughness(n, step, grade, intact, rng))
    remaining = np.clip(remaining, 0, None)
    for _ in range(_cleft_count(grade, n * step, rng)):
        remaining = np.minimum(remaining, _cleft(n, step, grade, rng))
    remaining[smooth == 0] = 0
    # The tapering margin is thin by anatomy, not by disease: `gone` looks at what disease left.
    gone = remaining * np.maximum(intact, 12) < GONE_UM
    depth, left = _stain_loss(n, step, grade, rng)
    return Lesions(remaining, smooth, depth, left, gone)


def _erosion(n: int, step: float, extent: tuple[float, float], rng: np.random.Generator) -> Profile:
    """Fraction left when `extent` of the surface is worn down to the calcified cartilage."""
    wanted = rng.uniform(*extent)
    centers = rng.uniform(0.15, 0.85, rng.integers(1, 4))
    u = np.linspace(0, 1, n)
    landscape = np.min([np.abs(u - c) * rng.uniform(0.7, 1.3) for c in centers], axis=0)
    landscape += 0.02 * _smooth_noise(n, 25 / step, rng) + 0.008 * _smooth_noise(n, 6 / step, rng)
    level = np.quantile(landscape, wanted)
    flank = rng.uniform(10, 60) / (n * step)
    left = np.clip((landscape - level) / flank, 0, 1) ** rng.uniform(0.5, 1.0)
    floor = rng.uniform(0.55, 0.95)
    worn = floor + (1 - floor) * np.clip((landscape - level) / (flank * 4), 0, 1)
    return np.asarray(left * worn)


def _lamina_loss(n: int, step: float, rng: np.random.Generator) -> Profile:
    """The superficial layer is lost over part of the surface."""
    patch = _smooth_noise(n, 60 / step, rng) + rng.uniform(-0.6, 0.6)
    lost = rng.uniform(0.12, 0.28)
    return 1 - lost / (1 + np.exp(-5 * patch))


def _roughness(
    n: int, step: float, grade: float, intact: Profile, rng: np.random.Generator
) -> Profile:
    """Fibrillation relative to the thickness; a healthy surface is smooth to under 1 µm."""
    calm = 0.4 * _smooth_noise(n, 18 / step, rng)
    if grade < 1:
        return calm / np.maximum(intact, 12)
    where = 1 / (1 + np.exp(-4 * (_smooth_noise(n, 70 / step, rng) + rng.uniform(-0.2, 1.2))))
    frayed = _smooth_noise(n, 2.6 / step, rng) + 0.7 * _smooth_noise(n, 5.5 / step, rng)
    fringe = -np.abs(frayed) * rng.uniform(2.2, 4.6)
    return (calm + where * fringe) / np.maximum(intact, 12)


def _cleft_count(grade: float, length: float, rng: np.random.Generator) -> int:
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
        depth = np.clip(0.06 + 0.03 * _smooth_noise(n, 60 / step, rng), 0, 0.12)
        return depth, np.full(n, rng.uniform(0.6, 0.9))
    reach = {0.5: (0.45, 0.95), 1: (0.25, 0.9), 2: (0.35, 1.0)}.get(grade, (0.5, 1.1))
    cover = _smooth_noise(n, 140 / step, rng) + rng.uniform(0.3, 2.2)
    patch = 1 / (1 + np.exp(-4 * cover))
    depth = rng.uniform(*reach) * patch * (1 + 0.12 * _smooth_noise(n, 25 / step, rng))
    left = rng.uniform(0.05, 0.4) if grade != 1 else rng.uniform(0.1, 0.7)
    return np.clip(depth, 0.04, 1.15), np.full(n, left)


def _smooth_noise(n: int, scale: float, rng: np.random.Generator) -> Profile:
    scale = max(scale, 0.5)
    noise = gaussian_filter1d(rng.normal(size=n + int(6 * scale) + 8), scale, mode="wrap")[:n]
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-9))
