"""Pictures of what the phantom draws, for docs/phantom.md.

    python -m benchmarks.gallery --out docs/phantom-knees.jpg --artefacts docs/phantom-artefacts.jpg

The first: a healthy, an ill and a `shifted` knee with the ill one's labels. The second: every kind
of artefact at its own scale, cut from slides on which nothing else went wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

from histoscore.phantom.artefacts import Artefact, ArtefactKind, ArtefactRates
from histoscore.phantom.experiment import PhantomSettings, plan_animals, scanner_mpp
from histoscore.phantom.mounting import DrawnSlide, draw_slide
from histoscore.phantom.staining import Appearance, sample_batch
from histoscore.records import RgbImage
from histoscore.vocabulary import IGNORE, Tissue

SEED = 8_102
CROP_UM = 1300
KNEES: tuple[tuple[str, int, Appearance], ...] = (
    ("sham", 0, "standard"),
    ("DMM + vehicle", 1, "standard"),
    ("DMM + vehicle, appearance shifted", 1, "shifted"),
)


def drawn(number: int, settings: PhantomSettings, seed: int = SEED) -> DrawnSlide:
    """The slide of one animal of a study of three."""
    rng = np.random.default_rng(seed)
    batch = sample_batch(rng, settings.appearance)
    mpp = scanner_mpp(settings, rng)
    animal = plan_animals(3, settings, rng)[number]
    return draw_slide(animal, batch, mpp, settings, seed)


def label_colours(tissue: np.ndarray) -> RgbImage:
    """A label map in the colours of overlays and QuPath objects."""
    palette = np.zeros((256, 3), np.uint8)
    for kind in Tissue:
        palette[kind] = kind.color
    palette[IGNORE] = (30, 30, 30)
    return palette[tissue]


def draw_knees(path: Path) -> None:
    """Three whole sections and one label map."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(22, 7.4), dpi=100)
    labels = None
    for axis, (title, number, appearance) in zip(axes, KNEES, strict=False):
        settings = PhantomSettings(
            appearance=appearance, sections=(1, 1), artefacts=False, mpp=0.9113, upside_down=0
        )
        slide = drawn(number, settings)
        show(axis, slide.picture, title)
        labels = slide.tissue if number == 1 and labels is None else labels
    show(axes[3], label_colours(labels), "labels of the second")
    figure.tight_layout()
    figure.savefig(path, pil_kwargs={"quality": 82})


def show(axis: mpl.axes.Axes, picture: RgbImage, title: str) -> None:
    axis.imshow(cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    axis.set_title(title, fontsize=14)
    axis.set_axis_off()


def only(kind: ArtefactKind) -> ArtefactRates:
    """Nothing but one kind of artefact, as often as can be."""
    rates = dict.fromkeys(ArtefactRates.model_fields, 0.0)
    return ArtefactRates(**(rates | {kind.value: 4.0 if kind is ArtefactKind.DUST else 1.0}))


def cut_out(slide: DrawnSlide, artefact: Artefact) -> RgbImage:
    """A square around an artefact, as large as it is, or around tissue where it is everywhere."""
    rows, columns = slide.tissue.shape
    if artefact.outline is None:
        x, y, half = columns / 2, rows / 2, min(rows, columns) / 2
    else:
        largest = max(getattr(artefact.outline, "geoms", [artefact.outline]), key=lambda g: g.area)
        left, top, right, bottom = largest.bounds
        x, y = (left + right) / 2, (top + bottom) / 2
        least = 700 if artefact.kind is ArtefactKind.DUST else 90
        reach = 0.6 * max(right - left, bottom - top)
        half = np.clip(reach, least / slide.mpp, CROP_UM / slide.mpp)
    x, y = (int(np.clip(v, half, max(half, n - half))) for v, n in ((x, columns), (y, rows)))
    half = int(half)
    part = slide.picture[max(0, y - half) : y + half, max(0, x - half) : x + half]
    return np.asarray(cv2.resize(part, (520, 520), interpolation=cv2.INTER_AREA))


def draw_artefacts(path: Path) -> None:
    """One picture for each kind."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 5, figsize=(22, 9.4), dpi=90)
    for axis, kind in zip(axes.ravel(), ArtefactKind, strict=True):
        settings = PhantomSettings(
            sections=(1, 1), height_um=2400, mpp=0.6113, artefact_rates=only(kind)
        )
        slide = drawn(1, settings, SEED + 1)
        found = [artefact for artefact in slide.artefacts if artefact.kind is kind]
        largest = max(found, key=lambda a: a.outline.area if a.outline else 0)
        axis.imshow(cut_out(slide, largest))
        axis.set_title(kind.value, fontsize=15)
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, pil_kwargs={"quality": 82})


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("phantom-knees.jpg"))
    parser.add_argument("--artefacts", type=Path, default=Path("phantom-artefacts.jpg"))
    arguments = parser.parse_args()
    mpl.use("agg")
    draw_knees(arguments.out)
    draw_artefacts(arguments.artefacts)


if __name__ == "__main__":
    main()
