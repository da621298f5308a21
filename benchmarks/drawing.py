"""Pictures for docs/measures.md: where measures are taken, and the dyes of a real field.

    python -m benchmarks.drawing --curves docs/measures-curves.jpg --dyes docs/measures-dyes.jpg

The first is a phantom knee with the curves that `measure` finds on its true labels. The second
needs HISTOSCORE_REAL_DATA: Safranin O and Fast Green of a field of engineered cartilage, unmixed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tifffile
from matplotlib.axes import Axes

from histoscore.geometry import Mpp, Placement
from histoscore.image.morphometry import END_UM, measure
from histoscore.image.stain import SAFRANIN_MIN, is_safranin, unmix, white_point
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.knee.build import build_knee
from histoscore.phantom.knee.lesions import Disease
from histoscore.phantom.painting.section import paint
from histoscore.phantom.raster import View
from histoscore.phantom.staining import render, sample_batch
from histoscore.records import LabelMap, Morphometry, RgbImage
from histoscore.vocabulary import Compartment, Tissue

SEED = 8_901
MPP = Mpp(0.8)
SIZE_UM = (2_300, 1_250)
GRADES = {
    Compartment.MFC: 2.0,
    Compartment.MTP: 4.0,
    Compartment.LFC: 0.5,
    Compartment.LTP: 1.0,
}
EVERY_UM = 40
"""Distance between the normals that are drawn; they are taken every micrometre."""
FIELD = Path("cartilage_tiles") / "engineered_cartilage_1360x1024.tif"
JPEG = {"quality": 80}
ATTRIBUTION = "field: Power et al. 2021 (doi 10.1016/j.joca.2020.12.018), CC BY 4.0"


def joint() -> tuple[RgbImage, list[Morphometry]]:
    """A phantom joint, and what is measured on its true labels."""
    chance = Chance((SEED,))
    at = Slice(chance.part("animal"), chance.part("section"), 900.0)
    knee = build_knee(at, {c: Disease(grade=grade) for c, grade in GRADES.items()})
    view = View((round(SIZE_UM[1] / MPP), round(SIZE_UM[0] / MPP)), MPP)
    scene = paint(knee, view)
    rng = np.random.default_rng(SEED)
    picture = render(scene.dyes, MPP, sample_batch(rng), rng)
    cartilage = np.isin(scene.tissue, (Tissue.HYALINE, Tissue.CALCIFIED))
    compartments = np.where(cartilage, scene.zones, 0).astype(np.uint8)
    labels = LabelMap(scene.tissue, compartments, Placement(0, 0, 1, MPP))
    found = (measure(labels, compartment, (0.0, -1.0)) for compartment in Compartment)
    return picture, [one for one in found if one is not None]


def draw_compartment(axis: Axes, measures: Morphometry, width: float) -> None:
    """Surface, tidemark, lower edge, some normals, and what lies bare."""
    surface = measures.surface
    step = int(EVERY_UM)
    for place in range(0, len(surface.tidemark), step):
        ends = np.stack([surface.outer[place], surface.bone[place]])
        axis.plot(*ends.T, color="white", linewidth=0.45 * width, alpha=0.9)
    axis.plot(*surface.outer.T, color="#005aa0", linewidth=width)
    axis.plot(*surface.tidemark.T, color="black", linewidth=0.8 * width, linestyle=(0, (4, 2)))
    axis.plot(*surface.bone.T, color="#00876c", linewidth=width)
    bare = np.where(surface.eroded[:, None], surface.tidemark, np.nan)
    axis.plot(*bare.T, color="#d60046", linewidth=2.4 * width, solid_capstyle="butt")


def draw_curves(path: Path) -> None:
    """The whole joint above, one plateau closer below."""
    from matplotlib import pyplot as plt

    picture, found = joint()
    figure, (whole, close) = plt.subplots(2, 1, figsize=(11, 9.6), dpi=110, height_ratios=(1.25, 1))
    for axis, width in ((whole, 1.1), (close, 2.2)):
        axis.imshow(picture)
        axis.set_axis_off()
        for one in found:
            draw_compartment(axis, one, width)
    for one in found:
        middle = one.surface.bone.mean(0)
        inward = one.surface.bone.mean(0) - one.surface.outer.mean(0)
        x, y = middle + 75 * inward / np.linalg.norm(inward)
        whole.text(x, y, one.compartment.value, ha="center", va="center", weight="bold", size=13)
    plateau = next(one for one in found if one.compartment is Compartment.MTP)
    line = plateau.surface.tidemark
    low, high = line.min(0) - 90, line.max(0) + 90
    close.set_xlim(low[0], high[0])
    close.set_ylim(high[1], low[1])
    for end, place in ((line[0], int(END_UM)), (line[-1], len(line) - 1 - int(END_UM))):
        close.annotate(
            "tip", end, np.add(end, (0, 70)), ha="center", arrowprops={"arrowstyle": "->"}, size=11
        )
        close.plot(*line[place], "o", color="black", markersize=6)
    whole.set_title("surface blue, tidemark dashed, lower edge green, bare stretches red", size=12)
    close.set_title(f"{plateau.compartment.value}: dots {END_UM:.0f} µm from the tips", size=12)
    figure.tight_layout()
    figure.savefig(path, pil_kwargs=JPEG)


def draw_dyes(path: Path, folder: Path) -> None:
    """A real field beside its Safranin O, its Fast Green and what counts as positive."""
    from matplotlib import pyplot as plt

    field = np.ascontiguousarray(tifffile.imread(folder / FIELD)[..., :3])
    bright = field.min(axis=2) > np.percentile(field.min(axis=2), 97)
    white = white_point(field, ~bright)
    amounts = unmix(field, white=white)
    figure, axes = plt.subplots(2, 2, figsize=(13, 10), dpi=80)
    limits = [float(np.percentile(amounts[..., dye], 99.5)) for dye in (0, 1)]
    shown = (
        ("the field", field, None, None),
        (
            f"Safranin O, optical density 0 to {limits[0]:.2f}",
            amounts[..., 0],
            "inferno",
            limits[0],
        ),
        (
            f"Fast Green, optical density 0 to {limits[1]:.2f}",
            amounts[..., 1],
            "viridis",
            limits[1],
        ),
        (
            f"Safranin O ≥ {SAFRANIN_MIN:g} and more than Fast Green",
            is_safranin(amounts),
            "gray",
            1,
        ),
    )
    for axis, (title, picture, colours, most) in zip(axes.flat, shown, strict=True):
        axis.imshow(picture, cmap=colours, vmin=0, vmax=most)
        axis.set_title(title, size=12)
        axis.set_axis_off()
    figure.text(0.01, 0.005, ATTRIBUTION, size=9)
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, pil_kwargs=JPEG)


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--curves", type=Path)
    parser.add_argument("--dyes", type=Path)
    arguments = parser.parse_args()
    mpl.use("Agg")
    if arguments.curves:
        draw_curves(arguments.curves)
    if arguments.dyes:
        draw_dyes(arguments.dyes, Path(os.environ["HISTOSCORE_REAL_DATA"]))


if __name__ == "__main__":
    main()
