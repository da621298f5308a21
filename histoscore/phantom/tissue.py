"""Paints a knee: tissue labels, compartment zones and the amount of each dye in every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histoscore.phantom.anatomy import BoneEnd, CartilageBed, Knee
from histoscore.phantom.cells import Cells
from histoscore.phantom.raster import Field, Mask, View, noise, scatter, warped
from histoscore.vocabulary import IGNORE, Tissue

ZONE_DEPTH_UM = 260.0
"""How far into the bone a compartment's zone reaches."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A painted section before it has a colour.

    Attributes:
        dyes: (rows, columns, 3) optical density of Safranin O, Fast Green, haematoxylin.
        tissue: (rows, columns) `Tissue` values, `IGNORE` where no class is right.
        zones: (rows, columns) `Compartment.code` on cartilage and the bone under it, else 0.
    """

    dyes: Field
    tissue: NDArray[np.uint8]
    zones: NDArray[np.uint8]
    view: View


def paint(knee: Knee, view: View, rng: np.random.Generator) -> Scene:
    """The knee as tissue and dye amounts in a view."""
    return _Painter(knee, view, rng).paint()


class _Painter:
    """The arrays of one scene while it is being painted, from the outside in."""

    def __init__(self, knee: Knee, view: View, rng: np.random.Generator) -> None:
        self.knee, self.view, self.rng = knee, view, rng
        self.shape, self.px = view.shape, 1 / view.mpp
        self.tissue = np.zeros(self.shape, np.uint8)
        self.zones = np.zeros(self.shape, np.uint8)
        self.safranin = np.zeros(self.shape, np.float32)
        self.green = np.zeros(self.shape, np.float32)
        self.haem = np.zeros(self.shape, np.float32)
        self.clear = np.ones(self.shape, np.float32)
        self.cells = Cells(self.shape, self.px, rng)
        self.x, self.y = view.coordinates()
        self.articular = rng.uniform(0.3, 0.85)
        self.femur = view.fill(knee.femur.outline(-2600))
        self.tibia = view.fill(knee.tibia.outline(2400))

    def paint(self) -> Scene:
        self._soft_tissue()
        self._menisci()
        for bone, inside in ((self.knee.femur, self.femur), (self.knee.tibia, self.tibia)):
            self._bone(bone, inside)
        for bed in self.knee.beds:
            self._cartilage(bed)
        return self._finished()

    def noise(self, scale_um: float, stretch: tuple[float, float] = (1, 1)) -> Field:
        return noise(self.shape, max(1.0, scale_um * self.px), self.rng, stretch)

    def fibres(self, scale_um: float, length: float, upright: bool) -> Field:
        stretch = (length, 1.0) if upright else (1.0, length)
        return warped(self.noise(scale_um, stretch), self.rng, 12 * self.px, max(8.0, 45 * self.px))

    # Around the bones

    def _soft_tissue(self) -> None:
        rng = self.rng
        soft = self._outside() | self._notch()
        fibres = self.fibres(4, 8, upright=True)
        wavy = self.fibres(5, 6, upright=False)
        across = self.noise(160) > 0.5
        fibres = np.where(across, wavy, fibres)
        dense = 1 / (1 + np.exp(-2.5 * (self.noise(130) + rng.uniform(-0.3, 1.0))))
        gaps = soft & (fibres > rng.uniform(1.3, 2.4))
        self.tissue[soft] = Tissue.SOFT
        green = rng.uniform(0.14, 0.5) * (0.35 + 0.65 * dense) * (1 + 0.28 * fibres)
        self.green[soft] = np.clip(green + 0.1 * self.noise(70), 0.02, 2)[soft]
        # Ligament insertions and scars hold some Safranin too.
        blush = np.clip(self.noise(90) - rng.uniform(0.8, 2.0), 0, 1) * rng.uniform(0.1, 0.5)
        self.safranin[soft] = blush[soft]
        self.clear[gaps] = rng.uniform(0.0, 0.5)
        fat = soft & (self.noise(110) > rng.uniform(0.7, 1.8)) & (dense < 0.7)
        self.cells.fat(scatter(fat, rng.uniform(20, 32) * self.px, rng, jitter=0.35))
        keep = rng.uniform(0.15, 0.7)
        self.cells.draw(
            scatter(soft & ~fat, 13 * self.px, rng, keep), nucleus=1.7, stretch=2.6, lacuna=0.0
        )

    def _outside(self) -> Mask:
        """Capsule, collateral ligaments and muscle to both sides of the joint."""
        rng = self.rng
        wobble = 18 * self.noise(140) + 4 * self.noise(25)
        mask = np.zeros(self.shape, bool)
        tibia, femur = self.knee.tibia.tidemark, self.knee.femur.tidemark
        for sign in (-1, 1):
            edge = max(
                float((sign * tibia[:, 0]).max()), float((sign * femur[:, 0]).max())
            ) + rng.uniform(-40, 70)
            outward = sign * self.x - edge + wobble
            reach = 0.0
            for _ in range(rng.integers(1, 5)):
                thickness, gap = rng.uniform(50, 260), rng.uniform(0, 60)
                mask |= (outward > reach) & (outward < reach + thickness)
                reach += thickness + gap
        # Muscle and capsule keep close to the shafts, above and below the joint.
        far = np.abs(self.y + 50) > 420 + 60 * self.noise(200)
        beside = ~self.femur & ~self.tibia & far & (self.noise(170) > rng.uniform(-1.0, 0.4))
        return mask | beside

    def _notch(self) -> Mask:
        """Cruciate ligaments and synovium between the condyles."""
        t = self.knee.traits
        inside = (np.abs(self.x) < t.notch * 0.75) & (self.y < 40) & (self.y > -1400)
        patchy = self.fibres(30, 3.5, upright=True) + 0.5 * self.noise(70)
        return np.asarray(
            inside & ~self.femur & ~self.tibia & (patchy > self.rng.uniform(-1.2, 0.3))
        )

    def _menisci(self) -> None:
        for sign in (-1, 1):
            if self.rng.random() < 0.94:
                self._meniscus(sign)

    def _meniscus(self, sign: int) -> None:
        """A wedge between the bones whose thin tip points inward and may touch the cartilage."""
        rng, t = self.rng, self.knee.traits
        columns = np.arange(-1700.0, 1700.0, 4.0)
        upper, lower = self._joint_line(columns)
        width = t.meniscus_width * rng.uniform(0.75, 1.25)
        plateau = t.plateau_medial if sign < 0 else t.plateau_lateral
        outer = t.eminence / 2 + plateau + rng.uniform(-30, 90)
        along = (sign * columns - (outer - width)) / width
        half = t.meniscus_height * rng.uniform(0.8, 1.2) / 2 * np.clip(along, 0, 1) ** 0.8
        middle = (upper + lower) / 2 + rng.uniform(-12, 12)
        top = np.maximum(upper + rng.uniform(1, 12), middle - half)
        bottom = np.minimum(lower - rng.uniform(1, 10), middle + half)
        edge = 3.5 * self.noise(40)
        mask = (
            (self.y > _at(self.x, columns, top) + edge)
            & (self.y < _at(self.x, columns, bottom) + edge)
            & (sign * self.x < outer + 10 * self.noise(60))
            & (_at(self.x, columns, along) > 0.02)
            & ~self.femur
            & ~self.tibia
        )
        self._paint_meniscus(mask)

    def _joint_line(self, columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """y of the femoral and of the tibial cartilage surface over x."""
        surfaces = []
        for femoral, bone in ((True, self.knee.femur), (False, self.knee.tibia)):
            line = bone.tidemark.copy()
            lift = np.zeros(len(line))
            for bed in self.knee.beds:
                if bed.compartment.is_femoral == femoral:
                    at = np.searchsorted(np.arange(len(line)), _locate(bed, bone))
                    lift[at : at + len(bed.base)] = bed.intact
            surface = line + bone.outward * lift[:, None]
            surfaces.append(_envelope(surface, columns, lowest=femoral))
        return tuple(surfaces)

    def _paint_meniscus(self, mask: Mask) -> None:
        rng = self.rng
        stained = 1 / (1 + np.exp(-3 * (self.noise(70) + rng.uniform(-1.5, 1.5))))
        fibres = self.fibres(4, 6, upright=False)
        safranin = self.articular * rng.uniform(0.15, 1.1)
        self.tissue[mask] = Tissue.MENISCUS
        self.safranin[mask] = (safranin * stained * (1 + 0.15 * fibres)).clip(0, 2)[mask]
        self.green[mask] = ((1 - 0.8 * stained) * rng.uniform(0.12, 0.4) * (1 + 0.2 * fibres)).clip(
            0, 2
        )[mask]
        self.clear[mask] = 1
        self.cells.erase(mask)
        self.cells.draw(
            scatter(mask, 14 * self.px, rng, 0.8), nucleus=1.9, stretch=1.4, lacuna=3.0, halo=0.6
        )

    # Bone

    def _bone(self, bone: BoneEnd, inside: Mask) -> None:
        sign = -1 if bone.is_femur else 1
        near = _at(self.x, bone.plate_x, bone.plate_near) + 3.0 * self.noise(20)
        far = _at(self.x, bone.plate_x, bone.plate_far) + self.rng.uniform(4, 12) * self.noise(14)
        beyond = inside & (sign * (self.y - far) > 0)
        plate = inside & (sign * (self.y - near) > 0) & ~beyond
        spongy = inside & ~plate
        self.tissue[inside] = Tissue.BONE
        self.zones[inside] = 0
        self.cells.erase(inside)
        self.clear[inside] = 1
        for field in (self.safranin, self.green, self.haem):
            field[inside] = 0
        marrow = self._cavities(bone, spongy, beyond)
        self._paint_bone(spongy & ~marrow, beyond)
        self._paint_marrow(marrow)
        self._paint_growth_plate(plate, sign * (self.y - near), sign * (far - near))
        self._mark_zones(bone, inside & ~plate & ~beyond)

    def _cavities(self, bone: BoneEnd, spongy: Mask, beyond: Mask) -> Mask:
        rng = self.rng
        solid = (self.femur if bone.is_femur else self.tibia).astype(np.uint8)
        depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5) * self.view.mpp
        plate = rng.uniform(45, 130) + 12 * self.noise(80)
        cortex = rng.uniform(20, 90)
        side = np.abs(self.x) > 0.72 * np.abs(bone.tidemark[:, 0]).max()
        spaces = warped(self.noise(rng.uniform(70, 150)), rng, 18 * self.px, 50 * self.px)
        fine = self.noise(rng.uniform(28, 48), (rng.uniform(1.2, 3), 1.0))
        open_ = np.where(beyond, fine > rng.uniform(-0.6, 0.4), spaces > rng.uniform(-0.6, 0.5))
        return np.asarray(spongy & open_ & (depth > np.where(side, cortex, plate)))

    def _paint_bone(self, bone: Mask, beyond: Mask) -> None:
        rng = self.rng
        lamellae = self.fibres(5, 6, upright=False)
        green = rng.uniform(0.25, 0.55) * (1 + 0.10 * lamellae + 0.12 * self.noise(70))
        self.green[bone] = np.clip(green, 0.02, 2)[bone]
        blush = np.clip(self.noise(45) - rng.uniform(1.2, 2.4), 0, 1) * 0.1 + rng.uniform(0, 0.05)
        self.safranin[bone] = blush[bone]
        self.cells.draw(
            scatter(bone, 18 * self.px, rng, rng.uniform(0.15, 0.6)),
            nucleus=1.6,
            stretch=1.9,
            lacuna=2.1,
        )
        # Trabeculae below a growth plate keep cores of calcified cartilage: no class is right.
        core = bone & beyond & (self.noise(14, (3, 1)) > rng.uniform(1.1, 2.0))
        self.safranin[core] += rng.uniform(0.1, 0.6)
        self.green[core] *= 0.4
        self.tissue[core] = IGNORE

    def _paint_marrow(self, marrow: Mask) -> None:
        rng = self.rng
        self.tissue[marrow] = Tissue.MARROW
        inner = cv2.distanceTransform(marrow.astype(np.uint8), cv2.DIST_L2, 3) * self.view.mpp
        clump = 0.8 * self.noise(40) + 0.5 * self.noise(14) > rng.uniform(-1.6, 0.4)
        filled = marrow & (inner > rng.uniform(0, 12)) & clump
        self.green[marrow] = 0
        self.safranin[marrow] = 0
        pulp = rng.uniform(0.0, 0.12) * filled
        self.green += np.where(marrow, pulp, 0).astype(np.float32)
        self.safranin += np.where(marrow, rng.uniform(0, 0.18) * filled, 0).astype(np.float32)
        self.cells.marrow(scatter(filled, rng.uniform(5.2, 7.0) * self.px, rng, 0.85))
        fat = marrow & (self.noise(90) > rng.uniform(1.0, 2.4))
        self.cells.fat(scatter(fat, 26 * self.px, rng, jitter=0.5))

    def _paint_growth_plate(self, plate: Mask, depth: Field, thickness: Field) -> None:
        rng = self.rng
        across = np.clip(depth / np.maximum(thickness, 8), 0, 1)
        strength = min(1.6, max(self.articular * rng.uniform(0.95, 2.0), 0.25))
        fade = 1 + 0.10 * self.noise(60) + 0.06 * self.noise(6) - rng.uniform(-0.15, 0.4) * across
        rim = np.clip(across / rng.uniform(0.03, 0.22), 0.25, 1)
        self.tissue[plate] = Tissue.GROWTH_PLATE
        self.safranin[plate] = np.clip(strength * fade * rim, 0.05, 2)[plate]
        self.green[plate] = rng.uniform(0, 0.06)
        self.haem[plate] = rng.uniform(0, 0.10)
        resting, columns = plate & (across < 0.25), plate & (across >= 0.25)
        hypertrophic = plate & (across > 0.68)
        self.cells.draw(scatter(resting, 16 * self.px, rng, 0.6), 2.0, 1.3, lacuna=3.2, halo=0.4)
        self.cells.columns(scatter(columns & ~hypertrophic, 9 * self.px, rng, 0.85, 0.4))
        self.cells.draw(
            scatter(hypertrophic, 12 * self.px, rng, 0.8), 2.0, 1.2, lacuna=5.0, halo=0.2
        )

    def _mark_zones(self, bone: BoneEnd, epiphysis: Mask) -> None:
        columns = np.arange(-1700.0, 1700.0, 4.0)
        surface = _envelope(bone.tidemark, columns, lowest=bone.is_femur)
        below = (self.y - _at(self.x, columns, surface)) * (-1 if bone.is_femur else 1)
        zone = epiphysis & (below < ZONE_DEPTH_UM)
        for bed in self.knee.beds:
            if bed.compartment.is_femoral == bone.is_femur:
                side = self.x < 0 if bed.compartment.is_medial else self.x >= 0
                self.zones[zone & side] = bed.compartment.code

    # Cartilage

    def _cartilage(self, bed: CartilageBed) -> None:
        hyaline = self.view.fill(bed.hyaline_ring())
        calcified = self.view.fill(bed.calcified_ring()) & ~hyaline
        both = hyaline | calcified
        self.tissue[calcified] = Tissue.CALCIFIED
        self.tissue[hyaline] = Tissue.HYALINE
        self.zones[both] = bed.compartment.code
        self.clear[both] = 1
        self.cells.erase(both)
        self.haem[both] = self.rng.uniform(0, 0.08)
        self._paint_hyaline(bed, hyaline)
        self._paint_calcified(bed, calcified)

    def _paint_hyaline(self, bed: CartilageBed, mask: Mask) -> None:
        rng = self.rng
        rows, columns = np.nonzero(mask)
        if not len(rows):
            return
        depth, at = self._depth(bed, rows, columns)
        profile = np.interp(
            depth, [0, 0.1, 0.3, 0.8, 1], [rng.uniform(0.65, 1), 0.95, 1, 1, rng.uniform(0.8, 1.1)]
        )
        lost = 1 / (1 + np.exp((depth - bed.lesions.stain_depth[at]) * 18))
        left = 1 - lost * (1 - bed.lesions.stain_left[at])
        grain = 1 + 0.10 * self.noise(16)[mask] + 0.05 * self.noise(5)[mask]
        patches = 1 + 0.10 * self.noise(140)[mask]
        self.safranin[mask] = np.clip(self.articular * profile * left * grain * patches, 0, 2)
        self.green[mask] = np.clip(
            (1 - left) * rng.uniform(0.06, 0.28) + rng.uniform(0, 0.05), 0, 1
        )
        zone = np.zeros(self.shape, np.float32)
        zone[mask] = depth + 0.01
        angle = self.view.angle
        flat, deep = mask & (zone < 0.2), mask & (zone >= 0.2)
        self.cells.draw(
            scatter(flat, 11 * self.px, rng, 0.6), 1.7, 2.3, lacuna=2.2, halo=0.3, angle=angle
        )
        self.cells.draw(
            scatter(deep, 14 * self.px, rng, 0.75), 2.0, 1.4, lacuna=3.6, halo=0.7, angle=angle + 90
        )

    def _paint_calcified(self, bed: CartilageBed, mask: Mask) -> None:
        rng = self.rng
        grain = 1 + 0.13 * self.noise(14)[mask]
        self.safranin[mask] = self.articular * rng.uniform(0.45, 1.05) * grain
        self.green[mask] = rng.uniform(0.02, 0.16)
        self.cells.draw(scatter(mask, 17 * self.px, rng, 0.6), 2.0, 1.2, lacuna=4.4, halo=0.5)
        line = np.zeros(self.shape, np.uint8)
        points = np.rint(self.view.to_pixels(bed.base) * 16).astype(np.int32)
        cv2.polylines(line, [points], False, 255, max(1, round(1.2 * self.px)), cv2.LINE_AA, 4)
        tidemark = line.astype(np.float32) / 255 * (self.tissue != Tissue.BACKGROUND)
        self.haem += tidemark * rng.uniform(0.03, 0.3)

    def _depth(
        self, bed: CartilageBed, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Depth below the intact surface (0 top, 1 tidemark) and index along the tidemark."""
        points = self.view.to_knee(np.column_stack([columns, rows]).astype(float))
        height, at = cKDTree(bed.base).query(points)
        return 1 - np.clip(height / np.maximum(bed.intact[at], 6), 0, 1), at

    def _finished(self) -> Scene:
        rng = self.rng
        present = self.tissue != Tissue.BACKGROUND
        lacunae, nuclei, halos, walls = self.cells.fields()
        clear = self.clear * (1 - 0.9 * lacunae)
        fine = 1 + 0.05 * self.noise(2.0) + 0.05 * self.noise(6)
        slow = 1 + 0.06 * self.noise(500)
        safranin = self.safranin * (1 + rng.uniform(0, 0.6) * halos) * clear
        green = self.green * clear + walls * rng.uniform(0.1, 0.3)
        haem = self.haem * clear + nuclei * rng.uniform(0.35, 0.9)
        dyes = np.stack([safranin, green, haem], -1) * (fine * slow * present)[..., None]
        soft = cv2.GaussianBlur(dyes, (0, 0), max(0.35, 0.45 * self.px))
        return Scene(np.clip(soft, 0, 2.5), self.tissue, self.zones, self.view)


