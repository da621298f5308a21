"""Measures of how stained tissue looks: dye directions and amounts, power spectra, spots.

Optical densities are those of stored sRGB values, as `histoscore.image.stain` takes them; no tone
curve is undone, for real and synthetic pictures alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, cycle

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histoscore.image.stain import Rgb, optical_density
from histoscore.records import Mask, RgbImage

Floats = NDArray[np.floating]

PATCH_PX = 64
"""Side of the square patches from which spectra are taken."""
OCTAVES_PX = ((64, 32), (32, 16), (16, 8), (8, 4), (4, 2))
"""Wavelengths, in pixels, between which the bands of contrast lie."""
SLOPE_PX = (32, 4)
"""Wavelengths, in pixels, between which the slope of a spectrum is fitted."""

DYE_NAMES = ("Safranin O", "Fast Green", "Haematoxylin")

_PIXELS, _PATCHES, _PATCH_SHARE = 40_000, 120, 0.5
"""How many pixels and patches stand for a region, and how much of a patch lies in it at least."""
_FEATHER_PX = 6.0
"""Over this distance from a region's edge its pixels gain weight: a hard edge has a spectrum."""
_PURE_SHARE, _NUCLEI_SHARE = 0.10, 0.02
_SURROUND_UM = 8.0
_NUCLEUS_RISE, _NUCLEUS_UM2 = 0.12, (8.0, 150.0)
_LACUNA_SHARE, _LACUNA_UM2 = 0.5, (15.0, 600.0)


def unit(vector: Floats) -> Floats:
    """The vector at length 1."""
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def angle(one: Floats, other: Floats) -> float:
    """Degrees between two directions."""
    return float(np.degrees(np.arccos(np.clip(unit(one) @ unit(other), -1, 1))))


def dye_directions(safranin: Floats, fast_green: Floats, nuclei: Floats) -> Floats:
    """(3, 3) unit densities of three dyes, each from pixels (n, 3) that hold most of it.

    Safranin O is the mean direction of the tenth of its pixels whose blue density exceeds the red
    one most, Fast Green that of the tenth where red exceeds blue most, haematoxylin that of the
    darkest 2 %.
    """
    orange, teal = (d[:, 2] - d[:, 0] for d in (safranin, fast_green))
    return np.array(
        [
            _direction(safranin, orange, _PURE_SHARE),
            _direction(fast_green, -teal, _PURE_SHARE),
            _direction(nuclei, np.linalg.norm(nuclei, axis=1), _NUCLEI_SHARE),
        ]
    )


def unmixed(density: Floats, dyes: Floats) -> Floats:
    """Amounts (n, 3), none negative, of three dyes that come nearest to densities (n, 3).

    Exact non-negative least squares: of the seven ways to leave dyes out, each pixel takes the
    best one in which no amount is negative.
    """
    amounts = np.zeros_like(density, np.float64)
    best = (density**2).sum(axis=1)
    for rows in (list(c) for n in (1, 2, 3) for c in combinations(range(3), n)):
        some = density @ np.linalg.pinv(dyes[rows])
        rest = ((density - some @ dyes[rows]) ** 2).sum(axis=1)
        better = (some >= 0).all(axis=1) & (rest < best - 1e-12)
        amounts[better] = 0
        amounts[np.ix_(better, rows)] = some[better]
        best[better] = rest[better]
    return amounts


@dataclass(frozen=True, slots=True)
class Patch:
    """A square of mean optical density and the weight (0–1) of each of its pixels."""

    density: Floats
    weight: Floats


def patches(density: Floats, region: Mask, rng: np.random.Generator) -> list[Patch]:
    """Patches, up to a number, that lie at least by half in the region."""
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    feather = np.clip(inside / _FEATHER_PX, 0, 1)
    corners = [place for place in _grid(region.shape) if region[place].mean() >= _PATCH_SHARE]
    chosen = rng.permutation(len(corners))[:_PATCHES]
    return [Patch(density[corners[i]], feather[corners[i]]) for i in chosen]


def power(patch: Patch, window: Floats | None = None) -> Floats:
    """Two-sided power density (px², relative to the mean density squared) over `frequencies()`.

    Args:
        patch: the pixels; those outside its region count nothing.
        window: weights of another patch, applied on top, so that a wide region can be looked at
            through the outline of a narrow one.
    """
    weight = patch.weight * _hann() * (1 if window is None else window)
    mean = (patch.density * weight).sum() / weight.sum()
    wave = (patch.density / mean - 1) * weight
    return np.asarray(np.abs(np.fft.fft2(wave)) ** 2 / (weight**2).sum(), np.float64)


