"""How near synthetic slides come to real Safranin O / Fast Green: colour and texture.

    export HISTOSCORE_REAL_DATA=…                 # holds cartilage_tiles/
    histoscore phantom study --animals 4 --seed 5
    python -m benchmarks.realism study --out docs/phantom-realism.png

Prints dye directions and, for regions that correspond, medians [5–95 %] of dye amounts, relative
contrast, cells; draws the same. The real pictures are human engineered cartilage, so that a match
is not expected in everything: its cells and lacunae are larger, its matrix is weaker, and its
camera seems to have sharpened it (dark rims around lacunae). Draw the study at half the field's
1.02 µm/px or finer, so that shrinking does not blur it.

`phantom: measured` are the purest pixels of synthetic slides, by the same rule as the real ones:
where a painter lays one dye over another everywhere, no pixel is pure and they differ from `DYES`.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import tifffile
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import wasserstein_distance

from benchmarks.textures import (
    DYE_NAMES,
    OCTAVES_PX,
    PATCH_PX,
    Floats,
    Picture,
    Row,
    Sample,
    angle,
    compared,
    dye_directions,
    fullest_window,
    radial,
    sampled,
    spectra_of,
    unit,
    unmixed,
)
from histoscore.errors import SlideError
from histoscore.geometry import Box, Mpp
from histoscore.image.stain import Rgb, optical_density, white_point
from histoscore.image.tissue import tissue_mask
from histoscore.phantom.staining import DYES
from histoscore.records import Mask
from histoscore.slides.open import open_slide
from histoscore.vocabulary import Tissue

MPP = Mpp(1.0238)
"""Of the real field, from its Olympus tag; synthetic slides are read at the same."""
SECTION_PX = 3000
"""Side of the part of a synthetic slide that is looked at: about one section."""
FIELD = "engineered_cartilage_1360x1024.tif"
MATRIX, RIM = "orange matrix", "teal rim"
SYNTHETIC = {
    "hyaline cartilage": Tissue.HYALINE,
    "growth plate": Tissue.GROWTH_PLATE,
    "bone": Tissue.BONE,
    "soft tissue": Tissue.SOFT,
}
GROUPS = ((MATRIX, "hyaline cartilage", "growth plate"), (RIM, "bone", "soft tissue"))
"""What stands beside what: a real region, then synthetic ones."""
COLOURS = {
    MATRIX: "#222222",
    RIM: "#222222",
    "hyaline cartilage": "#d95f02",
    "growth plate": "#c2185b",
    "bone": "#00796b",
    "soft tissue": "#5e6ad2",
}
ATTRIBUTION = (
    "Real pictures: Power et al. 2021, doi 10.1016/j.joca.2020.12.018 "
    "(github.com/Lopo358/AutomatedMBS), CC BY 4.0; cropped. "
    "Scale 1.0238 µm per pixel, real and synthetic."
)

_HUE_UM, _ORANGE_MIN, _TEAL_MIN = 15.0, 0.04, 0.08
"""Blur, and by how much blue density must then exceed red, or red blue, in matrix and rim."""


def real_field(folder: Path) -> Picture:
    """The large picture; its regions by their blurred hue, so that no dye is assumed."""
    rgb = np.asarray(Image.open(folder / FIELD).convert("RGB"))
    small = cv2.resize(rgb, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    tissue = _enlarged(tissue_mask(np.asarray(small, np.uint8), 4 * MPP), rgb.shape) > 0
    white = white_point(rgb, tissue)
    density = optical_density(rgb, white)
    hue = cv2.GaussianBlur(density[..., 2] - density[..., 0], (0, 0), _HUE_UM / MPP)
    regions = {MATRIX: tissue & (hue > _ORANGE_MIN), RIM: tissue & (hue < -_TEAL_MIN)}
    return Picture(rgb, MPP, white, regions)


def real_tiles(folder: Path) -> tuple[Floats, Rgb, float]:
    """Densities (n, 3) of all tiles, their common white, their µm per pixel.

    They show no glass: the brightest 0.1 % of all their pixels is taken for white. The µm per
    pixel stands in the microscope's description, which ImageJ kept.
    """
    files = sorted(folder.glob("MBS*/*.tif"))
    pixels = np.concatenate(
        [np.asarray(Image.open(f).convert("RGB")).reshape(-1, 3) for f in files]
    )
    red, green, blue = np.quantile(pixels, 0.999, axis=0)
    white = (float(red), float(green), float(blue))
    with tifffile.TiffFile(files[0]) as tiff:
        about = str((tiff.imagej_metadata or {}).get("Info", ""))
    size = re.search(r'PhysicalSizeX="([\d.]+)"', about)
    mpp = float(size.group(1)) if size else float("nan")
    return optical_density(pixels[:, None], white)[:, 0].astype(np.float64), white, mpp


def label_map(study: Path, slide: str) -> NDArray[np.uint8]:
    """`Tissue` values of a synthetic slide, whichever way the study stores them."""
    stem = study / "truth" / slide.partition(".")[0]
    if stem.with_suffix(".labels.tif").exists():
        return np.asarray(tifffile.imread(stem.with_suffix(".labels.tif")), np.uint8)
    return np.asarray(Image.open(stem.with_suffix(".labels.png")), np.uint8)


def synthetic_picture(path: Path, whole: NDArray[np.uint8]) -> Picture:
    """The part of a slide with most hyaline cartilage, at most about one section.

    Args:
        path: of the slide.
        whole: labels of all of it, at any scale.
    """
    with open_slide(path) as slide:
        scale = slide.info.width / whole.shape[1]
        side = round(SECTION_PX * MPP / slide.info.mpp / scale)
        rows, columns = fullest_window(whole == Tissue.HYALINE, side)
        labels = whole[rows, columns]
        left, top, width, height = (
            round(n * scale) for n in (columns.start, rows.start, *labels.shape[::-1])
        )
        rgb = slide.read_at(Box(left, top, width, height), MPP)
    labels = _enlarged(labels, rgb.shape)
    regions = {name: labels == tissue for name, tissue in SYNTHETIC.items()}
    regions["marrow"] = labels == Tissue.MARROW
    return Picture(rgb, MPP, white_point(rgb, labels != Tissue.BACKGROUND), regions)


def synthetic_pictures(study: Path, most: int) -> Iterator[Picture]:
    """Of the study's first slides; says which of them cannot be read."""
    for path in islice(sorted((study / "slides").iterdir()), most):
        try:
            yield synthetic_picture(path, label_map(study, path.name))
        except (SlideError, FileNotFoundError) as error:
            print(f"left out: {path.name}: {error}")


