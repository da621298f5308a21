"""Disease after the ladder, exactly: what each OARSI grade does to one compartment's cartilage.

The wording of the rungs is after Glasson et al. 2010 (science.md section 1). A lesion keeps its
place from section to section of a knee; how much of the surface is gone is exact to one point of
the tidemark (0.1 % of a compartment).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoscore.phantom.chance import Slice
from histoscore.phantom.curves import Profile, soft_step
from histoscore.records import Mask

EROSION_EXTENT = {3: (0.01, 0.24), 4: (0.26, 0.49), 5: (0.51, 0.74), 6: (0.76, 0.97)}
"""Fraction of the surface that is gone where a disease states none: all but the boundaries."""

GONE_UM = 1.0
"""Hyaline cartilage thinner than this is gone."""


@dataclass(frozen=True, slots=True)
class Disease:
    """What ails one compartment.

    Attributes:
        grade: of the OARSI mouse ladder.
        thinning: factor on the thickness, apart from the grade (1 = none).
        extent: fraction (0–1) of the surface that is gone, for grades from 3 on; None: drawn
            evenly from the rung's range.
        osteophyte: size (0–3) of the outgrowth at the compartment's margin.
        sclerosis: 0–1, thickening of the subchondral bone.
        meniscus: 0–1, damage of the meniscus that lies on a plateau.
    """

    grade: float
    thinning: float = 1.0
    extent: float | None = None
    osteophyte: float = 0.0
    sclerosis: float = 0.0
    meniscus: float = 0.0


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


def draw_lesions(disease: Disease, intact: Profile, step: float, name: str, at: Slice) -> Lesions:
    """Lesions of one compartment.

    Args:
        disease: the grade to draw, and the extent if it is stated.
        intact: hyaline thickness before disease, µm (n,).
        step: µm between points.
        name: of the compartment; its lesions have streams of their own.
        at: where the section was cut.
    """
    line = _Line(intact, step, name, at)
    grade = disease.grade
    wanted = _extent(disease, line)
    cloven = _cloven(grade, wanted, line)
    worn = _worn(grade, wanted, cloven, line)
    remaining = np.minimum(np.clip(worn * (1 + _roughness(grade, line)), 0, None), cloven)
    remaining[worn == 0] = 0
    depth, left = _stain_loss(grade, worn, line)
    return Lesions(remaining, worn, depth, left, _gone(np.minimum(worn, cloven), intact))


@dataclass(frozen=True, slots=True)
class _Line:
    """A tidemark and the chance that disease has on it."""

    intact: Profile
    step: float
    name: str
    at: Slice

    @property
    def n(self) -> int:
        return len(self.intact)

    @property
    def length_um(self) -> float:
        return self.n * self.step

    def shared(self, what: str) -> np.random.Generator:
        return self.at.animal.of("lesions", self.name, what)

    def own(self, what: str) -> np.random.Generator:
        return self.at.own.of("lesions", self.name, what)

    def between(self, what: str, low: float, high: float) -> float:
        return self.at.between(f"{self.name} {what}", low, high)

    def ripple(self, what: str, grain_um: float, reach_um: float = 300) -> Profile:
        return self.at.ripple(f"{self.name} {what}", self.n, grain_um / self.step, reach_um)


def _extent(disease: Disease, line: _Line) -> float:
    """Fraction of the surface that shall be gone."""
    if disease.grade < 3:
        return 0.0
    if disease.extent is not None:
        return disease.extent
    return line.between(f"extent {disease.grade:g}", *EROSION_EXTENT[int(disease.grade)])


def _gone(left: Profile, intact: Profile) -> Mask:
    """Where erosion and clefts leave less than `GONE_UM`.

    A compartment's margins are thin by anatomy: there the share that is left decides, as if the
    cartilage were 12 µm thick, and fibrillation, which is no loss, does not count.
    """
    return np.asarray(left * np.maximum(intact, 12) < GONE_UM)


def _worn(grade: float, wanted: float, cloven: Profile, line: _Line) -> Profile:
    """Fraction left of the thickness, apart from clefts and fibrillation."""
    if grade >= 3:
        return _erosion(wanted, cloven, line)
    return _lamina_loss(line) if grade == 2 else np.ones(line.n)


def _erosion(wanted: float, cloven: Profile, line: _Line) -> Profile:
    """Fraction left when erosion and clefts together bare `wanted` of the surface."""
    landscape = _landscape(line)
    flank = line.between("flank", 10, 60) / line.length_um
    bend, floor = line.between("bend", 0.5, 1.0), line.between("floor", 0.5, 0.95)

    def worn(level: float) -> Profile:
        left = np.clip((landscape - level) / flank, 0, 1) ** bend
        rest = floor + (1 - floor) * np.clip((landscape - level) / (flank * 4), 0, 1)
        return np.asarray(left * rest)

    def bare(level: float) -> float:
        return float(_gone(np.minimum(worn(level), cloven), line.intact).mean())

    low, high = float(landscape.min()) - 4 * flank, float(landscape.max()) + flank
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if bare(middle) < wanted else (low, middle)
    return min(worn(low), worn(high), key=lambda left: abs(_bared(left, cloven, line) - wanted))


def _bared(worn: Profile, cloven: Profile, line: _Line) -> float:
    return float(_gone(np.minimum(worn, cloven), line.intact).mean())


def _landscape(line: _Line) -> Profile:
    """(n,) resistance to wear: lowest where the disease began, rough all along."""
    rng = line.shared("foci")
    u = np.linspace(0, 1, line.n)
    centers = np.clip(rng.normal(0.5, 0.2, rng.integers(1, 4)), 0.08, 0.92)
    valleys = [np.abs(u - c) * rng.uniform(0.7, 1.3) + rng.uniform(0, 0.06) for c in centers]
    rough = 0.02 * line.ripple("rough", 25) + 0.008 * line.ripple("rougher", 6, 120)
    return np.asarray(np.min(valleys, axis=0) + rough)


def _lamina_loss(line: _Line) -> Profile:
    """The superficial layer is lost over part of the surface."""
    patch = line.ripple("lamina", 60) + line.between("lamina share", -0.6, 0.6)
    return 1 - line.between("lamina depth", 0.12, 0.28) * soft_step(patch, 5)


def _roughness(grade: float, line: _Line) -> Profile:
    """Fibrillation relative to the thickness; a healthy surface is smooth to under 1 µm."""
    calm = 0.4 * line.ripple("calm", 18)
    thickness = np.maximum(line.intact, 12)
    if grade < 1:
        return np.asarray(calm / thickness)
    where = soft_step(line.ripple("frayed", 70) + line.between("frayed share", -0.2, 1.2), 4)
    frayed = line.ripple("fringe", 2.2, 40) + 0.7 * line.ripple("fringes", 5.0, 40)
    fringe = -np.abs(frayed) * line.between("fringe depth", 2.2, 4.8)
    return np.asarray((calm + where * fringe) / thickness)


def _cloven(grade: float, wanted: float, line: _Line) -> Profile:
    """All clefts as an upper bound on what is left; infinite where there is none."""
    bound = np.full(line.n, np.inf)
    spare = 0.7 * wanted * line.length_um
    for number in range(_cleft_count(grade, line.shared("cleft count"))):
        rng, own = line.shared(f"cleft {number}"), line.own(f"cleft {number}")
        center = rng.uniform(0.08, 0.92) * line.length_um + own.normal(0, 8)
        width, depth, opening = rng.uniform(1.2, 5.5), rng.uniform(0.28, 0.58), rng.uniform(2, 7)
        if grade >= 3:
            whole = rng.random() < 0.6 and 2 * width < spare
            spare -= 2 * width * whole
            depth = 1.02 if whole else rng.uniform(0.4, 0.85)
        bound = np.minimum(bound, _cleft(line, center, width, depth, opening))
    return bound


def _cleft_count(grade: float, rng: np.random.Generator) -> int:
    if grade < 2:
        return 0
    return int(rng.integers(3, 8) if grade == 2 else rng.integers(2, 7))


def _cleft(line: _Line, center: float, width: float, depth: float, opening: float) -> Profile:
    """One cleft as an upper bound on what is left: its floor `width` to either side, then walls.

    A cleft is narrow and opens towards the surface.
    """
    away = np.abs(np.arange(line.n) * line.step - center)
    floor = max(0.0, 1 - depth)
    wall = np.clip((away - width) / opening, 0, None)
    return np.asarray(np.where(wall < 1, floor + (1.3 - floor) * wall**1.5, np.inf))


def _stain_loss(grade: float, worn: Profile, line: _Line) -> tuple[Profile, Profile]:
    """(depth fraction, fraction of Safranin left) along the surface."""
    if grade == 0:
        depth = np.clip(0.06 + 0.03 * line.ripple("pale", 60), 0, 0.12)
        return depth, np.full(line.n, line.between("pale left", 0.6, 0.9))
    reach = {0.5: (0.35, 0.95), 1: (0.25, 0.9), 2: (0.3, 1.0)}.get(grade, (0.45, 1.1))
    share = line.between("loss share", 0.3, 2.2)
    patch = soft_step(line.ripple("loss", 140) + share, 4)
    depth = line.between("loss depth", *reach) * patch * (1 + 0.12 * line.ripple("loss edge", 25))
    if grade >= 3:  # beside an erosion the rest is pale, too
        near = np.clip(1.25 - worn, 0, 1)
        depth = np.maximum(depth, near)
    left = line.between("loss left", 0.05, 0.4) if grade != 1 else line.between("left", 0.1, 0.7)
    return np.clip(depth, 0.04, 1.15), np.full(line.n, left)