def frequencies() -> Floats:
    """Cycles a pixel of every coefficient of a patch."""
    line = np.fft.fftfreq(PATCH_PX)
    return np.asarray(np.hypot(line[:, None], line[None]), np.float64)


def radial(density: Floats) -> Floats:
    """Mean power density in rings of whole cycles a patch, from 1 to half its side."""
    ring = np.rint(frequencies() * PATCH_PX).astype(int).ravel()
    total = np.bincount(ring, density.ravel()) / np.bincount(ring)
    return np.asarray(total[1 : PATCH_PX // 2 + 1], np.float64)


def octave_contrast(density: Floats) -> Floats:
    """RMS contrast, relative to the mean density, in each band of `OCTAVES_PX`."""
    at = frequencies()
    bands = [density[(at >= 1 / long) & (at < 1 / short)].sum() for long, short in OCTAVES_PX]
    return np.asarray(np.sqrt(bands) / PATCH_PX)


def slope(density: Floats) -> float:
    """Exponent of the power law that fits a spectrum between the wavelengths `SLOPE_PX`."""
    first, last = (PATCH_PX // wavelength for wavelength in SLOPE_PX)
    cycles = np.arange(first, last + 1)
    line = np.polyfit(np.log10(cycles), np.log10(radial(density)[first - 1 : last]), 1)
    return float(line[0])


@dataclass(frozen=True, slots=True)
class Spots:
    """Areas (µm²) of spots, and the ground (mm²) on which they were counted."""

    areas: Floats
    ground: float

    @property
    def per_mm2(self) -> float:
        return len(self.areas) / self.ground

    def joined(self, other: Spots) -> Spots:
        """Both together."""
        return Spots(np.concatenate([self.areas, other.areas]), self.ground + other.ground)


def nuclei(red: Floats, region: Mask, mpp: float) -> Spots:
    """Spots that absorb more red light than their surround by 0.12 OD: Safranin O hardly does."""
    rise = _blurred(red, 0.7 / mpp) - _surround(red, region, mpp)
    return _spots((rise > _NUCLEUS_RISE) & region, region, mpp, _NUCLEUS_UM2)


def lacunae(green: Floats, region: Mask, mpp: float) -> Spots:
    """Holes that absorb less than half the green light of their surround."""
    dip = _blurred(green, 0.7 / mpp) < _LACUNA_SHARE * _surround(green, region, mpp)
    return _spots(dip & region, region, mpp, _LACUNA_UM2)


@dataclass(frozen=True, slots=True)
class Picture:
    """A stained picture, its µm per pixel and light, and its regions by name."""

    rgb: RgbImage
    mpp: float
    white: Rgb
    regions: dict[str, Mask]

    def density(self, region: str) -> Floats:
        """Optical densities (n, 3) of a region's pixels."""
        return optical_density(self.rgb[self.regions[region]], self.white).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of one region over one or more pictures."""

    density: Floats
    patches: list[Patch]
    nuclei: Spots
    lacunae: Spots

    def joined(self, other: Sample) -> Sample:
        """Both together."""
        return Sample(
            np.concatenate([self.density, other.density]),
            self.patches + other.patches,
            self.nuclei.joined(other.nuclei),
            self.lacunae.joined(other.lacunae),
        )


def sampled(picture: Picture, region: str, rng: np.random.Generator) -> Sample:
    """Pixels, patches and cells of a region."""
    mask = picture.regions[region]
    top, left = (np.flatnonzero(mask.any(axis=a)) for a in (1, 0))
    if not len(top):
        return Sample(np.empty((0, 3)), [], Spots(np.empty(0), 0), Spots(np.empty(0), 0))
    part = (slice(top[0], top[-1] + 1), slice(left[0], left[-1] + 1))
    density = optical_density(picture.rgb[part], picture.white)
    inside = density[mask[part]]
    return Sample(
        inside[rng.permutation(len(inside))[:_PIXELS]].astype(np.float64),
        patches(density.mean(axis=2), mask[part], rng),
        nuclei(density[..., 0], mask[part], picture.mpp),
        lacunae(density[..., 1], mask[part], picture.mpp),
    )


def spectra_of(real: Sample, synthetic: Sample) -> tuple[list[Floats], list[Floats]]:
    """Power of all patches. Each is also seen through the outline of one of the other kind: thin
    layers cut long waves short, which must not pass for a difference in texture."""
    pairs = (real.patches, synthetic.patches), (synthetic.patches, real.patches)
    one, other = (
        [power(patch, mate.weight) for patch, mate in zip(own, cycle(mates), strict=False)]
        for own, mates in pairs
    )
    return one, other


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity, real and synthetic: values to compare, and how to print them."""

    name: str
    real: Floats
    synthetic: Floats
    form: str = ".2f"


def compared(
    real: Sample, synthetic: Sample, dyes: Floats, mpp: float, with_cells: bool
) -> list[Row]:
    """Amounts, contrast and cells of a real and a synthetic region."""
    amounts = [unmixed(s.density, dyes) for s in (real, synthetic)]
    rows = [Row(f"{dye}, OD", *(a[:, i] for a in amounts)) for i, dye in enumerate(DYE_NAMES)]
    rows.append(Row("mean of R, G and B, OD", *(s.density.mean(axis=1) for s in (real, synthetic))))
    spectra = spectra_of(real, synthetic)
    bands = [np.array([octave_contrast(p) for p in s]) * 100 for s in spectra]
    for i, (long, short) in enumerate(OCTAVES_PX):
        name = f"contrast at {long * mpp:.0f}–{short * mpp:.0f} µm, %"
        rows.append(Row(name, bands[0][:, i], bands[1][:, i], ".1f"))
    rows.append(Row("slope of the spectrum", *(np.array([slope(p) for p in s]) for s in spectra)))
    if with_cells:
        for name in ("nuclei", "lacunae"):
            one, other = getattr(real, name), getattr(synthetic, name)
            counts = np.array([one.per_mm2]), np.array([other.per_mm2])
            rows.append(Row(f"{name} per mm²", *counts, ".0f"))
            rows.append(Row(f"area of {name}, µm²", one.areas, other.areas, ".0f"))
    return rows


def fullest_window(mask: Mask, side: int) -> tuple[slice, slice]:
    """The square of `side` pixels, cut at the edges, that holds most of the mask."""
    step = max(1, side // 32)
    part = mask[: mask.shape[0] // step * step, : mask.shape[1] // step * step]
    cells = part.reshape(part.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    filled = cv2.boxFilter(cells, -1, (side // step,) * 2, borderType=cv2.BORDER_CONSTANT)
    middle = np.unravel_index(filled.argmax(), filled.shape)
    starts = (
        min(max(0, int(i) * step - side // 2), max(0, n - side))
        for i, n in zip(middle, mask.shape, strict=True)
    )
    top, left = starts
    return slice(top, top + side), slice(left, left + side)


def _direction(density: Floats, rank: Floats, share: float) -> Floats:
    """Mean direction of the share of pixels (n, 3) that rank highest, strong ones counting more."""
    return unit(density[rank >= np.quantile(rank, 1 - share)].mean(axis=0))


def _grid(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Half-overlapping patches."""
    for top in range(0, shape[0] - PATCH_PX + 1, PATCH_PX // 2):
        for left in range(0, shape[1] - PATCH_PX + 1, PATCH_PX // 2):
            yield slice(top, top + PATCH_PX), slice(left, left + PATCH_PX)


def _hann() -> Floats:
    line = np.hanning(PATCH_PX + 1)[:-1]
    return np.asarray(np.outer(line, line), np.float64)


def _blurred(values: Floats | Mask, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma), np.float32)


def _surround(values: Floats, region: Mask, mpp: float) -> Floats:
    """Mean over the region's own pixels near by."""
    near = _blurred(region, _SURROUND_UM / mpp)
    return np.asarray(_blurred(values * region, _SURROUND_UM / mpp) / np.maximum(near, 1e-3))


def _spots(found: Mask, region: Mask, mpp: float, limits: tuple[float, float]) -> Spots:
    labels, _ = ndimage.label(ndimage.binary_opening(found))
    areas = np.bincount(labels.ravel())[1:] * mpp**2
    kept = areas[(areas >= limits[0]) & (areas <= limits[1])]
    return Spots(kept, float(region.sum()) * mpp**2 / 1e6)