def real_dyes(field: Picture, tiles: Floats) -> Floats:
    """Dyes of the field's matrix and rim, and of the tiles, whose nuclei are large and hardly
    covered by other dyes."""
    return dye_directions(field.density(MATRIX), field.density(RIM), tiles)


def synthetic_dyes(pictures: Sequence[Picture]) -> Floats:
    """The same of synthetic slides: hyaline cartilage and growth plate, bone and soft tissue,
    marrow; for slides of one batch each, the mean over all."""
    each = [
        dye_directions(
            np.concatenate([p.density("hyaline cartilage"), p.density("growth plate")]),
            np.concatenate([p.density("bone"), p.density("soft tissue")]),
            p.density("marrow"),
        )
        for p in pictures
    ]
    return np.array([unit(row) for row in np.mean(each, axis=0)])


def print_light(
    field: Picture, tile_white: Rgb, tile_mpp: float, pictures: Sequence[Picture]
) -> None:
    """Colours of empty glass."""
    phantom = np.median([p.white for p in pictures], axis=0)
    for name, white in (
        ("real field", field.white),
        (f"real tiles ({tile_mpp} µm/px), brightest 0.1 %", tile_white),
        (f"phantom, {len(pictures)} slides", phantom),
    ):
        print(f"white of {name:<45}" + " ".join(f"{value:.0f}" for value in white))


def print_dyes(real: Floats, synthetic: Floats) -> None:
    """Directions side by side, with the angles between them."""
    columns = "real", "phantom: DYES", "phantom: measured"
    print(f"\n{'unit optical density (R, G, B)':<32}" + "".join(f"{c:<24}" for c in columns))
    for name, *rows in zip(DYE_NAMES, real, DYES, synthetic, strict=True):
        texts = ["({:.3f}, {:.3f}, {:.3f})".format(*row) for row in rows]
        print(f"{name:<32}" + "".join(f"{text:<24}" for text in texts))
        to_dyes, to_measured = angle(rows[0], rows[1]), angle(rows[0], rows[2])
        print(f"{'  degrees from real':<56}{to_dyes:<24.1f}{to_measured:.1f}")


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """One pair's table."""
    print(f"\n{title:<46}{'real':>22}{'phantom':>22}{'ratio':>8}{'Wasserstein':>13}")
    for row in rows:
        if not len(row.real) or not len(row.synthetic):
            print(f"{row.name:<46}{_spread(row.real, row.form):>22}", "none to compare")
            continue
        centre = np.median(row.real), np.median(row.synthetic)
        ratio = f"{centre[1] / centre[0]:.2f}" if abs(centre[0]) > 0.005 else "–"
        gap = wasserstein_distance(row.real, row.synthetic)
        texts = _spread(row.real, row.form), _spread(row.synthetic, row.form)
        print(f"{row.name:<46}{texts[0]:>22}{texts[1]:>22}{ratio:>8}{gap:>13{row.form}}")