def _at(x: Field, columns: NDArray[np.float64], values: NDArray[np.float64]) -> Field:
    """values(x) for every pixel; columns are evenly spaced, so this is one gather."""
    step = columns[1] - columns[0]
    index = np.clip((x - columns[0]) / step, 0, len(columns) - 1.001)
    low = index.astype(np.int32)
    part = (index - low).astype(np.float32)
    v = values.astype(np.float32)
    return np.asarray(v[low] * (1 - part) + v[low + 1] * part, np.float32)


def _envelope(
    line: NDArray[np.float64], columns: NDArray[np.float64], lowest: bool
) -> NDArray[np.float64]:
    """y of a bone's joint side over x: the lowest part of the femur, the highest of the tibia."""
    step = columns[1] - columns[0]
    index = np.rint((line[:, 0] - columns[0]) / step).astype(int)
    ok = (index >= 0) & (index < len(columns))
    value = np.full(len(columns), -np.inf if lowest else np.inf)
    (np.maximum if lowest else np.minimum).at(value, index[ok], line[ok, 1])
    known = np.isfinite(value)
    return np.interp(columns, columns[known], value[known])


def _locate(bed: CartilageBed, bone: BoneEnd) -> int:
    """Index of the bed's first point on its bone's tidemark."""
    return int(np.argmin(np.hypot(*(bone.tidemark - bed.base[0]).T)))