def draw(
    out: Path,
    field: Picture,
    pictures: Sequence[Picture],
    samples: Mapping[str, Sample],
    dyes: Sequence[Floats],
) -> None:
    """The figure: pieces at one scale, amounts of dye, spectra, colours of the dyes.

    Args:
        out: PNG to write.
        field: the real picture.
        pictures: the synthetic ones.
        samples: of all regions by name.
        dyes: real and measured directions.
    """
    figure = Figure(figsize=(13, 10.6), dpi=110, layout="constrained")
    figure.suptitle(
        "Synthetic mouse-knee slides against real Safranin O / Fast Green sections\n"
        "The real ones are human engineered cartilage, not mouse knee: cells and lacunae are "
        "larger, the matrix is weaker; a match is not expected in everything",
        fontsize=11,
    )
    figure.supxlabel(ATTRIBUTION, fontsize=8)
    rows = figure.subfigures(3, 1, height_ratios=(0.75, 1, 1))
    for axes, name in zip(rows[0].subplots(1, 6), chain(*GROUPS), strict=True):
        show_piece(axes, [field] if name in field.regions else pictures, name)
    panels = rows[1].subplots(1, 3)
    for axes, dye, group in zip(panels, range(3), (GROUPS[0], GROUPS[1], GROUPS[0]), strict=True):
        show_amounts(axes, dye, {name: samples[name] for name in group}, dyes[0])
    panels = rows[2].subplots(1, 3)
    for axes, group in zip(panels, GROUPS, strict=False):
        show_spectra(axes, {name: samples[name] for name in group})
    show_dyes(panels[2], dyes)
    save_small(figure, out)


def save_small(figure: Figure, out: Path) -> None:
    """Writes the figure in 256 colours, dithered: half the bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    colours = picture.quantize(256, kmeans=1)
    picture.quantize(palette=colours).save(out, "PNG", optimize=True)


def show_piece(axes: Axes, pictures: Sequence[Picture], region: str) -> None:
    """200 µm of the picture that has most of a region, with a bar of 50 µm."""
    picture = max(pictures, key=lambda p: p.regions[region].sum())
    piece = picture.rgb[fullest_window(picture.regions[region], round(200 / MPP))]
    axes.imshow(piece, interpolation="nearest")
    axes.plot([8, 8 + 50 / MPP], [len(piece) - 10] * 2, color="black", linewidth=3)
    axes.text(8, len(piece) - 16, "50 µm", fontsize=8)
    axes.set_title(labelled(region), fontsize=9, color=COLOURS[region])
    axes.set_xticks([])
    axes.set_yticks([])


def show_amounts(axes: Axes, dye: int, samples: Mapping[str, Sample], dyes: Floats) -> None:
    """How much of one dye the pixels of each region hold."""
    bins = np.arange(0, (0.62 if dye == 2 else 1.52), 0.02)
    for name, sample in samples.items():
        if len(sample.density):
            amounts = np.minimum(unmixed(sample.density, dyes)[:, dye], bins[-2])
            share = np.histogram(amounts, bins)[0] / len(amounts) * 100
            axes.stairs(
                share, bins, color=COLOURS[name], label=labelled(name), linewidth=width(name)
            )
    axes.set(yscale="log", ylim=(0.02, 100), xlim=(0, bins[-1]), ylabel="pixels, % per 0.02 OD")
    axes.set_xlabel(f"{DYE_NAMES[dye]}, optical density along the real direction")
    axes.set_title(f"{DYE_NAMES[dye]} in each pixel (last bin: or more)", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def show_spectra(axes: Axes, samples: Mapping[str, Sample]) -> None:
    """Median power spectra, each around its own mean density; the real one with its quartiles."""
    at = np.arange(1, PATCH_PX // 2 + 1) / PATCH_PX / MPP
    real, *others = samples
    narrow = min(others, key=lambda name: len(samples[name].patches) or np.inf)
    for name, sample in samples.items():
        mate = samples[narrow] if name == real else samples[real]
        if not sample.patches or not mate.patches:
            continue
        low, middle, high = np.quantile(
            [radial(p) * MPP**2 for p in spectra_of(sample, mate)[0]], (0.25, 0.5, 0.75), axis=0
        )
        axes.loglog(at, middle, color=COLOURS[name], label=labelled(name), linewidth=width(name))
        if name == real:
            axes.fill_between(at, low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
    waves = [long for long, _ in OCTAVES_PX] + [OCTAVES_PX[-1][1]]
    axes.set_xticks([1 / wave / MPP for wave in waves], [f"{wave * MPP:.0f}" for wave in waves])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="wavelength, µm (finer →)", ylabel="power ÷ mean density², µm²")
    axes.set_title(f"Texture: power spectrum, {real} against phantom", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def show_dyes(axes: Axes, dyes: Sequence[Floats]) -> None:
    """The dyes as colours at density 0.6."""
    columns = {"real": dyes[0], "phantom: set": DYES, "phantom: measured": dyes[1]}
    swatches = 10 ** (-0.6 * np.stack(list(columns.values()), axis=1))
    axes.imshow(swatches, aspect="auto", extent=(0, 3, 3, 0))
    for i, name in enumerate(columns):
        for j in range(3):
            text = "R {:.2f}\nG {:.2f}\nB {:.2f}".format(*columns[name][j])
            turn = f"\n{angle(dyes[0][j], columns[name][j]):.0f}° from real" if i else ""
            axes.text(i + 0.5, j + 0.5, text + turn, ha="center", va="center", fontsize=8)
    axes.set_xticks([0.5, 1.5, 2.5], columns, fontsize=8)
    axes.set_yticks([0.5, 1.5, 2.5], DYE_NAMES, rotation=90, va="center", fontsize=8)
    axes.tick_params(length=0)
    axes.set_title("Directions of the dyes, as colours at density 0.6", fontsize=10)


def labelled(region: str) -> str:
    """The region's name, and whose it is."""
    return f"{'real' if region in (MATRIX, RIM) else 'phantom'}: {region}"


def width(region: str) -> float:
    """Real lines are thick."""
    return 2.4 if region in (MATRIX, RIM) else 1.4


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, help="figure to draw (PNG)")
    parser.add_argument("--slides", type=int, default=4, help="look at so many, the first ones")
    arguments = parser.parse_args()
    if not os.environ.get("HISTOSCORE_REAL_DATA"):
        parser.error("HISTOSCORE_REAL_DATA is not set: it names the folder with cartilage_tiles/")
    folder = Path(os.environ["HISTOSCORE_REAL_DATA"]) / "cartilage_tiles"
    if not (folder / FIELD).exists():
        parser.error(f"{folder / FIELD} is missing: is HISTOSCORE_REAL_DATA the right folder?")
    rng = np.random.default_rng(1)
    field, (tiles, tile_white, tile_mpp) = real_field(folder), real_tiles(folder)
    pictures = list(synthetic_pictures(arguments.study, arguments.slides))
    if not pictures:
        parser.error(f"no slide with a label map in {arguments.study}")
    samples = {name: sampled(field, name, rng) for name in field.regions}
    for name in SYNTHETIC:
        samples[name] = reduce(Sample.joined, (sampled(p, name, rng) for p in pictures))
    dyes = real_dyes(field, tiles), synthetic_dyes(pictures)
    print_light(field, tile_white, tile_mpp, pictures)
    print_dyes(*dyes)
    for real, *others in GROUPS:
        for name in others:
            rows = compared(samples[real], samples[name], dyes[0], MPP, real == MATRIX)
            print_rows(f"{real} against phantom {name}", rows)
    if arguments.out:
        draw(arguments.out, field, pictures, samples, dyes)


def _enlarged(labels: NDArray[np.uint8] | Mask, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Nearest labels on another grid over the same ground, (rows, columns) as in `shape`."""
    size = shape[1], shape[0]
    grown = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(grown, np.uint8)


def _spread(values: Floats, form: str) -> str:
    """Median [5–95 %]."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return f"{middle:{form}} [{low:{form}} – {high:{form}}]"


if __name__ == "__main__":
    main()
